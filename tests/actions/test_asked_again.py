"""What a provider gives no clear answer to is asked again after growing pauses, and not for ever."""

import pytest
from tests.panel import actor, broken

from opensmm.actions import health, interventions, staff
from opensmm.domain.audit import By
from opensmm.domain.cancels import TOLD_AGAIN_AFTER
from opensmm.domain.codes import EventCode
from opensmm.domain.findings import Level
from opensmm.domain.refills import ASKED_AGAIN_AFTER, RefillStatus
from opensmm.store import manual as staff_rows
from opensmm.store import refill_tasks

UNCLEAR = {"status": "success"}


def asked(liar, action):
    return sum(form["action"] == action for form in liar.asked)


async def found(conn, works, name):
    _, findings = await health.look(conn, b"pepper", works.clock(), private=True)
    (one,) = [finding for finding in findings if finding.name == name]
    return one


async def test_a_cancel_without_a_clear_answer_is_told_again_after_growing_pauses_and_then_no_more(
    lied_to, api, stocked, ann
):
    works, liar = lied_to
    liar.answers |= {"add": {"order": 5}, "cancel": UNCLEAR}
    order = await api.add(ann.key)
    await works.send()
    await api.ask("v2", ann.key, "cancel", orders=order)
    for _ in range(25 * 6):
        await works.following.pass_on_cancels(10)
        works.clock.forward(10)
    assert 7 == asked(liar, "cancel"), "in 25 minutes"
    assert Level.OK is (await found(stocked, works, "unheard cancels")).level
    for _ in range(len(TOLD_AGAIN_AFTER) + 3):
        works.clock.forward(8 * 3600)
        await works.following.pass_on_cancels(10)
    assert len(TOLD_AGAIN_AFTER) + 1 == asked(liar, "cancel")
    told = await found(stocked, works, "unheard cancels")
    assert (Level.ACT, 1) == (told.level, told.fields["count"])
    assert order == told.fields["named"][0]["order"]


async def test_a_cancel_that_no_answer_comes_to_is_told_again_after_growing_pauses_and_after_a_day_no_more(
    lied_to, api, stocked, ann
):
    works, liar = lied_to
    liar.answers |= {"add": {"order": 5}, "cancel": (500, b"")}
    order = await api.add(ann.key)
    await works.send()
    await api.ask("v2", ann.key, "cancel", orders=order)

    async def pass_on(rounds, seconds):
        for _ in range(rounds):
            works.registry.contact(1).circuit.record_success()  # it fails at this alone
            await works.following.pass_on_cancels(10)
            works.clock.forward(seconds)

    await pass_on(25 * 6, 10)
    assert 7 == asked(liar, "cancel"), "in 25 minutes"
    await pass_on(23 * 6, 600)
    assert asked(liar, "cancel") <= 7 + 23 * 6
    assert Level.OK is (await found(stocked, works, "unheard cancels")).level
    await pass_on(2 * 6, 600)
    told = await found(stocked, works, "unheard cancels")
    assert (Level.ACT, 1) == (told.level, told.fields["count"])
    before = asked(liar, "cancel")
    await pass_on(24, 3600)
    assert before == asked(liar, "cancel")
    # The operator asks for it anew, and by then it answers.
    liar.answers["cancel"] = [{"order": 5, "cancel": 1}]
    ended = await interventions.cancel(stocked, order, By(actor("tester"), "why", works.clock()))
    assert ended is True
    await pass_on(1, 1)
    assert before + 1 == asked(liar, "cancel")


async def test_a_cancel_is_told_within_minutes_of_its_providers_return(lied_to, api, stocked, ann):
    works, liar = lied_to
    liar.answers |= {"add": {"order": 5}, "cancel": (500, b"")}
    order = await api.add(ann.key)
    await works.send()
    await api.ask("v2", ann.key, "cancel", orders=order)
    for _ in range(60):
        works.registry.contact(1).circuit.record_success()
        await works.following.pass_on_cancels(10)
        works.clock.forward(600)
    liar.answers["cancel"] = [{"order": 5, "cancel": 1}]
    works.registry.contact(1).circuit.record_success()
    assert 1 == await works.following.pass_on_cancels(10)


async def test_a_cancel_that_is_asked_for_anew_is_told_at_once(lied_to, api, stocked, ann):
    works, liar = lied_to
    liar.answers |= {"add": {"order": 5}, "cancel": UNCLEAR}
    order = await api.add(ann.key)
    await works.send()
    await api.ask("v2", ann.key, "cancel", orders=order)
    await works.following.pass_on_cancels(10)
    liar.answers["cancel"] = [{"order": 5, "cancel": {"error": "Order cannot be canceled"}}]
    works.clock.forward(10)
    await works.following.pass_on_cancels(10)
    await api.ask("v2", ann.key, "cancel", orders=order)
    await works.following.pass_on_cancels(10)
    assert 3 == asked(liar, "cancel")


@pytest.mark.parametrize(("answer", "times"), [(UNCLEAR, 4), ((500, b""), 13)], ids=["unclear", "silent"])
async def test_a_refill_without_a_clear_answer_is_asked_for_again_after_growing_pauses(
    lied_to, api, stocked, ann, answer, times
):
    works, liar = lied_to
    await refilled(works, liar, api, ann, answer)
    for _ in range(2 * 60):
        await works.refills.step(10)
        works.clock.forward(60)
    assert 1 < asked(liar, "refill") <= times, "in two hours"


async def test_in_the_end_the_operator_settles_a_refill(lied_to, api, stocked, ann):
    works, liar = lied_to
    refill = await refilled(works, liar, api, ann, UNCLEAR)
    for _ in range(len(ASKED_AGAIN_AFTER) + 3):
        await works.refills.step(10)
        works.clock.forward(12 * 3600)
    assert len(ASKED_AGAIN_AFTER) + 1 == asked(liar, "refill")
    told = await found(stocked, works, "unclear refills")
    assert (Level.ACT, 1) == (told.level, told.fields["count"])
    assert [] == await broken(stocked)
    assert {"status": "Pending"} == await api.ask("v2", ann.key, "refill_status", refill=refill)
    assert [RefillStatus.REJECTED] == await staff.answer_refills(
        stocked, [refill], RefillStatus.REJECTED, by=By(actor("tester"), "why", works.clock())
    )
    assert {"status": "Rejected"} == await api.ask("v2", ann.key, "refill_status", refill=refill)
    assert Level.OK is (await found(stocked, works, "unclear refills")).level
    assert [] == await broken(stocked)


async def refilled(works, liar, api, ann, answer):
    """A completed order whose refill was asked for, at a provider that answers so."""
    liar.answers |= {"add": {"order": 5}, "status": {"5": {"status": "Completed", "remains": 0}}, "refill": answer}
    order = await api.add(ann.key)
    await works.send()
    works.clock.forward(5)
    await works.follow()
    return int((await api.ask("v2", ann.key, "refill", order=order))["refill"])


def code_of(unread):
    assert unread.note is not None
    return unread.note.code


async def refilling(works, liar, api, ann, answer):
    """A refill that its provider took on as its 55, and says this of."""
    refill = await refilled(works, liar, api, ann, {"refill": 55})
    await works.refills.step(10)
    liar.answers["refill_status"] = answer
    works.clock.forward(60)
    await works.refills.step(10)
    return refill


async def test_a_refill_whose_status_is_not_understood_is_shown_with_its_words_within_minutes(
    lied_to, api, stocked, ann
):
    works, liar = lied_to
    refill = await refilling(works, liar, api, ann, {"status": "Teapot"})
    assert Level.OK is (await found(stocked, works, "refill answers")).level
    works.clock.forward(120)
    told = await found(stocked, works, "refill answers")
    assert (Level.LOOK, 1, "Teapot") == (told.level, told.fields["count"], told.fields["words"])
    (one,) = await refill_tasks.unread(stocked, 10)
    assert (refill, code_of(one)) == (one.refill, EventCode.REFILL_NOT_UNDERSTOOD)
    (listed,) = await staff_rows.waiting_refills(stocked, 10)
    assert (refill, "Teapot") == (listed.refill, listed.words)
    assert {"status": "Pending"} == await api.ask("v2", ann.key, "refill_status", refill=refill)
    # Other words are the same news, and understood ones end it.
    liar.answers["refill_status"] = {"error": "Refill not found"}
    since = one.noted
    works.clock.forward(240)
    await works.refills.step(10)
    (one,) = await refill_tasks.unread(stocked, 10)
    assert EventCode.REFILL_LOOK_UP_FAILED is code_of(one)
    assert one.noted > since
    liar.answers["refill_status"] = {"status": "Completed"}
    works.clock.forward(3600)
    await works.refills.step(10)
    assert [] == await refill_tasks.unread(stocked, 10)
    assert Level.OK is (await found(stocked, works, "refill answers")).level


async def test_a_refill_whose_status_is_not_understood_is_settled_by_the_operator(lied_to, api, stocked, ann):
    works, liar = lied_to
    refill = await refilling(works, liar, api, ann, {"status": "Teapot"})
    by = By(actor("tester"), "why", works.clock())
    assert [RefillStatus.COMPLETED] == await staff.answer_refills(stocked, [refill], RefillStatus.COMPLETED, by=by)
    assert [] == await refill_tasks.unread(stocked, 10)
    asked_before = asked(liar, "refill_status")
    works.clock.forward(24 * 3600)
    await works.refills.step(10)
    assert asked_before == asked(liar, "refill_status")
    assert {"status": "Completed"} == await api.ask("v2", ann.key, "refill_status", refill=refill)
    assert [] == await broken(stocked)


async def test_a_refill_whose_status_is_not_understood_is_asked_after_every_few_minutes(lied_to, api, stocked, ann):
    works, liar = lied_to
    await refilling(works, liar, api, ann, {"status": "Teapot"})
    before = asked(liar, "refill_status")
    for _ in range(60):
        works.clock.forward(60)
        await works.refills.step(10)
    assert 10 <= asked(liar, "refill_status") - before <= 20, "in an hour"
