"""Lengths of time in the unit that a person would choose."""

from datetime import timedelta
from typing import Final, Literal

Unit = Literal["days", "hours", "minutes", "seconds"]
_UNITS: Final[tuple[tuple[timedelta, timedelta, Unit], ...]] = (
    (timedelta(days=2), timedelta(days=1), "days"),
    (timedelta(hours=2), timedelta(hours=1), "hours"),
    (timedelta(minutes=2), timedelta(minutes=1), "minutes"),
)
_SECOND: Final = timedelta(seconds=1)


def span(age: timedelta) -> tuple[int, Unit]:
    """``(3, "hours")``: the largest unit of which there are two; never less than 0 seconds."""
    chosen = next(((unit, name) for least, unit, name in _UNITS if age >= least), None)
    unit, name = chosen or (_SECOND, "seconds")
    return max(0, age // unit), name
