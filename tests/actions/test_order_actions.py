"""The operator's work on single orders: each action once, with its audit row, or refused in words."""

from datetime import timedelta

import pytest
from tests.panel import (
    DEFAULT,
    DRIP,
    LINK,
    OF_TYPE,
    PACKAGE,
    SHAPES,
    actor,
    balance,
    books,
    broken,
    fetch,
    now,
    or_code,
)
from tests.stepped_worker import BEYOND_THE_END_S, state

from opensmm.actions import order_actions
from opensmm.base.ids import OrderId
from opensmm.base.money import Money
from opensmm.domain.audit import By
from opensmm.domain.catalogue import ServiceType
from opensmm.domain.codes import EventCode
from opensmm.domain.operator_refusals import RefusalCode
from opensmm.store import catalogue, dispatch, monitoring
from opensmm.store.order_events import read_history
from opensmm.texts.speech import ENGLISH

FUNDS, CHARGE = 10_000_000, 9_000
NOBODY = OrderId(99)


def by(worker, reason="because"):
    return By(actor("tester"), reason, worker.clock())


async def settled(conn, order):
    return (await fetch(conn, "select state, charge, earned, refunded, remains from orders where id = %s", order))[0]


async def audited(conn):
    query = "select action, subject, detail ->> 'reason' from audit where actor = 'tester' order by id"
    return await fetch(conn, query)


async def attempts(conn, order):
    query = "select outcome, provider_order from attempt where order_id = %s order by number"
    return await fetch(conn, query, order)


async def placed(api, worker, who, behaviour="stuck", **fields):
    order = await api.add(who.key, link=f"{LINK}/{behaviour}", **fields)
    await worker.send()
    await worker.follow()
    return order


async def refused(conn, outcome):
    """What an action said that must have changed nothing, or the code with which it was refused."""
    before = await books(conn), await fetch(conn, "select * from audit"), await fetch(conn, "select * from evidence")
    code = await or_code(outcome)
    after = await books(conn), await fetch(conn, "select * from audit"), await fetch(conn, "select * from evidence")
    assert before == after
    return code


async def test_a_cancel_pays_back_what_is_not_delivered_and_does_so_once(api, worker, stocked, ann):
    order = await placed(api, worker, ann, "slow")
    worker.clock.forward(2 + 239)
    await worker.follow()
    assert await order_actions.cancel(stocked, order, by(worker))
    assert ("partial", CHARGE, 4_500, 4_500, 50) == await settled(stocked, order)
    assert [("order.cancel", str(order), "because")] == await audited(stocked)
    assert RefusalCode.ORDER_ENDED is await refused(stocked, order_actions.cancel(stocked, order, by(worker)))
    await worker.round(3600)
    assert FUNDS - 4_500 == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def dues(conn, order):
    rows = await fetch(
        conn, "select run, due from delivery where order_id = %s and state = 'queued' order by run", order
    )
    return dict(rows)


async def test_the_runs_after_one_that_is_ended_unsent_go_on(api, worker, stocked, ann):
    """The run before it has not been sent: when it is, the next that is left is an interval later."""
    order = await api.add(ann.key, DRIP, runs=5, interval=10)
    began = worker.clock()
    assert await order_actions.end_partial(stocked, order, 2, 40, by(worker))
    assert {1: began, 3: None, 4: None, 5: None} == await dues(stocked, order)
    await worker.send()
    assert {3: began + timedelta(minutes=10), 4: None, 5: None} == await dues(stocked, order)
    worker.clock.forward(60)
    assert await order_actions.end_partial(stocked, order, 3, 40, by(worker))
    assert {4: began + timedelta(minutes=20), 5: None} == await dues(stocked, order)
    for _ in range(6):
        await worker.round(601)
    assert ("partial", 80) == (await settled(stocked, order))[::4]
    assert [] == await broken(stocked)


async def test_a_run_whose_time_another_has_set_keeps_it(api, worker, stocked, ann):
    """The first is proved not to have been bought and sent again, while the second is with its provider."""
    order = await api.add(ann.key, DRIP, runs=3, interval=10, link=f"{LINK}/stuck")
    await worker.send()
    worker.clock.forward(601)
    await worker.send()
    before = await dues(stocked, order)
    assert [3] == list(before)
    await dispatch.schedule_runs(stocked, [(OrderId(order), 2, worker.clock() + timedelta(days=9))])
    assert before == await dues(stocked, order)
    await dispatch.schedule_runs(stocked, [(OrderId(order), 2, None)])
    assert before == await dues(stocked, order)


async def test_the_run_after_a_held_one_that_is_ended_goes_on(api, worker, stocked, ann):
    await stocked.execute("update route set off = 'gone', cost = 1 where service_id = %s", [DRIP])
    order = await api.add(ann.key, DRIP, runs=2, interval=10)
    await worker.send()
    assert "held" == await state(stocked, order)
    assert await order_actions.end_partial(stocked, order, 1, 40, by(worker))
    assert {2: worker.clock() + timedelta(minutes=10)} == await dues(stocked, order)
    assert [] == await broken(stocked)


async def test_what_no_provider_had_nobody_can_refill(api, worker, stocked, ann):
    order = await api.add(ann.key)
    assert await order_actions.complete(stocked, order, by(worker))
    worker.clock.forward(48 * 3600)
    answer = await api.ask("v2", ann.key, "refill", order=order)
    assert ["error"] == list(answer)
    assert [] == await fetch(stocked, "select * from refill")


TOLD = "select canceled is not null from sandbox_order"


@pytest.mark.parametrize(("act", "cancels"), [("cancel", True), ("partial", True), ("complete", False)])
async def test_a_provider_is_told_of_what_it_is_not_to_deliver(api, worker, stocked, ann, act, cancels):
    order = await placed(api, worker, ann, "slow")
    acts = {
        "cancel": lambda: order_actions.cancel(stocked, order, by(worker)),
        "partial": lambda: order_actions.end_partial(stocked, order, None, 40, by(worker)),
        "complete": lambda: order_actions.complete(stocked, order, by(worker)),
    }
    assert await acts[act]()
    before = await settled(stocked, order)
    await worker.round(1)
    assert [(cancels,)] == await fetch(stocked, TOLD)
    tale = await read_history(stocked, order)
    assert tale is not None
    assert cancels is any(event.kind is EventCode.CANCEL_PASSED for event in tale.events)
    await worker.round(3600)
    assert before == await settled(stocked, order), "what the provider says afterwards moves nothing"
    assert [] == await broken(stocked)


async def test_an_end_by_hand_is_not_told_as_the_providers_word(api, worker, stocked, ann):
    order = await placed(api, worker, ann, "slow")
    await worker.round(3)

    async def read_polls():
        tale = await read_history(stocked, order)
        assert tale is not None
        return [ENGLISH.event(one.kind, one.fields) for one in tale.events if one.kind is EventCode.ASKED_AFTER]

    (before,) = await read_polls()
    assert before.startswith("last polled: ")
    assert await order_actions.cancel(stocked, order, by(worker))
    assert ["last polled"] == await read_polls()


async def test_a_provider_that_refuses_to_cancel_what_has_ended_is_asked_once(lied_to, api, stocked, ann):
    worker, fake = lied_to
    fake.answers |= {"add": {"order": 5}, "cancel": [{"order": 5, "cancel": {"error": "Cancel is not available"}}]}
    order = await api.add(ann.key)
    await worker.send()
    assert await order_actions.cancel(stocked, order, by(worker))
    for _ in range(3):
        await worker.poller.pass_on_cancels(10)
        worker.clock.forward(60)
    assert ["add", "cancel"] == [form["action"] for form in fake.requests]
    assert ("canceled", CHARGE, 0, CHARGE) == (await settled(stocked, order))[:4]


@pytest.mark.parametrize("answer", [{"error": "Cancel is not available"}, (400, {"error": "Cancel is not available"})])
async def test_a_refused_cancel_is_an_answer_whatever_its_status(lied_to, api, stocked, ann, answer):
    worker, fake = lied_to
    fake.answers |= {"add": {"order": 5}, "cancel": answer}
    order = await api.add(ann.key)
    await worker.send()
    assert await order_actions.cancel(stocked, order, by(worker))
    assert [1, 0] == [await worker.poller.pass_on_cancels(10) for _ in range(2)]


async def test_a_provider_that_answers_nothing_clear_is_told_of_an_ended_order_for_a_day(lied_to, api, stocked, ann):
    worker, fake = lied_to
    fake.answers |= {"add": {"order": 5}, "cancel": {"order": 5, "cancel": 0}}
    order = await api.add(ann.key)
    await worker.send()
    assert await order_actions.cancel(stocked, order, by(worker))
    counts = []
    for _ in range(5):
        await worker.poller.pass_on_cancels(10)
        counts.append((len(fake.requests), (await monitoring.facts(stocked, worker.clock())).cancels.count))
        worker.clock.forward(10 * 3600)
    assert [(2, 1), (3, 1), (4, 1), (4, 0), (4, 0)] == counts


async def test_a_cancel_of_what_no_provider_took_waits_for_nobody(lied_to, api, stocked, ann):
    worker, fake = lied_to
    fake.answers |= {"add": {"error": "Too many requests"}}
    order = await api.add(ann.key)
    (task,) = await worker.sender.step(1)
    await api.ask("v2", ann.key, "cancel", order=order)
    await task
    assert "canceled" == await state(stocked, order)
    assert 0 == (await monitoring.facts(stocked, worker.clock())).cancels.count


async def test_a_cancel_that_came_to_nothing_is_told_again_when_the_operator_ends_the_order(lied_to, api, stocked, ann):
    worker, fake = lied_to
    fake.answers |= {"add": {"order": 5}, "cancel": [{"order": 5, "cancel": 1}]}
    order = await api.add(ann.key)
    await worker.send()
    await api.ask("v2", ann.key, "cancel", order=order)
    await worker.poller.pass_on_cancels(10)
    worker.clock.forward(3 * 24 * 3600)
    assert await order_actions.cancel(stocked, order, by(worker))
    assert 1 == await worker.poller.pass_on_cancels(10)
    passed = await fetch(stocked, "select cancel_passed from delivery where order_id = %s", order)
    assert [(worker.clock(),)] == passed


async def test_what_was_never_sent_is_cancelled_whole_and_a_second_time_is_nothing(api, worker, stocked, ann):
    order = await api.add(ann.key, DRIP, runs=3, interval=10)
    assert await order_actions.cancel(stocked, order, by(worker))
    assert ("canceled", 27_000, 0, 27_000, 300) == await settled(stocked, order)
    assert not await refused(stocked, order_actions.cancel(stocked, order, by(worker)))
    assert (0, []) == (await worker.send(), await broken(stocked))


async def test_a_subscription_is_cancelled_and_never_completed_or_partial(api, worker, stocked, ann):
    kind = ServiceType.SUBSCRIPTIONS
    order = (await api.ask("v2", ann.key, "add", service=OF_TYPE[kind], **SHAPES[kind]))["order"]
    assert RefusalCode.SUBSCRIPTION_NOT_COMPLETED is await refused(
        stocked, order_actions.complete(stocked, order, by(worker))
    )
    assert RefusalCode.IMPOSSIBLE_REMAINS is await refused(
        stocked, order_actions.end_partial(stocked, order, None, 1, by(worker))
    )
    assert await order_actions.cancel(stocked, order, by(worker))
    assert "canceled" == (await settled(stocked, order))[0]
    assert [] == await broken(stocked)


async def test_a_partial_end_pays_back_what_remains(api, worker, stocked, ann):
    order = await placed(api, worker, ann)
    for remains in (0, 100, 101):
        outcome = order_actions.end_partial(stocked, order, None, remains, by(worker))
        assert RefusalCode.IMPOSSIBLE_REMAINS is await refused(stocked, outcome)
    assert await order_actions.end_partial(stocked, order, None, 30, by(worker))
    assert ("partial", CHARGE, 6_300, 2_700, 30) == await settled(stocked, order)
    assert not await refused(stocked, order_actions.end_partial(stocked, order, None, 30, by(worker)))
    assert RefusalCode.ORDER_ENDED is await refused(
        stocked, order_actions.end_partial(stocked, order, None, 31, by(worker))
    )
    assert FUNDS - 6_300 == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_a_package_is_not_split_and_a_drip_feed_wants_its_run_named(api, worker, stocked, ann):
    package = await placed(api, worker, ann, service_id=PACKAGE)
    assert RefusalCode.PACKAGE_IN_PARTS is await refused(
        stocked, order_actions.end_partial(stocked, package, 1, 1, by(worker))
    )
    drip = await api.add(ann.key, DRIP, runs=3, interval=10)
    assert RefusalCode.WHICH_RUN is await refused(
        stocked, order_actions.end_partial(stocked, drip, None, 5, by(worker))
    )
    assert RefusalCode.NO_RUN is await refused(stocked, order_actions.end_partial(stocked, drip, 4, 5, by(worker)))
    assert await order_actions.end_partial(stocked, drip, 2, 50, by(worker))
    assert ("open", 27_000, 4_500, 4_500) == (await settled(stocked, drip))[:4]
    assert [] == await broken(stocked)


async def test_an_order_delivered_by_hand_is_completed_though_no_provider_had_it(api, worker, stocked, ann):
    await stocked.execute("update route set service_id = -service_id")
    order = await api.add(ann.key)
    await worker.send()
    assert "held" == await state(stocked, order)
    assert await order_actions.complete(stocked, order, by(worker))
    assert ("completed", CHARGE, CHARGE, 0, 0) == await settled(stocked, order)
    assert not await refused(stocked, order_actions.complete(stocked, order, by(worker)))
    assert [] == await broken(stocked)


async def test_a_held_order_is_sent_again_and_one_at_its_provider_is_not(api, worker, stocked, ann):
    await stocked.execute("update service set hold_when_refused = true")
    held, there = await placed(api, worker, ann, "refuse"), await placed(api, worker, ann)
    assert RefusalCode.ALREADY_BOUGHT is await refused(
        stocked, order_actions.resend(stocked, there, None, "I sign", by(worker))
    )
    assert await order_actions.resend(stocked, held, None, "", by(worker))
    assert not await refused(stocked, order_actions.resend(stocked, held, None, "", by(worker)))
    assert 1 == await worker.send()
    assert [("declined", None)] * 2 == await attempts(stocked, held)
    assert [] == await broken(stocked)


async def test_an_odd_end_that_is_held_was_bought_and_is_not_sent_again(api, ann, stocked, lied_to):
    worker, fake = lied_to
    fake.answers |= {"add": {"order": 7}, "status": {"7": {"status": "Partial", "remains": "0"}}}
    order = await api.add(ann.key)
    await worker.send()
    await worker.round(5)
    assert "held" == await state(stocked, order)
    assert RefusalCode.ALREADY_BOUGHT is await refused(
        stocked, order_actions.resend(stocked, order, None, "I sign", by(worker))
    )
    assert await order_actions.end_partial(stocked, order, None, 40, by(worker))
    assert ("partial", CHARGE, 5_400, 3_600, 40) == await settled(stocked, order)


@pytest.mark.parametrize(
    ("currency", "kept_in", "booked"), [("USD", "USD", [(4_500,)]), ("INR", "USD", []), ("INR", "INR", [(4_500,)])]
)
async def test_what_a_delivery_cost_is_booked_at_the_rate_it_was_told_at(
    lied_to, api, stocked, ann, currency, kept_in, booked
):
    worker, fake = lied_to
    fields = {"status": "In progress", "remains": "40", "charge": "0.045", "currency": currency}
    fake.answers |= {"add": {"order": 7}, "status": {"7": fields}}
    await stocked.execute("update provider set currency = %s", [kept_in])
    order = await api.add(ann.key)
    await worker.send()
    await worker.round(5)
    await stocked.execute("update provider set exchange_rate = 2")
    assert await order_actions.cancel(stocked, order, by(worker))
    assert booked == await fetch(stocked, "select amount from transfer where kind = 'cost'")
    assert [] == await broken(stocked)


async def test_an_unsure_order_is_not_touched_before_it_is_settled(api, worker, stocked, ann):
    order = await placed(api, worker, ann, "garbage")
    assert RefusalCode.ORDER_UNSURE is await refused(stocked, order_actions.cancel(stocked, order, by(worker)))
    assert RefusalCode.ORDER_UNSURE is await refused(stocked, order_actions.complete(stocked, order, by(worker)))
    assert RefusalCode.ORDER_UNSURE is await refused(
        stocked, order_actions.end_partial(stocked, order, None, 5, by(worker))
    )
    assert RefusalCode.NOT_PROVED is await refused(stocked, order_actions.resend(stocked, order, None, "", by(worker)))


async def test_an_unsure_order_is_sent_again_where_the_operator_signs_for_it(api, worker, stocked, ann):
    order = await placed(api, worker, ann, "garbage")
    assert await order_actions.resend(stocked, order, None, "their support says so", by(worker))
    await worker.send()
    assert [("declined", None), ("unsure", None)] == await attempts(stocked, order)
    assert [("operator", "risked", "their support says so")] == await fetch(
        stocked, "select kind, conclusion, detail ->> 'signed' from evidence"
    )
    assert [("order.resend", str(order), "because")] == await audited(stocked)
    assert [] == await broken(stocked)


async def test_an_unsure_order_is_settled_as_accepted(api, worker, stocked, ann):
    other, order = await placed(api, worker, ann), await placed(api, worker, ann, "garbage")
    ((taken,),) = await fetch(stocked, "select provider_order from attempt where order_id = %s", other)
    assert RefusalCode.PROVIDER_ORDER_TAKEN is await refused(
        stocked, order_actions.settle(stocked, order, None, taken, by(worker))
    )
    assert await order_actions.settle(stocked, order, None, "2", by(worker))
    assert not await refused(stocked, order_actions.settle(stocked, order, None, "2", by(worker)))
    assert RefusalCode.ORDER_NOT_UNSURE is await refused(
        stocked, order_actions.settle(stocked, order, None, "3", by(worker))
    )
    assert RefusalCode.ORDER_NOT_UNSURE is await refused(
        stocked, order_actions.settle(stocked, order, None, None, by(worker))
    )
    await worker.round(BEYOND_THE_END_S)
    assert ("completed", CHARGE, CHARGE, 0, 0) == await settled(stocked, order)
    assert [] == await broken(stocked)


@pytest.mark.parametrize("closed", ["off = 'gone'", "cost = 1000"])
async def test_an_unsure_order_is_settled_as_declined_and_paid_back(api, worker, stocked, ann, closed):
    """A provider that may not be asked is no other provider."""
    other = await catalogue.save_provider(stocked, "Other", "sandbox", "sandbox:", "USD")
    await stocked.execute(
        "insert into route (service_id, position, provider_id, provider_service) values (%s, 1, %s, '77')",
        [DEFAULT, other],
    )
    await stocked.execute(f"update route set {closed} where provider_id = %s", [other])
    order = await placed(api, worker, ann, "lost")
    assert await order_actions.settle(stocked, order, None, None, by(worker))
    assert ("canceled", CHARGE, 0, CHARGE, 100) == await settled(stocked, order)
    assert not await refused(stocked, order_actions.settle(stocked, order, None, None, by(worker)))
    assert [("order.settle", str(order), "because")] == await audited(stocked)
    assert (FUNDS, []) == (await balance(stocked, ann.id), await broken(stocked))


@pytest.mark.parametrize("deed", ["settle", "resend"])
async def test_a_clock_that_is_behind_at_the_operators_machine_ends_no_try_before_it_began(
    api, worker, stocked, ann, deed
):
    """Evidence takes what is sent later for a later neighbour."""
    order = await placed(api, worker, ann, "garbage")
    behind, began = By(actor("tester"), "because", worker.clock() - timedelta(hours=1)), now()
    if deed == "settle":
        assert await order_actions.settle(stocked, order, None, None, behind)
    else:
        assert await order_actions.resend(stocked, order, None, "their support says so", behind)
    query = "select outcome, answered >= %s from attempt where order_id = %s"
    assert [("declined", True)] == await fetch(stocked, query, began, order)


@pytest.mark.parametrize("deed", ["settle", "resend"])
async def test_a_clock_that_is_ahead_at_the_operators_machine_has_no_order_wait(api, worker, stocked, ann, deed):
    order = await placed(api, worker, ann, "garbage")
    ahead = By(actor("tester"), "because", worker.clock() + timedelta(hours=1))
    if deed == "settle":
        assert await order_actions.settle(stocked, order, None, "2", ahead)
    else:
        assert await order_actions.resend(stocked, order, None, "their support says so", ahead)
    assert [(True,)] == await fetch(
        stocked, "select due <= %s from delivery where order_id = %s", worker.clock(), order
    )


async def test_an_ended_order_gives_back_at_most_what_it_earned_and_each_refund_once(api, worker, stocked, ann):
    order = await placed(api, worker, ann, "partial-40")
    assert RefusalCode.ORDER_NOT_ENDED is await refused(
        stocked, order_actions.refund(stocked, order, Money(1), 1, by(worker))
    )
    await worker.round(BEYOND_THE_END_S)
    assert ("partial", CHARGE, 3_600, 5_400, 60) == await settled(stocked, order)
    assert RefusalCode.MORE_THAN_EARNED is await refused(
        stocked, order_actions.refund(stocked, order, Money(3_601), 1, by(worker))
    )
    assert await order_actions.refund(stocked, order, Money(600), 1, by(worker))
    assert not await refused(stocked, order_actions.refund(stocked, order, Money(600), 1, by(worker)))
    assert RefusalCode.OTHER_REFUND_AMOUNT is await refused(
        stocked, order_actions.refund(stocked, order, Money(601), 1, by(worker))
    )
    assert await order_actions.refund(stocked, order, Money(3_000), 2, by(worker))
    assert RefusalCode.MORE_THAN_EARNED is await refused(
        stocked, order_actions.refund(stocked, order, Money(1), 3, by(worker))
    )
    assert ("partial", CHARGE, 0, 9_000, 60) == await settled(stocked, order)
    assert "0.00000" == (await api.ask("v2", ann.key, "status", order=order))["charge"]
    assert (FUNDS, []) == (await balance(stocked, ann.id), await broken(stocked))


@pytest.mark.parametrize("act", ["cancel", "complete"])
async def test_an_order_that_does_not_exist_is_refused(worker, stocked, act):
    assert RefusalCode.NO_ORDER is await refused(stocked, getattr(order_actions, act)(stocked, NOBODY, by(worker)))
    assert RefusalCode.NO_ORDER is await refused(
        stocked, order_actions.refund(stocked, NOBODY, Money(1), 1, by(worker))
    )
    assert RefusalCode.NO_ORDER is await refused(stocked, order_actions.resend(stocked, NOBODY, None, "", by(worker)))
