"""What an operator must know of clocks."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from opensmm.domain.clocks import TOLERANCE, NewestStep, StepCause
from opensmm.domain.codes import FindingCode
from opensmm.domain.findings import Finding, Level

REMEMBERED: Final = timedelta(days=1)


def steps(stepped: NewestStep | None, now: datetime) -> Finding:
    """The newest step of the database's clock."""
    if stepped is None or now - stepped.noted > REMEMBERED:
        return Finding("clock", Level.OK, FindingCode.CLOCK_RUNS_ON)
    code = FindingCode.NODE_CHANGED if stepped.cause is StepCause.TIMELINE else FindingCode.CLOCK_STEPPED
    fields = {"moved": abs(stepped.moved), "age": max(now - stepped.noted, timedelta(0))}
    return Finding("clock", Level.WARNING, code=code, fields=fields)


def machines(living: Iterable[tuple[str, int, timedelta | None]]) -> Finding:
    """The worker, by host and process, whose machine's clock is off most."""
    off = {(host, pid): abs(ahead) for host, pid, ahead in living if ahead is not None}
    worst = max(off, key=off.__getitem__, default=None)
    if worst is None or off[worst] <= TOLERANCE:
        return Finding("worker clocks", Level.OK, FindingCode.WORKER_CLOCKS_AGREE)
    fields = {"host": worst[0], "pid": worst[1], "off": off[worst]}
    return Finding("worker clocks", Level.WARNING, code=FindingCode.WORKER_CLOCK_OFF, fields=fields)
