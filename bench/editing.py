"""An edit of the price list while orders come in: how soon `services` answers with it, and whether orders wait."""

import asyncio
import http.client
import time
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
from msgspec import Struct
from tests.panel import acting

from bench.asks import PATH
from bench.client import Plan, percentile_ms
from bench.loading import service
from bench.site import Failed, Site, load
from opensmm.actions.services import save_services
from opensmm.base.ids import ServiceId
from opensmm.store.connection import Connection, connect

EDITS: Final = 3
QUIET_SHARE: Final = 1 / 5
LEAST_QUIET_S: Final = 0.15
"""Between edits passes a share of the plan's time; the adds of its second half are held against those of an edit."""
ALLOWED_S: Final = 0.4
"""How long the adds go on for each edit; the limit is 0.3 s."""
LOOK_EVERY_S: Final = 0.002
GIVE_UP_S: Final = 10.0


class Edited(Struct, frozen=True):
    """Medians and the worst over the edits of one reading, in ms."""

    answered_ms: float
    adds_before_p99_ms: float
    adds_during_p99_ms: float
    adds_before_max_ms: float
    adds_during_max_ms: float


def edit(site: Site, plan: Plan) -> Edited:
    """Edits a few services while the plan's adds run; raises Failed where an edit is not seen."""
    samples = site.config.data / "adds.samples"
    quiet_s = max(LEAST_QUIET_S, plan.seconds * QUIET_SHARE)
    steady = msgspec.structs.replace(plan, seconds=EDITS * (quiet_s + ALLOWED_S), samples=str(samples))
    with ThreadPoolExecutor(1) as beside:
        adds = beside.submit(load, steady)
        windows = asyncio.run(_edit_some(site, plan, quiet_s))
        adds.result()
    return _told(windows, _read(samples), quiet_s)


async def _edit_some(site: Site, plan: Plan, quiet_s: float) -> list[tuple[int, int, int]]:
    """(begun, committed, answered) of each edit, on the clock of the load."""
    connection = await connect(site.urls().app, application="opensmm bench: edit")
    look = Look(plan.port, site.world.keys[0])
    try:
        await asyncio.to_thread(look.until_it_says, b"")
        await asyncio.sleep(plan.warm_s)
        windows = []
        for number in range(EDITS):
            await asyncio.sleep(quiet_s)
            windows.append(await _edit_one(connection, look, f"Edited {plan.seed}.{number}"))
        return windows
    finally:
        await connection.close()


async def _edit_one(connection: Connection, look: "Look", name: str) -> tuple[int, int, int]:
    changed = msgspec.structs.replace(service(1), id=ServiceId(1), name=name)
    begun = time.perf_counter_ns()
    await save_services(connection, [changed], by=acting(datetime.now(UTC), "bench"))
    committed = time.perf_counter_ns()
    await asyncio.to_thread(look.until_it_says, name.encode())
    return begun, committed, time.perf_counter_ns()


class Look:
    """A client that asks again and again for the price list, by the tag of the one it has: cheap until it is new."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_S)
        self._url = f"{PATH}?key={key}&action=services"
        self._etag = ""

    def until_it_says(self, text: bytes) -> None:
        give_up = time.monotonic() + GIVE_UP_S
        while time.monotonic() < give_up:
            self._connection.request("GET", self._url, headers={"If-None-Match": self._etag})
            answer = self._connection.getresponse()
            body = answer.read()
            self._etag = answer.headers["etag"]
            if text in body and answer.status == http.HTTPStatus.OK:
                return
            time.sleep(LOOK_EVERY_S)
        raise Failed("an edit of a service was not answered")


def _read(samples: Path) -> Sequence[tuple[int, int]]:
    numbers = array("q")
    numbers.frombytes(samples.read_bytes())
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _told(windows: Sequence[tuple[int, int, int]], adds: Sequence[tuple[int, int]], quiet_s: float) -> Edited:
    """An add counts for an edit where it was under way at any moment between its begin and the answer."""
    quiet_ns = quiet_s * 1e9 / 2
    before = sorted(
        took for due, took in adds if any(due > begun - quiet_ns and due + took < begun for begun, *_ in windows)
    )
    during = sorted(took for due, took in adds if any(due + took > begun and due < end for begun, _, end in windows))
    if not before or not during:
        raise Failed("no adds ran beside the edits")
    return Edited(
        answered_ms=median((answered - committed) / 1e6 for _, committed, answered in windows),
        adds_before_p99_ms=percentile_ms(before, 0.99),
        adds_during_p99_ms=percentile_ms(during, 0.99),
        adds_before_max_ms=percentile_ms(before, 1.0),
        adds_during_max_ms=percentile_ms(during, 1.0),
    )
