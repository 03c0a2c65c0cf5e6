"""Answers to ``add`` lost or garbled, as many as are asked for: nothing is bought twice, nothing bought is paid back.

``OPENSMM_TEST_LOST`` says how many (``make lost-replies LOST=10000`` is the long run). The sandbox's own book is the
truth. Many providers work side by side, each an account of its own, with strangers' orders between theirs. Mostly a
provider has one doubtful order at a time; now and then two are sent at once, which may be impossible to tell apart.
"""

import asyncio
import logging
import os
import random
import sys
from collections import Counter

import pytest
import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tests.panel import acting, broken, buyer, fetch, now, open_api, service
from tests.stepped_worker import PATIENCE, open_worker

from opensmm.actions.services import save_services
from opensmm.domain.evidence import NEIGHBOURS
from opensmm.store import catalogue as rows

LOST = int(os.environ.get("OPENSMM_TEST_LOST", "120"))
SEED = int(os.environ.get("OPENSMM_TEST_SEED", "0")) or random.randrange(10**6)
LANES = 24
"""Providers side by side: accounts 1 to LANES of the sandbox. Account 0, the panel's own, plays the stranger."""
AT_ONCE = 0.03
"""How often two are sent at once."""
QUANTITIES = (100, 200, 500)
"""Of which two that are sent at once have the same now and then."""
KINDS = ("timeout", "garbage", "lost-once", "lost-once", "lost")
AFTER_S = PATIENCE.taking_in.total_seconds() + 3 * PATIENCE.skew.total_seconds()
QUIET_WAVES = 8
"""In the end, without new faults: what is proved not to be bought is sent again up to three times."""
SETTLED_AT_LEAST = 0.95
ENOUGH_FOR_A_SHARE = 1000
"""In a shorter run the share is a matter of how many of these orders chance sent two at once."""


@pytest.fixture(autouse=True)
def _quiet():
    """Thousands of tries that are unsure are nothing to tell of here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def lanes(conn):
    """A service for each provider."""
    for lane in range(1, LANES + 1):
        (saved,) = await save_services(conn, [service(lane)], by=acting(now()))
        provider = await rows.save_provider(conn, f"Sandbox {lane}", "sandbox", f"sandbox:{lane}", "USD")
        await rows.route_all(conn, [saved], provider)
    return range(1, LANES + 1)


class Waves:
    """Ordinary orders at every provider, then doubtful ones at those where everything is settled."""

    def __init__(self, api, worker, conn, who, dice):
        self.api, self.worker, self.conn, self.who, self.dice = api, worker, conn, who, dice
        self.number = 0
        self.twins = set()

    async def place(self, lane, behaviour):
        self.number += 1
        link, quantity = f"https://example.com/{self.number}/{behaviour}", self.dice.choice(QUANTITIES)
        return await self.api.add(self.who.key, lane, link=link, quantity=quantity)

    async def calm(self, lanes):
        """What was doubtful gets its neighbours, and is settled."""
        for _ in range(NEIGHBOURS):
            self.worker.clock.forward(6)
            await asyncio.gather(*(self.place(lane, "me") for lane in lanes))
            await self.worker.send()
            await self.conn.execute(
                "insert into sandbox_order (account, service, link, quantity, placed, start_count) "
                "select 0, '1', 'https://example.com/stranger', 9, now(), 0 from generate_series(1, 3)"
            )
        self.worker.clock.forward(6)
        await self.worker.settle()
        await self.worker.follow()

    async def storm(self, lanes):
        """One doubtful order, or two, at every provider without one; returns how many were placed."""
        busy = await fetch(
            self.conn, "select distinct service_id from delivery where state = 'unsure' and due is null "
            "or state in ('queued', 'sending') or state = 'unsure' and due <= %s", self.worker.clock(),
        )  # fmt: skip
        free = [lane for lane in lanes if (lane,) not in busy]
        twice = {lane for lane in free if self.dice.random() < AT_ONCE}
        chosen = [*free, *twice]
        placed = await asyncio.gather(*(self.place(lane, self.dice.choice(KINDS)) for lane in chosen))
        self.twins.update(order for lane, order in zip(chosen, placed, strict=True) if lane in twice)
        await self.worker.send()
        self.worker.clock.forward(AFTER_S)
        return len(chosen)


DOUBTED = """
select order_id, run, number from evidence union select order_id, run, attempt from delivery where state = 'unsure'
"""


async def count(conn, query):
    return (await fetch(conn, f"select count(*) from ({query}) t"))[0][0]


async def findings(conn):
    """What the sandbox's book says of what the panel believes. No link here is refused, cancelled or partial."""
    bought = "select link from sandbox_order where account > 0"
    return {
        "lost or garbled": await count(conn, DOUBTED),
        "doubled": await count(conn, f"{bought} group by link having count(*) > 1"),
        "wrongly refunded": await count(conn, f"select from orders where refunded > 0 and link in ({bought})"),
        "taken for another's": await count(
            conn, "select from attempt t join orders o on o.id = t.order_id join sandbox_order s "
            "on s.id = t.provider_order::bigint where t.outcome = 'accepted' and s.link <> o.link",
        ),
        "believed bought and not": await count(
            conn, f"select from orders where state = 'completed' and link not in ({bought})"
        ),
        "left to the operator": await count(conn, "select from delivery where state = 'unsure'"),
    }  # fmt: skip


async def test_lost_and_garbled_answers_are_settled_and_nothing_is_bought_twice(database, conn, clock, lanes):
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    who = await buyer(conn, "1000000000")
    async with (
        open_api(database.app_url, clock) as api,
        open_worker(database.app_url, clock, accounts=lanes) as worker,
    ):
        waves = Waves(api, worker, conn, who, random.Random(SEED))
        await waves.calm(lanes)
        with Progress(*columns, console=console, transient=True, disable=LOST <= 1000) as progress:
            task = progress.add_task(f"losing answers, seed {SEED}", total=LOST)
            while (lost := await count(conn, DOUBTED)) < LOST:
                progress.update(task, completed=lost)
                await waves.storm(lanes)
                await waves.calm(lanes)
        for _ in range(QUIET_WAVES):
            clock.forward(AFTER_S)
            await waves.calm(lanes)
        clock.forward(60)
        await worker.follow()
    by_name = await findings(conn)
    settled = 1 - by_name["left to the operator"] / by_name["lost or garbled"]
    concluded = Counter(dict(await fetch(conn, "select conclusion, count(*) from evidence group by 1")))
    sys.stderr.write(f"seed {SEED}: {by_name}; settled without a person {settled:.2%}; looks {dict(concluded)}\n")
    assert {0} == {by_name[what] for what in by_name if what not in ("lost or garbled", "left to the operator")}, (
        by_name
    )
    assert by_name["lost or garbled"] >= LOST
    left = await fetch(conn, "select order_id from delivery where state = 'unsure'")
    assert {order for (order,) in left} <= waves.twins, "one that was doubtful alone at its provider is settled"
    assert settled >= SETTLED_AT_LEAST or LOST < ENOUGH_FOR_A_SHARE
    assert [] == await broken(conn)
