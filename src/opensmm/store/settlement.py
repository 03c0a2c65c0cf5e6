"""Statements that settle and end orders.

They run for each order that ends: rows are read by position, which costs less than by name.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from opensmm.base.ids import CustomerId, OrderId
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.settlement import OrderAtEnd, Settlement
from opensmm.store.connection import Connection
from opensmm.store.state_sets import ENDED, LIVE

_OWNERS: Final = "select distinct customer_id from orders where id = any(%s)"


async def owners(connection: Connection, orders: Sequence[OrderId]) -> list[CustomerId]:
    """Returns the customers of orders."""
    cursor = await connection.execute(_OWNERS, [orders])
    return [CustomerId(row[0]) for row in await cursor.fetchall()]


_LOCK: Final = "select id from orders where id = any(%s) order by id for update"
_SOLD: Final = f"""
select o.id, o.customer_id, o.rate, o.packaged, o.quantity, o.runs,
       count(*) filter (where d.state not in {ENDED}),
       coalesce(sum(d.remains) filter (where d.state in {ENDED}), 0)::bigint,
       o.quantity = 0 and bool_and(d.state = '{DeliveryState.CANCELED}')
from orders o join delivery d on d.order_id = o.id
where o.id = any(%s) and o.state in {LIVE} group by o.id order by o.id
"""


async def lock(connection: Connection, orders: Sequence[int]) -> None:
    """Locks orders in the order of their ids. The caller has locked their customers' rows."""
    await connection.execute(_LOCK, [orders])


async def list_live(connection: Connection, orders: Sequence[OrderId]) -> list[OrderAtEnd]:
    """Returns the live ones among ``orders``, with the ends of their deliveries that are written already."""
    cursor = await connection.execute(_SOLD, [orders])
    return [OrderAtEnd(*row) for row in await cursor.fetchall()]


_END: Final = """
update orders o set
  earned = o.earned + a.earned, refunded = o.refunded + a.refunded, state = coalesce(a.state, o.state),
  remains = coalesce(a.remains, o.remains), ended = case when a.state is null then o.ended else %s end,
  start_count = (select d.start_count from delivery d where d.order_id = o.id and d.run = 1)
from unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[])
  as a (id, earned, refunded, state, remains)
where o.id = a.id
"""
_FREE_LINKS: Final = "delete from active_link where order_id = any(%s)"


async def end(connection: Connection, settlements: Sequence[Settlement], now: datetime) -> None:
    """Writes what orders earned and refunded, and the end of those that ended, whose links become free."""
    arrays = (
        [one.order for one in settlements],
        [one.earned for one in settlements],
        [one.refunded for one in settlements],
        [None if one.end is None else one.end.state.value for one in settlements],
        [None if one.end is None else one.end.remains for one in settlements],
    )
    await connection.execute(_END, [now, *arrays])
    await connection.execute(_FREE_LINKS, [[one.order for one in settlements if one.end is not None]])
