"""Ending deliveries: the money of what was delivered and of what was not, in the caller's transaction."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from opensmm.base.ids import OrderId
from opensmm.domain.settlement import EndedRun, settle
from opensmm.store import customers
from opensmm.store import settlement as rows
from opensmm.store.connection import Connection


async def lock(connection: Connection, orders: Sequence[OrderId]) -> None:
    """Locks what ending these orders may change: the customers first, then the orders. Deliveries come after."""
    if orders:
        await customers.lock(connection, await rows.owners(connection, orders))
        await rows.lock(connection, orders)


async def end(connection: Connection, ends: Sequence[EndedRun], now: datetime) -> None:
    """Settles deliveries whose rows have just been given an end state under ``lock``."""
    if not ends:
        return
    by_order: dict[OrderId, list[EndedRun]] = defaultdict(list)
    for one in ends:
        by_order[one.order].append(one)
    sold = await rows.sold(connection, list(by_order))
    settlements = [settle(order, by_order[order.order]) for order in sold]
    await customers.transfer(connection, [t for one in settlements for t in one.transfers], now)
    await rows.end(connection, settlements, now)
