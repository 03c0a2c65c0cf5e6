"""What a worker does now and then: know its providers, free what a dead worker held, forget what may be forgotten."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from opensmm.actions.clock import DatabaseClock
from opensmm.actions.sending import record_tries
from opensmm.actions.transactions import write
from opensmm.providers.registry import ProviderRegistry
from opensmm.store import dispatch, manual, providers, pruning
from opensmm.store.connection import Connection, ReconnectingConnection
from opensmm.store.dispatch import InFlight

IDEMPOTENCY_KEPT: Final = timedelta(days=14)
BATCHES_KEPT: Final = timedelta(days=1)
BALANCES_KEPT: Final = timedelta(days=7)
MOST_HELD: Final = 1000
"""Deliveries that are held in one round."""
FORGET_EVERY_S: Final = 600.0
log = structlog.get_logger()


class Housekeeper:
    """``in_flight``: what this process is sending, which is not left behind whatever its lease says."""

    def __init__(
        self,
        line: ReconnectingConnection,
        registry: ProviderRegistry,
        clock: DatabaseClock,
        in_flight: Callable[[], InFlight],
    ) -> None:
        self._line = line
        self._registry = registry
        self._clock = clock
        self._in_flight = in_flight
        self._forgot: float | None = None

    async def step(self, *, tidy: bool = True) -> None:
        """Knows the providers as they are now; with ``tidy``, frees and forgets too."""
        for row, forms in self._registry.learned:
            await write(self._line, partial(providers.keep_forms, row=row, forms=forms))
        await self._registry.update(await write(self._line, providers.providers))
        if tidy and await self._clock.look(self._line):
            await self._tidy_up()

    async def _tidy_up(self) -> None:
        """What is done by the age of things, and so not soon after the clock has stepped."""
        now, own = self._clock(), self._in_flight()
        left_behind = await write(self._line, lambda connection: dispatch.recover(connection, now, own))
        if left_behind:
            log.warning("deliveries became unsure: their worker went away while sending", count=left_behind)
        held = await write(self._line, lambda connection: dispatch.hold_waiting(connection, now, MOST_HELD))
        if held:
            log.warning("deliveries are held: their providers turn us away", count=held)
        began = self._clock.monotonic()
        if self._forgot is None or began - self._forgot >= FORGET_EVERY_S:
            more = await write(self._line, lambda connection: self._forget(connection, now))
            self._forgot = self._forgot if more else began
        # Last, as it waits for customers' rows: one that is locked for long keeps nothing else from being done.
        await write(self._line, lambda connection: self._take_back(connection, now))

    async def _take_back(self, connection: Connection, now: datetime) -> None:
        """Queues again what a worker that went away was handing to the staff; ends what was to be cancelled
        meanwhile."""
        if left := await manual.left_behind(connection, now):
            taken = await record_tries(connection, left, now, self._clock.stamp())
            await dispatch.release(connection, [(order, run + 1, None) for order, run in taken])

    async def _forget(self, connection: Connection, now: datetime) -> bool:
        """Whether more is to be forgotten, at the next round. ``now`` is of the last look at the clock: what the
        database would say by itself may have stepped since."""
        asks = await pruning.forget_idempotency(connection, now, IDEMPOTENCY_KEPT)
        batches = await pruning.forget_batches(connection, now, BATCHES_KEPT)
        await providers.forget_readings(connection, now - BALANCES_KEPT)
        return asks or batches
