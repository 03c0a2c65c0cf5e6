"""The statements of cancelling."""

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


async def cancelable(
    connection: Connection, orders: Sequence[int]
) -> dict[int, tuple[CustomerId, CancelSubject, list[int]]]:
    """Orders under lock, with their owner and the numbers of their runs; their deliveries are locked too."""
    cursor = await connection.execute(_LOCK_DELIVERIES, [orders])
    runs: dict[int, list[int]] = {}
    parts: dict[int, list[DeliveryPart]] = {}
    for order, run, state, accepted in await cursor.fetchall():
        runs.setdefault(order, []).append(run)
        parts.setdefault(order, []).append(DeliveryPart(DeliveryState(state), accepted))
    cursor = await connection.execute(_CANCELABLE, [orders])
    return {
        row[0]: (
            CustomerId(row[1]),
            CancelSubject(OrderState(row[2]), row[3], parts.get(row[0], [])),
            runs.get(row[0], []),
        )
        for row in await cursor.fetchall()
    }


_END: Final = f"""
update delivery d set state = '{DeliveryState.CANCELED}', remains = d.quantity, due = null, lease_until = null
from unnest(%s::bigint[], %s::int[]) as a (order_id, run)
where d.order_id = a.order_id and d.run = a.run returning d.order_id, d.run, d.quantity
"""


async def end_unsent(
    connection: Connection, deliveries: Sequence[tuple[OrderId, int]]
) -> list[tuple[OrderId, int, int]]:
    """Ends deliveries that no provider has; returns order, run and the quantity left undelivered."""
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
    """Marks deliveries whose provider is to be asked to cancel; those marked already stay as they are."""
    if deliveries:
        await connection.execute(_ASK, [now, [d[0] for d in deliveries], [d[1] for d in deliveries]])
