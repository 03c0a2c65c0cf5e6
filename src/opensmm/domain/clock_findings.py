"""Findings of ``health`` about clocks."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from opensmm.domain.clocks import TOLERANCE, NewestStep, StepCause
from opensmm.domain.codes import FindingCode
from opensmm.domain.findings import Finding, Level

REMEMBERED: Final = timedelta(days=1)
"""The time for which a step of the clock is reported."""


def steps(newest: NewestStep | None, now: datetime) -> Finding:
    """Reports the newest step of the database's clock."""
    if newest is None or now - newest.noted > REMEMBERED:
        return Finding("clock", Level.OK, FindingCode.CLOCK_RUNS_ON)
    code = FindingCode.NODE_CHANGED if newest.cause is StepCause.TIMELINE else FindingCode.CLOCK_STEPPED
    fields = {"moved": abs(newest.moved), "age": max(now - newest.noted, timedelta(0))}
    return Finding("clock", Level.WARNING, code=code, fields=fields)


def machines(living: Iterable[tuple[str, int, timedelta | None]]) -> Finding:
    """Reports the worker whose machine's clock is off most.

    ``living``: host, process id and how far the machine's clock is ahead of the database's, None if not known.
    """
    off = {(host, pid): abs(ahead) for host, pid, ahead in living if ahead is not None}
    worst = max(off, key=off.__getitem__, default=None)
    if worst is None or off[worst] <= TOLERANCE:
        return Finding("worker clocks", Level.OK, FindingCode.WORKER_CLOCKS_AGREE)
    fields = {"host": worst[0], "pid": worst[1], "off": off[worst]}
    return Finding("worker clocks", Level.WARNING, code=FindingCode.WORKER_CLOCK_OFF, fields=fields)
