"""``staff``: the list of the operator's own people, and what they say of it."""

import asyncio

import pytest
from tests.panel import DEFAULT, buyer, open_api, stock
from tests.stepped_worker import open_worker

from opensmm.store.connection import connect

DONE, FAILED, MISUSED = 0, 1, 2
ODD_LINK = "https://example.com/a%1b\u202e[red]b"


async def _place(url, link=ODD_LINK):
    connection = await connect(url)
    async with open_api(url) as api, open_worker(url) as worker:
        who = await buyer(connection)
        order = await api.add(who.key, DEFAULT, link=link)
        await worker.round()
    await connection.close()
    return order


async def _stock(url):
    connection = await connect(url)
    await stock(connection)
    await connection.close()


@pytest.fixture
def order(database, run_json):
    """An order that is with the staff."""
    asyncio.run(_stock(database.app_url))
    assert (DONE, {"services": [DEFAULT]}) == run_json("staff", "assign", DEFAULT)
    return asyncio.run(_place(database.app_url))


def test_an_order_goes_its_way_by_the_staffs_word(run_json, run, rows, order):
    (result,) = run_json("staff", "list")[1]["deliveries"]
    assert (order, 100, "pending", "Service 1") == (
        result["order"],
        result["quantity"],
        result["state"],
        result["service_name"],
    )
    assert (DONE, {"order": order, "state": "in_progress", "remains": 100}) == run_json(
        "staff", "start", order, "--start-count", 12
    )
    assert (DONE, {"order": order, "state": "in_progress", "remains": 40}) == run_json(
        "staff", "progress", order, "--remains", 40
    )
    assert "in progress: 40 of 100 remain" in run("staff", "list")[1]
    assert (DONE, {"order": order, "state": "partial", "remains": 40}) == run_json(
        "staff", "partial", order, "--remains", 40
    )
    assert (FAILED, None) == run_json("staff", "done", order)
    assert [("partial", 5_400, 3_600, 12)] == rows("select state, earned, refunded, start_count from orders")
    assert (DONE, {"deliveries": [], "refills": []}) == run_json("staff", "list")
    assert "nothing waits" in run("staff", "list")[1]
    assert DONE == run_json("verify")[0]


def test_a_customers_text_reaches_the_terminal_without_its_control_characters(run, order):
    shown = run("staff", "list")[1]
    assert "https://example.com/a%1b [red]b" in shown


def test_words_that_cannot_be_are_refused(run_json, rows, order):
    before = rows("select * from delivery"), rows("select * from audit")
    for words in (("progress", order, "--remains", 101), ("partial", order, "--remains", 0), ("done", 99)):
        assert (FAILED, None) == run_json("staff", *words)
    for words in (("cancel", order), ("progress", order), ("start", order, "--start-count", -1), ("done", 0)):
        assert MISUSED == run_json("staff", *words)[0]
    assert (FAILED, None) == run_json("staff", "assign", 1, 999)
    assert (FAILED, None) == run_json("staff", "reject", 1)
    assert before == (rows("select * from delivery"), rows("select * from audit"))


def test_a_cancel_keeps_its_reason(run_json, rows, order):
    assert (DONE, {"order": order, "state": "canceled", "remains": 100}) == run_json(
        "staff", "cancel", order, "--reason", "page is gone"
    )
    changes = {"runs.1.state": ["pending", "canceled"], "runs.1.remains": [None, 100]}
    assert [({"changes": changes, "reason": "page is gone"},)] == rows(
        "select detail from audit where action = 'staff.cancel'"
    )
    assert [(10_000_000,)] == rows("select balance from customer")


def test_refills_are_listed_and_answered(run_json, run, rows, database, order):
    run_json("staff", "done", order)

    async def ask():
        connection = await connect(database.app_url)
        await connection.execute(
            """insert into refill (id, order_id, customer_id, state, created)
               select 1, id, customer_id, 'pending', now() from orders"""
        )
        await connection.execute(
            """insert into refill_task (refill_id, run, order_id, provider_id, provider_order, due)
               select 1, run, order_id, provider_id, provider_order, now() from attempt"""
        )
        await connection.close()

    asyncio.run(ask())
    assert [(1, order)] == [(one["refill"], one["order"]) for one in run_json("staff", "refills")[1]["refills"]]
    assert f"refill 1 of order {order}" in run("staff", "refills")[1]
    assert (DONE, {"refill": 1, "state": "completed"}) == run_json("staff", "refilled", 1)
    assert [("completed", True)] == rows("select state, ended is not null from refill")
    assert (FAILED, None) == run_json("staff", "refilled", 1)
    assert DONE == run_json("verify")[0]
