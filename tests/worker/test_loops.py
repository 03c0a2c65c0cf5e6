"""The worker's loops with nobody stepping them: orders reach their ends by themselves, and a stop is a clean one."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

from msgspec import structs
from tests.faults import proxy
from tests.panel import DEFAULT, LINK, PEPPER, at_last, broken, fetch, open_api, until
from tests.simulation.staff import NOT_SIMULATED, SIMULATED
from tests.stepped_worker import LEFT_OUT, SILENCE_S, TIMEOUT_S, in_turn, served

from opensmm.actions.sending import DeliverySender
from opensmm.domain.evidence import DEFAULT_PATIENCE, Patience
from opensmm.providers.registry import ProviderRegistry
from opensmm.providers.sandbox import Sandbox, open_pool, sandbox_key
from opensmm.worker import running
from opensmm.worker.loops import HOUSEKEEPING, IDLE_STRETCH, LOOPS, QUIET_S, SEND, Pace
from opensmm.worker.running import Worker

SPEED = 40.0


@asynccontextmanager
async def working(url, provider_url, count=1, patience=DEFAULT_PATIENCE, timeout_s=TIMEOUT_S):
    """Workers that run until the block ends, and then stop by themselves."""
    stop = asyncio.Event()
    desks = [ProviderRegistry(PEPPER, provider_url, timeout_s, private=True) for _ in range(count)]
    workers = [Worker(url, registry, timeout_s, patience) for registry in desks]
    running = [asyncio.create_task(worker.run(stop)) for worker in workers]
    try:
        yield desks
    finally:
        stop.set()
        await at_last(asyncio.gather(*running))


def sandbox_of(url):
    return served(Sandbox(open_pool(url), sandbox_key(PEPPER), SPEED, silence_s=SILENCE_S), lifespan=True)


async def place(api, who, behaviours, service=DEFAULT):
    return [await api.add(who.key, service, link=f"{LINK}/{at}/{one}") for at, one in enumerate(behaviours)]


async def ended(conn):
    return not await fetch(conn, "select from orders where state = 'open'")


async def test_two_workers_carry_every_order_to_its_end(stocked, database, ann):
    behaviours = ("me", "partial-40", "canceled", "refuse", "drop") * 8
    async with open_api(database.app_url) as api, sandbox_of(database.app_url) as address:
        orders = await place(api, ann, behaviours)
        async with working(database.app_url, address, count=2):
            await until(lambda: ended(stocked))
            await api.ask("v2", ann.key, "refill", order=orders[4])

            async def refilled():
                answer = await api.ask("v2", ann.key, "refill_status", order=orders[4])
                return answer["status"] == "Completed"

            await until(refilled)
            stuck = (await place(api, ann, ["stuck"]))[0]

            async def sent():
                return await fetch(stocked, "select from delivery where order_id = %s and state = 'pending'", stuck)

            await until(sent)
            await api.ask("v2", ann.key, "cancel", order=stuck)
            await until(lambda: ended(stocked))
    rows = dict(await fetch(stocked, "select state, count(*) from orders group by state"))
    assert {"completed": 16, "partial": 8, "canceled": 17} == rows
    assert [(40 - 8 + 1,)] == await fetch(stocked, "select count(*) from sandbox_order")
    assert [] == await broken(stocked)


class Busy:
    """An application that takes a moment, and counts how many it serves at a time."""

    def __init__(self, application):
        self.application = application
        self.now, self.most = 0, 0

    async def __call__(self, scope, receive, send):
        self.now += scope["type"] == "http"
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.02)
        await self.application(scope, receive, send)
        self.now -= scope["type"] == "http"


async def test_workers_keep_to_a_providers_limit_together(stocked, database, ann):
    await stocked.execute("update provider set concurrency = 4")
    busy = Busy(Sandbox(open_pool(database.app_url), sandbox_key(PEPPER), SPEED))
    async with (
        open_api(database.app_url) as api,
        served(busy, lifespan=True) as address,
        working(database.app_url, address, count=3) as desks,
    ):

        async def known_to_each_other():
            return [1, 1, 2] == sorted(share_of(registry) for registry in desks)

        def share_of(registry):
            contact = registry.connection_to(1)
            return 0 if contact is None else contact.throttle.concurrency

        await until(known_to_each_other)
        await place(api, ann, ["me"] * 60)
        await until(lambda: ended(stocked))
    assert busy.most in (3, 4)
    assert [] == await broken(stocked)


async def test_workers_settle_what_was_left_unsure(stocked, database, ann):
    """Orders come one after the other, as its neighbours must; two workers look into what is unsure."""
    quick = Patience(timedelta(seconds=0.5), timedelta())
    going = "state in ('queued', 'sending')"
    fresh = "state = 'unsure' and sent > now() - interval '1.1 s'"
    async with (
        open_api(database.app_url) as api,
        sandbox_of(database.app_url) as address,
        working(database.app_url, address, 2, quick, 0.5),
    ):
        for behaviour in ("me", "me", "me", "timeout", "me", "me", "me", "lost-once", "me", "me", "me"):
            await place(api, ann, [behaviour])
            await until(lambda: _none(stocked, going))
            # Nothing is sent after an unsure one until it could no longer be taken in.
            await until(lambda: _none(stocked, fresh))
        for _ in range(3):
            await place(api, ann, ["me"])
            await until(lambda: _none(stocked, going))
        await until(lambda: ended(stocked))
    assert [("bought",), ("not_bought",)] == await fetch(
        stocked, "select conclusion from evidence where conclusion in ('bought', 'not_bought') order by id"
    )
    assert [(14,)] == await fetch(stocked, "select count(*) from sandbox_order")
    assert [] == await broken(stocked)


async def _none(conn, which):
    return not await fetch(conn, f"select from delivery where {which}")


async def test_a_worker_goes_on_when_its_database_comes_back(stocked, database, ann):
    async with (
        open_api(database.app_url) as api,
        sandbox_of(database.app_url) as address,
        proxy.before(database.app_url) as (between, url),
        working(url, address),
    ):
        await place(api, ann, ["me"])
        await until(lambda: ended(stocked))
        await between.down()
        await place(api, ann, ["me"] * 5)
        await asyncio.sleep(0)
        await between.up()
        await until(lambda: ended(stocked))
    assert [] == await broken(stocked)


def slow(arrived, seconds):
    """A provider that takes an order and its time, and tells that one has arrived."""

    async def take(scope, receive, send):
        await receive()
        arrived.set()
        await asyncio.sleep(seconds)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'{"order": 7}'})

    return take


async def test_a_worker_that_is_told_to_stop_records_what_is_on_its_way(stocked, database, ann):
    arrived = asyncio.Event()
    async with open_api(database.app_url) as api, served(slow(arrived, 0.5)) as address:
        await place(api, ann, ["me"])
        async with working(database.app_url, address):
            await at_last(arrived.wait())
    assert [("accepted", "7")] == await fetch(stocked, "select outcome, provider_order from attempt")
    assert [] == await broken(stocked)


async def test_a_worker_that_is_told_to_stop_begins_nothing_that_it_would_leave_unsure(stocked, database, ann):
    arrived = asyncio.Event()
    await stocked.execute("update provider set concurrency = 1")
    async with open_api(database.app_url) as api, served(slow(arrived, 1)) as address:
        await place(api, ann, ["me"] * 4)

        async def claimed():
            return 4 == len(await fetch(stocked, "select from attempt"))

        async with working(database.app_url, address):
            await at_last(arrived.wait())
            await until(claimed)
    outcomes = await fetch(stocked, "select outcome, answer from attempt where provider_order is null")
    assert [("declined", '{"fault":"no_turn"}')] * 3 == outcomes
    assert [("pending",), *[("queued",)] * 3] == await fetch(stocked, "select state from delivery order by state")
    assert [] == await broken(stocked)


async def test_workers_are_known_while_they_work(stocked, database):
    async def both_beat():
        return len(await fetch(stocked, "select from worker where seen >= started")) == 2

    async with sandbox_of(database.app_url) as address, working(database.app_url, address, count=2):
        await until(both_beat)
    assert [] == await fetch(stocked, "select from worker")


async def test_a_worker_takes_the_step_of_every_loop_within_its_bound(stocked, database, monkeypatch):
    """Whatever stands in the table is run: nothing else names the duties."""
    taken = {}

    def counted(loop):
        async def step(duties, bound):
            taken[loop.name] = bound
            return 0

        return loop if loop in (SEND, HOUSEKEEPING) else structs.replace(loop, step=step)

    async def all_taken():
        return set(taken) == {loop.name for loop in LOOPS} - {SEND.name, HOUSEKEEPING.name}

    monkeypatch.setattr(running, "LOOPS", tuple(map(counted, LOOPS)))
    async with sandbox_of(database.app_url) as address, working(database.app_url, address):
        await until(all_taken)
    assert taken == {loop.name: loop.bound for loop in LOOPS if loop.name in taken}


def test_every_duty_is_named_once_and_stepped_and_simulated_where_none_says_otherwise():
    names = [loop.name for loop in LOOPS]
    assert len(names) == len(set(names))
    assert set(LEFT_OUT) | set(NOT_SIMULATED) <= set(names)
    assert set(in_turn(names)) | set(LEFT_OUT) == set(names)
    assert set(SIMULATED) | set(NOT_SIMULATED) == set(names)


def test_loops_pause_longer_once_there_was_nothing_to_do_for_a_while():
    at = [1000.0]
    pace = Pace(lambda: at[0])
    assert 0.5 == pace.pause_s(0.5)
    at[0] += QUIET_S + 1
    assert (0, 0.5 * IDLE_STRETCH) == (pace.note(0), pace.pause_s(0.5))
    assert (7, 0.5) == (pace.note(7), pace.pause_s(0.5))


async def test_an_idle_worker_claims_nothing_and_sends_the_next_order_at_once(api, stocked, ann, database, monkeypatch):
    """While nothing is due it only looks; what is placed goes out without waiting for another round."""
    claims: list[int] = []
    step = DeliverySender.step

    async def counted(self, limit):
        claims.append(limit)
        return await step(self, limit)

    looks: list[bool] = []
    is_due = DeliverySender.is_due

    async def looked(self):
        looks.append(await is_due(self))
        return looks[-1]

    monkeypatch.setattr(DeliverySender, "step", counted)
    monkeypatch.setattr(DeliverySender, "is_due", looked)

    async def idle():
        return len(looks) > 10

    async with sandbox_of(database.app_url) as url, working(database.app_url, url):
        await until(idle)
        assert {False} == set(looks)
        assert len(claims) <= 1
        order = await api.add(ann.key)

        async def sent():
            return await fetch(stocked, "select from attempt where order_id = %s", order)

        await until(sent)
        assert True in looks


async def test_nothing_is_claimed_before_the_databases_clock_is_known(stocked, ann, database):
    """Even where the providers are known already."""
    async with open_api(database.app_url) as api, sandbox_of(database.app_url) as url:
        await place(api, ann, ["me"])
        registry = ProviderRegistry(PEPPER, url, TIMEOUT_S, private=True)
        worker = Worker(database.app_url, registry, TIMEOUT_S)
        duties = worker._duties
        await duties.housekeeper.step()
        assert not registry.empty
        try:
            await worker._send_due()
            assert [] == await fetch(stocked, "select from attempt")
            duties.clock_known.set()
            await worker._send_due()
            assert [()] == await fetch(stocked, "select from attempt")
            await at_last(asyncio.gather(*duties.sending))
        finally:
            await registry.close()
            await duties.close()


async def test_only_what_is_due_by_now_is_a_reason_to_claim(api, stocked, ann, worker):
    assert not await worker.sender.is_due()
    order = await api.add(ann.key)
    assert await worker.sender.is_due()
    await stocked.execute("update delivery set due = due + interval '1 hour' where order_id = %s", [order])
    assert not await worker.sender.is_due()
