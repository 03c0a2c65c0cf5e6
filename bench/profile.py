"""Where the time goes: the stages of an ask inside the API process, and what its connections wait for meanwhile."""

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
_WAITS: Final = """
select case when state = 'active' then coalesce(wait_event, 'on the processor') else 'waiting for the API' end
from pg_stat_activity where application_name like %s
"""


class Profile(Struct, frozen=True):
    """Of one kind of ask: shares of the API's processor time by stage, and of its connections' time by wait."""

    kind: str
    stages: dict[str, float]
    waits: dict[str, float]


def profile(site: Site, seconds: float) -> list[Profile]:
    """Runs each kind once more, against an API process that is interrupted a thousand times a second."""
    path = site.config.data / "samples.json"
    server = Server(["-m", "bench.sampled", "FD", str(site.config.data), str(path)])
    try:
        server.wait(site.form("balance"))
        return [_profile(site, server, kind, seconds, path) for kind in KINDS]
    finally:
        server.stop()


def _profile(site: Site, server: Server, kind: str, seconds: float, path: Path) -> Profile:
    plan = Round(site, 0, seconds, {}).plan(server, kind)
    waits, over = Counter[str](), threading.Event()
    beside = threading.Thread(target=_look, args=(site, f"opensmm api: {_LINES[kind]}%", waits, over))
    site.checkpoint()
    server.signal(signal.SIGUSR1)
    beside.start()
    try:
        load(plan)
    finally:
        over.set()
        beside.join()
    server.signal(signal.SIGUSR2)
    return Profile(kind, _shares(_counts(path)), _shares(waits))


_LINES: Final = {"add": "place", "status": "status"}


def _look(site: Site, lines: str, waits: Counter[str], over: threading.Event) -> None:
    with site.superuser() as connection:
        while not over.wait(LOOK_EVERY_S):
            waits.update(row[0] for row in connection.execute(_WAITS, [lines]))


def _counts(path: Path) -> dict[str, int]:
    until = time.monotonic() + WRITTEN_WITHIN_S
    while not path.exists():
        if time.monotonic() > until:
            raise Failed("the profile was not written")
        time.sleep(0.01)
    counts = msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    path.unlink()
    return counts


def _shares(counts: dict[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {name: count / total for name, count in sorted(counts.items(), key=lambda pair: -pair[1])} if total else {}


def costs(rounds: Sequence[dict[str, Reading]], probe: str) -> dict[str, float]:
    """The median of each thing seen beside a probe's value, over the rounds."""
    details = [taken[probe].detail for taken in rounds if probe in taken]
    names = details[0] if details else {}
    return {name: sorted(detail[name] for detail in details)[len(details) // 2] for name in names}
