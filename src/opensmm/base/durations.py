"""Durations in the unit that a person would choose."""

from datetime import timedelta
from typing import Final, Literal

Unit = Literal["days", "hours", "minutes", "seconds"]
_UNITS: Final[tuple[tuple[timedelta, timedelta, Unit], ...]] = (
    (timedelta(days=2), timedelta(days=1), "days"),
    (timedelta(hours=2), timedelta(hours=1), "hours"),
    (timedelta(minutes=2), timedelta(minutes=1), "minutes"),
)
_SECOND: Final = timedelta(seconds=1)


def in_largest_unit(age: timedelta) -> tuple[int, Unit]:
    """Returns a duration such as ``(3, "hours")``, in the largest unit of which it has at least two; 0 or more."""
    unit, name = next(((unit, name) for least, unit, name in _UNITS if age >= least), (_SECOND, "seconds"))
    return max(0, age // unit), name
