"""Refills: until when, by whom, one at a time, and never at the customer's cost."""

import asyncio
from datetime import timedelta

import psycopg
import pytest
from tests.panel import DEFAULT, LINK, acting, balance, broken, fetch, now, or_code
from tests.stepped_worker import BEYOND_THE_END_S

from opensmm.actions import manual, order_actions, purchases
from opensmm.actions.refill_tasks import LEASE
from opensmm.actions.selection import Selection
from opensmm.actions.services import edit_selected
from opensmm.base.ids import RefillId
from opensmm.base.money import Money
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.catalogue import RefillMode
from opensmm.domain.dispatch import Deferred
from opensmm.domain.operator_refusals import RefusalCode
from opensmm.domain.refills import RefillStatus
from opensmm.store import dispatch as dispatch_rows
from opensmm.store import manual as staff_rows
from opensmm.store import refill_tasks
from opensmm.store.refill_tasks import RefillNews

FUNDS, CHARGE = 10_000_000, 9_000
DAY_S = 86_400
DISABLED = {"error": "Refill is disabled for this service"}
OPEN = {"error": "The refill task is not completed for this order"}


async def state_refills(conn, **changes):
    await edit_selected(conn, Selection((str(DEFAULT),)), changes, write=True, by=acting(now()))


async def completed(api, ann, worker, link=f"{LINK}/drop"):
    order = await api.add(ann.key, link=link)
    await worker.round()
    await worker.round(BEYOND_THE_END_S)
    assert "Completed" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    return order


async def request_refill(api, ann, order):
    return int((await api.ask("v2", ann.key, "refill", order=order))["refill"])


async def word(api, ann, refill):
    return (await api.ask("v2", ann.key, "refill_status", refill=refill))["status"]


async def adds(conn):
    return (await fetch(conn, "select count(*) from sandbox_order"))[0][0]


@pytest.mark.parametrize("dialect", ["v1", "v2"])
async def test_a_refill_may_be_asked_for_within_its_days_and_not_later(api, ann, stocked, worker, dialect):
    await state_refills(stocked, refill_days=30)
    order = await completed(api, ann, worker)
    worker.clock.forward(30 * DAY_S + 1)
    assert DISABLED == await api.ask(dialect, ann.key, "refill", order=order)
    assert [] == await fetch(stocked, "select from refill")
    await state_refills(stocked, refill_days=None)
    assert ["refill"] == list(await api.ask(dialect, ann.key, "refill", order=order))
    assert [] == await broken(stocked)


ASKED_LATELY = {"error": "The order was completed or refill was requested less than 24 hours ago"}


async def answered(api, ann, worker, fake, *answers):
    """A refill whose provider says these things, one each time it is asked for it."""
    fake.answers |= {"add": {"order": 7}, "status": {"7": {"status": "Completed", "remains": "0"}}}
    order = await api.add(ann.key)
    await worker.send()
    worker.clock.forward(60)
    await worker.follow()
    replies = iter(answers)
    fake.answers["refill"] = lambda form: next(replies)
    refill = await request_refill(api, ann, order)
    for _ in answers:
        await worker.refills.step(10)
        worker.clock.forward(LEASE.total_seconds())
    return refill


async def test_a_refill_whose_answer_was_lost_is_not_refused_for_having_been_asked_for(api, ann, lied_to):
    worker, fake = lied_to
    refill = await answered(api, ann, worker, fake, (502, b"bad gateway"), ASKED_LATELY, {"refill": 5})
    assert 3 == sum(form["action"] == "refill" for form in fake.requests)
    fake.answers["refill_status"] = {"status": "Completed"}
    worker.clock.forward(DAY_S)
    await worker.refills.step(10)
    assert "Completed" == await word(api, ann, refill)


@pytest.mark.parametrize("answers", [[ASKED_LATELY], [(502, b"bad gateway"), {"error": "Refill is disabled"}]])
async def test_a_refill_that_is_refused_at_first_or_otherwise_is_rejected(api, ann, lied_to, answers):
    worker, fake = lied_to
    assert "Rejected" == await word(api, ann, await answered(api, ann, worker, fake, *answers))


async def test_older_news_of_a_refill_never_overwrites_newer(api, ann, stocked, worker):
    await request_refill(api, ann, await completed(api, ann, worker))
    await worker.refills.step(10)
    times = []
    for _ in range(2):
        worker.clock.forward(DAY_S)
        times.append(worker.clock())
        (task,) = await refill_tasks.claim(stocked, worker.clock(), timedelta(), 10)
    for at, status in zip(reversed(times), ("in_progress", "pending"), strict=True):
        news = RefillNews(task, status, task.provider_refill, worker.clock())
        await refill_tasks.record(stocked, [news], at, worker.clock())
    assert [("in_progress",)] == await fetch(stocked, "select state from refill")


@pytest.mark.parametrize("mode", RefillMode)
async def test_two_who_ask_at_once_get_one_refill_in_every_mode(api, ann, stocked, worker, mode):
    await state_refills(stocked, refill_mode=mode)
    order = await completed(api, ann, worker)
    answers = await asyncio.gather(*(api.ask("v2", ann.key, "refill", order=order) for _ in range(8)))
    assert (1, 7) == (sum("refill" in one for one in answers), answers.count(OPEN))
    assert [(1, 1)] == await fetch(stocked, "select (select count(*) from refill), (select count(*) from refill_task)")


async def test_a_manual_refill_is_the_staffs(api, ann, stocked, worker):
    await state_refills(stocked, refill_mode=RefillMode.MANUAL)
    order = await completed(api, ann, worker)
    refill = await request_refill(api, ann, order)
    await worker.round(2)
    assert [(refill, "manual")] == [(one.refill, one.mode) for one in await staff_rows.list_refills(stocked, 9)]
    assert [(0,)] == await fetch(stocked, "select count(*) from sandbox_refill"), "its provider hears nothing of it"
    assert "Pending" == await word(api, ann, refill)
    done = await manual.answer_refills(stocked, [RefillId(refill)], RefillStatus.COMPLETED, by=acting(worker.clock()))
    assert ([RefillStatus.COMPLETED], "Completed") == (done, await word(api, ann, refill))
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


@pytest.fixture
async def other(stocked, worker):
    """A second provider of the service: another account of the sandbox."""
    await stocked.execute(
        "insert into provider (name, kind, url, currency) values ('Other', 'sandbox', 'sandbox:1', 'USD')"
    )
    await stocked.execute(
        "insert into route (service_id, position, provider_id, provider_service) "
        "select 1, 1, id, '1' from provider where name = 'Other'"
    )
    await worker.housekeeper.step()
    await state_refills(stocked, refill_mode=RefillMode.OTHER)


async def buy(conn, refill, quantity, worker):
    """The order that was bought, or the code with which it was refused."""
    return await or_code(purchases.buy(conn, RefillId(refill), quantity, by=acting(worker.clock())))


async def test_a_refill_is_bought_at_another_provider_at_the_houses_cost(api, ann, stocked, worker, other):
    order = await completed(api, ann, worker)
    refill = await request_refill(api, ann, order)
    await worker.round(2)
    bought = await buy(stocked, refill, 33, worker)
    assert RefusalCode.REFILL_NOT_FOR_SALE is await buy(stocked, refill, 33, worker), "it is under way"
    await worker.round(2)
    assert "In progress" == await word(api, ann, refill)
    await worker.round(BEYOND_THE_END_S)
    await worker.round(2)
    assert "Completed" == await word(api, ann, refill)
    assert [("Other", 33, 0, "completed")] == await fetch(
        stocked,
        "select p.name, o.quantity, o.charge, o.state from orders o join attempt t on t.order_id = o.id "
        "join provider p on p.id = t.provider_id where o.id = %s", bought,
    )  # fmt: skip
    assert [(330,)] == await fetch(stocked, "select amount from transfer where kind = 'cost' and order_id = %s", bought)
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    assert [order] == [one["order"] for one in await api.ask("v2", ann.key, "orders")], (
        "its customer sees nothing of it"
    )
    assert {"error": "Incorrect order ID"} == await api.ask("v2", ann.key, "status", order=bought)
    assert [] == await broken(stocked)


async def test_two_who_buy_at_once_buy_once(api, ann, stocked, worker, other, database):
    refill = await request_refill(api, ann, await completed(api, ann, worker))
    before = await adds(stocked)
    connections = [await psycopg.AsyncConnection.connect(database.app_url, autocommit=True) for _ in range(4)]
    answers = await asyncio.gather(*(buy(connection, refill, 33, worker) for connection in connections))
    for connection in connections:
        await connection.close()
    assert 3 == answers.count(RefusalCode.REFILL_NOT_FOR_SALE)
    await worker.round(2)
    assert before + 1 == await adds(stocked)
    assert [] == await broken(stocked)


async def test_a_purchase_that_came_to_nothing_is_the_staffs_again(api, ann, stocked, worker, other):
    refill = await request_refill(api, ann, await completed(api, ann, worker, f"{LINK}/drop"))
    await stocked.execute("update orders set link = %s", [f"{LINK}/refuse"])
    first = await buy(stocked, refill, 33, worker)
    await worker.round(2)
    await worker.round(2)
    assert [("canceled",)] == await fetch(stocked, "select state from orders where id = %s", first)
    assert [refill] == [one.refill for one in await staff_rows.list_refills(stocked, 9)]
    assert first != await buy(stocked, refill, 33, worker)
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_a_purchase_that_could_not_be_sent_does_not_go_to_who_lost_the_units(api, ann, stocked, worker, other):
    refill = await request_refill(api, ann, await completed(api, ann, worker))
    bought = await buy(stocked, refill, 33, worker)
    (claim,) = await dispatch_rows.claim(
        stocked, worker.clock(), worker.clock(), timedelta(seconds=30), 9, list(worker.registry.claimable_counts())
    )
    assert (bought, 1, 1) == (claim.order, claim.route, claim.first_route)
    await worker.sender._record_outcome(claim, Deferred(CallFault(CallCode.NO_WAY, {"at": "far:80"})))
    assert [("queued", 1)] == await fetch(stocked, "select state, route from delivery where order_id = %s", bought)


async def test_an_unsure_purchase_is_never_made_again(api, ann, stocked, worker, other):
    refill = await request_refill(api, ann, await completed(api, ann, worker))
    await stocked.execute("update orders set link = %s", [f"{LINK}/garbage"])
    before = await adds(stocked)
    await buy(stocked, refill, 33, worker)
    for _ in range(4):
        await worker.round(600)
    assert before + 1 == await adds(stocked)
    assert "In progress" == await word(api, ann, refill)
    assert RefusalCode.REFILL_NOT_FOR_SALE is await buy(stocked, refill, 33, worker)


@pytest.mark.parametrize(
    ("quantity", "why"), [(101, RefusalCode.MORE_THAN_ORDERED), (0, RefusalCode.MORE_THAN_ORDERED)]
)
async def test_no_more_is_bought_than_was_ordered(api, ann, stocked, worker, other, quantity, why):
    refill = await request_refill(api, ann, await completed(api, ann, worker))
    assert why is await buy(stocked, refill, quantity, worker)
    assert [] == await fetch(stocked, "select from refill where purchase_id is not null")


async def test_without_another_provider_nothing_is_bought(api, ann, stocked, worker):
    await state_refills(stocked, refill_mode=RefillMode.OTHER)
    refill = await request_refill(api, ann, await completed(api, ann, worker))
    assert RefusalCode.NO_OTHER_PROVIDER is await buy(stocked, refill, 33, worker)
    assert RefusalCode.REFILL_NOT_FOR_SALE is await buy(stocked, 99, 33, worker)
    assert 1 == len(await fetch(stocked, "select from orders"))


async def given_back(conn, order, amount, number, clock):
    assert True is await order_actions.refund(conn, order, Money(amount), number, acting(clock(), reason="unhappy"))


@pytest.mark.parametrize("mode", RefillMode)
async def test_an_order_that_is_paid_back_in_full_is_owed_no_refill(api, ann, stocked, worker, mode):
    await state_refills(stocked, refill_mode=mode)
    order = await completed(api, ann, worker)
    refill = await request_refill(api, ann, order)
    await worker.refills.step(10)
    await given_back(stocked, order, CHARGE - 1, 1, worker.clock)
    assert "Canceled" != await word(api, ann, refill)
    await given_back(stocked, order, 1, 2, worker.clock)
    assert "Canceled" == await word(api, ann, refill)
    assert [("canceled", None)] == await fetch(stocked, "select state, due from refill_task")
    worker.clock.forward(DAY_S)
    await worker.refills.step(10)
    assert "Canceled" == await word(api, ann, refill)
    assert DISABLED == await api.ask("v2", ann.key, "refill", order=order)
    ((closed,),) = await fetch(stocked, "select detail -> 'refills_closed' from audit where detail ->> 'number' = '2'")
    assert [refill] == closed
    assert (FUNDS, []) == (await balance(stocked, ann.id), await broken(stocked))


async def test_what_the_house_bought_for_an_order_that_is_paid_back_is_cancelled(api, ann, stocked, worker, other):
    order = await completed(api, ann, worker)
    refill = await request_refill(api, ann, order)
    bought = await purchases.buy(stocked, RefillId(refill), 40, by=acting(worker.clock()))
    await given_back(stocked, order, CHARGE, 1, worker.clock)
    await worker.round()
    assert [("canceled",)] == await fetch(stocked, "select state from orders where id = %s", bought)
    assert (1, "Canceled") == (await adds(stocked), await word(api, ann, refill))
    assert (FUNDS, []) == (await balance(stocked, ann.id), await broken(stocked))
