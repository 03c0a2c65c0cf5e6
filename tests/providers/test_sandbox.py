"""The sandbox as the panel that it is: its own book, its own answers, its behaviours."""

import pytest
from tests.panel import LINK, PEPPER, Api, Clock, fetch

from opensmm.providers.sandbox import Sandbox, account_of, open_pool, sandbox_key


@pytest.fixture
async def box(database, clock: Clock):
    pool = open_pool(database.app_url)
    await pool.open()
    yield Api(Sandbox(pool, KEY, 1.0, clock, [STRANGER]))
    await pool.close()


KEY, STRANGER = sandbox_key(PEPPER), sandbox_key(PEPPER, 1)


async def ask(box, action, key=KEY, **fields):
    return (await box.form("v2", {"key": key, "action": action, **fields})).said


async def add(box, behaviour, quantity=100):
    return (await ask(box, "add", service=1, link=f"{LINK}/{behaviour}", quantity=quantity))["order"]


async def test_its_key_is_derived_and_no_other_is_let_in(box, conn):
    assert sandbox_key(PEPPER) != sandbox_key(b"other pepper")
    for key in ("", "x"):
        assert {"error": "Invalid API key"} == (await box.form("v2", {"key": key, "action": "balance"})).said
    assert {"error": "Incorrect request"} == await ask(box, "nonsense")
    assert {"balance": "1000000.00", "currency": "USD"} == await ask(box, "balance")


async def test_it_keeps_a_book_of_what_was_bought(box, conn, clock):
    assert [1, 2] == [await add(box, "me"), await add(box, "partial-40")]
    assert [(1, "1", f"{LINK}/me", 100, clock()), (2, "1", f"{LINK}/partial-40", 100, clock())] == await fetch(
        conn, "select id, service, link, quantity, placed from sandbox_order order by id"
    )


async def test_its_ids_grow_over_all_accounts_and_each_sees_its_own_alone(box, clock):
    mine = await add(box, "me")
    strange = (await ask(box, "add", STRANGER, service=1, link=LINK, quantity=5))["order"]
    assert [1, 2, 3] == [mine, strange, await add(box, "me")]
    answer = await ask(box, "status", orders="1,2,3")
    assert [("Pending", None), (None, "Incorrect order ID"), ("Pending", None)] == [
        (one.get("status"), one.get("error")) for one in answer.values()
    ]
    assert {"error": "Incorrect order ID"} == await ask(box, "status", STRANGER, order=mine)
    unknown = {"order": mine, "cancel": {"error": "Incorrect order ID"}}
    assert [unknown] == await ask(box, "cancel", STRANGER, orders=mine)
    clock.forward(20)
    refill = (await ask(box, "refill", order=mine))["refill"]
    assert {"error": "Refill not found"} == await ask(box, "refill_status", STRANGER, refill=refill)


@pytest.mark.parametrize(("url", "account"), [("sandbox:", 0), ("sandbox:7", 7), ("https://example.com/7", 0)])
def test_a_provider_may_be_an_account_of_its_own(url, account):
    assert account == account_of(url)


async def test_what_it_refuses_and_what_it_answers_with_rubbish(box, conn):
    assert {"error": "Bad link"} == await ask(box, "add", service=1, link=f"{LINK}/refuse", quantity=1)
    assert [] == await fetch(conn, "select from sandbox_order")
    answer = await box.form("v2", {"key": KEY, "action": "add", "service": 1, "link": f"{LINK}/garbage", "quantity": 1})
    assert (200, "text/html", b"<html>") == (answer.status, answer.headers["content-type"], answer.body[:6])
    assert 1 == len(await fetch(conn, "select from sandbox_order"))


async def test_it_reports_as_time_goes_by(box, clock):
    order = await add(box, "partial-40")
    states = []
    for _ in range(3):
        states.append((await ask(box, "status", orders=order))[str(order)])
        clock.forward(5)
    assert [("Pending", "100"), ("In progress", "80"), ("Partial", "60")] == [
        (said["status"], said["remains"]) for said in states
    ]
    assert {"99": {"error": "Incorrect order ID"}} == await ask(box, "status", orders=99)


async def test_it_cancels_what_moves_and_nothing_else(box, clock):
    moving, ended = await add(box, "stuck"), await add(box, "me")
    clock.forward(20)
    refused = {"error": "Order cannot be canceled"}
    assert [
        {"order": moving, "cancel": 1},
        {"order": ended, "cancel": refused},
        {"order": 99, "cancel": {"error": "Incorrect order ID"}},
    ] == await ask(box, "cancel", orders=f"{moving},{ended},99")
    assert "Canceled" == (await ask(box, "status", order=moving))["status"]
    assert [{"order": moving, "cancel": refused}] == await ask(box, "cancel", orders=moving)


async def test_it_refills_what_it_lost(box, clock):
    dropped, moving = await add(box, "drop"), await add(box, "slow")
    clock.forward(20)
    assert [
        {"order": dropped, "refill": 1},
        {"order": moving, "refill": {"error": "The order is not completed"}},
        {"order": 99, "refill": {"error": "Incorrect order ID"}},
    ] == await ask(box, "refill", orders=f"{dropped},{moving},99")
    states = []
    for _ in range(3):
        states.append((await ask(box, "refill_status", refill=1))["status"])
        clock.forward(5)
    assert ["Pending", "In progress", "Completed"] == states
    assert {"error": "Refill not found"} == await ask(box, "refill_status", refill=9)


SUBSCRIPTION = {"service": 9, "username": "them", "min": "10", "max": "20", "delay": "0"}


@pytest.mark.parametrize(
    ("dialect", "active", "done"), [("v2", "In progress", "Completed"), ("v1", "inprogress", "completed")]
)
async def test_a_subscription_finds_posts_whose_orders_go_as_the_account_is_called(box, clock, dialect, active, done):
    box.paths = {"v1": "/api/v1", "v2": "/api/v2"}

    async def say(action, **fields):
        return (await box.form(dialect, {"key": KEY, "action": action, **fields})).said

    number = (
        await say("add", **(SUBSCRIPTION | {"username": "x.example/partial-40", "posts": "1", "old_posts": "1"}))
    )["order"]
    assert active == (await say("status", order=number))["status"]
    clock.forward(2)
    answer = await say("status", order=number, extended=1)
    assert (active, [2]) == (answer["status"], answer["orders"])
    clock.forward(4)
    answer = await say("status", order=number, extended=1)
    assert (done, [2, 3]) == (answer["status"], answer["orders"]), "told again, they are the same"
    post = await say("status", order=2, extended=1)
    assert "https://sandbox.example/1/1/partial-40" == post["link"]
    assert 10 <= int(post["quantity"]) <= 20
    clock.forward(8)
    assert int(post["quantity"]) - int(post["quantity"]) * 40 // 100 == int((await say("status", order=2))["remains"])


async def test_a_cancelled_subscription_finds_no_more_posts(box, clock):
    number = (await ask(box, "add", **SUBSCRIPTION))["order"]
    clock.forward(7)
    assert [{"order": number, "cancel": 1}] == await ask(box, "cancel", orders=number)
    clock.forward(60)
    answer = await ask(box, "status", order=number, extended=1)
    assert ("Canceled", [2]) == (answer["status"], answer["orders"])
    assert {"error": "Incorrect order ID"} == await ask(box, "status", STRANGER, order=2)
