"""Following orders at providers whose answers cannot be trusted: nothing is applied blindly, nothing gets stuck."""

import asyncio
from itertools import count

import pytest
from tests.panel import LINK, PACKAGE, balance, books, broken, fetch, until
from tests.stepped_worker import state

from opensmm.actions import poller
from opensmm.domain.codes import EventCode
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import StatusReport, UnreadAnswer
from opensmm.store import monitoring, order_events
from opensmm.store import polling as progress_rows
from opensmm.store.connection import connect

FUNDS, CHARGE = 10_000_000, 9_000


async def follow_once(worker, fake, status, seconds=5):
    fake.answers["status"] = status
    worker.clock.forward(seconds)
    await worker.follow()


@pytest.mark.parametrize(
    "status",
    [
        {"7": {"status": "Odd word", "remains": "5"}},
        {"7": {"error": "Incorrect order ID"}},
        {"error": "Incorrect order ID"},
        {"8": {"status": "Completed", "remains": "0"}},
        [],
        None,
        b"<html>",
        b'{"7": {"status": "Completed", "status": "Canceled"}}',
        b'{"7": {"status": "Completed"',
        (500, {"7": {"status": "Completed", "remains": "0"}}),
        (302, b""),
    ],
)
async def test_what_cannot_be_understood_changes_nothing(api, ann, stocked, lied_to, status):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    await api.add(ann.key)
    await worker.send()
    before = await books(stocked)
    await follow_once(worker, fake, status)
    after = await books(stocked)
    assert (before["transfers"], before["orders"]) == (after["transfers"], after["orders"])
    assert [("pending", None)] == await fetch(stocked, "select state, remains from delivery")
    await follow_once(worker, fake, {"7": {"status": "Completed", "remains": "0"}}, seconds=100)
    assert [("completed",)] == await fetch(stocked, "select state from orders")


@pytest.mark.parametrize(
    ("answer", "stored"),
    [
        ({"status": "In progress", "remains": "101", "start_count": "7"}, ("in_progress", None, 7)),
        ({"status": "inprogress", "remains": -1, "start_count": None}, ("in_progress", None, None)),
        ({"status": "In Progress", "remains": "1e3"}, ("in_progress", None, None)),
        ({"status": "IN_PROGRESS", "remains": "40", "start_count": ""}, ("in_progress", 40, None)),
        ({"status": "Processing", "remains": 40, "start_count": "1,234"}, ("processing", 40, 1234)),
    ],
)
async def test_a_providers_word_is_bounded(api, ann, stocked, lied_to, answer, stored):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    await api.add(ann.key)
    await worker.send()
    await follow_once(worker, fake, {"7": answer})
    expected, remains, start = stored
    assert [(expected, 100 if remains is None else remains, start)] == await fetch(
        stocked, "select state, remains, start_count from delivery"
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"status": "Partial", "remains": "101"},
        {"status": "Partial", "remains": "0"},
        {"status": "Partial"},
        {"status": "Canceled", "remains": "0", "charge": "0.5"},
        {"status": "Canceled", "remains": "999"},
    ],
)
async def test_an_end_that_cannot_be_believed_goes_to_the_operator(api, ann, stocked, lied_to, answer):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    order = await api.add(ann.key)
    await worker.send()
    await follow_once(worker, fake, {"7": answer})
    assert "held" == await state(stocked, order)
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    assert 0 == await worker.follow()
    assert [] == await broken(stocked)


async def test_a_partial_package_goes_to_the_operator(api, ann, stocked, lied_to):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    order = await api.add(ann.key, PACKAGE)
    await worker.send()
    await follow_once(worker, fake, {"7": {"status": "Partial", "remains": "1"}})
    assert "held" == await state(stocked, order)


@pytest.mark.parametrize("charge", ["1e99", "99999999999999", "-5", "NaN", "0.000000000000000001"])
async def test_a_mad_cost_neither_stops_the_order_nor_its_neighbours(api, ann, stocked, lied_to, charge):
    worker, fake = lied_to
    fake.answers["add"] = lambda form: {"order": len(fake.requests)}
    for _ in range(2):
        await api.add(ann.key)
    await worker.send()
    done = {"status": "Completed", "remains": "0"}
    await follow_once(worker, fake, {"1": done | {"charge": charge}, "2": done | {"charge": "0.01"}})
    assert [("completed",), ("completed",)] == await fetch(stocked, "select state from orders")
    assert [] == await broken(stocked)


async def test_ids_swapped_or_repeated_in_an_answer_are_read_by_their_names(api, ann, stocked, lied_to):
    worker, fake = lied_to
    fake.answers["add"] = lambda form: {"order": len(fake.requests)}
    first, second = await api.add(ann.key), await api.add(ann.key)
    await worker.send()
    answers = [
        {"order": 2, "status": "Completed", "remains": 0},
        {"order": 3, "status": "Completed", "remains": 0},
        {"order": 1, "status": "Partial", "remains": 50},
    ]
    await follow_once(worker, fake, answers)
    theirs = dict(await fetch(stocked, "select order_id, provider_order from attempt"))
    rows = {
        theirs[order]: (await fetch(stocked, "select state from orders where id = %s", order))[0][0] for order in theirs
    }
    assert {"1": "partial", "2": "completed"} == rows
    assert {first, second} == set(theirs)


async def test_a_hundred_ids_are_asked_for_at_a_time(api, ann, stocked, lied_to):
    worker, fake = lied_to
    fake.answers["add"] = lambda form: {"order": len(fake.requests)}
    for _ in range(130):
        await api.add(ann.key, quantity=10)
    await worker.send()
    fake.requests.clear()
    await follow_once(worker, fake, {})
    assert [30, 100] == sorted(len(form["orders"].split(",")) for form in fake.requests)


async def test_an_older_answer_never_overwrites_a_newer_one(api, ann, stocked, lied_to, clock):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    await api.add(ann.key)
    await worker.send()
    clock.forward(100)
    asked_at = clock()
    async with stocked.transaction():
        late = (await progress_rows.claim(stocked, asked_at, asked_at, 10))[0]
    clock.forward(1)
    fake.answers["status"] = {"7": {"status": "In progress", "remains": "10"}}
    await worker.follow()
    stale = poller.build_result(late, StatusReport(status=OrderStatus.PENDING, remains=100), asked_at, clock())
    async with stocked.transaction():
        await poller.record(stocked, [stale], asked_at, clock())
    assert [("in_progress", 10)] == await fetch(stocked, "select state, remains from delivery")


async def test_an_answer_without_news_takes_nothing_back_that_was_learned_while_it_was_asked_for(
    api, ann, stocked, lied_to, clock
):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    await api.add(ann.key)
    await worker.send()
    clock.forward(100)
    first_asked = clock()
    async with stocked.transaction():
        first = (await progress_rows.claim(stocked, first_asked, first_asked, 10))[0]
    clock.forward(100)
    requested = clock()
    async with stocked.transaction():
        second = (await progress_rows.claim(stocked, requested, requested, 10))[0]
    moving = StatusReport(status=OrderStatus.IN_PROGRESS, remains=10)
    answers = ((first, moving, first_asked), (second, UnreadAnswer("Teapot"), requested))
    for followee, report, asked_at in answers:
        async with stocked.transaction():
            result = poller.build_result(followee, report, asked_at, clock())
            await poller.record(stocked, [result], asked_at, clock())
    assert [("in_progress", 10)] == await fetch(stocked, "select state, remains from delivery")


async def test_who_waits_for_a_delivery_holds_none_behind_it(api, ann, stocked, lied_to, clock, database):
    """Passing cancels on takes them in the order of their ids: whoever takes them otherwise may wait in a circle."""
    worker, fake = lied_to
    ids = count(7)
    fake.answers["add"] = lambda form: {"order": next(ids)}
    first, second = [await api.add(ann.key, link=f"{LINK}/{at}") for at in range(2)]
    await worker.send()
    clock.forward(100)
    asked_at = clock()
    followees = await progress_rows.claim(stocked, asked_at, asked_at, 10)
    moving = StatusReport(status=OrderStatus.IN_PROGRESS, remains=10)
    results = [
        poller.build_result(one, moving, asked_at, asked_at) for one in sorted(followees, key=lambda one: -one.order)
    ]
    recorder, holder = [await connect(database.app_url) for _ in range(2)]

    async def record():
        async with recorder.transaction():
            await poller.record(recorder, results, asked_at, asked_at)

    async def waits():
        return await fetch(
            stocked,
            "select from pg_stat_activity where pid = %s and wait_event_type = 'Lock'",
            recorder.info.backend_pid,
        )

    async with holder.transaction():
        await holder.execute("select from delivery where order_id = %s for update", [first])
        recording = asyncio.create_task(record())
        await until(waits)
        assert 1 == len(await fetch(stocked, "select from delivery where order_id = %s for update nowait", second))
    await recording
    await recorder.close()
    await holder.close()
    assert [("in_progress",)] * 2 == await fetch(stocked, "select state from delivery")


@pytest.mark.parametrize(
    ("report", "unfinished"), [("50", [50]), ("100", [100]), ("1000", [1000]), ("0", []), ("-3", []), ("", [])]
)
async def test_completed_with_something_left_is_earned_in_full_and_told_to_the_operator(
    api, ann, stocked, lied_to, clock, report, unfinished
):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    order = await api.add(ann.key)
    await worker.send()
    answer = {"status": "Completed", "remains": report, "charge": "0.05", "currency": "USD"}
    for _ in range(2):
        await follow_once(worker, fake, {"7": answer})
    assert [("completed", 0, CHARGE)] == await fetch(stocked, "select state, remains, earned from orders")
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    story = await order_events.read_history(stocked, order)
    assert story is not None
    events = [event for event in story.events if event.kind is EventCode.COMPLETED_WITH_REMAINS]
    assert [(100, left, "0.05") for left in unfinished] == [
        (event.fields["quantity"], event.fields["remains"], event.fields["charge"]) for event in events
    ]
    assert len(unfinished) == (await monitoring.facts(stocked, clock())).odd.count
    assert [] == await broken(stocked)
