"""Settling deliveries that end: earns the delivered part and refunds the rest, in the caller's transaction."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from opensmm.base.ids import OrderId
from opensmm.domain.settlement import EndedRun, settle
from opensmm.store import customers
from opensmm.store import settlement as rows
from opensmm.store.connection import Connection


async def lock(connection: Connection, orders: Sequence[OrderId]) -> None:
    """Locks the rows that ending these orders may change: the customers first, then the orders.

    Deliveries are locked after these, so that all transactions lock in one order and none deadlocks.
    """
    if orders:
        await customers.lock(connection, await rows.owners(connection, orders))
        await rows.lock(connection, orders)


async def end(connection: Connection, ends: Sequence[EndedRun], now: datetime) -> None:
    """Settles deliveries whose rows have just been set to an end state. The caller must hold ``lock``."""
    if not ends:
        return
    by_order: dict[OrderId, list[EndedRun]] = defaultdict(list)
    for run in ends:
        by_order[run.order].append(run)
    sold = await rows.list_live(connection, list(by_order))
    settlements = [settle(order, by_order[order.order]) for order in sold]
    await customers.transfer(connection, [t for one in settlements for t in one.transfers], now)
    await rows.end(connection, settlements, now)
