"""The statements that move states let nothing happen that the tables of ``domain`` do not have."""

from datetime import timedelta

import pytest
from tests.breaking import without_constraints
from tests.panel import DEFAULT, fetch, now

from opensmm.base.ids import OrderId, ProviderId, RefillId
from opensmm.domain.dispatch import ACCEPTED_STATES, END_STATES, TRANSITIONS, AttemptOutcome, DeliveryState
from opensmm.domain.orders import ENDED_ORDER_STATES, LIVE_ORDER_STATES, ORDER_TRANSITIONS, OrderState
from opensmm.domain.refills import REFILL_TRANSITIONS, RefillStatus
from opensmm.store import dispatch, polling, purchases, refill_tasks, refills, settlement, subscriptions
from opensmm.store.dispatch import AttemptResult
from opensmm.store.polling import PolledResult
from opensmm.store.refill_tasks import RefillNews, TaskRow

OUTCOMES = {
    DeliveryState.SENDING: AttemptOutcome.SENDING,
    DeliveryState.UNSURE: AttemptOutcome.UNSURE,
    **dict.fromkeys(ACCEPTED_STATES, AttemptOutcome.ACCEPTED),
}
AFTER_A_TRY = (
    DeliveryState.QUEUED, DeliveryState.PENDING, DeliveryState.UNSURE, DeliveryState.HELD, DeliveryState.CANCELED,
)  # fmt: skip
AFTER_A_REPORT = (*ACCEPTED_STATES, *END_STATES, DeliveryState.HELD)
NUMBERS = {state: OrderId(100 + at) for at, state in enumerate(DeliveryState)}
"""An order for each state that its delivery may be in."""


@pytest.fixture
async def deliveries(stocked, owner):
    """One delivery in each state, due, with a lease that is over, at the sandbox in its first attempt."""
    await without_constraints(owner)
    for state, order in NUMBERS.items():
        await owner.execute(
            "insert into orders (id, customer_id, service_id, link, quantity, rate, packaged, charge, created) "
            "values (%s, 1, %s, 'x', 100, 1, false, 1, now())",
            [order, DEFAULT],
        )
        await owner.execute(
            "insert into delivery (order_id, run, service_id, quantity, state, due, lease_until, attempt, fence, "
            "noted, note) values (%s, 1, %s, 100, %s, %s, %s, 1, 1, %s, '{}')",
            [order, DEFAULT, state, now(), now() - timedelta(hours=1), now() - timedelta(days=60)],
        )
        await owner.execute(
            "insert into attempt (order_id, run, number, provider_id, provider_service, outcome, fence) "
            "select %s, 1, 1, min(id), '1', %s, 1 from provider",
            [order, OUTCOMES.get(state, AttemptOutcome.NOT_BOUGHT)],
        )
    return stocked


async def moves(connection, work):
    """(before, after) of each delivery that the work moves; what it did is taken back."""
    async with connection.transaction(force_rollback=True):
        await work()
        after = dict(await fetch(connection, "select order_id, state from delivery"))
    return {(state, DeliveryState(after[order])) for state, order in NUMBERS.items() if after[order] != state}


def record(connection, state):
    outcome = {DeliveryState.PENDING: AttemptOutcome.ACCEPTED, DeliveryState.UNSURE: AttemptOutcome.UNSURE}
    tries = [
        AttemptResult(order, 1, 1, 1, state, 0, now(), outcome.get(state, AttemptOutcome.NOT_BOUGHT), None, "")
        for order in NUMBERS.values()
    ]
    return lambda: dispatch.record(connection, tries, now())


def report(connection, state):
    reports = [PolledResult(order, 1, 1, state, None, 0, None, None, "", None) for order in NUMBERS.values()]
    return lambda: polling.record(connection, reports, now())


def claim(connection, providers):
    return lambda: dispatch.claim(connection, now(), None, timedelta(minutes=1), 100, providers)


async def test_no_statement_moves_a_delivery_but_along_the_table(deliveries, owner):
    providers = [ProviderId(number) for (number,) in await fetch(deliveries, "select id from provider")]
    seen = await moves(deliveries, lambda: dispatch.recover(deliveries, now()))
    assert {(DeliveryState.SENDING, DeliveryState.UNSURE)} == seen
    assert {(DeliveryState.QUEUED, DeliveryState.SENDING)} == await moves(deliveries, claim(deliveries, providers))
    held = {(DeliveryState.QUEUED, DeliveryState.HELD)}
    assert held == await moves(deliveries, lambda: dispatch.hold_waiting(deliveries, now(), 100))
    await owner.execute("delete from route")
    assert held == await moves(deliveries, claim(deliveries, providers))
    seen |= held | {(DeliveryState.QUEUED, DeliveryState.SENDING)}
    for state in AFTER_A_TRY:
        seen |= await moves(deliveries, record(deliveries, state))
    for state in AFTER_A_REPORT:
        seen |= await moves(deliveries, report(deliveries, state))
    await owner.execute("update delivery set cancel_asked = now()")
    called_off = await moves(deliveries, record(deliveries, DeliveryState.QUEUED))
    assert {DeliveryState.CANCELED} == {after for _, after in called_off}
    assert set() == {(before, after) for before, after in seen | called_off if after not in TRANSITIONS[before]}
    # What remains is the operator's, and a cancel's of what nobody has: both look at the state under its lock.
    unmade = {(before, after) for before, steps in TRANSITIONS.items() for after in steps if before != after} - seen
    assert {DeliveryState.QUEUED, DeliveryState.HELD} == {before for before, _ in unmade}


@pytest.mark.parametrize("state", OrderState)
async def test_an_order_that_has_ended_neither_ends_again_nor_goes_on(stocked, owner, state):
    await without_constraints(owner)
    await owner.execute(
        "insert into orders (id, customer_id, service_id, link, quantity, rate, packaged, charge, state, created) "
        "values (7, 1, %s, 'x', 0, 1, false, 0, %s, now())",
        [DEFAULT, state],
    )
    await owner.execute("insert into delivery (order_id, run, service_id, quantity) values (7, 1, %s, 0)", [DEFAULT])
    assert (state in LIVE_ORDER_STATES) == bool(await settlement.list_live(stocked, [OrderId(7)]))
    assert (state in ENDED_ORDER_STATES) == (not ORDER_TRANSITIONS[state])
    for wanted in (OrderState.ACTIVE, OrderState.PAUSED):
        async with stocked.transaction(force_rollback=True):
            await subscriptions.set_state(stocked, OrderId(7), wanted)
            ((after,),) = await fetch(stocked, "select state from orders where id = 7")
            assert after == (wanted if wanted in ORDER_TRANSITIONS[state] else state)


REFILLS = {state: RefillId(100 + at) for at, state in enumerate(RefillStatus)}


@pytest.fixture
async def all_refills(stocked, owner):
    """One refill in each state, of an order each, with one task that is under way."""
    await without_constraints(owner)
    for state, number in REFILLS.items():
        await owner.execute(
            "insert into refill (id, order_id, customer_id, mode, state, created) "
            "values (%s, %s, 1, 'other', %s, now())",
            [number, number, state],
        )
        await owner.execute(
            "insert into refill_task (refill_id, run, order_id, provider_id, provider_order, state, due) "
            "values (%s, 1, %s, 1, '1', 'pending', now())",
            [number, number],
        )
    return stocked


async def refill_moves(connection, work):
    async with connection.transaction(force_rollback=True):
        await work()
        after = dict(await fetch(connection, "select id, state from refill"))
    return {(state, RefillStatus(after[number])) for state, number in REFILLS.items() if after[number] != state}


async def test_no_statement_moves_a_refill_but_along_the_table(all_refills, owner):
    seen = set()
    for answer in RefillStatus:
        tasks = [TaskRow(number, 1, ProviderId(1), "1", "", now(), again=False) for number in REFILLS.values()]
        news = [RefillNews(task, answer.value, "", now()) for task in tasks]
        seen |= await refill_moves(all_refills, lambda told=news: refill_tasks.record(all_refills, told, None, now()))

    async def close():
        for number in REFILLS.values():
            await refills.close(all_refills, OrderId(number), now())

    seen |= await refill_moves(all_refills, close)
    for ended in ENDED_ORDER_STATES:
        await owner.execute("update refill set purchase_id = 7")
        await owner.execute("delete from orders")
        await owner.execute(
            "insert into orders (id, customer_id, service_id, link, quantity, rate, packaged, charge, state, created, "
            "ended) values (7, 1, %s, 'x', 1, 0, false, 0, %s, now(), now())",
            [DEFAULT, ended],
        )
        await owner.execute("update refill_task set due = null")
        seen |= await refill_moves(all_refills, lambda: purchases.conclude(all_refills, now(), 100))
    assert {(before, after) for before, steps in REFILL_TRANSITIONS.items() for after in steps} == seen
