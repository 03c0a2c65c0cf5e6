"""Orders as their customers read them."""

from collections.abc import Sequence
from typing import Final

from psycopg.rows import TupleRow

from opensmm.base.ids import CustomerId
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.orders import OrderState
from opensmm.domain.progress import ListedOrder, OrderView, word
from opensmm.store import arrays
from opensmm.store.connection import Connection
from opensmm.store.crowds import Crowd

_COLUMNS: Final = """
  o.id, o.customer_id, o.state, o.charge - o.refunded, o.runs, o.quantity * o.runs,
  coalesce(o.start_count, d.start_count, 0), coalesce(o.remains, d.remains, o.quantity * o.runs), d.state
"""
# Only an open order asks its deliveries; the runs of a drip-feed answer as one, the first run's state standing for it.
_DELIVERIES: Final = """
left join lateral (
  select min(state) filter (where run = 1) as state, min(start_count) filter (where run = 1) as start_count,
         sum(coalesce(remains, quantity))::bigint as remains
  from delivery where order_id = o.id and o.state = 'open'
) d on true
"""
_VIEWS: Final = Crowd("views", f"select {_COLUMNS} from orders o {_DELIVERIES} where o.id = any(%s::bigint[])")


async def views(
    connection: Connection, orders: Sequence[int], currency: str
) -> dict[int, tuple[CustomerId, OrderView]]:
    """The orders that exist among those asked for, each with its owner."""
    rows = await _VIEWS.rows(connection, [arrays.numbers(orders)])
    return {row[0]: (row[1], _view(row, currency)) for row in rows}


# Members of a StrEnum and their texts are equal keys, so that a row's texts are looked up as they come.
_WORDS: Final = {
    (state, first, drips): word(state, first, 2 if drips else 1)
    for state in OrderState
    for first in (None, *DeliveryState)
    for drips in (False, True)
}


def _view(row: TupleRow, currency: str) -> OrderView:
    order, _, state, charge, runs, _, start_count, remains, first = row
    return OrderView(order, _WORDS[state, first, runs > 1], charge, start_count, remains, currency)


_NEWEST: Final = f"""
select {_COLUMNS}, o.service_id, o.link, o.created from orders o {_DELIVERIES}
where o.customer_id = %s and o.id < %s order by o.id desc limit %s
"""
FIRST_PAGE: Final = 2**63 - 1


async def newest(
    connection: Connection, customer: CustomerId, *, before: int | None, limit: int, currency: str
) -> list[ListedOrder]:
    """A page of the customer's own orders, newest first."""
    cursor = await connection.execute(_NEWEST, [customer, FIRST_PAGE if before is None else before, limit])
    return [ListedOrder(_view(row[:9], currency), row[9], row[10], row[5], row[11]) for row in await cursor.fetchall()]
