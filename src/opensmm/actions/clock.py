"""The database's clock. Nothing is decided by a machine's own clock, which may be minutes off, or jump."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from msgspec import structs

from opensmm.actions.transactions import write
from opensmm.domain.clocks import ClockReading, ClockStep, ExpectedReading, StepCause, detect_step
from opensmm.store import clocks
from opensmm.store.connection import Connection, ReconnectingConnection

REST: Final = timedelta(minutes=4)
"""Time after a step in which nothing is concluded from times. It is longer than a lease, and than a provider takes to
process an order."""
READ_EVERY_S: Final = 10.0
DRIFT: Final = 0.0005
"""The share of elapsed time by which two sound clocks may drift apart."""
log = structlog.get_logger()


def utc_now() -> datetime:
    return datetime.now(UTC)


def elapsed() -> float:
    """Returns seconds on a clock that is never set. If the system has one, it runs on while the machine sleeps."""
    asleep_too = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if asleep_too is None else time.clock_gettime(asleep_too)


class DatabaseClock:
    """A process's estimate of the database's clock: the last reading, plus the time elapsed since.

    Before the first reading it is the machine's own clock. ``rest`` is the time after a step of the database's clock in
    which nothing is concluded from times.
    """

    def __init__(
        self,
        wall: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = elapsed,
        rest: timedelta = REST,
    ) -> None:
        self._wall = wall
        self.monotonic = monotonic
        self._rest = rest
        ahead = wall().timestamp() - monotonic()
        self._ahead = (ahead, ahead)
        self._last_look: tuple[float, datetime] | None = None
        self.steady = True
        """The result of the last ``look``."""

    def __call__(self) -> datetime:
        """Returns the time. It is never behind the database's, so that rows just written as due are due.

        It is ahead by less than reading the clock takes.
        """
        return _to_time(self.monotonic() + self._ahead[1])

    def overriding_time(self) -> datetime | None:
        """Returns the time that statements write instead of the database's own, or None: each reads the database's.

        It is always None in the product. The clocks of the tests and of the simulation return their own time.
        """
        return None

    @property
    def stale(self) -> bool:
        """True if the last reading is older than ``READ_EVERY_S``, or there is none."""
        return self._last_look is None or self.monotonic() - self._last_look[0] >= READ_EVERY_S

    @property
    def off(self) -> timedelta | None:
        """The machine's own clock minus the database's; None before the first reading."""
        return None if self._last_look is None else self._wall() - self()

    async def read(self, connection: Connection) -> None:
        """Reads the database's clock, without a check for steps."""
        before = self.monotonic()
        self._learn(await clocks.now(connection, self.overriding_time()), before, stepped=False)

    async def look(self, connection: ReconnectingConnection) -> bool:
        """Reads the database's clock and records a step of it.

        Returns True if times may be compared: there was no step within ``rest``. Rows read before a look were written
        before any step that a later look finds. Raises Unavailable and StatementRejected; the next look then finds the
        same step.
        """
        before = self.monotonic()
        reading, step, steady = await write(connection, lambda connection: self._look(connection, before))
        if step is not None and step.cause is StepCause.UNWATCHED:
            log.info("the database's clock was not watched", since=step.since, until=step.until)
        elif step is not None:
            log.warning("the database's clock stepped", **structs.asdict(step))
        self._learn(reading.at, before, stepped=step is not None)
        self.steady = steady
        return steady

    async def _look(self, connection: Connection, before: float) -> tuple[ClockReading, ClockStep | None, bool]:
        reading, stored, stepped = await clocks.lock_reading(connection, self.overriding_time())
        step = detect_step(stored, reading, self._expect_reading(before))
        if step is not None:
            await clocks.note(connection, step, reading.at)
            stepped = reading.at if step.breaks else stepped
        # Readings of several processes arrive in any order. Unless the clock has stepped, the highest one counts.
        highest = reading.at if stored is None or step is not None else max(reading.at, stored.at)
        await clocks.keep(connection, structs.replace(reading, at=highest))
        return reading, step, stepped is None or reading.at - stepped >= self._rest

    def _expect_reading(self, before: float) -> ExpectedReading | None:
        if self._last_look is None:
            return None
        drift = DRIFT * (before - self._last_look[0])
        low, high = self._ahead
        return ExpectedReading(
            self._last_look[1], _to_time(before + low - drift), _to_time(self.monotonic() + high + drift)
        )

    def _learn(self, at: datetime, before: float, *, stepped: bool) -> None:
        """Narrows the bounds of the database's clock minus the process's own. A slow reading narrows them little."""
        after = self.monotonic()
        # The database read its clock between these two moments, so the true difference lies between these bounds.
        low, high = at.timestamp() - after, at.timestamp() - before
        if self._last_look is not None and not stepped:
            drift = DRIFT * (before - self._last_look[0])
            narrow = max(low, self._ahead[0] - drift), min(high, self._ahead[1] + drift)
            low, high = narrow if narrow[0] <= narrow[1] else (low, high)
        self._ahead = low, high
        self._last_look = after, at


def _to_time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
