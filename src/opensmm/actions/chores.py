"""What a worker does now and then: know its providers, free what a dead worker held, forget what may be forgotten."""

from datetime import datetime, timedelta
from typing import Final

import structlog

from opensmm.actions.clock import Clock, utc_now
from opensmm.actions.dispatch import record_tries
from opensmm.actions.writing import write
from opensmm.providers.desk import Desk
from opensmm.store import dispatch, providers, retention, staff
from opensmm.store.connection import Connection, Line

IDEMPOTENCY_KEPT: Final = timedelta(days=14)
BATCHES_KEPT: Final = timedelta(days=1)
BALANCES_KEPT: Final = timedelta(days=7)
MOST_HELD: Final = 1000
"""Deliveries that are held in one round."""
FORGET_EVERY: Final = timedelta(minutes=10)
log = structlog.get_logger()


class Chores:
    def __init__(self, line: Line, desk: Desk, clock: Clock = utc_now) -> None:
        self._line = line
        self._desk = desk
        self._clock = clock
        self._forgot: datetime | None = None

    async def step(self) -> None:
        now = self._clock()
        await self._desk.update(await write(self._line, providers.providers))
        left_behind = await write(self._line, lambda connection: dispatch.recover(connection, now))
        if left_behind:
            log.warning("deliveries became unsure: their worker went away while sending", count=left_behind)
        held = await write(self._line, lambda connection: dispatch.hold_waiting(connection, now, MOST_HELD))
        if held:
            log.warning("deliveries are held: their providers turn us away", count=held)
        if self._forgot is None or now - self._forgot >= FORGET_EVERY:
            more = await write(self._line, lambda connection: _forget(connection, now))
            self._forgot = self._forgot if more else now
        # Last, as it waits for customers' rows: one that is locked for long keeps nothing else from being done.
        await write(self._line, lambda connection: _take_back(connection, now))


async def _take_back(connection: Connection, now: datetime) -> None:
    """Queues again what a worker that went away was handing to the staff; ends what was to be cancelled meanwhile."""
    if left := await staff.left_behind(connection, now):
        taken = await record_tries(connection, left, now)
        await dispatch.release(connection, [(order, run + 1, None) for order, run in taken])


async def _forget(connection: Connection, now: datetime) -> bool:
    """Whether more is to be forgotten, at the next round."""
    asks = await retention.forget_idempotency(connection, now - IDEMPOTENCY_KEPT)
    batches = await retention.forget_batches(connection, now - BATCHES_KEPT)
    await providers.forget_readings(connection, now - BALANCES_KEPT)
    return asks or batches
