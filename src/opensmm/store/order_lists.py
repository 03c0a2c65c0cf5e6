"""Lists of orders for pages: filtered, searched and counted. Each reads a bounded number of rows."""

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
from opensmm.domain.subscriptions import PostState
from opensmm.store import pages
from opensmm.store.connection import Connection
from opensmm.store.orders import DELIVERIES, VIEW_COLUMNS, VIEW_WIDTH, view_of
from opensmm.store.pages import EVERY_ID, IdFinder, IdRange, PageQuery
from opensmm.store.state_sets import AT_PROVIDER, listed

MAX_LIVE: Final = 20_000
"""The most live orders that a list by live statuses looks through. With more, it reads a bounded part by their ids."""
MAX_COUNTED: Final = 100
"""The highest count of orders that is shown."""
LIVE_STATUSES: Final = frozenset((OrderStatus.PENDING, OrderStatus.PROCESSING, OrderStatus.IN_PROGRESS))
LIVE_STATES: Final = frozenset((OrderState.OPEN, OrderState.ACTIVE, OrderState.PAUSED))


class OrderFilter(Struct, frozen=True):
    """The orders that a page shows; an empty field lets all pass.

    ``link`` is a part of the link, in any case. ``among`` are the ids that a search returned. Orders were created from
    ``since`` until before ``until``.
    """

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
    """An order in its customer's list. ``quantity`` is of all runs together.

    ``charged`` is the whole charge; that of ``view`` is less refunds.
    """

    view: OrderView
    state: OrderState
    quantity: int
    charged: Money
    refunded: Money
    earned: Money
    service: ServiceId
    service_name: str
    link: str
    created: datetime
    ended: datetime | None


class PanelOrderRow(Struct, frozen=True):
    """An order in the panel's list. ``cost`` is what is booked; the provider is that of the newest attempt."""

    order: OrderRow
    customer: CustomerId
    customer_name: str
    provider: ProviderId | None
    provider_name: str | None
    provider_order: str | None
    cost: Money


_COLUMNS: Final = {
    "state": "o.state",
    "quantity": "o.quantity * o.runs",
    "charged": "o.charge",
    "refunded": "o.refunded",
    "earned": "o.earned",
    "service": "o.service_id",
    "service_name": "coalesce((select name from service where id = o.service_id), '')",
    "link": "o.link",
    "created": "o.created",
    "ended": "o.ended",
}
"""The fields of an ``OrderRow`` after its view, and their SQL."""
_PANEL_COLUMNS: Final = {
    "customer": "o.customer_id",
    "customer_name": "coalesce((select name from customer where id = o.customer_id), '')",
    "provider": "t.provider_id",
    "provider_name": "(select name from provider where id = t.provider_id)",
    "provider_order": "t.provider_order",
    "cost": "k.cost",
}
"""The fields of a ``PanelOrderRow`` after its order, and their SQL."""
_ROW: Final = ", ".join((VIEW_COLUMNS, *_COLUMNS.values()))
_PANEL_ROW: Final = ", ".join((_ROW, *_PANEL_COLUMNS.values()))
_PANEL_JOINS: Final = f"""{DELIVERIES}
left join lateral (
  select provider_id, provider_order from attempt where order_id = o.id order by run desc, number desc limit 1
) t on true
left join lateral (
  select coalesce(sum(amount), 0)::bigint as cost from transfer
  where order_id = o.id and kind = '{TransferKind.COST}'
) k on true"""
_FILTERS: Final = f"""(%(customer)s::bigint is null or customer_id = %(customer)s)
  and (%(service)s::bigint is null or service_id = %(service)s)
  and (%(since)s::timestamptz is null or created >= %(since)s)
  and (%(until)s::timestamptz is null or created < %(until)s)
  and (%(link)s::text is null or strpos(lower(link), %(link)s) > 0)
-- The status of an open order follows from its first run; that of another from its own state.
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
    scope: PageQuery("orders", _ROW, row="o", scope=scope, filters=_FILTERS, joins=DELIVERIES)
    for scope in (OF_CUSTOMER, AMONG)
}
PANEL_LISTS: Final = {
    scope: PageQuery("orders", _PANEL_ROW, row="o", scope=scope, filters=_FILTERS, joins=_PANEL_JOINS)
    for scope in (EVERY, OF_CUSTOMER, AMONG)
}
TIMES: Final = {scope: IdFinder("orders", scope=scope) for scope in (EVERY, OF_CUSTOMER)}


async def own_list(
    connection: Connection, customer: CustomerId, place: Keyset, currency: str, criteria: OrderFilter = EVERY_ORDER
) -> Page[OrderRow]:
    """Returns a page of a customer's orders, newest first, without providers and costs.

    The customer and provider of ``criteria`` are ignored.
    """
    own = structs.replace(criteria, customer=customer, provider=None)
    scope = OF_CUSTOMER if own.among is None else AMONG
    filtered = own != OrderFilter(customer=customer)
    return await OWN_LISTS[scope].read(
        connection,
        place,
        _bind(own),
        lambda row: _make_row(row, currency),
        filtered=filtered,
        ids=await _find_ids(connection, own),
    )


async def panel_list(
    connection: Connection, place: Keyset, currency: str, criteria: OrderFilter = EVERY_ORDER
) -> Page[PanelOrderRow]:
    """Returns a page of the panel's orders, newest first."""
    ids = await _find_ids(connection, criteria)
    statuses = set(criteria.statuses)
    if criteria.customer is None and criteria.among is None and statuses and statuses <= LIVE_STATUSES:
        criteria = structs.replace(criteria, among=await _list_live(connection))
    scope = EVERY if criteria.customer is None else OF_CUSTOMER
    scope = scope if criteria.among is None else AMONG
    filtered = criteria not in (EVERY_ORDER, OrderFilter(customer=criteria.customer))
    return await PANEL_LISTS[scope].read(
        connection, place, _bind(criteria), lambda row: _make_panel_row(row, currency), filtered=filtered, ids=ids
    )


def _bind(criteria: OrderFilter) -> dict[str, Any]:
    """Returns the parameters of ``_FILTERS``, with statuses as the states that show as them."""
    statuses = set(criteria.statuses)
    states = [
        state.value for state in OrderState if state is not OrderState.OPEN and status_word(state, None, 1) in statuses
    ]
    first_runs = {
        drips: [
            state.value for state in DeliveryState if status_word(OrderState.OPEN, state, 2 if drips else 1) in statuses
        ]
        for drips in (False, True)
    }
    return {
        "customer": criteria.customer,
        "service": criteria.service,
        "provider": criteria.provider,
        "since": criteria.since,
        "until": criteria.until,
        "link": criteria.link.lower() or None,
        "states": states if statuses else None,
        "singles": first_runs[False],
        "drips": first_runs[True],
        "among": None if criteria.among is None else list(criteria.among),
    }


async def _find_ids(connection: Connection, criteria: OrderFilter) -> IdRange:
    if criteria.among is not None:
        return EVERY_ID
    finder = TIMES[EVERY if criteria.customer is None else OF_CUSTOMER]
    return await finder.ids(connection, criteria.since, criteria.until, {"customer": criteria.customer})


def _make_row(row: TupleRow, currency: str) -> OrderRow:
    fields: dict[str, Any] = dict(zip(_COLUMNS, row[VIEW_WIDTH:], strict=False))
    state = OrderState(fields.pop("state"))
    return OrderRow(view=view_of(row[:VIEW_WIDTH], currency), state=state, **fields)


def _make_panel_row(row: TupleRow, currency: str) -> PanelOrderRow:
    fields: dict[str, Any] = dict(zip(_PANEL_COLUMNS, row[VIEW_WIDTH + len(_COLUMNS) :], strict=True))
    return PanelOrderRow(order=_make_row(row, currency), **fields)


# Each part reads a partial index of its own, which holds live deliveries only.
_UNDER_WAY: Final = f"""
  (select order_id from delivery where state = '{DeliveryState.QUEUED}' and due is not null limit %(most)s)
  union (select order_id from delivery where state = '{DeliveryState.SENDING}' limit %(most)s)
  union (select order_id from delivery where state in {listed((DeliveryState.UNSURE, DeliveryState.HELD))}
    limit %(most)s)
  union (select order_id from delivery where state in {AT_PROVIDER} and due is not null limit %(most)s)
  union (select order_id from delivery where state in {AT_PROVIDER} and due is null limit %(most)s)
"""
_LIVE: Final = f"select order_id from ({_UNDER_WAY}) live limit %(most)s"


async def _list_live(connection: Connection) -> tuple[OrderId, ...] | None:
    """Returns the orders that have not ended, or None if they are more than ``MAX_LIVE``."""
    rows = await (await connection.execute(_LIVE, {"most": MAX_LIVE + 1})).fetchall()
    return None if len(rows) > MAX_LIVE else tuple(row[0] for row in rows)


_COUNTS: Final = f"""
with seen as (
  select id, state, runs from orders where {{scope}} order by id desc limit %(looked_at)s
)
select o.state, d.state as first, o.runs > 1 as drips, count(*) from seen o
left join delivery d on d.order_id = o.id and d.run = 1 and o.state = '{OrderState.OPEN}' group by 1, 2, 3
"""
"""Counts of the newest orders by all that their status follows from."""
_LIVE_COUNTS: Final = f"""
select o.state, d.state, o.runs > 1, count(*) from ({_LIVE}) live
join orders o on o.id = live.order_id and o.state = any(%(live)s::text[])
left join delivery d on d.order_id = o.id and d.run = 1 and o.state = '{OrderState.OPEN}' group by 1, 2, 3
"""
OWN_COUNTS: Final = _COUNTS.format(scope=OF_CUSTOMER)
PANEL_COUNTS: Final = f"""
with ended as ({_COUNTS.format(scope=EVERY)})
select * from ended e where e.state <> all(%(live)s::text[]) union all ({_LIVE_COUNTS})
"""


async def counts(connection: Connection, customer: CustomerId | None = None) -> dict[OrderStatus, int]:
    """Returns the number of orders with each status, up to ``MAX_COUNTED`` each.

    Counts the newest ``LOOKED_AT`` orders of a customer; without one, all live orders and the newest that have ended.
    """
    values = {"customer": customer, "looked_at": pages.LOOKED_AT, "most": MAX_LIVE, "live": sorted(LIVE_STATES)}
    cursor = await connection.execute(PANEL_COUNTS if customer is None else OWN_COUNTS, values)
    totals = dict.fromkeys(OrderStatus, 0)
    for state, first, drips, count in await cursor.fetchall():
        status = status_word(OrderState(state), first and DeliveryState(first), 2 if drips else 1)
        totals[status] = min(totals[status] + count, MAX_COUNTED)
    return totals


_SEARCH: Final = f"""
select id from orders where id = %(number)s
union
select t.order_id from provider p
join attempt t on t.provider_id = p.id and t.provider_order_key = %(key)s
union
select coalesce(n.child_id, n.order_id) from provider p
join post n on n.provider_id = p.id and n.provider_order_key = %(key)s and n.state <> '{PostState.TAKEN}'
"""


async def search(connection: Connection, text: str) -> tuple[OrderId, ...]:
    """Returns the orders whose own id, or whose id at a provider, is ``text``, whichever customer's they are.

    Show a customer only those that ``own_list`` returns with them as ``among``.
    """
    number = int(text) if text.isascii() and text.isdigit() and len(text) < len(str(MAX_ID)) else None
    cursor = await connection.execute(_SEARCH, {"number": number, "key": order_key(text)})
    return tuple(OrderId(row[0]) for row in await cursor.fetchall())
