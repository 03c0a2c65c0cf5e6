"""Drip-feed: one order that is delivered in several runs at an interval."""

from datetime import datetime, timedelta
from typing import Final

from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import AddOrder

MAX_RUNS: Final = 1000
MAX_INTERVAL_MIN: Final = 60 * 24 * 30


def is_requested(request: AddOrder) -> bool:
    """Returns True if the request is for a drip-feed. One run is an ordinary order; a 0 counts as not given."""
    return request.runs != 1 and bool(request.runs or request.interval_min)


def check(request: AddOrder) -> Refused | None:
    """Refuses runs and intervals that are missing or out of bounds."""
    if request.runs is None or not 2 <= request.runs <= MAX_RUNS:
        return Refused(Refusal.RUNS)
    if request.interval_min is None or not 1 <= request.interval_min <= MAX_INTERVAL_MIN:
        return Refused(Refusal.INTERVAL)
    return None


def next_due(due: datetime, released: datetime, interval_min: int) -> datetime:
    """Returns the due time of the next run, after one that was due at ``due`` and released at ``released``.

    Small delays do not add up. After a delay longer than the interval, the missed runs are not released in a burst.
    """
    interval = timedelta(minutes=interval_min)
    return due + interval if due + interval > released else released + interval
