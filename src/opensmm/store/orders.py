"""Orders as their customers read them."""

from collections.abc import Sequence
from typing import Final

import msgspec
from psycopg.rows import TupleRow

from opensmm.base.ids import CustomerId
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.order_views import ListedOrder, OrderView, status_word
from opensmm.domain.orders import OrderState
from opensmm.store import arrays
from opensmm.store.connection import Connection
from opensmm.store.prepared import PreparedStatement

VIEW_COLUMNS: Final = """
  o.id, o.customer_id, o.state, o.charge - o.refunded, o.runs, o.quantity * o.runs,
  coalesce(o.start_count, d.start_count, 0), coalesce(o.remains, d.remains, o.quantity * o.runs), d.state
"""
MANY_RUNS: Final = 50
"""Runs of an open order above which they are added up by themselves: a list could read a hundred thousand of them."""
# Only an open order asks its deliveries; the runs of a drip-feed answer as one, the first run's state standing for it.
_ALL_DELIVERIES: Final = """
left join lateral (
  select min(state) filter (where run = 1) as state, min(start_count) filter (where run = 1) as start_count,
         sum(coalesce(remains, quantity))::bigint as remains
  from delivery where order_id = o.id and o.state = 'open' {bound}
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
    """The orders that exist among those asked for, each with its owner; open ones of many runs are not summed."""
    rows = await _VIEWS.rows(connection, [arrays.numbers(orders)])
    return {row[0]: (row[1], view_of(row, currency)) for row in rows}


async def summed(connection: Connection, orders: Sequence[int], currency: str) -> dict[int, OrderView]:
    """Orders with all their runs added up, however many they are."""
    rows = await _SUMMED.rows(connection, [arrays.numbers(orders)])
    return {row[0]: msgspec.structs.replace(view_of(row, currency), unsummed=0) for row in rows}


_RUNS: Final = PreparedStatement("runs", "select id, runs from orders where id = any(%s::bigint[])")


async def runs(connection: Connection, orders: Sequence[int]) -> dict[int, int]:
    """How many runs orders have; those that do not exist are left out."""
    return dict(await _RUNS.rows(connection, [arrays.numbers(orders)]))


_OPEN: Final = OrderState.OPEN.value
# Members of a StrEnum and their texts are equal keys, so that a row's texts are looked up as they come.
_WORDS: Final = {
    (state, first, drips): status_word(state, first, 2 if drips else 1)
    for state in OrderState
    for first in (None, *DeliveryState)
    for drips in (False, True)
}


def view_of(row: TupleRow, currency: str) -> OrderView:
    """The view of a row that begins with ``VIEW_COLUMNS``; an open one of many runs is not summed."""
    order, _, state, charge, runs, whole, start_count, remains, first = row
    unsummed = runs if runs > MANY_RUNS and state == _OPEN else 0
    word_of = _WORDS[state, first, runs > 1]
    return OrderView(order, word_of, charge, start_count, remains, currency, None, unsummed, runs if whole else 0)


_NEWEST: Final = f"""
select {VIEW_COLUMNS}, o.service_id, o.link, o.created from orders o {DELIVERIES}
where o.customer_id = %s and o.id < %s order by o.id desc limit %s
"""
FIRST_PAGE: Final = 2**63 - 1


async def newest(
    connection: Connection, customer: CustomerId, *, before: int | None, limit: int, currency: str
) -> list[ListedOrder]:
    """A page of the customer's own orders, newest first; open ones of many runs are not summed."""
    cursor = await connection.execute(_NEWEST, [customer, FIRST_PAGE if before is None else before, limit])
    return [
        ListedOrder(view_of(row[:9], currency), row[9], row[10], row[5], row[11]) for row in await cursor.fetchall()
    ]
