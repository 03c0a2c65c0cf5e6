"""Clocks that step: what a look at the database's clock tells beside the time.

Every time that matters is the database's. Its clock may jump all the same: another node takes over, somebody sets it
right. A process sees that by a clock of its own that only ever runs on, and what others have seen stands in one row.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct

TOLERANCE: Final = timedelta(seconds=2)
"""Clocks that agree within this are taken for one."""


class StepCause(StrEnum):
    """``timeline``: another node took over, or a backup did. ``moved``: the clock was set. ``unwatched``: no worker was
    there to see how much time passed."""

    TIMELINE = "timeline"
    MOVED = "moved"
    UNWATCHED = "unwatched"


class ClockReading(Struct, frozen=True):
    """The database's clock at a look, on which timeline of its history it is, and when its server was started."""

    at: datetime
    timeline: str
    started: datetime


class ExpectedReading(Struct, frozen=True):
    """What a process that looked at ``last`` expects of the next look, by a clock of its own."""

    last: datetime
    earliest: datetime
    latest: datetime

    def moved(self, at: datetime) -> timedelta:
        """How far the clock is from what was expected; nothing within the tolerance."""
        if at > self.latest + TOLERANCE:
            return at - self.latest
        return at - self.earliest if at < self.earliest - TOLERANCE else timedelta(0)


class ClockStep(Struct, frozen=True):
    """Between ``since`` and ``until`` the clock's times prove nothing: no time, too much or too little passed, or the
    same time twice. ``moved`` is by how much, backwards where it is negative."""

    cause: StepCause
    since: datetime
    until: datetime
    moved: timedelta

    @property
    def breaks(self) -> bool:
        """Order and duration are lost. Of what nobody watched, times still grow: only its duration counts for
        nothing."""
        return self.cause is not StepCause.UNWATCHED


class NewestStep(Struct, frozen=True):
    """The newest step of the database's clock."""

    noted: datetime
    moved: timedelta
    cause: StepCause


def judge(kept: ClockReading | None, found: ClockReading, expected: ExpectedReading | None) -> ClockStep | None:
    """The step that a look finds, if any. ``kept`` is what all workers have seen, its time the highest; ``expected``
    is None for a process that looks for the first time."""
    if kept is None:
        return None
    moved = expected.moved(found.at) if expected else found.at - kept.at
    if kept.timeline != found.timeline:
        return _step(StepCause.TIMELINE, kept, found, expected, moved)
    if (expected and moved) or found.at < kept.at - TOLERANCE:
        return _step(StepCause.MOVED, kept, found, expected, moved or found.at - kept.at)
    if expected is None and (moved > TOLERANCE or kept.started != found.started):
        return _step(StepCause.UNWATCHED, kept, found, expected, moved)
    return None


def _step(
    cause: StepCause, kept: ClockReading, found: ClockReading, expected: ExpectedReading | None, moved: timedelta
) -> ClockStep:
    """The step may have been at any time since the last look. After one back, times are told a second time from
    so long before the last look on."""
    times = [kept.at, found.at]
    if expected is not None:
        times += [expected.last, expected.latest, expected.last + min(expected.moved(found.at), timedelta(0))]
    return ClockStep(cause, min(times), max(times), moved)
