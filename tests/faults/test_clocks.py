"""Clocks that are wrong, or jump: nothing is bought twice. The sandbox's own book is the truth.

The workers' machines have clocks of their own here, minutes off; an `add` is held up at the provider for as long as the
test wants, while everything goes on that could take it for lost: leases are looked at, neighbours go through, evidence
is sought, and what is due is sent.
"""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from tests.actions.test_unsure import attempts, bought, concluded
from tests.panel import LINK, PEPPER, broken, fetch, now, open_api
from tests.stepped_worker import STRANGERS, SteppedWorker, served, state

from opensmm.actions import clock as clocks
from opensmm.actions.housekeeping import IDEMPOTENCY_KEPT
from opensmm.domain.evidence import NEIGHBOURS, Patience
from opensmm.providers.sandbox import Sandbox, open_pool, sandbox_key

CALL_WITHIN_S = 100.0
"""Longer than a test takes on the slowest machine, and with the patience after it shorter than what clocks are off."""
PATIENCE = Patience(taking_in=timedelta(minutes=2), skew=timedelta(0))
SLOW = f"{LINK}/slow"


class Slow:
    """The sandbox, which the first `add` for SLOW reaches when the test lets it."""

    def __init__(self, application):
        self.application = application
        self.arrived, self.go_on = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.application(scope, receive, send)
        message = await receive()
        if b"%2Fslow" in message.get("body", b"") and not self.arrived.is_set():
            self.arrived.set()
            await self.go_on.wait()

        async def again():
            return message

        return await self.application(scope, again, send)


def machine(off_s: float) -> clocks.DatabaseClock:
    """The panel's own clock on a machine whose clock is off."""
    return clocks.DatabaseClock(lambda: now() + timedelta(seconds=off_s))


class Database(clocks.DatabaseClock):
    """A panel's own clock where the database's may be set, for all its processes; what else it does is as it is."""

    def __init__(self, ahead: Callable[[], float], rest: timedelta = clocks.REST):
        self.ahead = ahead
        super().__init__(rest=rest)

    def overriding_time(self):
        return now() + timedelta(seconds=self.ahead())


@asynccontextmanager
async def between(url, sender, watcher):
    """A worker that sends, one that looks after what is left behind, and the slow provider of both."""
    slow = Slow(Sandbox(open_pool(url), sandbox_key(PEPPER), 1.0, now, [sandbox_key(PEPPER, one) for one in STRANGERS]))
    async with served(slow, lifespan=True) as address:
        first = SteppedWorker(url, address, sender, CALL_WITHIN_S, PATIENCE)
        second = first if watcher is sender else SteppedWorker(url, address, watcher, CALL_WITHIN_S, PATIENCE)
        await first.housekeeper.step()
        await second.housekeeper.step()
        try:
            yield slow, first, second
        finally:
            slow.go_on.set()
            for worker in {first, second}:
                await worker.close()


async def traffic(api, worker, ann):
    for _ in range(NEIGHBOURS + 1):
        await api.add(ann.key)
        await worker.send()


async def take_for_lost(api, ann, worker):
    """All that could make another purchase of what is under way."""
    await worker.housekeeper.step()
    await traffic(api, worker, ann)
    await worker.settle()
    await worker.send()


@asynccontextmanager
async def under_way(api, ann, slow, worker):
    """An order that is being sent, and has not reached its provider yet; at the end it has."""
    await traffic(api, worker, ann)
    order = await api.add(ann.key, link=SLOW)
    sending = await worker.sender.step(10)
    await asyncio.wait_for(slow.arrived.wait(), CALL_WITHIN_S)
    yield order
    slow.go_on.set()
    await asyncio.gather(*sending)


async def bought_once(conn, order):
    (theirs,) = await bought(conn, SLOW)
    assert [("accepted", str(theirs))] == await attempts(conn, order)
    assert [] == await broken(conn)


@pytest.mark.parametrize(("sender_s", "watcher_s"), [(-300, 0), (0, 300), (-600, 0), (0, 600), (300, -300)])
async def test_two_workers_whose_clocks_differ_buy_once(stocked, database, ann, sender_s, watcher_s):
    async with (
        open_api(database.app_url) as api,
        between(database.app_url, machine(sender_s), machine(watcher_s)) as (slow, sender, watcher),
    ):
        async with under_way(api, ann, slow, sender) as order:
            await take_for_lost(api, ann, watcher)
            assert "sending" == await state(stocked, order)
        await bought_once(stocked, order)


@pytest.mark.parametrize("step_s", [300, -300, 600])
async def test_a_worker_whose_clock_is_set_while_it_sends_buys_once(stocked, database, ann, step_s):
    off = [0]
    own = clocks.DatabaseClock(lambda: now() + timedelta(seconds=off[0]))
    async with open_api(database.app_url) as api, between(database.app_url, own, own) as (slow, worker, _):
        async with under_way(api, ann, slow, worker) as order:
            off[0] = step_s
            await take_for_lost(api, ann, worker)
            assert "sending" == await state(stocked, order)
        await bought_once(stocked, order)


@pytest.mark.parametrize("ahead_s", [600, -600])
async def test_after_the_databases_clock_was_set_nothing_is_concluded_for_a_while(stocked, database, ann, ahead_s):
    ahead = [0]
    sender, watcher = (Database(lambda: ahead[0]) for _ in range(2))
    async with (
        open_api(database.app_url, Database(lambda: ahead[0])) as api,
        between(database.app_url, sender, watcher) as (slow, first, second),
    ):
        async with under_way(api, ann, slow, first) as order:
            ahead[0] = ahead_s
            for worker in (second, first):
                await take_for_lost(api, ann, worker)
            assert "sending" == await state(stocked, order)
        await bought_once(stocked, order)


async def test_after_a_failover_to_a_node_ten_minutes_ahead_an_order_under_way_is_bought_once(stocked, database, ann):
    """The rest after a step is over: what is under way seems long lost, and later orders stand on the other side."""
    ahead = [0]
    sender, watcher = (Database(lambda: ahead[0], timedelta(0)) for _ in range(2))
    async with (
        open_api(database.app_url, Database(lambda: ahead[0])) as api,
        between(database.app_url, sender, watcher) as (slow, first, second),
    ):
        async with under_way(api, ann, slow, first) as order:
            ahead[0] = 600
            await stocked.execute("update clock set timeline = 'another'")
            await take_for_lost(api, ann, second)
            await take_for_lost(api, ann, second)
            assert "unsure" == await state(stocked, order)
            assert [("neighbours", "clock_stepped")] == await concluded(stocked, order)
        await bought_once(stocked, order)


async def test_what_is_under_way_here_is_not_left_behind_whatever_its_lease_says(stocked, database, ann, clock):
    async with open_api(database.app_url, clock) as api, between(database.app_url, clock, clock) as (slow, worker, _):
        async with under_way(api, ann, slow, worker) as order:
            clock.forward(3600)
            await take_for_lost(api, ann, worker)
            assert "sending" == await state(stocked, order)
        await bought_once(stocked, order)


async def test_an_api_whose_clock_is_two_weeks_behind_forgets_no_idempotency_key(stocked, database, ann, worker):
    behind = machine(-(IDEMPOTENCY_KEPT + timedelta(days=1)).total_seconds())
    own = SteppedWorker(database.app_url, worker.registry._sandbox_url, clocks.DatabaseClock())
    async with open_api(database.app_url, behind) as api:
        first = await api.add(ann.key, link=f"{LINK}/once", idempotency_key="k")
        await own.housekeeper.step()
        await own.send()
        assert first == await api.add(ann.key, link=f"{LINK}/once", idempotency_key="k")
        await own.send()
    await own.close()
    assert 1 == len(await bought(stocked, f"{LINK}/once"))
    assert [] == await broken(stocked)


async def test_a_database_whose_clock_skips_two_weeks_forgets_no_idempotency_key(api, worker, stocked, ann, clock):
    first = await api.add(ann.key, link=f"{LINK}/once", idempotency_key="k")
    await worker.housekeeper.step()
    clock.step(IDEMPOTENCY_KEPT.total_seconds() + 60)
    await worker.housekeeper.step()
    clock.forward(clocks.REST.total_seconds() + 600)
    await worker.housekeeper.step()
    assert first == await api.add(ann.key, link=f"{LINK}/once", idempotency_key="k")
    await worker.send()
    assert 1 == len(await bought(stocked, f"{LINK}/once"))
    clock.forward(IDEMPOTENCY_KEPT.total_seconds() + 60)
    await worker.housekeeper.step()
    assert [] == await fetch(stocked, "select from idempotency"), "time that did pass makes a key old"


class SkippingAfterItsLook(Database):
    """The database's clock skips two weeks just after it was looked at, when nothing was to be seen yet."""

    def __init__(self):
        self.skipped_s = 0.0
        super().__init__(lambda: self.skipped_s)

    async def look(self, line):
        steady = await super().look(line)
        self.skipped_s = IDEMPOTENCY_KEPT.total_seconds() + 60
        return steady


async def test_a_clock_that_skips_two_weeks_between_a_look_and_forgetting_makes_nothing_older(stocked, database, ann):
    async with open_api(database.app_url) as api:
        first = await api.add(ann.key, link=f"{LINK}/once", idempotency_key="k")
        worker = SteppedWorker(database.app_url, "http://127.0.0.1:9/api/v2", SkippingAfterItsLook())
        await worker.housekeeper.step()
        await worker.close()
        assert first == await api.add(ann.key, link=f"{LINK}/once", idempotency_key="k")
    assert [(1,)] == await fetch(stocked, "select count(*) from orders")
