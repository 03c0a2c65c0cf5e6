"""Lengths of time as a person reads them."""

from datetime import timedelta
from typing import Final

_UNITS: Final = (
    (timedelta(days=2), timedelta(days=1), "days"),
    (timedelta(hours=2), timedelta(hours=1), "hours"),
    (timedelta(minutes=2), timedelta(minutes=1), "minutes"),
)
_SECONDS: Final = (timedelta(seconds=1), "seconds")


def span(age: timedelta) -> str:
    """``3 hours``: the largest unit of which there are two; never less than 0 seconds."""
    unit, name = next(((unit, name) for least, unit, name in _UNITS if age >= least), _SECONDS)
    return f"{max(0, age // unit)} {name}"
