"""Lists of orders as pages show them: filtered, searched, and counted, each through a bounded number of rows."""

from datetime import datetime
from typing import Any, Final

from msgspec import Struct, structs
from psycopg.rows import TupleRow

from opensmm.base.ids import CustomerId, OrderId, ProviderId, ServiceId, order_key
from opensmm.base.money import Money
from opensmm.base.pages import MAX_ID, Keyset, Page
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.ledger import TransferKind
from opensmm.domain.order_views import OrderView, status_word
from opensmm.domain.orders import OrderState, OrderStatus
from opensmm.store import pages
from opensmm.store.connection import Connection
from opensmm.store.orders import DELIVERIES, VIEW_COLUMNS, view_of
from opensmm.store.pages import EVERY_ID, IdFinder, IdRange, PageQuery

MAX_LIVE: Final = 20_000
"""Orders that are not at their end, up to which they are listed by what is under way; of more, a part is in reach by
their ids."""
MAX_COUNTED: Final = 100
"""A count of orders stops here."""
LIVE_STATUSES: Final = frozenset((OrderStatus.PENDING, OrderStatus.PROCESSING, OrderStatus.IN_PROGRESS))
LIVE_STATES: Final = frozenset((OrderState.OPEN, OrderState.ACTIVE, OrderState.PAUSED))


class OrderFilter(Struct, frozen=True):
    """Which orders a page shows; a field that is empty lets all pass. ``link``: a part of it, in any case. ``among``:
    found by a search. Times from ``since`` until before ``until``."""

    customer: CustomerId | None = None
    statuses: tuple[OrderStatus, ...] = ()
    service: ServiceId | None = None
    provider: ProviderId | None = None
    link: str = ""
    since: datetime | None = None
    until: datetime | None = None
    among: tuple[OrderId, ...] | None = None


EVERY_ORDER: Final = OrderFilter()


class OrderRow(Struct, frozen=True):
    """An order in a list of its customer's. ``quantity`` is of all runs together; ``charge`` is what was charged."""

    view: OrderView
    state: OrderState
    quantity: int
    charge: Money
    refunded: Money
    earned: Money
    service: ServiceId
    service_name: str
    link: str
    created: datetime
    ended: datetime | None


class PanelOrderRow(Struct, frozen=True):
    """An order in a list of the panel's. ``cost``: what is booked of it; the provider is that of the newest attempt."""

    order: OrderRow
    customer: CustomerId
    customer_name: str
    provider: ProviderId | None
    provider_name: str | None
    provider_order: str | None
    cost: Money


_ROW: Final = f"""{VIEW_COLUMNS},
  o.state, o.quantity * o.runs, o.charge, o.refunded, o.earned, o.service_id,
  coalesce((select name from service where id = o.service_id), ''), o.link, o.created,
  o.ended"""
_PANEL_ROW: Final = f"""{_ROW}, coalesce((select name from customer where id = o.customer_id), ''), t.provider_id,
  (select name from provider where id = t.provider_id), t.provider_order, k.cost"""
_PANEL_BESIDE: Final = f"""{DELIVERIES}
left join lateral (
  select provider_id, provider_order from attempt where order_id = o.id order by run desc, number desc limit 1
) t on true
left join lateral (
  select coalesce(sum(amount), 0)::bigint as cost from transfer
  where order_id = o.id and kind = '{TransferKind.COST}'
) k on true"""
_WANTED: Final = f"""(%(customer)s::bigint is null or customer_id = %(customer)s)
  and (%(service)s::bigint is null or service_id = %(service)s)
  and (%(since)s::timestamptz is null or created >= %(since)s)
  and (%(until)s::timestamptz is null or created < %(until)s)
  and (%(link)s::text is null or strpos(lower(link), %(link)s) > 0)
  and (%(states)s::text[] is null or state = any(%(states)s::text[])
    or state = '{OrderState.OPEN}' and exists (
      select from delivery d where d.order_id = o.id and d.run = 1
        and d.state = any(case when o.runs > 1 then %(drips)s::text[] else %(singles)s::text[] end)))
  and (%(provider)s::bigint is null or exists (
    select from attempt t where t.order_id = o.id and t.provider_id = %(provider)s))"""
EVERY: Final = "true"
OF_CUSTOMER: Final = "customer_id = %(customer)s"
AMONG: Final = "id = any(%(among)s::bigint[])"
OWN_LISTS: Final = {
    scope: PageQuery("orders", _ROW, row="o", scope=scope, filters=_WANTED, joins=DELIVERIES)
    for scope in (OF_CUSTOMER, AMONG)
}
PANEL_LISTS: Final = {
    scope: PageQuery("orders", _PANEL_ROW, row="o", scope=scope, filters=_WANTED, joins=_PANEL_BESIDE)
    for scope in (EVERY, OF_CUSTOMER, AMONG)
}
TIMES: Final = {scope: IdFinder("orders", scope=scope) for scope in (EVERY, OF_CUSTOMER)}


async def own_list(
    connection: Connection, customer: CustomerId, place: Keyset, currency: str, wanted: OrderFilter = EVERY_ORDER
) -> Page[OrderRow]:
    """A page of a customer's own orders, newest first. It tells nothing of providers and costs."""
    own = structs.replace(wanted, customer=customer, provider=None)
    scope = OF_CUSTOMER if own.among is None else AMONG
    filtered = own != OrderFilter(customer=customer)
    return await OWN_LISTS[scope].read(
        connection,
        place,
        _told(own),
        lambda row: _row(row, currency),
        filtered=filtered,
        ids=await _ids(connection, own),
    )


async def panel_list(
    connection: Connection, place: Keyset, currency: str, wanted: OrderFilter = EVERY_ORDER
) -> Page[PanelOrderRow]:
    """A page of the panel's orders, newest first."""
    ids = await _ids(connection, wanted)
    if wanted.customer is None and wanted.among is None and wanted.statuses and set(wanted.statuses) <= LIVE_STATUSES:
        wanted = structs.replace(wanted, among=await _live(connection))
    scope = EVERY if wanted.customer is None else OF_CUSTOMER
    scope = scope if wanted.among is None else AMONG
    filtered = wanted not in (EVERY_ORDER, OrderFilter(customer=wanted.customer))
    return await PANEL_LISTS[scope].read(
        connection, place, _told(wanted), lambda row: _panel_row(row, currency), filtered=filtered, ids=ids
    )


def _told(wanted: OrderFilter) -> dict[str, Any]:
    words = set(wanted.statuses)
    ended = [
        state.value for state in OrderState if state is not OrderState.OPEN and status_word(state, None, 1) in words
    ]
    first = {
        drips: [
            state.value for state in DeliveryState if status_word(OrderState.OPEN, state, 2 if drips else 1) in words
        ]
        for drips in (False, True)
    }
    return {
        "customer": wanted.customer,
        "service": wanted.service,
        "provider": wanted.provider,
        "since": wanted.since,
        "until": wanted.until,
        "link": wanted.link.lower() or None,
        "states": ended if words else None,
        "singles": first[False],
        "drips": first[True],
        "among": None if wanted.among is None else list(wanted.among),
    }


async def _ids(connection: Connection, wanted: OrderFilter) -> IdRange:
    if wanted.among is not None:
        return EVERY_ID
    finder = TIMES[EVERY if wanted.customer is None else OF_CUSTOMER]
    return await finder.ids(connection, wanted.since, wanted.until, {"customer": wanted.customer})


def _row(row: TupleRow, currency: str) -> OrderRow:
    state, *rest = row[9:19]
    return OrderRow(view_of(row[:9], currency), OrderState(state), *rest)


def _panel_row(row: TupleRow, currency: str) -> PanelOrderRow:
    return PanelOrderRow(_row(row, currency), row[1], *row[19:])


# Each part is an index of its own of what is under way: what has ended stands in none of them.
_UNDER_WAY: Final = """
  (select order_id from delivery where state = 'queued' and due is not null limit %(most)s)
  union (select order_id from delivery where state = 'sending' limit %(most)s)
  union (select order_id from delivery where state in ('unsure', 'held') limit %(most)s)
  union (select order_id from delivery where state in ('in_progress', 'pending', 'processing') and due is not null
    limit %(most)s)
  union (select order_id from delivery where state in ('in_progress', 'pending', 'processing') and due is null
    limit %(most)s)
"""
_LIVE: Final = f"select order_id from ({_UNDER_WAY}) live limit %(most)s"


async def _live(connection: Connection) -> tuple[OrderId, ...] | None:
    """The orders that are not at their end; None where they are more than ``MAX_LIVE``."""
    rows = await (await connection.execute(_LIVE, {"most": MAX_LIVE + 1})).fetchall()
    return None if len(rows) > MAX_LIVE else tuple(row[0] for row in rows)


_COUNTS: Final = """
with seen as (
  select id, state, runs from orders where {scope} order by id desc limit %(looked_at)s
)
select o.state, d.state as first, o.runs > 1 as drips, count(*) from seen o
left join delivery d on d.order_id = o.id and d.run = 1 and o.state = 'open' group by 1, 2, 3
"""
"""How many of the newest orders stand how."""
_LIVE_COUNTS: Final = f"""
select o.state, d.state, o.runs > 1, count(*) from ({_LIVE}) live
join orders o on o.id = live.order_id and o.state = any(%(live)s::text[])
left join delivery d on d.order_id = o.id and d.run = 1 and o.state = 'open' group by 1, 2, 3
"""
OWN_COUNTS: Final = _COUNTS.format(scope=OF_CUSTOMER)
PANEL_COUNTS: Final = f"""
with ended as ({_COUNTS.format(scope=EVERY)})
select * from ended e where e.state <> all(%(live)s::text[]) union all ({_LIVE_COUNTS})
"""


async def counts(connection: Connection, customer: CustomerId | None = None) -> dict[OrderStatus, int]:
    """How many orders stand how, each counted up to ``MAX_COUNTED``: among the newest ``LOOKED_AT`` of a customer; or,
    without one, all that are under way and the newest that have ended."""
    told = {"customer": customer, "looked_at": pages.LOOKED_AT, "most": MAX_LIVE, "live": sorted(LIVE_STATES)}
    cursor = await connection.execute(PANEL_COUNTS if customer is None else OWN_COUNTS, told)
    found = dict.fromkeys(OrderStatus, 0)
    for state, first, drips, count in await cursor.fetchall():
        status = status_word(OrderState(state), first and DeliveryState(first), 2 if drips else 1)
        found[status] = min(found[status] + count, MAX_COUNTED)
    return found


_SEARCH: Final = """
select id from orders where id = %(number)s
union
select t.order_id from provider p
join attempt t on t.provider_id = p.id and t.provider_order_key = %(key)s
union
select coalesce(n.child_id, n.order_id) from provider p
join post n on n.provider_id = p.id and n.provider_order_key = %(key)s and n.state <> 'taken'
"""


async def search(connection: Connection, text: str) -> tuple[OrderId, ...]:
    """The orders that have a number as their own id, or any text as their id at a provider."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < len(str(MAX_ID)) else None
    cursor = await connection.execute(_SEARCH, {"number": number, "key": order_key(text)})
    return tuple(OrderId(row[0]) for row in await cursor.fetchall())
