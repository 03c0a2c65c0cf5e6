"""Placing on real PostgreSQL: the rows it leaves, what rivals see, and nothing kept of what was refused."""

import asyncio
import hashlib
import math
import os
import signal
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from tests.panel import (
    DEFAULT,
    DRIP,
    FREE,
    LINK,
    OF_TYPE,
    ONE_PER_LINK,
    SHAPES,
    Buyer,
    at_last,
    balance,
    books,
    broken,
    buyer,
    fetch,
    open_api,
    service,
    stock,
    until,
)

from opensmm.actions import batcher, commit_recovery, order_placing
from opensmm.actions.order_placing import RETRY_PAUSES_S
from opensmm.base.errors import Overloaded, Unavailable
from opensmm.base.ids import ProviderId
from opensmm.domain.catalogue import ServiceType
from opensmm.store import dispatch, prepared

FUNDS, CHARGE = 10_000_000, 9_000


async def test_an_order_leaves_exactly_its_rows(api, ann, stocked, clock):
    order = await api.add(ann.key)
    at = clock()
    assert [
        (order, ann.id, DEFAULT, LINK, 100, CHARGE, 0, 0, None, None, at, None, 1, 0, False, "open", Decimal("0.90"))
    ] == await fetch(
        stocked,
        """select id, customer_id, service_id, link, quantity, charge, refunded, earned, start_count, remains, created,
                  ended, runs, interval_min, packaged, state, rate from orders""",
    )
    assert [(order, 1, DEFAULT, 100, "queued", at, None, 0, 0, 0)] == await fetch(
        stocked, "select order_id, run, service_id, quantity, state, due, remains, fence, route, attempt from delivery"
    )
    assert [(ann.id, -1, CHARGE, "charge", ann.id, order, 0, at)] == await fetch(
        stocked,
        """select debit, credit, amount, kind, customer_id, order_id, sequence, created from transfer
           where kind <> 'topup'""",
    )
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    assert [] == await fetch(stocked, "select from order_detail")


async def test_a_drip_feed_leaves_a_delivery_per_run_and_only_the_first_is_due(api, ann, stocked, clock):
    await api.add(ann.key, DRIP, runs=3, interval=10)
    assert [(1, 100, clock()), (2, 100, None), (3, 100, None)] == await fetch(
        stocked, "select run, quantity, due from delivery order by run"
    )
    assert [(100, 3, 10, 27_000)] == await fetch(stocked, "select quantity, runs, interval_min, charge from orders")


async def test_the_parameters_of_a_type_are_kept_beside_the_order(api, ann, stocked):
    kind = ServiceType.COMMENT_REPLIES
    await api.ask("v2", ann.key, "add", service=OF_TYPE[kind], **SHAPES[kind])
    assert [({"username": "them", "comments": ["first", "second", "third"]},)] == await fetch(
        stocked, "select details from order_detail"
    )


async def test_a_rate_is_kept_as_it_was_typed(api, ann, stocked):
    await stock(stocked, [service(DEFAULT, rate="0.9000")])
    await api.add(ann.key)
    assert [("0.9000",)] == await fetch(stocked, "select rate::text from orders")


async def test_an_idempotency_key_is_kept_with_its_order(api, ann, stocked, clock):
    order = await api.add(ann.key, idempotency_key="k")
    assert [(ann.id, "k", order, clock(), 16)] == await fetch(
        stocked, "select customer_id, key, order_id, created, length(fingerprint) from idempotency"
    )


async def test_a_mixed_crowd_gets_each_its_own_answer(api, stocked):
    rich, poor = await buyer(stocked), await buyer(stocked, "0.18")
    requests: list[tuple[Buyer, dict[str, object]]] = [
        (rich, {"service": DEFAULT, "quantity": 100}),
        (poor, {"service": DEFAULT, "quantity": 100}),
        (rich, {"service": 999, "quantity": 100}),
        (rich, {"service": ONE_PER_LINK, "quantity": 100}),
        (poor, {"service": DEFAULT, "quantity": 5}),
        (rich, {"service": DEFAULT, "quantity": 100, "idempotency_key": "k"}),
    ] * 20
    answers = await asyncio.gather(*(api.ask("v2", who.key, "add", link=LINK, **fields) for who, fields in requests))
    outcomes = [one.get("error", "order") for one in answers]
    rows = len(await fetch(stocked, "select from orders"))
    assert ["order"] * 20 == outcomes[0::6] == outcomes[5::6]
    assert (2, 18) == (outcomes[1::6].count("order"), outcomes[1::6].count("Not enough funds on balance"))
    assert ["Incorrect service ID"] * 20 == outcomes[2::6]
    assert (1, 20) == (outcomes[3::6].count("order"), len(outcomes[3::6]))
    assert ["Quantity less than minimal 10"] * 20 == outcomes[4::6]
    assert (1, 20 + 2 + 1 + 1) == (len({one["order"] for one in answers[5::6]}), rows)
    assert 0 == await balance(stocked, poor.id)
    assert [] == await broken(stocked)


async def test_two_panels_never_spend_the_same_money(database, stocked, ann):
    async with open_api(database.app_url) as api, open_api(database.app_url) as other:
        answers = await asyncio.gather(
            *((api, other)[at % 2].ask("v2", ann.key, "add", service=8, link=LINK, quantity=10) for at in range(40))
        )
    assert (10, 30) == (sum("order" in answer for answer in answers), sum("error" in answer for answer in answers))
    assert 0 == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_two_panels_give_one_idempotency_key_one_order(database, stocked, ann):
    async with open_api(database.app_url) as api, open_api(database.app_url) as other:
        answers = await asyncio.gather(
            *((api, other)[at % 2].add(ann.key, idempotency_key=f"key {at % 5}") for at in range(60))
        )
    assert (5, 5) == (len(set(answers)), len(await fetch(stocked, "select from orders")))
    assert [] == await broken(stocked)


async def test_two_panels_let_one_order_hold_a_link(database, stocked, ann):
    async with open_api(database.app_url) as api, open_api(database.app_url) as other:
        answers = await asyncio.gather(
            *(
                (api, other)[at % 2].ask("v2", ann.key, "add", service=ONE_PER_LINK, link=LINK, quantity=10)
                for at in range(20)
            )
        )
    assert 1 == sum("order" in answer for answer in answers)
    assert [] == await broken(stocked)


async def test_a_customer_whose_row_is_held_waits_and_nobody_else_does(api, stocked, database, ann, monkeypatch):
    monkeypatch.setattr(order_placing, "RETRY_PAUSES_S", (0.04,) * 10_000)
    bob = await buyer(stocked)
    async with await psycopg.AsyncConnection.connect(database.app_url) as rival:
        await rival.execute("select from customer where id = %s for update", [ann.id])
        waiting = asyncio.create_task(api.add(ann.key))
        for _ in range(20):
            await at_last(api.add(bob.key))
        assert not waiting.done()
        await rival.rollback()
    assert await waiting > 0
    assert [] == await broken(stocked)


async def test_a_customer_whose_row_stays_held_is_told_to_try_later_and_nothing_is_kept(api, stocked, database, ann):
    async with await psycopg.AsyncConnection.connect(database.app_url) as rival:
        await rival.execute("select from customer where id = %s for update", [ann.id])
        fields = {"key": ann.key, "action": "add", "service": DEFAULT, "link": LINK, "quantity": 100}
        before = await books(stocked)
        answer = await api.form("v2", fields)
        assert (503, {"error": "Temporarily unavailable"}) == (answer.status, answer.said)
        assert before == await books(stocked)
    assert 200 == (await api.form("v2", fields)).status


@pytest.mark.parametrize("round_", range(5))
async def test_a_cancel_against_a_claim_has_exactly_one_winner(api, stocked, database, ann, clock, round_):
    order = await api.add(ann.key)

    async def claim():
        async with await psycopg.AsyncConnection.connect(database.app_url) as worker:
            return await dispatch.claim(worker, clock(), clock(), timedelta(minutes=1), 10, [ProviderId(1)])

    answers, claimed = await asyncio.gather(api.ask("v2", ann.key, "cancel", orders=order), claim())
    ((state, row),) = await fetch(stocked, "select state, cancel_asked is not null from delivery")
    assert [{"order": order, "cancel": 1}] == answers
    assert (("sending", True), 1) == ((state, row), len(claimed)) or (("canceled", False), 0) == (
        (state, row),
        len(claimed),
    )
    assert (FUNDS if state == "canceled" else FUNDS - CHARGE) == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_what_a_stopped_backend_was_to_keep_is_not_kept_after_the_client_was_told_no(
    api, ann, stocked, monkeypatch
):
    await api.add(ann.key)
    monkeypatch.setattr(prepared, "WITHIN_S", 0.5)
    keeping = "select pid from pg_stat_activity where datname = current_database() and application_name like '%: keep'"
    ((stopped,),) = await fetch(stocked, keeping)
    os.kill(stopped, signal.SIGSTOP)
    try:
        answer = await api.form(
            "v2", {"key": ann.key, "action": "add", "service": DEFAULT, "link": LINK, "quantity": 100}
        )
    finally:
        os.kill(stopped, signal.SIGCONT)

    async def gone():
        return (stopped,) not in await fetch(stocked, keeping)

    await until(gone)
    assert 503 == answer.status
    assert [(1,)] == await fetch(stocked, "select count(*) from orders")
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


def test_what_was_not_answered_is_settled_before_its_lane_gives_up():
    assert prepared.WITHIN_S + commit_recovery.SETTLE_WITHIN_S < batcher.BATCH_WITHIN_S


async def test_beyond_the_lanes_bound_asks_are_refused_at_once(ann, stocked, database, monkeypatch):
    monkeypatch.setattr(batcher, "TURN_WITHIN_S", math.inf)
    async with (
        open_api(database.app_url) as api,
        await psycopg.AsyncConnection.connect(database.owner_url) as rival,
    ):
        await api.add(ann.key)
        await rival.execute("lock table customer in exclusive mode")
        requests = [asyncio.create_task(api.add(ann.key, FREE, link=f"{LINK}/{at}")) for at in range(2_100)]
        refused, waiting = await asyncio.wait(requests, return_when=asyncio.FIRST_COMPLETED)
        while len(refused) < 2_100 - 2_048:
            more, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            refused |= more
        await rival.rollback()
        answers = await asyncio.gather(*requests, return_exceptions=True)
    assert 2_100 - 2_048 == len(refused)
    assert all("Temporarily unavailable" in str(one.exception()) for one in refused)
    assert 2_048 == sum(isinstance(one, int) for one in answers)
    assert [] == await broken(stocked)


@pytest.mark.parametrize("action", ["add", "cancel", "refill"])
async def test_a_customer_whose_row_is_held_is_refused_within_five_seconds_and_others_go_on(
    api, ann, stocked, database, action
):
    """As by a session that was left in the middle of its transaction."""
    bob = await buyer(stocked)
    own = {who.key: [await api.add(who.key) for _ in range(2)] for who in (ann, bob)}

    def send(who, at):
        keys = {"idempotency_key": f"{at}"} if at % 2 else {}
        fields = {"service": DEFAULT, "link": f"{LINK}/{at}", "quantity": 100} | keys if action == "add" else {}
        fields |= {"orders": own[who.key][at % 2]} if action != "add" else {}
        return api.form("v2", {"key": who.key, "action": action, **fields})

    async with await psycopg.AsyncConnection.connect(database.app_url) as rival:
        await rival.execute("select from customer where id = %s for update", [ann.id])
        await rival.execute("select from orders where customer_id = %s for update", [ann.id])
        refused = [asyncio.create_task(send(ann, at)) for at in range(20)]
        for at in range(20):
            assert 200 == (await send(bob, at)).status
        assert {503} == {answer.status for answer in await asyncio.gather(*refused)}
        await rival.rollback()
    assert 200 == (await send(ann, 1)).status
    assert [] == await broken(stocked)


def test_an_ask_is_tried_for_four_seconds_and_waits_for_no_longer_than_that():
    assert 4 <= sum(RETRY_PAUSES_S) < 4.5
    assert batcher.TURN_WITHIN_S < 4.5


def test_what_is_overloaded_may_be_tried_again():
    assert issubclass(Overloaded, Unavailable)


@pytest.mark.parametrize("other", ["http://EXAMPLE.com//p/A?utm_source=x", "example.com:443/p/A/#top"])
async def test_one_active_order_holds_for_a_page_however_its_link_is_spelt(api, ann, stocked, other):
    first = await api.ask("v2", ann.key, "add", service=ONE_PER_LINK, link="https://www.example.com/p/A/", quantity=100)
    refused = await api.ask("v2", ann.key, "add", service=ONE_PER_LINK, link=other, quantity=100)
    assert "active order with this link" in refused["error"]
    assert ["order"] == list(
        await api.ask("v2", ann.key, "add", service=ONE_PER_LINK, link="example.com/p/a", quantity=100)
    )
    await api.ask("v2", ann.key, "cancel", orders=first["order"])
    assert ["order"] == list(await api.ask("v2", ann.key, "add", service=ONE_PER_LINK, link=other, quantity=100))
    assert [] == await broken(stocked)


async def test_orders_that_hold_their_link_as_it_was_spelt_are_looked_up_too(api, ann, stocked):
    link = "https://www.example.com/p/A/"
    order = (await api.ask("v2", ann.key, "add", service=ONE_PER_LINK, link=link, quantity=100))["order"]
    old = hashlib.blake2b(link.encode(), digest_size=16).digest()
    await stocked.execute("delete from active_link where order_id = %s", [order])
    await stocked.execute(
        "insert into active_link (customer_id, link_hash, order_id) values (%s, %s, %s)", [ann.id, old, order]
    )
    refused = await api.ask("v2", ann.key, "add", service=ONE_PER_LINK, link=link, quantity=100)
    assert "active order with this link" in refused["error"]
