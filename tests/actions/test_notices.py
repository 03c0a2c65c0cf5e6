"""Notices: what a provider says against the books is kept, named, and dealt with by the operator."""

import pytest
from tests.panel import acting, balance, books, broken, fetch
from tests.stepped_worker import leave_behind, state

from opensmm.actions import notices, order_actions
from opensmm.base.ids import OrderId, ProviderId
from opensmm.domain.codes import EventCode
from opensmm.domain.dispatch import Accepted
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.panel_facts import NoticeCounts
from opensmm.store import evidence as evidence_rows
from opensmm.store import monitoring, order_events
from opensmm.texts.speech import ENGLISH

FUNDS = 10_000_000


async def late_acceptances(conn):
    return await fetch(
        conn,
        """select order_id, run, number, provider_id, detail ->> 'provider_order', detail ->> 'settled_as'
           from evidence where kind = 'answer' and conclusion = 'late_acceptance' order by id""",
    )


async def find_events(conn, order, code):
    """What an order's story says under a code."""
    story = await order_events.read_history(conn, order)
    assert story is not None
    assert all(ENGLISH.event_with_run(story.runs, event.kind, event.fields) for event in story.events)
    return [event for event in story.events if event.kind is code]


async def settled_as_not_bought(api, ann, conn, worker, clock):
    """An order whose sender still waits for its answer when the operator calls it declined."""
    order = await api.add(ann.key)
    (claim,) = await leave_behind(worker, clock)
    await worker.round(3600)
    assert await order_actions.settle(conn, order, None, None, acting(clock(), "ann", "not in their list"))
    return order, claim


async def test_a_purchase_of_what_was_settled_as_not_bought_stays_until_it_is_dealt_with(
    api, ann, stocked, worker, clock
):
    order, claim = await settled_as_not_bought(api, ann, stocked, worker, clock)
    before = await books(stocked)
    for _ in range(2):
        await worker.sender._record_outcome(claim, Accepted("900"))
    assert [(order, 1, 1, 1, "900", "declined")] == await late_acceptances(stocked)
    assert before == await books(stocked)
    assert NoticeCounts(1, clock(), ((order, "Sandbox", "900"),)) == (await monitoring.facts(stocked, clock())).late
    (event,) = await find_events(stocked, order, EventCode.LATE_ACCEPTANCE)
    assert ("Sandbox", "900") == (event.fields["provider_name"], event.fields["provider_order"])
    by = acting(clock(), "ann", "cancelled there")
    assert await notices.deal_with(stocked, order, by)
    assert not await notices.deal_with(stocked, order, by)
    assert NoticeCounts() == (await monitoring.facts(stocked, clock())).late
    ((detail,),) = await fetch(stocked, "select detail from audit where action = 'order.deal_with'")
    changes = {"runs.1.tries.1.notice": ["late_acceptance", None]}
    assert {"changes": changes, "reason": "cancelled there", "provider_orders": ["900"]} == detail
    assert [clock()] == [event.at for event in await find_events(stocked, order, EventCode.DEALT_WITH)]
    assert [] == await broken(stocked)


async def test_an_order_that_no_provider_spoke_of_has_nothing_to_be_dealt_with(api, ann, stocked, clock):
    order = await api.add(ann.key)
    with pytest.raises(OperatorRefusal) as refused:
        await notices.deal_with(stocked, order, acting(clock(), "ann", "why"))
    assert (RefusalCode.NO_NOTICE, {"order": order}) == (refused.value.code, refused.value.fields)
    assert [] == await fetch(stocked, "select from audit where action = 'order.deal_with'")


async def test_an_acceptance_that_is_recorded_twice_is_no_late_one(api, ann, stocked, worker, clock):
    order = await api.add(ann.key)
    (claim,) = await leave_behind(worker, clock)
    for _ in range(2):
        await worker.sender._record_outcome(claim, Accepted("900"))
    assert ("pending", []) == (await state(stocked, order), await late_acceptances(stocked))


async def test_what_was_settled_with_another_id_than_its_provider_tells_later_was_bought_twice(
    api, ann, stocked, worker, clock
):
    order = await api.add(ann.key)
    (claim,) = await leave_behind(worker, clock)
    await worker.round(3600)
    assert await order_actions.settle(stocked, order, None, "800", acting(clock(), "ann", "looked it up"))
    await worker.sender._record_outcome(claim, Accepted("900"))
    assert [(order, 1, 1, 1, "900", "accepted")] == await late_acceptances(stocked)


async def test_an_id_that_was_told_late_is_known_and_its_attempt_owns_no_other(api, ann, stocked, worker, clock):
    order, claim = await settled_as_not_bought(api, ann, stocked, worker, clock)
    looked_for = [OrderId(order)], clock(), clock()
    assert 1 == len((await evidence_rows.list_doubted(stocked, *looked_for))[ProviderId(1)])
    await worker.sender._record_outcome(claim, Accepted("900"))
    assert {900} == await evidence_rows.find_known(stocked, ProviderId(1), [899, 900, 901])
    assert {} == await evidence_rows.list_doubted(stocked, *looked_for)


async def test_that_a_provider_goes_on_with_what_was_paid_back_is_told_to_the_operator(
    api, ann, stocked, lied_to, clock
):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    order = await api.add(ann.key)
    await worker.send()
    assert await order_actions.cancel(stocked, order, acting(clock(), "ann", "asked for by mail"))
    fake.answers["cancel"] = [{"order": 7, "cancel": {"error": "Order cannot be canceled"}}]
    assert 1 == await worker.poller.pass_on_cancels(10)
    assert NoticeCounts(1, clock(), ((order, "Sandbox", "7"),)) == (await monitoring.facts(stocked, clock())).odd
    (event,) = await find_events(stocked, order, EventCode.CANCEL_REFUSED)
    assert ("7", "Order cannot be canceled") == (event.fields["provider_order"], event.fields["answer"])
    assert FUNDS == await balance(stocked, ann.id)
    assert [] == await broken(stocked)
