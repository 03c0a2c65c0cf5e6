"""What a provider gives no clear answer to is asked again after growing pauses, and not for ever."""

import pytest
from tests.panel import actor, broken

from opensmm.actions import manual, monitoring, order_actions
from opensmm.domain.audit import By
from opensmm.domain.cancels import CANCEL_PAUSES
from opensmm.domain.codes import EventCode
from opensmm.domain.findings import Level
from opensmm.domain.refills import RETRY_PAUSES, RefillStatus
from opensmm.store import manual as staff_rows
from opensmm.store import refill_tasks

UNCLEAR = {"status": "success"}


def count_requests(fake, action):
    return sum(form["action"] == action for form in fake.requests)


async def find_finding(conn, worker, name):
    _, findings = await monitoring.inspect_panel(conn, b"pepper", worker.clock(), private=True)
    (match,) = [finding for finding in findings if finding.name == name]
    return match


async def test_a_cancel_without_a_clear_answer_is_told_again_after_growing_pauses_and_then_no_more(
    lied_to, api, stocked, ann
):
    worker, fake = lied_to
    fake.answers |= {"add": {"order": 5}, "cancel": UNCLEAR}
    order = await api.add(ann.key)
    await worker.send()
    await api.ask("v2", ann.key, "cancel", orders=order)
    for _ in range(25 * 6):
        await worker.poller.pass_on_cancels(10)
        worker.clock.forward(10)
    assert 7 == count_requests(fake, "cancel"), "in 25 minutes"
    assert Level.OK is (await find_finding(stocked, worker, "unheard cancels")).level
    for _ in range(len(CANCEL_PAUSES) + 3):
        worker.clock.forward(8 * 3600)
        await worker.poller.pass_on_cancels(10)
    assert len(CANCEL_PAUSES) + 1 == count_requests(fake, "cancel")
    finding = await find_finding(stocked, worker, "unheard cancels")
    assert (Level.CRITICAL, 1) == (finding.level, finding.fields["count"])
    assert order == finding.fields["named"][0]["order"]


async def test_a_cancel_that_no_answer_comes_to_is_told_again_after_growing_pauses_and_after_a_day_no_more(
    lied_to, api, stocked, ann
):
    worker, fake = lied_to
    fake.answers |= {"add": {"order": 5}, "cancel": (500, b"")}
    order = await api.add(ann.key)
    await worker.send()
    await api.ask("v2", ann.key, "cancel", orders=order)

    async def pass_on(rounds, seconds):
        for _ in range(rounds):
            worker.registry.connection_to(1).circuit.record_success()  # it fails at this alone
            await worker.poller.pass_on_cancels(10)
            worker.clock.forward(seconds)

    await pass_on(25 * 6, 10)
    assert 7 == count_requests(fake, "cancel"), "in 25 minutes"
    await pass_on(23 * 6, 600)
    assert count_requests(fake, "cancel") <= 7 + 23 * 6
    assert Level.OK is (await find_finding(stocked, worker, "unheard cancels")).level
    await pass_on(2 * 6, 600)
    finding = await find_finding(stocked, worker, "unheard cancels")
    assert (Level.CRITICAL, 1) == (finding.level, finding.fields["count"])
    before = count_requests(fake, "cancel")
    await pass_on(24, 3600)
    assert before == count_requests(fake, "cancel")
    # The operator asks for it anew, and by then it answers.
    fake.answers["cancel"] = [{"order": 5, "cancel": 1}]
    ended = await order_actions.cancel(stocked, order, By(actor("tester"), "why", worker.clock()))
    assert ended is True
    await pass_on(1, 1)
    assert before + 1 == count_requests(fake, "cancel")


async def test_a_cancel_is_told_within_minutes_of_its_providers_return(lied_to, api, stocked, ann):
    worker, fake = lied_to
    fake.answers |= {"add": {"order": 5}, "cancel": (500, b"")}
    order = await api.add(ann.key)
    await worker.send()
    await api.ask("v2", ann.key, "cancel", orders=order)
    for _ in range(60):
        worker.registry.connection_to(1).circuit.record_success()
        await worker.poller.pass_on_cancels(10)
        worker.clock.forward(600)
    fake.answers["cancel"] = [{"order": 5, "cancel": 1}]
    worker.registry.connection_to(1).circuit.record_success()
    assert 1 == await worker.poller.pass_on_cancels(10)


async def test_a_cancel_that_is_asked_for_anew_is_told_at_once(lied_to, api, stocked, ann):
    worker, fake = lied_to
    fake.answers |= {"add": {"order": 5}, "cancel": UNCLEAR}
    order = await api.add(ann.key)
    await worker.send()
    await api.ask("v2", ann.key, "cancel", orders=order)
    await worker.poller.pass_on_cancels(10)
    fake.answers["cancel"] = [{"order": 5, "cancel": {"error": "Order cannot be canceled"}}]
    worker.clock.forward(10)
    await worker.poller.pass_on_cancels(10)
    await api.ask("v2", ann.key, "cancel", orders=order)
    await worker.poller.pass_on_cancels(10)
    assert 3 == count_requests(fake, "cancel")


@pytest.mark.parametrize(("answer", "times"), [(UNCLEAR, 4), ((500, b""), 13)], ids=["unclear", "silent"])
async def test_a_refill_without_a_clear_answer_is_asked_for_again_after_growing_pauses(
    lied_to, api, stocked, ann, answer, times
):
    worker, fake = lied_to
    await refilled(worker, fake, api, ann, answer)
    for _ in range(2 * 60):
        await worker.refills.step(10)
        worker.clock.forward(60)
    assert 1 < count_requests(fake, "refill") <= times, "in two hours"


async def test_in_the_end_the_operator_settles_a_refill(lied_to, api, stocked, ann):
    worker, fake = lied_to
    refill = await refilled(worker, fake, api, ann, UNCLEAR)
    for _ in range(len(RETRY_PAUSES) + 3):
        await worker.refills.step(10)
        worker.clock.forward(12 * 3600)
    assert len(RETRY_PAUSES) + 1 == count_requests(fake, "refill")
    finding = await find_finding(stocked, worker, "unclear refills")
    assert (Level.CRITICAL, 1) == (finding.level, finding.fields["count"])
    assert [] == await broken(stocked)
    assert {"status": "Pending"} == await api.ask("v2", ann.key, "refill_status", refill=refill)
    assert [RefillStatus.REJECTED] == await manual.answer_refills(
        stocked, [refill], RefillStatus.REJECTED, by=By(actor("tester"), "why", worker.clock())
    )
    assert {"status": "Rejected"} == await api.ask("v2", ann.key, "refill_status", refill=refill)
    assert Level.OK is (await find_finding(stocked, worker, "unclear refills")).level
    assert [] == await broken(stocked)


async def refilled(worker, fake, api, ann, answer):
    """A completed order whose refill was asked for, at a provider that answers so."""
    fake.answers |= {"add": {"order": 5}, "status": {"5": {"status": "Completed", "remains": 0}}, "refill": answer}
    order = await api.add(ann.key)
    await worker.send()
    worker.clock.forward(5)
    await worker.follow()
    return int((await api.ask("v2", ann.key, "refill", order=order))["refill"])


def code_of(unread):
    assert unread.note is not None
    return unread.note.code


async def refilling(worker, fake, api, ann, answer):
    """A refill that its provider took on as its 55, and says this of."""
    refill = await refilled(worker, fake, api, ann, {"refill": 55})
    await worker.refills.step(10)
    fake.answers["refill_status"] = answer
    worker.clock.forward(60)
    await worker.refills.step(10)
    return refill


async def test_a_refill_whose_status_is_not_understood_is_shown_with_its_words_within_minutes(
    lied_to, api, stocked, ann
):
    worker, fake = lied_to
    refill = await refilling(worker, fake, api, ann, {"status": "Teapot"})
    assert Level.OK is (await find_finding(stocked, worker, "refill answers")).level
    worker.clock.forward(120)
    finding = await find_finding(stocked, worker, "refill answers")
    assert (Level.WARNING, 1, "Teapot") == (finding.level, finding.fields["count"], finding.fields["words"])
    (task,) = await refill_tasks.list_unread(stocked, 10)
    assert (refill, code_of(task)) == (task.refill, EventCode.REFILL_NOT_UNDERSTOOD)
    (listed,) = await staff_rows.list_refills(stocked, 10)
    assert (refill, "Teapot") == (listed.refill, listed.words)
    assert {"status": "Pending"} == await api.ask("v2", ann.key, "refill_status", refill=refill)
    # Other words are the same news, and understood ones end it.
    fake.answers["refill_status"] = {"error": "Refill not found"}
    since = task.noted
    worker.clock.forward(240)
    await worker.refills.step(10)
    (task,) = await refill_tasks.list_unread(stocked, 10)
    assert EventCode.REFILL_LOOK_UP_FAILED is code_of(task)
    assert task.noted > since
    fake.answers["refill_status"] = {"status": "Completed"}
    worker.clock.forward(3600)
    await worker.refills.step(10)
    assert [] == await refill_tasks.list_unread(stocked, 10)
    assert Level.OK is (await find_finding(stocked, worker, "refill answers")).level


async def test_a_refill_whose_status_is_not_understood_is_settled_by_the_operator(lied_to, api, stocked, ann):
    worker, fake = lied_to
    refill = await refilling(worker, fake, api, ann, {"status": "Teapot"})
    by = By(actor("tester"), "why", worker.clock())
    assert [RefillStatus.COMPLETED] == await manual.answer_refills(stocked, [refill], RefillStatus.COMPLETED, by=by)
    assert [] == await refill_tasks.list_unread(stocked, 10)
    asked_before = count_requests(fake, "refill_status")
    worker.clock.forward(24 * 3600)
    await worker.refills.step(10)
    assert asked_before == count_requests(fake, "refill_status")
    assert {"status": "Completed"} == await api.ask("v2", ann.key, "refill_status", refill=refill)
    assert [] == await broken(stocked)


async def test_a_refill_whose_status_is_not_understood_is_asked_after_every_few_minutes(lied_to, api, stocked, ann):
    worker, fake = lied_to
    await refilling(worker, fake, api, ann, {"status": "Teapot"})
    before = count_requests(fake, "refill_status")
    for _ in range(60):
        worker.clock.forward(60)
        await worker.refills.step(10)
    assert 10 <= count_requests(fake, "refill_status") - before <= 20, "in an hour"
