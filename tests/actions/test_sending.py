"""Handing on to providers that refuse, lie, are away or late: nothing is bought twice, nothing applied blindly."""

import asyncio
from datetime import timedelta

import pytest
import structlog
from msgspec import structs
from tests.panel import DEFAULT, DRIP, acting, actor, balance, books, broken, fetch, until
from tests.stepped_worker import SteppedWorker, leave_behind, state

from opensmm.actions import order_actions, services
from opensmm.actions.provider_health import LATE
from opensmm.actions.routes import set_routes_in_transaction
from opensmm.actions.sending import LEASE_MARGIN_S, _build_request
from opensmm.base.ids import ServiceId
from opensmm.domain.audit import By
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.dispatch import Accepted, Declined, Deferred
from opensmm.domain.routes import RouteTo
from opensmm.providers.throttle import Throttle
from opensmm.store import catalogue as rows

FUNDS, CHARGE = 10_000_000, 9_000


async def attempts(conn, order):
    return await fetch(conn, "select outcome, provider_order from attempt where order_id = %s order by number", order)


REFUSAL = {"error": "Quantity less than minimal 1000"}


@pytest.mark.parametrize(
    ("answer", "ends", "outcome"),
    [
        ({"order": 7}, "pending", ("accepted", "7")),
        ({"order": "7"}, "pending", ("accepted", "7")),
        ({"status": "success", "order": 7}, "pending", ("accepted", "7")),
        (b"\xef\xbb\xbf" + b'{"order": 7}', "pending", ("accepted", "7")),
        (b"<br />Notice: x in /a.php on line 1<br />\n" + b'{"order": 7}', "pending", ("accepted", "7")),
        (REFUSAL, "canceled", ("declined", None)),
        ({"error": "Incorrect service ID"}, "canceled", ("declined", None)),
        ({"errors": ["Bad link"]}, "canceled", ("declined", None)),
        ({"error": "Temporarily unavailable"}, "queued", ("declined", None)),
        ({"error": "Not enough funds on balance"}, "queued", ("declined", None)),
        ({"error": "Invalid API key"}, "queued", ("declined", None)),
        ({"error": "Something odd", "order": 7}, "unsure", ("unsure", None)),
        ({"error": "Bad link", "order": 7}, "unsure", ("unsure", None)),
        ({"order": 0}, "unsure", ("unsure", None)),
        ({"order": None}, "unsure", ("unsure", None)),
        ({"order": -7}, "unsure", ("unsure", None)),
        ({}, "unsure", ("unsure", None)),
        ([], "unsure", ("unsure", None)),
        (b"", "unsure", ("unsure", None)),
        (b'{"order": 7', "unsure", ("unsure", None)),
        (b'{"order": NaN}', "unsure", ("unsure", None)),
        (b'{"order": 7, "order": 8}', "unsure", ("unsure", None)),
        (b"[" * 5_000, "unsure", ("unsure", None)),
        (b"x" * (5 << 20), "unsure", ("unsure", None)),
        ((500, {"order": 7}), "unsure", ("unsure", None)),
        ((503, REFUSAL), "unsure", ("unsure", None)),
        ((302, b""), "unsure", ("unsure", None)),
        ((404, b"<html>"), "unsure", ("unsure", None)),
    ],
)
async def test_only_a_clear_answer_is_taken_for_acceptance_or_refusal(
    api, ann, stocked, lied_to, answer, ends, outcome
):
    worker, fake = lied_to
    fake.answers["add"] = answer
    order = await api.add(ann.key)
    await worker.send()
    await worker.send()
    assert (ends, [outcome], 1) == (await state(stocked, order), await attempts(stocked, order), len(fake.requests))
    assert FUNDS - (0 if ends == "canceled" else CHARGE) == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_what_is_sent_is_what_was_bought(api, ann, lied_to):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    await api.add(ann.key, DRIP, quantity=70, runs=3, interval=5, link="https://example.com/?a=1&b=2")
    await worker.send()
    form = fake.requests[0] | {"key": ""}
    expected = {"action": "add", "service": str(DRIP), "link": "https://example.com/?a=1&b=2", "quantity": "70"}
    assert expected | {"key": ""} == form


async def test_two_deliveries_never_share_one_providers_order(api, ann, stocked, lied_to):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    first, second = await api.add(ann.key), await api.add(ann.key)
    await worker.send()
    states = sorted([await state(stocked, first), await state(stocked, second)])
    assert ["pending", "unsure"] == states
    assert [("7",)] == await fetch(stocked, "select provider_order from attempt where provider_order is not null")
    assert [] == await broken(stocked)


async def another_provider(conn):
    """A second one for the first service, which it knows as 77."""
    provider = await rows.save_provider(conn, "Other", "sandbox", "sandbox:", "USD")
    await conn.execute(
        "insert into route (service_id, position, provider_id, provider_service) values (%s, 1, %s, '77')",
        [DEFAULT, provider],
    )


async def refused_by_the_first(api, ann, conn, lied_to):
    """An order that the second provider would take."""
    worker, fake = lied_to
    await another_provider(conn)
    await worker.housekeeper.step()
    fake.answers["add"] = lambda form: {"order": 7} if form["service"] == "77" else REFUSAL
    order = await api.add(ann.key)
    await worker.send()
    return order


AWAY = "update provider set failures = 4, resting_until = %s where name = 'Sandbox'"


@pytest.mark.parametrize("away", ["disabled", "failing"])
async def test_a_provider_that_is_away_is_passed_over_and_asked_first_when_it_is_back(
    api, ann, stocked, lied_to, clock, away
):
    worker, fake = lied_to
    await another_provider(stocked)
    if away == "disabled":
        await stocked.execute("update provider set enabled = false where name = 'Sandbox'")
    else:
        await stocked.execute(AWAY, [clock() + timedelta(minutes=1)])
    await worker.housekeeper.step()
    fake.answers["add"] = lambda form: {"order": 7 if form["service"] == "77" else 8}
    first = await api.add(ann.key)
    assert 1 == await worker.send()
    await stocked.execute("update provider set enabled = true, resting_until = null, failures = 0")
    await worker.housekeeper.step()
    second = await api.add(ann.key)
    assert 1 == await worker.send()
    assert ["77", "1"] == [form["service"] for form in fake.requests if form["action"] == "add"]
    assert ["pending"] * 2 == [await state(stocked, first), await state(stocked, second)]
    assert [] == await broken(stocked)


async def test_a_provider_that_failed_a_few_times_is_waited_for(api, ann, stocked, lied_to, clock):
    worker, _ = lied_to
    await another_provider(stocked)
    await stocked.execute(AWAY.replace("4", "3"), [clock() + timedelta(seconds=5)])
    await worker.housekeeper.step()
    order = await api.add(ann.key)
    assert (0, "queued") == (await worker.send(), await state(stocked, order))


async def test_what_the_next_provider_could_not_be_sent_goes_to_the_first_again(api, ann, stocked, lied_to, clock):
    worker, fake = lied_to
    await another_provider(stocked)
    await stocked.execute(AWAY, [clock() + timedelta(minutes=1)])
    await worker.housekeeper.step()
    fake.answers["add"] = {"error": "Too many requests"}
    order = await api.add(ann.key)
    assert 1 == await worker.send()
    await stocked.execute("update provider set resting_until = null, failures = 0")
    fake.answers["add"] = {"order": 7}
    clock.forward(60)
    assert 1 == await worker.send()
    assert ["77", "1"] == [form["service"] for form in fake.requests if form["action"] == "add"]
    assert ("pending", [("declined", None), ("accepted", "7")]) == (
        await state(stocked, order),
        await attempts(stocked, order),
    )


@pytest.mark.parametrize("wanted", [["Other"], ["Other", "Sandbox"]])
async def test_who_waits_for_the_next_provider_is_found_when_the_routes_change(api, ann, stocked, lied_to, wanted):
    worker, _ = lied_to
    order = await refused_by_the_first(api, ann, stocked, lied_to)
    ids = dict(await fetch(stocked, "select name, id from provider"))
    routes = [RouteTo(ids[name], {"Other": "77", "Sandbox": "1"}[name]) for name in wanted]
    async with stocked.transaction():
        await set_routes_in_transaction(stocked, ServiceId(DEFAULT), routes, by_cost=False, by=acting(worker.clock()))
    await worker.send()
    assert "pending" == await state(stocked, order)


async def test_a_refused_order_goes_to_the_next_provider_and_no_further(api, ann, stocked, lied_to):
    worker, _ = lied_to
    order = await refused_by_the_first(api, ann, stocked, lied_to)
    assert ("queued", [("declined", None)]) == (await state(stocked, order), await attempts(stocked, order))
    await worker.send()
    assert ("pending", [("declined", None), ("accepted", "7")]) == (
        await state(stocked, order),
        await attempts(stocked, order),
    )
    assert [] == await broken(stocked)


async def test_a_refused_order_is_held_where_the_operator_wants_to_look(api, ann, stocked, lied_to):
    worker, fake = lied_to
    await services.edit_service(stocked, ServiceId(DEFAULT), {"hold_when_refused": True}, by=acting(worker.clock()))
    fake.answers["add"] = REFUSAL
    order = await api.add(ann.key)
    await worker.send()
    assert "held" == await state(stocked, order)
    assert "Processing" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_an_order_that_nobody_fulfils_is_held(api, ann, stocked, worker):
    await stocked.execute("update route set service_id = -service_id")
    order = await api.add(ann.key)
    assert 0 == await worker.send()
    assert ("held", []) == (await state(stocked, order), await attempts(stocked, order))


async def test_a_provider_that_cannot_be_reached_gets_the_order_later_and_is_left_alone_meanwhile(
    api, ann, stocked, database, clock
):
    away = SteppedWorker(database.app_url, "http://127.0.0.1:9/api/v2", clock)
    order = await api.add(ann.key)
    pauses = []
    for _ in range(4):
        await away.housekeeper.step()
        assert 1 == await away.send()
        assert 0 == await away.send()
        ((until,),) = await fetch(stocked, "select resting_until from provider")
        pauses.append(round((until - clock()).total_seconds()))
        clock.forward(pauses[-1])
    assert [1, 2, 5, 15] == pauses
    assert ("queued", [("declined", None)] * 4) == (await state(stocked, order), await attempts(stocked, order))
    await away.close()
    assert [] == await broken(stocked)


async def test_a_provider_that_is_well_again_is_called_at_once(api, ann, stocked, worker, clock):
    await stocked.execute("update provider set failures = 6, resting_until = %s", [clock() + timedelta(minutes=1)])
    order = await api.add(ann.key)
    assert 0 == await worker.send()
    clock.forward(60)
    assert 1 == await worker.send()
    assert [(0, None)] == await fetch(stocked, "select failures, resting_until from provider")
    assert "pending" == await state(stocked, order)


async def test_a_disabled_provider_is_sent_nothing(api, ann, stocked, worker):
    await stocked.execute("update provider set enabled = false")
    order = await api.add(ann.key)
    assert (0, "queued") == (await worker.send(), await state(stocked, order))


async def test_sending_is_committed_before_the_first_byte_leaves(api, ann, stocked, lied_to):
    worker, fake = lied_to
    arrived, answer = asyncio.Event(), asyncio.Event()
    order = await api.add(ann.key)
    contact = worker.registry.connection_to(1)

    add = contact.provider.add

    async def slowly(request):
        arrived.set()
        await answer.wait()
        return await add(request)

    contact.provider.add = slowly
    fake.answers["add"] = {"order": 7}
    tasks = await worker.sender.step(10)
    await arrived.wait()
    assert ("sending", [("sending", None)]) == (await state(stocked, order), await attempts(stocked, order))
    assert "Processing" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    answer.set()
    await asyncio.gather(*tasks)
    assert "pending" == await state(stocked, order)


async def test_what_a_dead_worker_was_sending_becomes_unsure_once_its_lease_is_over(api, ann, stocked, worker, clock):
    order = await api.add(ann.key)
    assert 1 == len(await leave_behind(worker, clock))
    await worker.round(LEASE_MARGIN_S)
    assert "sending" == await state(stocked, order)
    await worker.round(1)
    await worker.round(3600)
    assert ("unsure", [("unsure", None)]) == (await state(stocked, order), await attempts(stocked, order))
    assert [] == await fetch(stocked, "select from sandbox_order")
    assert [] == await broken(stocked)


async def test_a_late_answer_still_counts_where_nobody_else_has_the_order(api, ann, stocked, lied_to, clock):
    worker, fake = lied_to
    order = await api.add(ann.key)

    def answer(form):
        clock.forward(3600)
        return {"order": 7}

    fake.answers["add"] = answer
    tasks = await worker.sender.step(10)
    await asyncio.gather(*tasks)
    assert ("pending", [("accepted", "7")]) == (await state(stocked, order), await attempts(stocked, order))


async def test_a_late_answer_is_heard_after_the_delivery_became_unsure(api, ann, stocked, worker, clock):
    order = await api.add(ann.key)
    (claim,) = await leave_behind(worker, clock)
    await worker.round(3600)
    assert "unsure" == await state(stocked, order)
    await worker.sender._record_outcome(claim, Accepted("late-1"))
    assert ("pending", [("accepted", "late-1")]) == (await state(stocked, order), await attempts(stocked, order))
    assert [] == await broken(stocked)


async def test_an_answer_to_a_claim_that_is_no_longer_ours_changes_nothing(api, ann, stocked, worker, clock):
    order = await api.add(ann.key)
    (claim,) = await leave_behind(worker, clock)
    await stocked.execute("update delivery set fence = fence + 1, attempt = 2 where order_id = %s", [order])
    await worker.sender._record_outcome(claim, Accepted("late-1"))
    assert "sending" == await state(stocked, order)


async def test_a_purchase_of_what_was_settled_as_not_bought_is_told_in_the_log(api, ann, stocked, worker, clock):
    order = await api.add(ann.key)
    (claim,) = await leave_behind(worker, clock)
    await worker.round(3600)
    assert await order_actions.settle(stocked, order, None, None, By(actor("ann"), "not in their list", clock()))
    before = await books(stocked)
    with structlog.testing.capture_logs() as lines:
        await worker.sender._record_outcome(claim, Accepted("late-1"))
    warnings = [line for line in lines if line["log_level"] == "warning"]
    assert [(order, "late-1")] == [(line["order"], line["provider_order"]) for line in warnings]
    assert before == await books(stocked)
    assert [] == await broken(stocked)


async def test_a_late_result_takes_no_time_away_from_the_run_that_another_claim_released(
    api, ann, stocked, worker, clock
):
    order = await api.add(ann.key, DRIP, runs=2, interval=10)
    (claim,) = await leave_behind(worker, clock)
    await stocked.execute("update delivery set fence = fence + 1, attempt = 2 where run = 1")
    await stocked.execute("update delivery set due = %s where run = 2", [clock()])
    released = "select due from delivery where order_id = %s and run = 2"
    before = await fetch(stocked, released, order)
    await worker.sender._record_outcome(claim, LATE)
    assert before == await fetch(stocked, released, order) != [(None,)]


async def test_what_waited_too_long_for_its_turn_is_not_sent_after_its_lease(api, ann, stocked, lied_to, clock):
    worker, fake = lied_to
    contact = worker.registry.connection_to(1)
    worker.registry._connections[1] = structs.replace(contact, throttle=Throttle(1))

    def answer(form):
        clock.forward(LEASE_MARGIN_S)
        return {"order": len(fake.requests)}

    fake.answers["add"] = answer
    for _ in range(3):
        await api.add(ann.key)
    await worker.send()
    assert (1, [("pending", 1), ("queued", 2)]) == (
        len(fake.requests),
        await fetch(stocked, "select state, count(*) from delivery group by state order by 1"),
    )
    for _ in range(2):
        clock.forward(1)
        await worker.send()
    assert 3 == len(fake.requests)
    assert [] == await broken(stocked)


async def test_an_answer_is_recorded_once_the_database_is_back(api, ann, stocked, worker):
    order = await api.add(ann.key)
    records = worker.connections["record"]
    real = records.url
    records.url = real.replace("/test_", "/no_such_")
    tasks = await worker.sender.step(10)
    await until(lambda: fetch(stocked, "select from sandbox_order"))
    records.url = real
    await asyncio.gather(*tasks)
    assert "pending" == await state(stocked, order)


async def test_two_workers_never_send_the_same_delivery(api, ann, stocked, database, lied_to, clock):
    worker, fake = lied_to
    fake.answers["add"] = lambda form: {"order": len(fake.requests)}
    orders = [await api.add(ann.key) for _ in range(40)]
    other = SteppedWorker(database.app_url, worker.registry._sandbox_url, clock)
    await other.housekeeper.step()
    sent = await asyncio.gather(worker.send(25), other.send(25), worker.send(25), other.send(25))
    await worker.send()
    await other.close()
    assert (len(orders), len(orders)) == (sum(sent), len(fake.requests))
    assert [] == await broken(stocked)


async def test_a_cancel_that_the_provider_refuses_may_be_asked_for_again(api, ann, stocked, lied_to):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    order = await api.add(ann.key)
    await worker.send()
    await api.ask("v2", ann.key, "cancel", orders=order)
    fake.answers["cancel"] = [{"order": 7, "cancel": {"error": "Order cannot be canceled"}}]
    assert (1, 0) == (await worker.poller.pass_on_cancels(10), await worker.poller.pass_on_cancels(10))
    await api.ask("v2", ann.key, "cancel", orders=order)
    fake.answers["cancel"] = [{"order": 7, "cancel": 1}]
    assert (1, 0) == (await worker.poller.pass_on_cancels(10), await worker.poller.pass_on_cancels(10))
    assert FUNDS - CHARGE == await balance(stocked, ann.id)


async def test_a_cancel_without_an_answer_is_passed_on_again_after_a_pause(api, ann, stocked, lied_to, clock):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    order = await api.add(ann.key)
    await worker.send()
    await api.ask("v2", ann.key, "cancel", orders=order)
    fake.answers["cancel"] = (500, b"")
    assert 0 == await worker.poller.pass_on_cancels(10)
    fake.answers["cancel"] = [{"order": "7", "cancel": 1}]
    assert 0 == await worker.poller.pass_on_cancels(10)
    clock.forward(10)
    assert 1 == await worker.poller.pass_on_cancels(10)


async def test_a_cancel_asked_while_it_was_being_sent_is_passed_on_when_it_is_there(api, ann, stocked, worker, clock):
    order = await api.add(ann.key, link="https://example.com/stuck")
    (claim,) = await leave_behind(worker, clock)
    assert [{"order": order, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", orders=order)
    assert 0 == await worker.poller.pass_on_cancels(10)
    contact = worker.registry.connection_to(claim.provider)
    await worker.sender._record_outcome(claim, await contact.provider.add(_build_request(claim)))
    await worker.round(2)
    assert "Canceled" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    assert FUNDS == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


@pytest.mark.parametrize(
    "outcome", [Deferred(CallFault(CallCode.NO_WAY, {"at": "far:80"})), Declined("Not enough funds")]
)
async def test_a_cancel_asked_while_a_send_came_to_nothing_ends_the_order(api, ann, stocked, worker, clock, outcome):
    await stocked.execute("update service set hold_when_refused = true")
    order = await api.add(ann.key)
    (claim,) = await leave_behind(worker, clock)
    assert [{"order": order, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", orders=order)
    await worker.sender._record_outcome(claim, outcome)
    assert "Canceled" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    assert FUNDS == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


@pytest.mark.parametrize("why", ["refused", "no route"])
async def test_a_cancel_of_what_is_held_and_nobody_has_gives_the_money_back_at_once(api, ann, stocked, worker, why):
    await stocked.execute("update service set hold_when_refused = true")
    if why == "no route":
        await stocked.execute("update route set off = 'gone'")
    order = await api.add(ann.key, link="https://example.com/refuse")
    await worker.send()
    assert "held" == await state(stocked, order)
    assert [{"order": order, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", orders=order)
    assert "Canceled" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    assert FUNDS == await balance(stocked, ann.id)
    assert [] == await broken(stocked)
