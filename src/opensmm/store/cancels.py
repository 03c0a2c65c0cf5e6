"""Statements that cancel orders, or pass a cancel on to providers."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from opensmm.base.ids import CustomerId, OrderId
from opensmm.domain.cancels import CancelSubject, DeliveryPart
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.orders import OrderState
from opensmm.store.connection import Connection

_LOCK_DELIVERIES: Final = f"""
select d.order_id, d.run, d.state, t.outcome is not distinct from '{AttemptOutcome.ACCEPTED}'
from delivery d left join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
where d.order_id = any(%s) order by d.order_id, d.run for update of d
"""
_CANCELABLE: Final = """
select o.id, o.customer_id, o.state, s.cancel from orders o join service s on s.id = o.service_id where o.id = any(%s)
"""


async def lock_cancelable(
    connection: Connection, orders: Sequence[int]
) -> dict[int, tuple[CustomerId, CancelSubject, list[int]]]:
    """Locks the deliveries of orders. Returns by order its customer, the facts for the decision, and its runs' numbers.

    The caller has locked the orders.
    """
    cursor = await connection.execute(_LOCK_DELIVERIES, [orders])
    runs: dict[int, list[int]] = {}
    parts: dict[int, list[DeliveryPart]] = {}
    for order, run, state, accepted in await cursor.fetchall():
        runs.setdefault(order, []).append(run)
        parts.setdefault(order, []).append(DeliveryPart(DeliveryState(state), accepted))
    cursor = await connection.execute(_CANCELABLE, [orders])
    return {
        order: (
            CustomerId(customer),
            CancelSubject(OrderState(state), offered, parts.get(order, [])),
            runs.get(order, []),
        )
        for order, customer, state, offered in await cursor.fetchall()
    }


_END: Final = f"""
update delivery d set state = '{DeliveryState.CANCELED}', remains = d.quantity, due = null, lease_until = null
from unnest(%s::bigint[], %s::int[]) as a (order_id, run)
where d.order_id = a.order_id and d.run = a.run returning d.order_id, d.run, d.quantity
"""


async def end_unsent(
    connection: Connection, deliveries: Sequence[tuple[OrderId, int]]
) -> list[tuple[OrderId, int, int]]:
    """Ends deliveries that no provider has. Returns the order, run and undelivered quantity of each."""
    if not deliveries:
        return []
    cursor = await connection.execute(_END, [[d[0] for d in deliveries], [d[1] for d in deliveries]])
    return [(OrderId(row[0]), row[1], row[2]) for row in await cursor.fetchall()]


_ASK: Final = """
update delivery d set cancel_asked = coalesce(d.cancel_asked, %s), cancel_passed = null,
  cancel_tries = 0, cancel_again = null
from unnest(%s::bigint[], %s::int[]) as a (order_id, run)
where d.order_id = a.order_id and d.run = a.run and (d.cancel_asked is null or d.cancel_passed is not null)
"""


async def ask_provider(connection: Connection, deliveries: Sequence[tuple[OrderId, int]], now: datetime) -> None:
    """Marks deliveries whose cancel is to be passed on to the provider. One that still waits for it stays as it is."""
    if deliveries:
        await connection.execute(_ASK, [now, [d[0] for d in deliveries], [d[1] for d in deliveries]])
