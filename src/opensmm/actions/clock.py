"""The database's clock. Nothing here is decided by the clock on a machine's wall, which may be minutes off, or jump."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from msgspec import structs

from opensmm.actions.transactions import write
from opensmm.domain.clocks import ClockReading, ClockStep, ExpectedReading, StepCause, judge
from opensmm.store import clocks
from opensmm.store.connection import Connection, ReconnectingConnection

REST: Final = timedelta(minutes=4)
"""After a step nothing is concluded from times for longer than a lease lasts, and a provider takes to take in."""
READ_EVERY_S: Final = 10.0
DRIFT: Final = 0.0005
"""Clocks that run this much apart are in order."""
log = structlog.get_logger()


def utc_now() -> datetime:
    return datetime.now(UTC)


def elapsed() -> float:
    """Seconds on a clock that is never set, and where the system has one, runs on while the machine sleeps."""
    asleep_too = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if asleep_too is None else time.clock_gettime(asleep_too)


class DatabaseClock:
    """The database's clock as a process knows it: what was read at the last look, and what has elapsed since.

    Before the first look the machine's own clock is all that is known. ``rest``: how long nothing is concluded after a
    step.
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
        self._looked: tuple[float, datetime] | None = None
        self.steady = True
        """What the last look found."""

    def __call__(self) -> datetime:
        """Never behind the database, so that what was just kept is due; ahead of it by less than a look takes."""
        return _time(self.monotonic() + self._ahead[1])

    def stamp(self) -> datetime | None:
        """What a statement is to write for the time at which it runs; None: it asks the database itself."""
        return None

    @property
    def stale(self) -> bool:
        """Whether it was read too long ago for one that reads it as it goes."""
        return self._looked is None or self.monotonic() - self._looked[0] >= READ_EVERY_S

    @property
    def off(self) -> timedelta | None:
        """How far the machine's own clock is ahead of the database's, once that was looked at."""
        return None if self._looked is None else self._wall() - self()

    async def read(self, connection: Connection) -> None:
        """Learns what time it is, and no more."""
        before = self.monotonic()
        self._learn(await clocks.now(connection, self.stamp()), before, stepped=False)

    async def look(self, line: ReconnectingConnection) -> bool:
        """Learns what time it is, and notes where the clock stepped.

        True where times may be compared: there was no step within the rest. What was read before a look was written
        before any step that a later look finds. Raises Unavailable and Rejected; then the next look tells as much.
        """
        before = self.monotonic()
        found, step, steady = await write(line, lambda connection: self._look(connection, before))
        if step is not None and step.cause is StepCause.UNWATCHED:
            log.info("the database's clock was not watched", since=step.since, until=step.until)
        elif step is not None:
            log.warning("the database's clock stepped", **structs.asdict(step))
        self._learn(found.at, before, stepped=step is not None)
        self.steady = steady
        return steady

    async def _look(self, connection: Connection, before: float) -> tuple[ClockReading, ClockStep | None, bool]:
        found, kept, stepped = await clocks.look(connection, self.stamp())
        step = judge(kept, found, self._expected(before))
        if step is not None:
            await clocks.note(connection, step, found.at)
            stepped = found.at if step.breaks else stepped
        highest = found.at if kept is None or step is not None else max(found.at, kept.at)
        await clocks.keep(connection, structs.replace(found, at=highest))
        return found, step, stepped is None or found.at - stepped >= self._rest

    def _expected(self, before: float) -> ExpectedReading | None:
        if self._looked is None:
            return None
        drift = DRIFT * (before - self._looked[0])
        low, high = self._ahead
        return ExpectedReading(self._looked[1], _time(before + low - drift), _time(self.monotonic() + high + drift))

    def _learn(self, at: datetime, before: float, *, stepped: bool) -> None:
        """Narrows down how far the database's clock is ahead of the process's own; a slow look tells little."""
        after = self.monotonic()
        low, high = at.timestamp() - after, at.timestamp() - before
        if self._looked is not None and not stepped:
            drift = DRIFT * (before - self._looked[0])
            narrow = max(low, self._ahead[0] - drift), min(high, self._ahead[1] + drift)
            low, high = narrow if narrow[0] <= narrow[1] else (low, high)
        self._ahead = low, high
        self._looked = after, at


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
