"""A provider that takes its time keeps back no news of another's, and is not told the same again meanwhile."""

import asyncio
from datetime import timedelta

import pytest
from tests.panel import DEFAULT, LINK, OF_TYPE, PLAIN, broken, fetch, until
from tests.panels import add_panel, route
from tests.stepped_worker import FakeProvider, open_worker, served, state

from opensmm.domain.catalogue import ServiceType
from opensmm.store import refill_tasks
from opensmm.store.refill_tasks import RefillNews

PATIENT_S = 60
CANCELABLE = OF_TYPE[ServiceType.DEFAULT]


class Slow(FakeProvider):
    """Takes orders at once, and says nothing else before ``speak``."""

    def __init__(self) -> None:
        super().__init__()
        self.speak = asyncio.Event()
        self.answers = {
            "add": {"order": 7},
            "status": {"7": {"status": "Completed", "remains": "0"}},
            "cancel": [{"order": 7, "cancel": 1}],
        }

    async def __call__(self, scope, receive, send):
        async def receive_when_it_speaks():
            message = await receive()
            if b"action=add" not in message.get("body", b""):
                await self.speak.wait()
            return message

        await super().__call__(scope, receive_when_it_speaks, send)


@pytest.fixture
async def slow(stocked):
    """It fulfils the default service; the sandbox has the others."""
    slow = Slow()
    async with served(slow) as address:
        await route(stocked, DEFAULT, (await add_panel(stocked, "a-key-of-theirs", url=address), 7))
        yield slow
        slow.speak.set()


async def test_what_others_say_is_kept_while_a_slow_one_is_waited_for(api, ann, stocked, slow, database, clock):
    async with open_worker(database.app_url, clock, timeout_s=PATIENT_S) as worker:
        theirs, ours = await api.add(ann.key, DEFAULT), await api.add(ann.key, PLAIN, link=LINK)
        await worker.send()
        clock.forward(60)
        following = asyncio.create_task(worker.follow())

        async def is_completed():
            return await state(stocked, ours) == "completed"

        await until(is_completed)
        assert ("pending", False) == (await state(stocked, theirs), following.done())
        slow.speak.set()
        assert 2 == await following
        assert "completed" == await state(stocked, theirs)
    assert [] == await broken(stocked)


async def test_cancels_go_on_while_a_slow_one_is_told_and_it_is_told_once(api, ann, stocked, slow, database, clock):
    async with open_worker(database.app_url, clock, timeout_s=PATIENT_S) as worker:
        await api.add(ann.key, DEFAULT)
        first, second = [await api.add(ann.key, CANCELABLE, link=f"{LINK}/{at}/stuck") for at in range(2)]
        await worker.send()
        await api.ask("v2", ann.key, "cancel", orders=f"1,{first}")
        telling = asyncio.create_task(worker.poller.pass_on_cancels(10))

        async def passed():
            return await fetch(stocked, "select from delivery where order_id = %s and cancel_passed is not null", first)

        await until(passed)
        await api.ask("v2", ann.key, "cancel", orders=second)
        assert 1 == await worker.poller.pass_on_cancels(10)
        assert not telling.done()
        slow.speak.set()
        assert 2 == await telling
        assert 0 == await worker.poller.pass_on_cancels(10)
        assert 1 == sum(form["action"] == "cancel" for form in slow.requests)


async def test_a_cancel_is_told_once_however_long_its_look_up_takes(api, ann, stocked, slow, database, clock):
    """Rounds that begin while one looks for what is to be cancelled find the same."""
    async with open_worker(database.app_url, clock, timeout_s=PATIENT_S) as worker:
        await api.add(ann.key, DEFAULT)
        await worker.send()
        await api.ask("v2", ann.key, "cancel", orders="1")
        await worker.poller._connection.turn.acquire()
        rounds = [asyncio.create_task(worker.poller.pass_on_cancels(10)) for _ in range(4)]
        await asyncio.sleep(0)
        worker.poller._connection.turn.release()
        slow.speak.set()
        assert [0, 0, 0, 1] == sorted(await asyncio.gather(*rounds))
        assert 1 == sum(form["action"] == "cancel" for form in slow.requests)


async def test_a_refill_that_was_asked_for_meanwhile_is_not_refused_for_being_under_way(
    api, ann, stocked, worker, clock
):
    order = await api.add(ann.key, DEFAULT, link=f"{LINK}/drop")
    for _ in range(4):
        await worker.round(60)
    await api.ask("v2", ann.key, "refill", order=order)
    tasks = await refill_tasks.claim(stocked, clock(), timedelta(), 10)
    await worker.refills.step(10)
    (row,) = await fetch(stocked, "select state, provider_refill from refill_task")
    await worker.refills._record([RefillNews(task, "rejected", "", None) for task in tasks], clock(), clock())
    assert [row] == await fetch(stocked, "select state, provider_refill from refill_task")
    assert [("pending",)] == await fetch(stocked, "select state from refill")
