"""A panel of the v1 family reads its balance and then writes it: of two adds at a time one is lost. It is sent no more
at a time than it is set to take, over all workers, and the next one as soon as one is done."""

import asyncio
import itertools
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import parse_qsl

import msgspec
import pytest
from tests.faults.processes import environ
from tests.faults.victim import Plan
from tests.panel import DEFAULT, LINK, PLAIN, at_last, broken, fetch, open_api, until
from tests.panels import add_panel, route
from tests.stepped_worker import TIMEOUT_S, FakeProvider, SteppedWorker, open_worker, served
from tests.worker.test_loops import working

from opensmm.actions.sending import lease
from opensmm.worker import running

KEY = "a-key-of-the-one-upstream"
NOWHERE = "http://127.0.0.1:9/api/v2"


class Family:
    """A panel of the v1 family: a second `add` at a time makes an order too, and gets an empty body.

    While ``go_on`` is not set, adds are under way.
    """

    def __init__(self, seconds=0.0):
        self.seconds = seconds
        self.numbers, self.number = itertools.count(1), 0
        self.adding = self.most = self.added = 0
        self.asked_meanwhile = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self, scope, receive, send):
        form = dict(parse_qsl((await receive())["body"].decode()))
        reply = await self.add() if form["action"] == "add" else self.answer(form)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(reply).encode() if reply else b""})

    async def add(self):
        self.adding, number = self.adding + 1, next(self.numbers)
        self.most, alone = max(self.most, self.adding), self.adding == 1
        await asyncio.sleep(self.seconds)
        await self.go_on.wait()
        self.adding, self.added = self.adding - 1, self.added + 1
        return {"status": "success", "order": number} if alone else None

    def answer(self, form):
        self.asked_meanwhile += self.adding > 0
        if form["action"] == "balance":
            return {"status": "success", "balance": "100", "currency": "USD"}
        ids = form["orders"].split(",") if "orders" in form else [form["order"]]
        statuses = {one: {"status": "completed", "charge": "0.05", "start_count": "0", "remains": "0"} for one in ids}
        return statuses if "orders" in form else {"order": ids[0], **statuses[ids[0]]}


@asynccontextmanager
async def at_family(stocked, seconds=0.0, **changes):
    """A panel of the family that fulfils the default service, as the operator keeps it."""
    family = Family(seconds)
    async with served(family) as address:
        family.number = await add_panel(stocked, KEY, name="Family", url=address, dialect="v1", **changes)
        await route(stocked, DEFAULT, (family.number, 7))
        try:
            yield family
        finally:
            family.go_on.set()


@asynccontextmanager
async def two(database, clock):
    """Two workers, stepped by hand."""
    async with AsyncExitStack() as stack:
        first, second = (SteppedWorker(database.app_url, NOWHERE, clock) for _ in range(2))
        for worker in (first, second):
            stack.push_async_callback(worker.close)
            await worker.housekeeper.step()
        yield first, second


@asynccontextmanager
async def under_way(family, worker):
    """One `add` is with the provider for as long as the block lasts."""
    family.go_on.clear()
    tasks = await worker.sender.step(10)
    await until(lambda: _is(family.adding == 1))
    yield
    family.go_on.set()
    await at_last(asyncio.gather(*tasks))


async def _is(true):
    return true


async def place(api, ann, count, service=DEFAULT):
    for at in range(count):
        await api.add(ann.key, service, link=f"{LINK}/{service}/{at}")


async def tried(conn, count):
    """So many were tried, and none is being sent."""
    rows = await fetch(conn, "select count(*), count(*) filter (where outcome = 'sending') from attempt")
    return [(count, 0)] == rows


async def ended_or_unsure(conn):
    return not await fetch(conn, "select from delivery where state not in ('completed', 'unsure')")


async def test_over_all_workers_one_add_goes_at_a_time(stocked, database, ann):
    async with open_api(database.app_url) as api, at_family(stocked, 0.02) as family:
        await place(api, ann, 40)
        async with working(database.app_url, NOWHERE, count=2):
            await until(lambda: tried(stocked, 40))
            await until(lambda: ended_or_unsure(stocked))
    assert (1, 40) == (family.most, family.added)
    assert [("accepted", 40)] == await fetch(stocked, "select outcome, count(*) from attempt group by 1")
    assert [] == await broken(stocked)


async def test_where_the_operator_wants_it_as_many_go_as_calls(stocked, database, ann):
    async with open_api(database.app_url) as api, at_family(stocked, adds_at_a_time=0) as family:
        family.go_on.clear()
        await place(api, ann, 20)
        async with working(database.app_url, NOWHERE, count=2):
            await until(lambda: _is(family.adding > 2))
            family.go_on.set()
            await until(lambda: tried(stocked, 20))


async def test_a_provider_may_be_set_to_take_a_few(stocked, database, ann, clock):
    async with (
        open_api(database.app_url, clock) as api,
        at_family(stocked, adds_at_a_time=3) as family,
        two(database, clock) as (first, second),
    ):
        await place(api, ann, 5)
        family.go_on.clear()
        tasks = await first.sender.step(2)
        tasks += await second.sender.step(10)
        assert 3 == len(tasks)
        assert [] == await first.sender.step(10)
        family.go_on.set()
        await asyncio.gather(*tasks)
        assert 2 == await first.send()


async def test_a_worker_that_does_not_know_the_setting_yet_sends_nothing_beside_an_add(stocked, database, ann, clock):
    async with (
        open_api(database.app_url, clock) as api,
        at_family(stocked, adds_at_a_time=0, concurrency=1000) as family,
        two(database, clock) as (first, second),
    ):
        await place(api, ann, 3)
        await stocked.execute("update provider set adds_at_a_time = 1 where name = 'Family'")
        await first.housekeeper.step()
        async with under_way(family, first):
            assert 0 == await second.send(limit=2)
        assert 1 == await first.send()
    assert 1 == family.most


async def test_questions_are_asked_beside_an_add(stocked, database, ann, clock):
    async with (
        open_api(database.app_url, clock) as api,
        at_family(stocked) as family,
        two(database, clock) as (first, second),
    ):
        await place(api, ann, 2)
        await first.send()
        clock.forward(5)
        async with under_way(family, first):
            assert 1 == await second.follow()
        assert 1 == family.asked_meanwhile


async def test_others_are_sent_theirs_while_one_takes_one_at_a_time(stocked, database, ann, clock):
    async with (
        open_api(database.app_url, clock) as api,
        at_family(stocked) as family,
        open_worker(database.app_url, clock) as worker,
    ):
        await place(api, ann, 20)
        await place(api, ann, 3, PLAIN)
        assert 1 + 3 == await worker.send(limit=10)
        assert 1 == family.added


async def test_an_order_that_goes_on_to_the_next_provider_waits_for_its_turn_there(stocked, database, ann, clock):
    refuser = FakeProvider()
    refuser.answers["add"] = {"error": "Incorrect link"}
    async with (
        served(refuser) as address,
        open_api(database.app_url, clock) as api,
        at_family(stocked) as family,
        two(database, clock) as (first, second),
    ):
        other = await add_panel(stocked, KEY, name="Refuser", url=address)
        await route(stocked, PLAIN, (other, 1), (family.number, 7))
        await first.housekeeper.step()
        await second.housekeeper.step()
        await place(api, ann, 1)
        async with under_way(family, first):
            await place(api, ann, 1, PLAIN)
            assert (1, 0) == (await second.send(), await second.send())
        assert 1 == await second.send()
    assert (1, 2) == (family.most, family.added)
    assert [] == await broken(stocked)


async def test_an_add_whose_outcome_is_not_recorded_yet_counts(stocked, database, ann, clock):
    async with (
        open_api(database.app_url, clock) as api,
        at_family(stocked) as family,
        two(database, clock) as (first, second),
    ):
        await place(api, ann, 2)
        async with under_way(family, first), stocked.transaction():
            await stocked.execute("select from attempt for update")
            family.go_on.set()
            await until(lambda: _is(family.added == 1))
            assert 0 == await second.send()
        assert 1 == await second.send()
    assert [("accepted", 2)] == await fetch(stocked, "select outcome, count(*) from attempt group by 1")


async def test_an_unsure_add_lets_the_next_one_go(stocked, database, ann, clock):
    fake = FakeProvider()
    fake.answers["add"] = b""
    async with served(fake) as address, open_api(database.app_url, clock) as api:
        await route(stocked, DEFAULT, (await add_panel(stocked, KEY, url=address, dialect="v1"), 7))
        await place(api, ann, 2)
        async with two(database, clock) as (first, second):
            assert (1, 1, 0) == (await first.send(), await second.send(), await second.send())
    assert [("unsure", 2)] == await fetch(stocked, "select outcome, count(*) from attempt group by 1")


async def killed(plan):
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.victim", stdin=PIPE, stdout=DEVNULL, stderr=DEVNULL, env=environ()
    )
    await victim.communicate(msgspec.json.encode(plan))
    return victim.returncode == -signal.SIGKILL


async def test_after_a_worker_was_killed_none_goes_until_its_lease_is_over_and_recovered(stocked, database, ann, clock):
    async with open_api(database.app_url, clock) as api, at_family(stocked) as family:
        await place(api, ann, 3)
        assert await killed(Plan("before the first byte", database.app_url, clock.at, NOWHERE))
        async with two(database, clock) as (first, _):
            for seconds in (0, lease(TIMEOUT_S).total_seconds() - 1):
                clock.forward(seconds)
                await first.housekeeper.step()
                assert 0 == await first.send()
            clock.forward(2)
            assert 0 == await first.send()
            await first.housekeeper.step()
            assert (1, 1, 0) == (await first.send(), await first.send(), await first.send())
    assert (1, 2) == (family.most, family.added)
    outcomes = await fetch(stocked, "select outcome, count(*) from attempt group by 1 order by 1")
    assert [("accepted", 2), ("unsure", 1)] == outcomes
    assert [] == await broken(stocked)


@pytest.mark.parametrize("step_s", [600, -600])
async def test_a_step_of_the_databases_clock_lets_no_second_worker_in(stocked, database, ann, clock, step_s):
    async with (
        open_api(database.app_url, clock) as api,
        at_family(stocked) as family,
        two(database, clock) as (first, second),
    ):
        await place(api, ann, 2)
        await stocked.execute("update delivery set due = due - interval '1 hour'")
        async with under_way(family, first):
            clock.step(step_s)
            for worker in (second, first):
                await worker.housekeeper.step()
                assert 0 == await worker.send()
        assert 1 == await second.send()
    assert (1, 2) == (family.most, family.added)


async def test_the_next_add_waits_for_no_other_look_at_what_is_due(stocked, database, ann, monkeypatch):
    rests = []

    def rest_for_ever(scan_s):
        rests.append(scan_s)
        return 10 * TIMEOUT_S

    async with open_api(database.app_url) as api, at_family(stocked) as family:
        family.go_on.clear()
        await place(api, ann, 1)
        async with working(database.app_url, NOWHERE):
            await until(lambda: _is(family.adding == 1))
            monkeypatch.setattr(running, "pause_after_scan_s", rest_for_ever)
            await until(lambda: _is(rests))
            await place(api, ann, 20)
            family.go_on.set()
            await until(lambda: tried(stocked, 21))
            assert 1 == len(rests)
    assert (1, 21) == (family.most, family.added)
