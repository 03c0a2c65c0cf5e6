"""Housekeeping: reads the providers' settings, recovers the deliveries of dead workers, and deletes old rows."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from opensmm.actions.clock import DatabaseClock
from opensmm.actions.sending import record_results
from opensmm.actions.transactions import write
from opensmm.providers.registry import ProviderRegistry
from opensmm.store import dispatch, manual, providers, pruning
from opensmm.store.connection import Connection, ReconnectingConnection
from opensmm.store.dispatch import InFlight

IDEMPOTENCY_KEPT: Final = timedelta(days=14)
BATCHES_KEPT: Final = timedelta(days=1)
BALANCES_KEPT: Final = timedelta(days=7)
MOST_HELD: Final = 1000
"""Deliveries that one step holds at most."""
DELETE_EVERY_S: Final = 600.0
log = structlog.get_logger()


class Housekeeper:
    """Steps through the housekeeping. ``in_flight`` returns the deliveries that this process is sending: they are not
    recovered, even if their leases have ended."""

    def __init__(
        self,
        connection: ReconnectingConnection,
        registry: ProviderRegistry,
        clock: DatabaseClock,
        in_flight: Callable[[], InFlight],
    ) -> None:
        self._connection = connection
        self._registry = registry
        self._clock = clock
        self._in_flight = in_flight
        self._deleted_at: float | None = None

    async def step(self, *, tidy: bool = True) -> None:
        """Stores id forms that clients have learned, and reads the providers; with ``tidy``, does the rest too."""
        for row, forms in self._registry.new_forms:
            await write(self._connection, partial(providers.keep_forms, row=row, forms=forms))
        await self._registry.update(await write(self._connection, providers.providers))
        if tidy and await self._clock.look(self._connection):
            await self._tidy_up()

    async def _tidy_up(self) -> None:
        """Does the work that depends on ages, and so must not follow soon after a step of the clock."""
        now, own = self._clock(), self._in_flight()
        recovered = await write(self._connection, lambda connection: dispatch.recover(connection, now, own))
        if recovered:
            log.warning("deliveries became unsure: their worker went away while sending", count=recovered)
        held = await write(self._connection, lambda connection: dispatch.hold_waiting(connection, now, MOST_HELD))
        if held:
            log.warning("deliveries are held: their providers turn us away", count=held)
        began = self._clock.monotonic()
        if self._deleted_at is None or began - self._deleted_at >= DELETE_EVERY_S:
            more = await write(self._connection, lambda connection: self._delete_old(connection, now))
            # If there are more old rows, the next step goes on.
            self._deleted_at = self._deleted_at if more else began
        # Last, as it waits for customers' rows: one that is locked for long must not delay the rest.
        await write(self._connection, lambda connection: self._requeue_manual(connection, now))

    async def _requeue_manual(self, connection: Connection, now: datetime) -> None:
        """Queues deliveries again that a dead worker was giving to the manual provider.

        Those with a cancel requested meanwhile end instead.
        """
        if left := await manual.list_left_behind(connection, now):
            taken = await record_results(connection, left, now, self._clock.overriding_time())
            await dispatch.schedule_runs(connection, [(order, run + 1, None) for order, run in taken])

    async def _delete_old(self, connection: Connection, now: datetime) -> bool:
        """Deletes a portion of the old rows; returns True if there are more.

        ``now`` comes from the last check of the clock. The database's own time may have stepped since.
        """
        requests = await pruning.forget_idempotency(connection, now, IDEMPOTENCY_KEPT)
        batches = await pruning.forget_batches(connection, now, BATCHES_KEPT)
        await providers.forget_readings(connection, now - BALANCES_KEPT)
        return requests or batches
