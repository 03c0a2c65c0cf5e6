"""Orders as their customers read them.

These statements run for each request: their rows are read by position, which costs less than by name.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from psycopg.rows import TupleRow

from opensmm.base.ids import CustomerId, OrderId
from opensmm.domain.catalogue import ServiceType
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.order_views import (
    DripFeedParts,
    ExtendedStatus,
    ListedOrder,
    OrderView,
    Parts,
    SubscriptionParts,
    status_word,
)
from opensmm.domain.orders import OrderState
from opensmm.domain.subscriptions import MOST_LISTED
from opensmm.store import arrays
from opensmm.store.connection import Connection
from opensmm.store.prepared import PreparedStatement

VIEW_COLUMNS: Final = """
  o.id, o.customer_id, o.state, o.charge - o.refunded, o.runs, o.quantity * o.runs,
  coalesce(o.start_count, d.start_count, 0), coalesce(o.remains, d.remains, o.quantity * o.runs), d.state
"""
VIEW_WIDTH: Final = 9
"""The number of ``VIEW_COLUMNS``."""
MANY_RUNS: Final = 50
"""Lists do not sum an open order of more runs: they could have to read a hundred thousand deliveries."""
# Ended orders have their counts in their own row. The runs of a drip-feed are summed; the first run's state is shown.
_ALL_DELIVERIES: Final = f"""
left join lateral (
  select min(state) filter (where run = 1) as state, min(start_count) filter (where run = 1) as start_count,
         sum(coalesce(remains, quantity))::bigint as remains
  from delivery where order_id = o.id and o.state = '{OrderState.OPEN}' {{bound}}
) d on true
"""
DELIVERIES: Final = _ALL_DELIVERIES.format(bound=f"and o.runs <= {MANY_RUNS}")
_VIEWS: Final = PreparedStatement(
    "views", f"select {VIEW_COLUMNS} from orders o {DELIVERIES} where o.id = any(%s::bigint[])"
)
_SUMMED: Final = PreparedStatement(
    "summed", f"select {VIEW_COLUMNS} from orders o {_ALL_DELIVERIES.format(bound='')} where o.id = any(%s::bigint[])"
)


async def views(
    connection: Connection, orders: Sequence[int], currency: str
) -> dict[int, tuple[CustomerId, OrderView]]:
    """Returns those of ``orders`` that exist, with their customers. Open ones of over ``MANY_RUNS`` are not summed."""
    rows = await _VIEWS.rows(connection, [arrays.numbers(orders)])
    return {row[0]: (row[1], view_of(row, currency)) for row in rows}


async def sum_runs(connection: Connection, orders: Sequence[int], currency: str) -> dict[int, OrderView]:
    """Returns those of ``orders`` that exist, with all their runs summed, however many."""
    rows = await _SUMMED.rows(connection, [arrays.numbers(orders)])
    return {row[0]: msgspec.structs.replace(view_of(row, currency), unsummed=0) for row in rows}


_RUNS: Final = PreparedStatement("runs", "select id, runs from orders where id = any(%s::bigint[])")


async def runs(connection: Connection, orders: Sequence[int]) -> dict[int, int]:
    """Returns the number of runs of those of ``orders`` that exist."""
    return dict(await _RUNS.rows(connection, [arrays.numbers(orders)]))


_OPEN: Final = OrderState.OPEN.value
# A StrEnum's member and its text are equal keys: texts of a row are looked up without making members of them.
_WORDS: Final = {
    (state, first, drips): status_word(state, first, 2 if drips else 1)
    for state in OrderState
    for first in (None, *DeliveryState)
    for drips in (False, True)
}


def view_of(row: TupleRow, currency: str) -> OrderView:
    """Returns the view of a row of ``VIEW_COLUMNS``; an open order of over ``MANY_RUNS`` is not summed."""
    order, _, state, charge, runs, whole, start_count, remains, first = row
    unsummed = runs if runs > MANY_RUNS and state == _OPEN else 0
    status = _WORDS[state, first, runs > 1]
    return OrderView(order, status, charge, start_count, remains, currency, None, unsummed, runs if whole else 0)


_EXTENDED: Final = f"""
select o.id, o.quantity * o.runs, o.link, s.type = '{ServiceType.SUBSCRIPTIONS}' and o.quantity = 0,
  array(select child_id from post where order_id = o.id and child_id is not null order by child_id desc limit %s)
from orders o join service s on s.id = o.service_id where o.id = any(%s)
"""


async def read_extended(connection: Connection, orders: Sequence[int]) -> dict[int, ExtendedStatus]:
    """Returns the fields that ``status`` adds to orders with ``extended=1``."""
    cursor = await connection.execute(_EXTENDED, [MOST_LISTED, orders])
    return {
        order: ExtendedStatus(quantity, link, tuple(map(OrderId, reversed(children))) if subscribed else None)
        for order, quantity, link, subscribed, children in await cursor.fetchall()
    }


_PARTS: Final = f"""
select o.id, o.runs, (x.details ->> 'expiry')::date,
  -- the number of runs that were sent
  case when o.runs > 1 then (
    select count(*) from delivery d
    where d.order_id = o.id and d.sent is not null and d.state <> '{DeliveryState.QUEUED}') end,
  -- the number of posts with orders, and the newest of these
  case when o.runs = 1 then (select count(*) from post where order_id = o.id and child_id is not null) end,
  case when o.runs = 1 then
    array(select child_id from post where order_id = o.id and child_id is not null order by child_id desc limit %s) end
from orders o join service s on s.id = o.service_id left join order_detail x on x.order_id = o.id
where o.id = any(%s) and (o.runs > 1 or s.type = '{ServiceType.SUBSCRIPTIONS}' and o.quantity = 0)
"""


async def read_parts(connection: Connection, orders: Sequence[OrderId]) -> dict[OrderId, Parts]:
    """Returns the progress of subscriptions and drip-feeds; other orders are left out."""
    cursor = await connection.execute(_PARTS, [MOST_LISTED, orders])
    return {OrderId(row[0]): _make_parts(row) for row in await cursor.fetchall()}


def _make_parts(row: TupleRow) -> Parts:
    _, runs, expiry, sent, posts, orders = row
    if runs > 1:
        return DripFeedParts(sent)
    return SubscriptionParts(expiry, posts, tuple(OrderId(order) for order in reversed(orders)))


_NEWEST: Final = f"""
select {VIEW_COLUMNS}, o.service_id, o.link, o.created from orders o {DELIVERIES}
where o.customer_id = %s and o.id < %s order by o.id desc limit %s
"""
FIRST_PAGE: Final = 2**63 - 1


async def newest(
    connection: Connection, customer: CustomerId, *, before: int | None, limit: int, currency: str
) -> list[ListedOrder]:
    """Returns a customer's newest orders with ids below ``before``; open ones of over ``MANY_RUNS`` are not summed."""
    cursor = await connection.execute(_NEWEST, [customer, FIRST_PAGE if before is None else before, limit])
    return [_listed(row, currency) for row in await cursor.fetchall()]


def _listed(row: TupleRow, currency: str) -> ListedOrder:
    service, link, created = row[VIEW_WIDTH:]
    return ListedOrder(view_of(row[:VIEW_WIDTH], currency), service, link, quantity=row[5], created=created)
