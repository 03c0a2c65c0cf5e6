"""Drip-feed: one order delivered in runs, an interval apart."""

from datetime import datetime, timedelta
from typing import Final

from opensmm.domain.asks import Add
from opensmm.domain.refusals import Refusal, Refused

MAX_RUNS: Final = 1000
MAX_INTERVAL_MIN: Final = 60 * 24 * 30


def asked(ask: Add) -> bool:
    """A single run is an ordinary order, whatever its interval, and so is what names neither; a 0 names nothing."""
    return ask.runs != 1 and bool(ask.runs or ask.interval_min)


def check(ask: Add) -> Refused | None:
    if ask.runs is None or not 2 <= ask.runs <= MAX_RUNS:
        return Refused(Refusal.RUNS)
    if ask.interval_min is None or not 1 <= ask.interval_min <= MAX_INTERVAL_MIN:
        return Refused(Refusal.INTERVAL)
    return None


def next_due(due: datetime, released: datetime, interval_min: int) -> datetime:
    """When the run after one that was due at ``due`` and released at ``released`` is due.

    Small delays do not add up; after a long one the runs missed are not fired in a burst.
    """
    interval = timedelta(minutes=interval_min)
    return due + interval if due + interval > released else released + interval
