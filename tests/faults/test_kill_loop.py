"""Killed at random, under load, for as long as is asked for: nothing acknowledged is lost, nothing is doubled.

``OPENSMM_TEST_KILLS`` says how many kills (``make kill-loop KILLS=1000`` is the long run).
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter

import aiohttp
import psycopg
from tests.faults.processes import children, free_port, opensmm, running
from tests.panel import HANG_S, until

from opensmm.store.embedded import EmbeddedPostgres

KILLS = int(os.environ.get("OPENSMM_TEST_KILLS", "12"))
SEED = int(os.environ.get("OPENSMM_TEST_SEED", "0")) or random.randrange(10**6)
CLIENTS = 6
BETWEEN_KILLS_S = (0.3, 1.6)
KINDS = ("me", "me", "partial-40", "canceled", "refuse", "drop", "garbage")


class Customer:
    """Orders under its own idempotency keys, and repeats each until it is answered."""

    def __init__(self, name, url, key):
        self.name, self.url, self.key = name, url, key
        self.acknowledged = {}
        self.odd = []

    async def order_until(self, done):
        number = 0
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=8)) as session:
            while not done.is_set():
                number += 1
                name = f"{self.name}-{number}"
                answer = await self.repeat(session, name, done)
                if answer is not None:
                    self.acknowledged[name] = answer

    async def repeat(self, session, name, done):
        """The order's id, or None where the end came first. Some answers are asked for twice, as clients do."""
        link = f"https://example.com/{name}/{KINDS[hash(name) % len(KINDS)]}"
        fields = {
            "key": self.key,
            "action": "add",
            "service": 2,
            "quantity": 100,
            "link": link,
            "idempotency_key": name,
        }
        first = None
        while not done.is_set():
            try:
                async with session.post(self.url, data=fields) as answer:
                    decoded = await answer.json()
            except (aiohttp.ClientError, TimeoutError, OSError):
                await asyncio.sleep(0.05)
                continue
            if answer.status == 503:
                await asyncio.sleep(0.05)
                continue
            if answer.status != 200 or list(decoded) != ["order"] or first not in (None, decoded["order"]):
                self.odd.append((name, answer.status, decoded, first))
            if first is not None or number_of(name) % 5:
                return decoded.get("order")
            first = decoded.get("order")
        return first


def number_of(name):
    return int(name.rpartition("-")[2])


def victims(panel, embedded):
    pids = {name: pid for name, pid in children(panel.pid).items() if name in ("api", "worker")}
    database = embedded.pid()
    return pids | ({"postgres": database} if database is not None else {})


async def kill_at_random(panel, embedded, dice):
    killed: Counter[str] = Counter()
    for _ in range(KILLS):
        await asyncio.sleep(dice.uniform(*BETWEEN_KILLS_S))
        pids = victims(panel, embedded)
        name = dice.choice(("api", "worker", "postgres"))
        if name in pids:
            os.kill(pids[name], signal.SIGKILL)
            killed[name] += 1
    return killed


async def is_back(url, key):
    """Waits until the panel takes an order again."""
    fields = {"key": key, "action": "add", "service": 2, "quantity": 100, "link": "https://example.com/after"}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:

        async def takes_an_order():
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with session.post(url, data=fields) as answer:
                    return answer.status == 200

        await until(takes_an_order)


def acknowledged_to(customers):
    return {name: order for customer in customers for name, order in customer.acknowledged.items() if order}


async def enough_of(customers):
    """More orders than kills: a run in which little was placed proves little."""
    return len(acknowledged_to(customers)) > KILLS


async def sent_at_last(url):
    """Waits until nothing is queued or being sent any more: it is at the sandbox, ended, or unsure.

    After many kills much waits: then it has to become less.
    """
    least, deadline = float("inf"), time.monotonic() + HANG_S
    while time.monotonic() < deadline:
        # A backend may outlive its PostgreSQL, and answer, for a moment after the last kill.
        with contextlib.suppress(psycopg.OperationalError):
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
                cursor = await conn.execute("select count(*) from delivery where state in ('queued', 'sending')")
                ((left,),) = await cursor.fetchall()
            if left == 0:
                return
            if left < least:
                least, deadline = left, time.monotonic() + HANG_S
        await asyncio.sleep(0.2)
    raise AssertionError("orders still wait to be sent")


def fetch(url, query):
    with psycopg.connect(url) as conn:
        return conn.execute(query).fetchall()


async def test_nothing_is_lost_and_nothing_doubled_however_often_it_is_killed(tmp_path):
    sys.stderr.write(f"seed {SEED}, {KILLS} kills\n")
    dice = random.Random(SEED)
    data = tmp_path / "data"
    with running("demo", "--port", str(free_port()), "--data", str(data), "--speed", "20", log=tmp_path / "log") as (
        panel,
        printed,
    ):
        assert 0 == opensmm("topup", "1", "10000000", "--id", "1", "--data", str(data)).returncode
        embedded = EmbeddedPostgres(data)
        customers = [Customer(f"c{SEED}-{at}", printed["api_v2"], printed["key"]) for at in range(CLIENTS)]
        done = asyncio.Event()
        working = [asyncio.create_task(customer.order_until(done)) for customer in customers]
        killed = await kill_at_random(panel, embedded, dice)
        await is_back(printed["api_v2"], printed["key"])
        await until(lambda: enough_of(customers))
        done.set()
        await asyncio.gather(*working)
        await sent_at_last(embedded.urls().app)
        url = embedded.urls().app
        by_link = dict(fetch(url, "select link, array_agg(id) from orders group by link"))
        bought = dict(fetch(url, "select link, count(*) from sandbox_order group by link"))
        tries = fetch(
            url,
            "select order_id from attempt where outcome in ('accepted', 'unsure') "
            "group by order_id, run having count(*) > 1",
        )
        verified = opensmm("verify", "--data", str(data), "--json")
    acknowledged = acknowledged_to(customers)
    sys.stderr.write(
        f"killed {dict(killed)}; {len(acknowledged)} orders acknowledged, {len(by_link)} kept, {len(bought)} bought\n"
    )
    assert [] == [odd for customer in customers for odd in customer.odd]
    placed = {link.split("/")[3]: orders for link, orders in by_link.items()}
    placed.pop("after")
    assert {} == {name: orders for name, orders in placed.items() if len(orders) > 1}
    assert {} == {name: order for name, order in acknowledged.items() if placed.get(name) != [order]}
    bought.pop("https://example.com/after", None)
    assert {} == {link: count for link, count in bought.items() if count > 1}
    assert set() == set(bought) - set(by_link)
    assert [] == tries
    assert 0 == verified.returncode, verified.stdout
    assert json.loads(verified.stdout)["holds"]
