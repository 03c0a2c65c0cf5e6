"""Detection of steps of the database's clock.

Every time that matters is read from the database's clock. That clock may jump, because another node takes over or
somebody sets it. A process detects a jump by its own monotonic clock, and by the last reading of all workers, which is
stored in one row.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct

TOLERANCE: Final = timedelta(seconds=2)
"""Clocks that differ by no more than this count as equal."""


class StepCause(StrEnum):
    """Causes of a step. ``timeline``: another node took over, or a backup was restored. ``moved``: the clock was set.
    ``unwatched``: no worker ran that could have measured how much time passed."""

    TIMELINE = "timeline"
    MOVED = "moved"
    UNWATCHED = "unwatched"


class ClockReading(Struct, frozen=True):
    """One reading of the database's clock, with PostgreSQL's timeline and the start time of the server."""

    at: datetime
    timeline: str
    started: datetime


class ExpectedReading(Struct, frozen=True):
    """The range in which a process expects its next reading, by its own monotonic clock. ``last``: its last reading."""

    last: datetime
    earliest: datetime
    latest: datetime

    def deviation(self, at: datetime) -> timedelta:
        """Returns how far ``at`` lies above or below the expected range; 0 within the tolerance."""
        if at > self.latest + TOLERANCE:
            return at - self.latest
        return at - self.earliest if at < self.earliest - TOLERANCE else timedelta(0)


class ClockStep(Struct, frozen=True):
    """A step of the clock between ``since`` and ``until``. Times in between prove nothing: the clock skipped them, or
    showed them twice. ``moved``: the size of the step, negative if it went backwards."""

    cause: StepCause
    since: datetime
    until: datetime
    moved: timedelta

    @property
    def breaks(self) -> bool:
        """True if the order of times is lost. Over an unwatched time they still grow; only durations are unknown."""
        return self.cause is not StepCause.UNWATCHED


class NewestStep(Struct, frozen=True):
    """The newest step of the database's clock."""

    noted: datetime
    moved: timedelta
    cause: StepCause


def detect_step(
    stored: ClockReading | None, current: ClockReading, expected: ExpectedReading | None
) -> ClockStep | None:
    """Returns the step that a reading shows, if any.

    ``stored``: the last reading of all workers, with the highest time that any of them saw. ``expected``: None for a
    process that has not read the clock before.
    """
    if stored is None:
        return None
    moved = expected.deviation(current.at) if expected else current.at - stored.at
    if stored.timeline != current.timeline:
        return _make_step(StepCause.TIMELINE, stored, current, expected, moved)
    if (expected and moved) or current.at < stored.at - TOLERANCE:
        return _make_step(StepCause.MOVED, stored, current, expected, moved or current.at - stored.at)
    if expected is None and (moved > TOLERANCE or stored.started != current.started):
        return _make_step(StepCause.UNWATCHED, stored, current, expected, moved)
    return None


def _make_step(
    cause: StepCause, stored: ClockReading, current: ClockReading, expected: ExpectedReading | None, moved: timedelta
) -> ClockStep:
    """Returns a step that covers every time at which the clock may have stepped."""
    times = [stored.at, current.at]
    if expected is not None:
        # After a step back the clock shows again what it showed before the last reading, from that much earlier on.
        times += [expected.last, expected.latest, expected.last + min(expected.deviation(current.at), timedelta(0))]
    return ClockStep(cause, min(times), max(times), moved)
