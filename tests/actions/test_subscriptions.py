"""Subscriptions at a provider: passed on whole and once, and each order made for a post becomes one of ours, charged
when it is made, whatever the provider says twice, forgets, or claims."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from tests.panel import actor, balance, books, broken, buyer, fetch, let_owe, or_code
from tests.stepped_worker import SteppedWorker
from tests.subscribing import (
    SUBSCRIPTIONS,
    UNIT,
    children,
    events,
    look,
    post,
    posts,
    state_of,
    subscribe,
    subscribed,
    telling,
)

from opensmm.actions import order_actions
from opensmm.domain.audit import By
from opensmm.domain.codes import EventCode
from opensmm.domain.operator_refusals import RefusalCode
from opensmm.domain.subscriptions import POST_WAITS

FUNDS = 10_000_000


async def test_a_subscription_is_passed_on_whole_and_once(api, ann, stocked, lied_to):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 500}
    await subscribe(api, ann, posts=3, old_posts=2, expiry="31/12/2099")
    await worker.send()
    await worker.send()
    (form,) = fake.requests
    wanted = {
        "action": "add", "service": str(SUBSCRIPTIONS), "username": "them", "min": "10", "max": "20", "delay": "30",
        "posts": "3", "old_posts": "2", "expiry": "31/12/2099",
    }  # fmt: skip
    assert wanted == {name: value for name, value in form.items() if name != "key"}
    assert [("pending", "accepted", "500")] == await fetch(
        stocked, "select d.state, t.outcome, t.provider_order from delivery d join attempt t using (order_id, run)"
    )
    assert FUNDS == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_each_post_becomes_an_order_charged_when_it_is_made(api, ann, stocked, lied_to):
    worker, fake = lied_to
    number = await subscribed(api, ann, worker, fake)
    await look(worker, fake, {"501": post(10)}, seconds=2)
    await look(worker, fake, {"501": post(10), "502": post(20)})
    assert [("501", 2, 10, 10 * UNIT, "open"), ("502", 3, 20, 20 * UNIT, "open")] == await children(stocked)
    assert FUNDS - 30 * UNIT == await balance(stocked, ann.id)
    assert {"1"} == {form["extended"] for form in fake.requests}
    answer = await api.ask("v2", ann.key, "status", order=number, extended=1)
    assert {"status": "In progress", "charge": "0.00000", "orders": [2, 3]}.items() <= {
        **answer, "orders": answer["orders"],
    }.items()  # fmt: skip
    listed = await api.ask("v2", ann.key, "orders")
    assert [3, 2, 1] == [one["order"] for one in listed]
    assert [] == await broken(stocked)


async def test_a_posts_order_is_followed_by_its_own_id_and_gives_back_what_was_not_delivered(
    api, ann, stocked, lied_to
):
    worker, fake = lied_to
    await subscribed(api, ann, worker, fake)
    await look(worker, fake, {"501": post(20)})
    fake.answers["status"] = {"501": post(5, "Partial", charge="0.0135")}
    await worker.follow()
    assert [("501", 2, 20, 20 * UNIT, "partial")] == await children(stocked)
    assert FUNDS - 15 * UNIT == await balance(stocked, ann.id)
    assert [(1350,)] == await fetch(stocked, "select amount from transfer where kind = 'cost'")
    assert [] == await broken(stocked)


@pytest.mark.parametrize(
    ("status", "ends", "word"),
    [
        ("Completed", "completed", "Completed"),
        ("Expired", "completed", "Completed"),
        ("Canceled", "canceled", "Canceled"),
    ],
)
async def test_a_subscription_ends_as_its_provider_says(api, ann, stocked, lied_to, status, ends, word):
    worker, fake = lied_to
    number = await subscribed(api, ann, worker, fake)
    await look(worker, fake, {"501": post(10)}, status=status)
    assert ends == await state_of(stocked, number)
    assert word == (await api.ask("v2", ann.key, "status", order=number))["status"]
    assert [("501", 2, 10, 10 * UNIT, "open")] == await children(stocked), "a post found at the end is one too"
    assert [] == await broken(stocked)


async def test_more_posts_than_fit_a_call_are_all_taken_in_before_the_subscription_ends(api, ann, stocked, lied_to):
    worker, fake = lied_to
    number = await subscribed(api, ann, worker, fake)
    book = {str(theirs): post(10) for theirs in range(501, 651)}
    await look(worker, fake, book, status="Completed")
    assert (100, "active") == (len(await children(stocked)), await state_of(stocked, number))
    await look(worker, fake, book, status="Completed")
    assert (150, "completed") == (len(await children(stocked)), await state_of(stocked, number))
    assert FUNDS - 1500 * UNIT == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_a_post_that_waits_and_then_is_another_order_is_refused(api, ann, stocked, lied_to):
    worker, fake = lied_to
    await subscribed(api, ann, worker, fake)
    await look(worker, fake, {"501": None})
    fake.answers["add"] = {"order": 501}
    await api.add(ann.key)
    await worker.send()
    await look(worker, fake, {"501": post(10), "502": post(10)})
    assert [("501", "taken", False), ("502", "made", False)] == await posts(stocked)
    assert [] == await broken(stocked)


async def test_a_subscription_paused_at_its_provider_is_processing(api, ann, stocked, lied_to):
    worker, fake = lied_to
    number = await subscribed(api, ann, worker, fake)
    await look(worker, fake, {}, status="Paused")
    assert "paused" == await state_of(stocked, number)
    assert "Processing" == (await api.ask("v2", ann.key, "status", order=number))["status"]
    await look(worker, fake, {})
    assert "active" == await state_of(stocked, number)


async def test_the_same_post_told_again_and_again_is_one_order(api, ann, stocked, lied_to):
    worker, fake = lied_to
    await subscribed(api, ann, worker, fake)
    for _ in range(3):
        await look(worker, fake, {"501": post(10)}, orders=["501", "501", 501, " 501 "])
    assert 1 == len(await children(stocked))
    assert FUNDS - 10 * UNIT == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_posts_that_are_listed_no_longer_stay_orders_and_are_named(api, ann, stocked, lied_to):
    worker, fake = lied_to
    number = await subscribed(api, ann, worker, fake)
    book = {"501": post(10), "502": post(10)}
    await look(worker, fake, book)
    await look(worker, fake, book, orders=["502"])
    assert [("501", "made", True), ("502", "made", False)] == await posts(stocked)
    story = await events(stocked, number)
    assert (EventCode.POST_UNLISTED, "501") in story
    await look(worker, fake, book)
    assert [("501", "made", False), ("502", "made", False)] == await posts(stocked)
    assert 2 == len(await children(stocked))


async def test_a_post_whose_id_another_order_bears_is_refused_and_named(api, ann, stocked, lied_to):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 77}
    await api.add(ann.key)
    await worker.send()
    number = await subscribed(api, ann, worker, fake)
    before = await books(stocked)
    for _ in range(2):
        await look(worker, fake, {"77": post(10)}, orders=["77", "500"])
    assert [("500", "taken", False), ("77", "taken", False)] == await posts(stocked)
    after = await books(stocked)
    assert [before[name] for name in ("balances", "orders", "transfers")] == [
        after[name] for name in ("balances", "orders", "transfers")
    ]
    story = await events(stocked, number)
    assert (EventCode.POST_TAKEN, "77") in story
    assert [] == await broken(stocked)


async def test_two_subscriptions_never_share_a_post(api, ann, stocked, lied_to):
    worker, fake = lied_to
    await subscribed(api, ann, worker, fake)
    fake.answers["add"] = {"order": 600}
    await subscribe(api, ann)
    await worker.send()

    def answer(form):
        both = {one: {"status": "Active", "orders": ["501"]} for one in ("500", "600")} | {"501": post(10)}
        return {one: both[one] for one in (form.get("orders") or form["order"]).split(",")}

    fake.answers["status"] = answer
    worker.clock.forward(61)
    await worker.watch()
    assert [("501", "made", False), ("501", "taken", False)] == sorted(await posts(stocked))
    assert FUNDS - 10 * UNIT == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_without_funds_a_subscription_pauses_and_goes_on_when_there_are_some(api, stocked, lied_to):
    worker, fake = lied_to
    poor = await buyer(stocked, "0.01500")
    number = await subscribed(api, poor, worker, fake)
    book = {"501": post(10), "502": post(20), "503": post(10)}
    await look(worker, fake, book)
    assert ["501"] == [row[0] for row in await children(stocked)]
    assert "paused" == await state_of(stocked, number)
    assert [("501", "made", False), ("502", "unpaid", False), ("503", "unpaid", False)] == await posts(stocked)
    await let_owe(stocked, poor.id, 10_000)
    await look(worker, fake, book)
    assert ["501", "502", "503"] == [row[0] for row in await children(stocked)]
    assert "active" == await state_of(stocked, number)
    assert 1500 - 40 * UNIT == await balance(stocked, poor.id)
    assert [] == await broken(stocked)


async def test_a_subscription_without_funds_for_a_day_is_stopped_at_its_provider(api, stocked, lied_to):
    worker, fake = lied_to
    poor = await buyer(stocked, "0.00001")
    number = await subscribed(api, poor, worker, fake)
    await look(worker, fake, {"501": post(10)})
    fake.answers["cancel"] = [{"order": 500, "cancel": 1}]
    await look(worker, fake, {"501": post(10)}, seconds=POST_WAITS.total_seconds())
    await worker.poller.pass_on_cancels(10)
    assert ["cancel"] == [form["action"] for form in fake.requests if form["action"] == "cancel"]
    await look(worker, fake, {"501": post(10)}, status="Canceled")
    assert ("canceled", []) == (await state_of(stocked, number), await children(stocked))
    assert [("501", "lost", False)] == await posts(stocked)
    assert 1 == await balance(stocked, poor.id)
    assert [] == await broken(stocked)


async def test_a_suspended_customers_subscription_pauses(api, ann, stocked, lied_to):
    worker, fake = lied_to
    number = await subscribed(api, ann, worker, fake)
    await stocked.execute("update customer set suspended = true")
    await look(worker, fake, {"501": post(10)})
    assert ("paused", []) == (await state_of(stocked, number), await children(stocked))
    assert FUNDS == await balance(stocked, ann.id)


async def test_a_subscription_ends_only_when_its_last_post_is_charged(api, stocked, lied_to):
    worker, fake = lied_to
    poor = await buyer(stocked, "0.00001")
    number = await subscribed(api, poor, worker, fake)
    await look(worker, fake, {"501": post(10)}, status="Completed")
    assert "paused" == await state_of(stocked, number)
    await let_owe(stocked, poor.id, 10_000)
    await look(worker, fake, {"501": post(10)}, status="Completed")
    assert ("completed", 1) == (await state_of(stocked, number), len(await children(stocked)))
    assert [] == await broken(stocked)


@pytest.mark.parametrize(
    ("answer", "quantity"),
    [
        (post(15), 15),
        (post(0), None),
        (post(0, "In progress"), 10),
        (post(7, "In progress"), 10),
        (post(0, "Completed"), 10),
        (post(99, "In progress"), 20),
        (post(0, "Completed", quantity="17"), 17),
        (post(12, "Pending", quantity="17000"), 12),
        ({"error": "Incorrect order ID"}, None),
        ({"status": "Odd word", "remains": "12"}, None),
        (None, None),
    ],
)
async def test_how_much_a_posts_order_is_for_is_bounded_by_the_subscription(
    api, ann, stocked, lied_to, answer, quantity
):
    worker, fake = lied_to
    await subscribed(api, ann, worker, fake)
    await look(worker, fake, {"501": answer})
    made = [] if quantity is None else [("501", 2, quantity, quantity * UNIT, "open")]
    assert made == await children(stocked)
    assert [("501", "untold" if quantity is None else "made", False)] == await posts(stocked)
    assert FUNDS - UNIT * (quantity or 0) == await balance(stocked, ann.id)


@pytest.mark.parametrize(
    "status",
    [
        {"error": "Incorrect order ID"},
        {"500": {"status": "Odd word", "orders": ["501"]}},
        {"500": {"error": "Incorrect order ID"}},
        {"8": {"status": "Completed"}},
        b"<html>",
        b'{"500": {"status": "Active", "orders": ["501"',
        (500, {"500": {"status": "Completed"}}),
    ],
)
async def test_what_cannot_be_understood_of_a_subscription_changes_nothing(api, ann, stocked, lied_to, status):
    worker, fake = lied_to
    number = await subscribed(api, ann, worker, fake)
    fake.answers["status"] = status
    before = (await books(stocked))["transfers"]
    worker.clock.forward(61)
    await worker.watch()
    assert [(None,)] == await fetch(stocked, "select polled from delivery")
    assert ("active", [], before) == (
        await state_of(stocked, number),
        await posts(stocked),
        (await books(stocked))["transfers"],
    )
    assert 1 == len(await fetch(stocked, "select from orders"))


async def test_posts_are_charged_at_the_price_of_the_moment(api, ann, stocked, lied_to):
    worker, fake = lied_to
    await subscribed(api, ann, worker, fake)
    await look(worker, fake, {"501": post(10)})
    await stocked.execute("update service set rate = 2 where id = %s", [SUBSCRIPTIONS])
    await look(worker, fake, {"501": post(10), "502": post(10)})
    await stocked.execute("insert into price (price_list_id, service_id, rate) values (1, %s, 3)", [SUBSCRIPTIONS])
    await look(worker, fake, {"501": post(10), "502": post(10), "503": post(10)})
    assert [900, 2000, 3000] == [row[3] for row in await children(stocked)]
    assert [] == await broken(stocked)


async def test_a_cancel_is_passed_on_and_what_was_made_stays(api, ann, stocked, lied_to):
    worker, fake = lied_to
    number = await subscribed(api, ann, worker, fake)
    await look(worker, fake, {"501": post(10)})
    assert [{"order": number, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", orders=number)
    fake.answers["cancel"] = [{"order": 500, "cancel": 1}]
    await worker.poller.pass_on_cancels(10)
    assert "active" == await state_of(stocked, number), "its provider has yet to say so"
    await look(worker, fake, {"501": post(10)}, status="Canceled")
    assert "canceled" == await state_of(stocked, number)
    assert [("501", 2, 10, 10 * UNIT, "open")] == await children(stocked)
    assert [] == await broken(stocked)


async def test_the_operator_cancels_a_subscription_and_completes_none(api, ann, stocked, lied_to):
    worker, fake = lied_to
    number = await subscribed(api, ann, worker, fake)
    by = By(actor("test"), "why", worker.clock())
    assert RefusalCode.SUBSCRIPTION_NOT_COMPLETED is await or_code(order_actions.complete(stocked, number, by))
    assert True is await order_actions.cancel(stocked, number, by)
    assert False is await order_actions.cancel(stocked, number, by)
    assert "canceled" == await state_of(stocked, number)
    assert [] == await broken(stocked)


async def test_a_subscription_turned_down_everywhere_is_cancelled(api, ann, stocked, lied_to):
    worker, fake = lied_to
    fake.answers["add"] = {"error": "Incorrect username"}
    number = await subscribe(api, ann)
    await worker.send()
    assert "canceled" == await state_of(stocked, number)
    assert [] == await broken(stocked)


async def test_an_unsure_subscription_is_never_sent_again(api, ann, stocked, lied_to):
    worker, fake = lied_to
    fake.answers["add"] = b"<html>"
    number = await subscribe(api, ann)
    for _ in range(3):
        await worker.round(600)
    assert 1 == len([form for form in fake.requests if form["action"] == "add"])
    assert ("active", [("unsure",)]) == (
        await state_of(stocked, number),
        await fetch(stocked, "select state from delivery"),
    )
    by = By(actor("test"), "in their list", worker.clock())
    assert True is await order_actions.settle(stocked, number, None, "500", by)
    await look(worker, fake, {"501": post(10)})
    assert 1 == len(await children(stocked))
    assert [] == await broken(stocked)


async def test_the_staff_takes_no_subscriptions(api, ann, stocked, lied_to):
    worker, _ = lied_to
    await stocked.execute("update provider set kind = 'manual'")
    await worker.housekeeper.step()
    number = await subscribe(api, ann)
    await worker.send()
    assert "canceled" == await state_of(stocked, number)


async def test_workers_that_look_at_once_make_each_order_once(api, ann, stocked, lied_to, database):
    worker, fake = lied_to
    await subscribed(api, ann, worker, fake)
    fake.answers["status"] = telling({str(theirs): post(10) for theirs in range(501, 541)})
    worker.clock.forward(61)
    async with AsyncExitStack() as stack:
        others = [SteppedWorker(database.app_url, worker.registry._sandbox_url, worker.clock) for _ in range(3)]
        for other in others:
            stack.push_async_callback(other.close)
            await other.housekeeper.step()

        async def again(worker):
            await stocked.execute("update delivery set due = %s where quantity = 0", [worker.clock()])
            return await worker.watch()

        await asyncio.gather(*(again(worker) for worker in others * 2))
    assert 40 == len(await children(stocked))
    assert FUNDS - 400 * UNIT == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_older_news_of_a_subscription_changes_nothing(api, ann, stocked, lied_to):
    """A worker asks, is overtaken by another who hears that it is paused, and then keeps what it heard before."""
    worker, fake = lied_to
    number = await subscribed(api, ann, worker, fake)
    real = worker.subscription_watcher._store_answer
    held = []

    async def later(heard, asked_at):
        held.append((heard, asked_at))

    worker.subscription_watcher._store_answer = later
    fake.answers["status"] = telling({"501": post(10)})
    worker.clock.forward(61)
    await worker.watch()
    worker.subscription_watcher._store_answer = real
    await look(worker, fake, {}, status="Paused")
    await real(*held[0])
    assert "paused" == await state_of(stocked, number)
    assert ["501"] == [row[0] for row in await children(stocked)], "that the post was made is true all the same"
    assert [] == await broken(stocked)


async def bought(api, ann, worker, count=4):
    """Neighbours for evidence."""
    for _ in range(count):
        await api.add(ann.key)
        await worker.send()
        worker.clock.forward(2)


async def test_a_posts_order_not_told_yet_is_not_taken_for_an_unsure_order(api, ann, stocked, worker):
    """Evidence finds an id that nobody bears: it may be a post's, until its provider has listed all of them."""
    await subscribe(api, ann)
    await worker.round()
    await bought(api, ann, worker)
    worker.clock.forward(10)
    unsure = await api.add(ann.key, link="https://example.com/lost")
    await worker.send()
    (row,) = await fetch(
        stocked,
        "insert into sandbox_order (service, link, quantity, placed, start_count) values ('1', 'a post', 10, now(), 0) "
        "returning id::text",
    )
    worker.clock.forward(200)
    await bought(api, ann, worker)
    outcome = "select outcome, provider_order from attempt where order_id = %s"
    await worker.settle()
    assert [("ambiguous",)] == await fetch(stocked, "select conclusion from evidence where order_id = %s", unsure)
    assert [("unsure", None)] == await fetch(stocked, outcome, unsure)
    await worker.watch()
    assert row[0] not in {theirs for theirs, _, _ in await posts(stocked)}
    worker.clock.forward(600)
    await worker.settle()
    assert [("accepted", *row)] == await fetch(stocked, outcome, unsure), "no post of theirs: so it is the unsure one"
