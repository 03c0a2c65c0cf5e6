"""Drip-feed: one order delivered in runs, an interval apart."""

from datetime import datetime, timedelta
from typing import Final

from opensmm.domain.refusals import Refusal, Refused
from opensmm.domain.requests import AddOrder

MAX_RUNS: Final = 1000
MAX_INTERVAL_MIN: Final = 60 * 24 * 30


def asked(request: AddOrder) -> bool:
    """A single run is an ordinary order, whatever its interval, and so is what names neither; a 0 names nothing."""
    return request.runs != 1 and bool(request.runs or request.interval_min)


def check(request: AddOrder) -> Refused | None:
    if request.runs is None or not 2 <= request.runs <= MAX_RUNS:
        return Refused(Refusal.RUNS)
    if request.interval_min is None or not 1 <= request.interval_min <= MAX_INTERVAL_MIN:
        return Refused(Refusal.INTERVAL)
    return None


def next_due(due: datetime, released: datetime, interval_min: int) -> datetime:
    """When the run after one that was due at ``due`` and released at ``released`` is due.

    Small delays do not add up; after a long one the runs missed are not fired in a burst.
    """
    interval = timedelta(minutes=interval_min)
    return due + interval if due + interval > released else released + interval
