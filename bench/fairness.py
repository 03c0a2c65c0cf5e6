"""Fairness: whether one customer who sends the dearest asks that the limits allow slows another one's down.

``python -m bench.fairness`` plays one of the two, as its plan says, and tells how long each answer took.
"""

import asyncio
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from statistics import quantiles
from subprocess import PIPE, run
from time import perf_counter
from typing import Final
from urllib.parse import urlencode

import aiohttp
import msgspec
import psycopg
from msgspec import Struct

from bench.asks import PATH
from bench.site import ROOT, Failed, Server, Site, environment

CONNECTIONS: Final = 64
"""Of the customer who sends the dearest asks."""
RUNS: Final = 1000
LISTED: Final = 100
LEAST_S: Final = 3.0
"""How long each of the two phases takes at least: the other customer asks each of its asks once a second."""
ASKS: Final = ("add", "status", "balance", "orders")
HEAD_START_S: Final = 1.0
_OK: Final = 200
_UNAVAILABLE: Final = 503
_DRIPS: Final = "update service set dripfeed = true, cancel = true, min = 1, max = 1000000"
_RICH: Final = "update customer set balance = 1000000000000000"
_NEWS: Final = "update panel set catalogue_version = catalogue_version + 1"


class Part(Struct, frozen=True):
    """What one of the two is to do; the ``dear`` one asks without end, the other one each of ASKS once a second."""

    port: int
    key: str
    service: int
    seconds: float
    dear: bool


class Heard(Struct, frozen=True):
    """``took_ms`` of each answer; ``unavailable`` counts answers of 503, ``refused`` other errors."""

    took_ms: list[float]
    unavailable: int
    refused: int


class Fairness(Struct, frozen=True):
    quiet_ms: float
    crowded_ms: float
    dear_answers: int
    dear_unavailable: int


def measure(site: Site, database: str, template: str, seconds: float) -> Fairness:
    """The other customer's 99th percentiles alone and beside the dear one; raises Failed where it was refused."""
    site.copy(database, template)
    with psycopg.connect(site.urls(database).owner, autocommit=True) as owner:
        for statement in (_DRIPS, _RICH, _NEWS):
            owner.execute(statement)
    server, seconds = site.api(database), max(LEAST_S, seconds)
    try:
        part = Part(server.port, site.world.keys[1], site.world.services[0], seconds, dear=False)
        quiet = _play(part)
        crowded, dear = _beside(site, server, part)
    finally:
        site.stop(database)
    for heard in (quiet, crowded):
        if heard.unavailable or heard.refused:
            raise Failed(f"another customer got {heard.unavailable} answers of 503 and {heard.refused} other errors")
    return Fairness(_p99(quiet.took_ms), _p99(crowded.took_ms), len(dear.took_ms), dear.unavailable)


def _beside(site: Site, server: Server, part: Part) -> tuple[Heard, Heard]:
    dear = Part(server.port, site.world.keys[0], part.service, part.seconds + 2 * HEAD_START_S, dear=True)
    with ThreadPoolExecutor(1) as beside:
        crowd = beside.submit(_play, dear)
        crowded = _play(msgspec.structs.replace(part, seconds=part.seconds + HEAD_START_S))
        return crowded, crowd.result()


def _p99(took_ms: Sequence[float]) -> float:
    return quantiles(took_ms, n=100, method="inclusive")[98]


def _play(part: Part) -> Heard:
    """One of the two, in a process of its own."""
    told = msgspec.json.encode(part)
    command = [sys.executable, "-m", "bench.fairness"]
    done = run(command, cwd=ROOT, input=told, stdout=PIPE, env=environment(), check=False)
    if done.returncode:
        raise Failed("a customer of the fairness measure broke off")
    return msgspec.json.decode(done.stdout, type=Heard)


class Customer:
    """A customer's program, and what it heard."""

    def __init__(self, part: Part, session: aiohttp.ClientSession) -> None:
        self._part = part
        self._session = session
        self._until = perf_counter() + part.seconds
        self._url = f"http://127.0.0.1:{part.port}{PATH}"
        self._orders: list[int] = []
        self.took_ms: list[float] = []
        self.unavailable = self.refused = 0

    async def ask_dearly(self) -> None:
        """Adds of many runs, cancels and looks at as many as may be listed, one after the other."""
        for action in cycle(("add", "orders", "status", "add", "cancel")):
            if perf_counter() >= self._until:
                return
            listed = self._orders[-LISTED:]
            more = {"orders": ",".join(map(str, listed))} if action in ("status", "cancel") else {}
            if action == "add" or listed:
                await self._ask(action, **more, **(self._order(RUNS) if action == "add" else {}))

    async def ask_each_second(self, action: str) -> None:
        await self._ask("add", **self._order(0))
        self.took_ms.clear()
        while perf_counter() < self._until:
            began = perf_counter()
            more = {"order": self._orders[0]} if action == "status" else {}
            await self._ask(action, **more, **(self._order(0) if action == "add" else {}))
            await asyncio.sleep(max(0.0, began + 1 - perf_counter()))

    def _order(self, runs: int) -> dict[str, object]:
        drips = {"runs": runs, "interval": 60} if runs else {}
        return {"service": self._part.service, "link": "https://www.instagram.com/p/1/", "quantity": 100, **drips}

    async def _ask(self, action: str, **more: object) -> None:
        form = urlencode({"key": self._part.key, "action": action, **more})
        began = perf_counter()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        async with self._session.post(self._url, data=form.encode(), headers=headers) as answer:
            body = await answer.read()
        self.took_ms.append((perf_counter() - began) * 1000)
        if answer.status == _UNAVAILABLE:
            self.unavailable += 1
        elif answer.status != _OK or body.startswith(b'{"error'):
            self.refused += 1
        elif action == "add":
            self._orders.append(msgspec.json.decode(body)["order"])


async def play(part: Part) -> Heard:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS if part.dear else len(ASKS))
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=120)) as session:
        customer = Customer(part, session)
        if part.dear:
            await asyncio.gather(*(customer.ask_dearly() for _ in range(CONNECTIONS)))
        else:
            await asyncio.gather(*(customer.ask_each_second(action) for action in ASKS))
        return Heard(customer.took_ms, customer.unavailable, customer.refused)


if __name__ == "__main__":
    told = asyncio.run(play(msgspec.json.decode(sys.stdin.buffer.read(), type=Part)))
    sys.stdout.buffer.write(msgspec.json.encode(told))
