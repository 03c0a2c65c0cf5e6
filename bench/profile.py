"""Profiles: the stages of a request inside the API process, and what its connections wait for meanwhile."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from bench.probes import Reading, Round
from bench.site import Failed, Server, Site, load

KINDS: Final = ("add", "status")
LOOK_EVERY_S: Final = 0.01
WRITTEN_WITHIN_S: Final = 5.0
IDLE: Final = "none active"
# How many of the API's connections PostgreSQL works for at this moment, by what it does.
_WORK: Final = """
select coalesce(wait_event_type || ': ' || wait_event, 'on the processor'), count(*)
from pg_stat_activity where application_name like 'opensmm api%' and state = 'active' group by 1
"""


class Profile(Struct, frozen=True):
    """Profile of one kind of request: shares of the API's processor time by stage, and the average number of active
    connections by what PostgreSQL did for them; ``IDLE`` is the share of the time with none."""

    kind: str
    stages: dict[str, float]
    work: dict[str, float]


def profile(site: Site, seconds: float) -> list[Profile]:
    """Runs each kind once more, against an API process that is interrupted a thousand times a second."""
    path = site.config.data / "samples.json"
    server = Server(["-m", "bench.sampled", "FD", str(site.config.data), str(path)])
    try:
        server.wait(site.form("balance"))
        return [_profile(site, server, kind, seconds, path, at) for at, kind in enumerate(KINDS)]
    finally:
        server.stop()
        path.unlink(missing_ok=True)


def _profile(site: Site, server: Server, kind: str, seconds: float, path: Path, at: int) -> Profile:
    plan = msgspec.structs.replace(Round(site, 0, seconds, {}).plan(server, kind), seconds=seconds)
    work, over = Counter[str](), threading.Event()
    beside = threading.Thread(target=_look, args=(site, work, over))
    site.checkpoint()
    server.signal(signal.SIGUSR1)
    beside.start()
    try:
        load(plan)
    finally:
        over.set()
        beside.join()
    server.signal(signal.SIGUSR2)
    looks = work.pop("looks")
    stages = _counts(path, at)
    total = sum(stages.values())
    return Profile(kind, _ranked(stages, total), _ranked(work, looks))


def _look(site: Site, work: Counter[str], over: threading.Event) -> None:
    with site.superuser() as connection:
        while not over.wait(LOOK_EVERY_S):
            rows = connection.execute(_WORK).fetchall() or [(IDLE, 1)]
            work.update({"looks": 1} | {str(what): int(count) for what, count in rows})


def _counts(path: Path, at: int) -> dict[str, int]:
    """Waits for the line of that number, whole."""
    until = time.monotonic() + WRITTEN_WITHIN_S
    while len(lines := path.read_bytes().split(b"\n")) < at + 2:
        if time.monotonic() > until:
            raise Failed("the profile was not written")
        time.sleep(0.01)
    return msgspec.json.decode(lines[at], type=dict[str, int])


def _ranked(counts: dict[str, int], whole: int) -> dict[str, float]:
    return {name: count / whole for name, count in sorted(counts.items(), key=lambda pair: -pair[1])}


def costs(rounds: Sequence[dict[str, Reading]], probe: str) -> dict[str, float]:
    """Returns the median over the rounds of each detail of a probe."""
    details = [taken[probe].detail for taken in rounds if probe in taken]
    names = details[0] if details else {}
    return {name: sorted(detail[name] for detail in details)[len(details) // 2] for name in names}
