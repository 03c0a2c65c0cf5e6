"""Orders that the operator's own staff delivers: the customer's words and money are those of any other order."""

import asyncio
from datetime import timedelta
from random import Random
from uuid import uuid4

import pytest
from tests.panel import (
    DEFAULT,
    DRIP,
    HIDDEN,
    OF_TYPE,
    PACKAGE,
    PLAIN,
    SHAPES,
    acting,
    balance,
    books,
    broken,
    fetch,
    now,
    or_code,
)
from tests.stepped_worker import state

from opensmm.actions import manual
from opensmm.actions.transactions import StatementRejected
from opensmm.base.ids import RefillId, ServiceId
from opensmm.domain.catalogue import ServiceType
from opensmm.domain.dispatch import Accepted
from opensmm.domain.manual import ManualReport, ManualStep
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.polling import PolledDelivery
from opensmm.domain.refills import RefillStatus
from opensmm.store import manual as rows
from opensmm.store.connection import connect

FUNDS, CHARGE = 10_000_000, 9_000
COMMENTS = OF_TYPE[ServiceType.CUSTOM_COMMENTS]
START, PROGRESS, DONE, PARTIAL, CANCEL = ManualStep


@pytest.fixture
async def staffed(stocked, worker):
    """A panel whose staff fulfils some services; the others are the sandbox's."""
    await manual.assign(stocked, services(DEFAULT, PACKAGE, DRIP, COMMENTS), by=acting(now()))
    return stocked


def services(*numbers):
    return [ServiceId(number) for number in numbers]


async def say(conn, clock, order, step, **other):
    (outcome,) = await manual.report(conn, [ManualReport(order, step, **other)], by=acting(clock(), "ann"))
    return code_or(outcome)


def code_or(outcome):
    """The code of what is refused, or the outcome."""
    return outcome.code if isinstance(outcome, OperatorRefusal) else outcome


async def status(api, who, order):
    answer = await api.ask("v2", who.key, "status", order=order)
    return answer["status"], answer["remains"], answer["start_count"], answer["charge"]


async def audits(conn):
    return await fetch(conn, "select actor, action, subject, detail from audit where action like 'staff%' order by id")


async def test_the_worker_hands_a_delivery_over_under_our_own_number(api, ann, staffed, worker):
    order = await api.add(ann.key)
    await worker.round()
    assert [("accepted", str(order))] == await fetch(staffed, "select outcome, provider_order from attempt")
    assert [("pending", None)] == await fetch(staffed, "select state, due from delivery")
    assert ("Pending", "100", "0", "0.09000") == await status(api, ann, order)
    worker.clock.forward(3600)
    assert 0 == await worker.follow()
    assert 0 == len(await fetch(staffed, "select from sandbox_order"))
    assert [] == await broken(staffed)


async def test_a_hand_over_that_a_dead_worker_left_behind_is_made_again(api, ann, staffed, worker, clock):
    order = await api.add(ann.key)
    await worker.housekeeper.step()
    (claim,) = await worker.sender._take(staffed, clock(), 10, uuid4())
    await worker.round()
    assert "sending" == await state(staffed, order)
    clock.forward(60)
    await worker.round()
    assert [("declined", None), ("accepted", str(order))] == await fetch(
        staffed, "select outcome, provider_order from attempt order by number"
    )
    await worker.sender._record_outcome(claim, Accepted(str(order)))
    assert [("pending", 2)] == await fetch(staffed, "select state, attempt from delivery")
    assert isinstance(await say(staffed, clock, order, DONE), PolledDelivery)
    assert [] == await broken(staffed)


async def test_a_cancel_asked_for_during_a_hand_over_that_never_was_pays_back(api, ann, staffed, worker, clock):
    order = await api.add(ann.key)
    await worker.housekeeper.step()
    await worker.sender._take(staffed, clock(), 10, uuid4())
    assert [{"order": order, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", orders=order)
    await worker.round()
    assert "sending" == await state(staffed, order)
    clock.forward(60)
    await worker.round()
    assert ("Canceled", "100", "0", "0.00000") == await status(api, ann, order)
    assert FUNDS == await balance(staffed, ann.id)
    assert [] == await rows.list_deliveries(staffed, 10)
    assert [] == await broken(staffed)


async def test_a_run_of_a_drip_feed_that_was_not_handed_over_keeps_the_next_one_back(api, ann, staffed, worker, clock):
    await api.add(ann.key, DRIP, runs=3, interval=10)
    await worker.housekeeper.step()
    await worker.sender._take(staffed, clock(), 10, uuid4())
    clock.forward(3_600)
    await worker.housekeeper.step()
    await worker.send()
    rows = await fetch(staffed, "select state, due from delivery order by run")
    assert [("pending", None), ("queued", clock() + timedelta(minutes=10)), ("queued", None)] == rows


async def test_a_customer_whose_row_is_held_keeps_no_others_delivery_with_a_worker_that_died(
    api, ann, staffed, worker, clock, database
):
    theirs, ours = await api.add(ann.key), await api.add(ann.key, PLAIN)
    await worker.housekeeper.step()
    assert 2 == len(await worker.sender._take(staffed, clock(), 10, uuid4()))
    clock.forward(60)
    holder = await connect(database.app_url)
    async with holder.transaction():
        await holder.execute("select from customer where id = %s for update", [ann.id])
        with pytest.raises(StatementRejected, match="lock timeout"):
            await worker.housekeeper.step()
        assert ("sending", "unsure") == (await state(staffed, theirs), await state(staffed, ours))
    await holder.close()
    await worker.housekeeper.step()
    assert "queued" == await state(staffed, theirs)
    assert [] == await broken(staffed)


async def test_the_list_tells_what_is_to_be_done_oldest_first(api, ann, staffed, worker):
    first = await api.add(ann.key)
    await api.add(ann.key, PLAIN)
    await worker.round()
    second = (await api.ask("v2", ann.key, "add", service=COMMENTS, **SHAPES[ServiceType.CUSTOM_COMMENTS]))["order"]
    await worker.round(1)
    deliveries = await rows.list_deliveries(staffed, 10)
    comments = {"comments": ["first", "second", "third"]}
    assert [(first, "Service 1", 100, {}), (second, f"Service {COMMENTS}", 3, comments)] == [
        (one.order, one.service_name, one.quantity, one.details) for one in deliveries
    ]
    assert [first] == [one.order for one in await rows.list_deliveries(staffed, 1)]


async def test_an_order_is_started_moved_on_and_done(api, ann, staffed, worker, clock):
    order = await api.add(ann.key)
    await worker.round()
    states = []
    for step, other in (
        (START, {"start_count": 40}),
        (PROGRESS, {"remains": 60}),
        (PROGRESS, {"remains": 0}),
        (DONE, {}),
    ):
        clock.forward(60)
        assert isinstance(await say(staffed, clock, order, step, **other), PolledDelivery)
        states.append(await status(api, ann, order))
    assert [
        ("In progress", "100", "40", "0.09000"),
        ("In progress", "60", "40", "0.09000"),
        ("In progress", "0", "40", "0.09000"),
        ("Completed", "0", "40", "0.09000"),
    ] == states
    assert [("completed", CHARGE, 0)] == await fetch(staffed, "select state, earned, refunded from orders")
    assert [("ann", f"staff.{step}", str(order)) for step in (START, PROGRESS, PROGRESS, DONE)] == [
        row[:3] for row in (await audits(staffed))[-4:]
    ]
    begun = {
        "runs.1.start_count": [None, 40],
        "runs.1.state": ["pending", "in_progress"],
        "runs.1.remains": [None, 100],
    }
    assert {"changes": begun} == (await audits(staffed))[-4][3]
    assert [] == await rows.list_deliveries(staffed, 10)
    assert [] == await broken(staffed)


@pytest.mark.parametrize(
    ("step", "other", "word", "remains", "earned"),
    [(PARTIAL, {"remains": 40}, "Partial", 40, 5_400), (CANCEL, {"reason": "page is gone"}, "Canceled", 100, 0)],
)
async def test_what_the_staff_does_not_deliver_is_paid_back(
    api, ann, staffed, worker, clock, step, other, word, remains, earned
):
    order = await api.add(ann.key)
    await worker.round()
    outcome = await say(staffed, clock, order, step, **other)
    assert remains == outcome.remains
    assert (word, str(remains), "0", f"0.{earned:05}") == await status(api, ann, order)
    assert FUNDS - earned == await balance(staffed, ann.id)
    detail = (await audits(staffed))[-1][3]
    assert other.get("reason") == detail.get("reason")
    assert {"runs.1.state": ["pending", step.value.replace("cancel", "canceled")]} == {
        name: pair for name, pair in detail["changes"].items() if name == "runs.1.state"
    }
    assert [] == await broken(staffed)


@pytest.mark.parametrize(
    ("number", "step", "other", "refusal"),
    [
        (DEFAULT, PROGRESS, {"remains": 101}, RefusalCode.IMPOSSIBLE_REMAINS),
        (DEFAULT, PARTIAL, {"remains": 0}, RefusalCode.IMPOSSIBLE_REMAINS),
        (DEFAULT, PARTIAL, {"remains": 100}, RefusalCode.IMPOSSIBLE_REMAINS),
        (DEFAULT, START, {"start_count": -1}, RefusalCode.IMPOSSIBLE_START_COUNT),
        (DEFAULT, DONE, {"run": 2}, RefusalCode.NOT_WITH_STAFF),
        (PACKAGE, PARTIAL, {"remains": 1}, RefusalCode.PACKAGE_IN_PARTS),
        (PLAIN, DONE, {}, RefusalCode.NOT_WITH_STAFF),
    ],
)
async def test_a_word_that_cannot_be_changes_nothing(api, ann, staffed, worker, clock, number, step, other, refusal):
    order = await api.add(ann.key, number)
    await worker.round()
    before, trail = await books(staffed), await audits(staffed)
    assert refusal == await say(staffed, clock, order, step, **other)
    assert (before, trail) == (await books(staffed), await audits(staffed))


async def test_what_is_not_handed_over_ended_or_unknown_is_not_with_the_staff(api, ann, staffed, worker, clock):
    order = await api.add(ann.key)
    assert RefusalCode.NOT_WITH_STAFF == await say(staffed, clock, order, DONE)
    await worker.round()
    assert isinstance(await say(staffed, clock, order, DONE), PolledDelivery)
    before, trail = await books(staffed), await audits(staffed)
    for step in ManualStep:
        assert RefusalCode.NOT_WITH_STAFF == await say(staffed, clock, order, step, remains=5)
        assert RefusalCode.NOT_WITH_STAFF == await say(staffed, clock, 999_999, step, remains=5)
    assert (before, trail) == (await books(staffed), await audits(staffed))


async def test_reports_of_one_batch_are_applied_in_order(api, ann, staffed, worker, clock):
    first, second = await api.add(ann.key), await api.add(ann.key)
    await worker.round()
    batch = [
        ManualReport(first, START, start_count=9),
        ManualReport(second, CANCEL, reason="no"),
        ManualReport(first, PARTIAL, remains=30),
        ManualReport(second, DONE),
        ManualReport(first, DONE),
    ]
    outcomes = await manual.report(staffed, batch, by=acting(clock(), "ann"))
    assert [100, 100, 30, RefusalCode.NOT_WITH_STAFF, RefusalCode.NOT_WITH_STAFF] == [
        one.remains if isinstance(one, PolledDelivery) else code_or(one) for one in outcomes
    ]
    assert [("partial", 9), ("canceled", None)] == await fetch(
        staffed, "select state, start_count from delivery order by order_id"
    )
    assert 3 == len([row for row in await audits(staffed) if row[0] == "ann"])
    assert FUNDS - 6_300 == await balance(staffed, ann.id)
    assert [] == await broken(staffed)


async def test_the_runs_of_a_drip_feed_are_told_apart(api, ann, staffed, worker, clock):
    order = await api.add(ann.key, DRIP, runs=3, interval=10)
    await worker.round()
    await worker.round(600)
    assert [f"{order}-1", f"{order}-2"] == [
        row[0] for row in await fetch(staffed, "select provider_order from attempt order by run")
    ]
    assert RefusalCode.WHICH_RUN == await say(staffed, clock, order, DONE)
    assert isinstance(await say(staffed, clock, order, DONE, run=1), PolledDelivery)
    assert isinstance(await say(staffed, clock, order, PARTIAL, remains=50), PolledDelivery)
    assert "In progress" == (await status(api, ann, order))[0]
    await worker.round(600)
    assert isinstance(await say(staffed, clock, order, CANCEL, reason="enough"), PolledDelivery)
    assert ("Partial", "150", "0", "0.13500") == await status(api, ann, order)
    assert FUNDS - 13_500 == await balance(staffed, ann.id)
    assert [] == await broken(staffed)


async def test_a_customers_wish_to_cancel_is_on_the_list_until_the_staff_decides(api, ann, staffed, worker, clock):
    order = await api.add(ann.key)
    await worker.round()
    assert [{"order": order, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", orders=order)
    for _ in range(3):
        await worker.round(60)
    (waiting,) = await rows.list_deliveries(staffed, 10)
    assert waiting.cancel_asked is not None
    assert [(None, True)] == await fetch(staffed, "select due, cancel_passed is not null from delivery")
    assert 0 == await worker.poller.pass_on_cancels(10)
    assert FUNDS - CHARGE == await balance(staffed, ann.id)
    await say(staffed, clock, order, CANCEL, reason="asked for")
    assert FUNDS == await balance(staffed, ann.id)
    assert [] == await broken(staffed)


async def test_a_cancel_before_the_hand_over_never_reaches_the_staff(api, ann, staffed, worker):
    order = await api.add(ann.key)
    await api.ask("v2", ann.key, "cancel", orders=order)
    await worker.round()
    assert [] == await rows.list_deliveries(staffed, 10)
    assert FUNDS == await balance(staffed, ann.id)


async def test_of_two_who_end_one_order_at_once_exactly_one_does(api, ann, staffed, worker, clock, database):
    order = await api.add(ann.key)
    await worker.round()
    others = [await connect(database.app_url) for _ in range(4)]
    steps = (DONE, CANCEL, PARTIAL, DONE)
    outcomes = await asyncio.gather(
        *(say(conn, clock, order, step, remains=10, reason="why") for conn, step in zip(others, steps, strict=True))
    )
    for conn in others:
        await conn.close()
    assert 3 == outcomes.count(RefusalCode.NOT_WITH_STAFF)
    assert [] == await broken(staffed)


async def test_a_clock_that_lags_behind_does_not_lose_the_staffs_word(api, ann, staffed, worker, clock):
    order = await api.add(ann.key)
    await worker.round()
    await say(staffed, clock, order, START)
    late = clock() - timedelta(minutes=5)
    (outcome,) = await manual.report(staffed, [ManualReport(order, PROGRESS, remains=7)], by=acting(late, "ann"))
    assert [("in_progress", 7)] == await fetch(staffed, "select state, remains from delivery")
    assert isinstance(outcome, PolledDelivery)
    assert 7 == outcome.remains


@pytest.mark.parametrize(
    ("answer", "word"), [(RefillStatus.COMPLETED, "Completed"), (RefillStatus.REJECTED, "Rejected")]
)
async def test_a_refill_waits_for_the_staff_and_moves_no_money(api, ann, staffed, worker, clock, answer, word):
    order = await api.add(ann.key)
    await worker.round()
    await say(staffed, clock, order, DONE)
    money = await fetch(staffed, "select * from transfer order by id")
    refill = RefillId(int((await api.ask("v2", ann.key, "refill", order=order))["refill"]))
    for _ in range(3):
        await worker.round(120)
    assert [(refill, order, 1)] == [(one.refill, one.order, one.run) for one in await rows.list_refills(staffed, 9)]
    assert "Pending" == (await api.ask("v2", ann.key, "refill_status", refill=refill))["status"]
    lagging = clock() - timedelta(minutes=30)
    answered, denied = await manual.answer_refills(staffed, [refill, RefillId(999)], answer, by=acting(lagging, "ann"))
    assert (answer, RefusalCode.REFILL_NOT_WITH_STAFF) == (answered, code_or(denied))
    assert word == (await api.ask("v2", ann.key, "refill_status", refill=refill))["status"]
    await worker.round(120)
    assert word == (await api.ask("v2", ann.key, "refill_status", refill=refill))["status"]
    assert [] == await rows.list_refills(staffed, 9)
    (denied,) = await manual.answer_refills(staffed, [refill], answer, by=acting(clock(), "ann"))
    assert RefusalCode.REFILL_NOT_WITH_STAFF is code_or(denied)
    assert [("ann", f"staff.refill_{answer}", str(refill))] == [row[:3] for row in (await audits(staffed))[-1:]]
    assert money == await fetch(staffed, "select * from transfer order by id")
    assert [] == await broken(staffed)


async def test_services_are_assigned_all_or_none_and_the_staff_becomes_a_provider_once(stocked):
    assigning = manual.assign(stocked, services(DEFAULT, 999), by=acting(now()))
    assert RefusalCode.NO_SUCH_SERVICE is await or_code(assigning)
    assert [(0, 0)] == await fetch(
        stocked,
        """select (select count(*) from provider where kind = 'manual'),
                  (select count(*) from audit where action = 'staff.assign')""",
    )
    for assigned in (services(DEFAULT), services(DEFAULT, HIDDEN)):
        assert assigned == await manual.assign(stocked, assigned, by=acting(now()))
    assert [({"changes": {"name": [None, "Staff"], "kind": [None, "manual"]}},)] == await fetch(
        stocked, "select detail from audit where action = 'provider.add'"
    )
    assert [
        (DEFAULT, 0, "Staff"), (DEFAULT, 1, "Sandbox"), (HIDDEN, 0, "Staff"), (HIDDEN, 1, "Sandbox"),
    ] == await fetch(
        stocked,
        """select r.service_id, r.position, p.name from route r join provider p on p.id = r.provider_id
           where r.service_id = any(%s) order by 1, 2""",
        services(DEFAULT, HIDDEN),
    )  # fmt: skip


async def test_the_staff_rescues_what_a_provider_gave_up_and_the_provider_keeps_its_place(stocked):
    await stocked.execute("update route set off = 'gone', cost = 9 where service_id = %s", [DEFAULT])
    await manual.assign(stocked, services(DEFAULT), by=acting(now()))
    assert [("Staff", None, None), ("Sandbox", "gone", 9)] == await fetch(
        stocked,
        """select p.name, r.off, r.cost from route r join provider p on p.id = r.provider_id
           where r.service_id = %s order by r.position""",
        DEFAULT,
    )


async def test_many_orders_fulfilled_by_hand_leave_clean_books(api, ann, staffed, worker, clock):
    dice = Random(7)
    orders = [
        await api.add(ann.key, number, quantity=10 + at, **({"runs": 2, "interval": 1} if number == DRIP else {}))
        for at, number in enumerate(dice.choices((DEFAULT, DRIP, PACKAGE, PLAIN), k=60))
    ]
    for _ in range(12):
        await worker.round(60)
        batch = [
            ManualReport(
                order,
                dice.choice(list(ManualStep)),
                dice.choice((None, 1, 2)),
                dice.choice((None, 5)),
                dice.randint(0, 60),
                "why",
            )
            for order in dice.sample(orders, 30)
        ]
        await manual.report(staffed, batch, by=acting(clock(), "ann"))
        await api.ask("v2", ann.key, "cancel", orders=",".join(map(str, dice.sample(orders, 3))))
        assert [] == await broken(staffed)
    ended = await fetch(staffed, "select state, count(*) from orders group by 1")
    assert {"completed", "partial", "canceled"} <= {row[0] for row in ended}
