"""Unsure orders settled by the ids between their neighbours, against the real sandbox with other customers in it."""

import asyncio
from datetime import timedelta

import aiohttp
import pytest
from tests.panel import DEFAULT, PEPPER, acting, actor, balance, broken, fetch
from tests.stepped_worker import BEYOND_THE_END_S, PATIENCE, STRANGERS, SteppedWorker, state

from opensmm.actions import order_actions
from opensmm.domain.audit import By
from opensmm.domain.codes import EventCode
from opensmm.domain.evidence import MAX_SENDS_PER_PROVIDER, NEIGHBOURS
from opensmm.providers.sandbox import sandbox_key
from opensmm.store import catalogue as rows
from opensmm.store import evidence as looks
from opensmm.store import order_events
from opensmm.texts.speech import ENGLISH

FUNDS, CHARGE = 10_000_000, 9_000
TAKEN_IN_S = PATIENCE.taking_in.total_seconds() + 2 * PATIENCE.skew.total_seconds()


def at(behaviour, which=0):
    return f"https://example.com/{which}/{behaviour}"


async def traffic(api, worker, who, count=NEIGHBOURS, quantities=(100,)):
    """Ordinary orders, one after the other, with orders of strangers between them."""
    placed = []
    for number in range(count):
        worker.clock.forward(6)
        quantity = quantities[number % len(quantities)]
        placed.append(await api.add(who.key, link=at("me", number), quantity=quantity))
        await worker.send()
        await strangers_buy(worker)
    worker.clock.forward(6)
    return placed


async def strangers_buy(worker, count=2):
    async with aiohttp.ClientSession() as session:
        for account in STRANGERS[:count]:
            form = {"key": sandbox_key(PEPPER, account), "action": "add", "service": 1, "link": at("me"), "quantity": 9}
            async with session.post(worker.registry._sandbox_url, data=form) as answer:
                assert ["order"] == list(await answer.json())


async def unsure(api, worker, who, behaviour, **fields):
    order = await api.add(who.key, link=at(behaviour), **fields)
    await worker.send()
    return order


async def attempts(conn, order):
    query = "select outcome, provider_order from attempt where order_id = %s order by number"
    return await fetch(conn, query, order)


async def concluded(conn, order):
    query = "select kind, conclusion from evidence where order_id = %s order by id"
    return await fetch(conn, query, order)


async def bought(conn, link):
    return [row[0] for row in await fetch(conn, "select id from sandbox_order where link = %s and account = 0", link)]


@pytest.fixture
async def busy(api, worker, ann):
    """Orders of ours went before."""
    await traffic(api, worker, ann)


@pytest.mark.parametrize("behaviour", ["timeout", "garbage"])
async def test_what_was_bought_without_an_answer_is_found_and_delivered(api, worker, stocked, ann, busy, behaviour):
    order = await unsure(api, worker, ann, behaviour)
    await strangers_buy(worker)
    worker.clock.forward(TAKEN_IN_S)
    await traffic(api, worker, ann)
    assert 1 == await worker.settle()
    (theirs,) = await bought(stocked, at(behaviour))
    assert [("accepted", str(theirs))] == await attempts(stocked, order)
    assert [("neighbours", "bought")] == await concluded(stocked, order)
    history = await order_events.read_history(stocked, order)
    assert history is not None
    assert all(ENGLISH.event_with_run(history.runs, one.kind, one.fields) for one in history.events)
    tries = [one for one in history.events if one.kind in (EventCode.UNSURE, EventCode.SETTLED_BOUGHT)]
    assert [EventCode.UNSURE, EventCode.SETTLED_BOUGHT] == [one.kind for one in tries]
    assert str(theirs) == tries[1].fields["provider_order"]
    assert tries[0].fields["words"]
    await worker.follow()
    await worker.round(BEYOND_THE_END_S)
    assert "Completed" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    assert [theirs] == await bought(stocked, at(behaviour))
    assert [] == await broken(stocked)


async def test_what_was_lost_is_proved_not_to_be_bought_sent_again_and_at_last_paid_back(
    api, worker, stocked, ann, busy
):
    order = await unsure(api, worker, ann, "lost")
    for tried in range(1, MAX_SENDS_PER_PROVIDER + 1):
        worker.clock.forward(TAKEN_IN_S)
        await traffic(api, worker, ann)
        assert tried == len(await attempts(stocked, order))
        assert 1 == await worker.settle()
        await worker.send()
    assert [("declined", None)] * MAX_SENDS_PER_PROVIDER == await attempts(stocked, order)
    assert [("neighbours", "not_bought")] * MAX_SENDS_PER_PROVIDER == await concluded(stocked, order)
    assert "Canceled" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    assert [] == await bought(stocked, at("lost"))
    others = NEIGHBOURS * (MAX_SENDS_PER_PROVIDER + 1)
    assert FUNDS - others * CHARGE == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_what_is_lost_goes_to_the_next_provider_in_the_end(api, worker, stocked, ann, busy):
    other = await rows.save_provider(stocked, "Other", "sandbox", "sandbox:", "USD")
    await stocked.execute(
        "insert into route (service_id, position, provider_id, provider_service) values (%s, 1, %s, '77')",
        [DEFAULT, other],
    )
    await worker.housekeeper.step()
    order = await unsure(api, worker, ann, "lost")
    for _ in range(MAX_SENDS_PER_PROVIDER):
        worker.clock.forward(TAKEN_IN_S)
        await traffic(api, worker, ann)
        await worker.settle()
        await worker.send()
    tried = await fetch(stocked, "select provider_id from attempt where order_id = %s order by number", order)
    assert [1] * MAX_SENDS_PER_PROVIDER + [other] == [provider for (provider,) in tried]


async def test_a_cancel_asked_meanwhile_ends_what_was_not_bought(api, worker, stocked, ann, busy):
    order = await unsure(api, worker, ann, "lost")
    await api.ask("v2", ann.key, "cancel", order=order)
    worker.clock.forward(TAKEN_IN_S)
    await traffic(api, worker, ann)
    await worker.settle()
    assert ("canceled", 1) == (await state(stocked, order), len(await attempts(stocked, order)))
    assert FUNDS - 2 * NEIGHBOURS * CHARGE == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_nothing_is_concluded_while_the_provider_may_still_take_it_in(api, worker, stocked, ann, busy):
    order = await unsure(api, worker, ann, "lost")
    await traffic(api, worker, ann)
    assert 0 == await worker.settle()
    worker.clock.forward(TAKEN_IN_S - 60)
    assert 0 == await worker.settle()
    worker.clock.forward(90)
    assert 1 == await worker.settle()
    assert ("unsure", [("neighbours", "no_neighbours")]) == (
        await state(stocked, order),
        await concluded(stocked, order),
    )


async def test_without_traffic_it_is_looked_into_ever_more_seldom_and_stays_with_the_operator(
    api, worker, stocked, ann, busy
):
    order = await unsure(api, worker, ann, "timeout")
    looks = 0
    for _ in range(48):
        worker.clock.forward(3600)
        looks += await worker.settle()
    assert 5 <= looks <= 15
    assert [("neighbours", "no_neighbours")] == await concluded(stocked, order)
    assert ("unsure", FUNDS - (NEIGHBOURS + 1) * CHARGE) == (
        await state(stocked, order),
        await balance(stocked, ann.id),
    )
    await traffic(api, worker, ann)
    worker.clock.forward(timedelta(hours=12).total_seconds())
    await worker.settle()
    assert "pending" == await state(stocked, order)


async def test_an_answer_that_comes_while_evidence_is_gathered_wins(api, worker, stocked, ann, busy):
    order = await unsure(api, worker, ann, "timeout")
    worker.clock.forward(TAKEN_IN_S)
    await traffic(api, worker, ann)
    (theirs,) = await bought(stocked, at("timeout"))
    ask = worker.unsure_resolver._look_up_ids

    async def late(inquiry):
        answer = await ask(inquiry)
        by = By(actor("tester"), "seen", worker.clock())
        assert await order_actions.settle(stocked, order, None, str(theirs), by)
        return answer

    worker.unsure_resolver._look_up_ids = late
    await worker.settle()
    assert [("accepted", str(theirs))] == await attempts(stocked, order)
    assert [("operator", "bought")] == await concluded(stocked, order)
    assert [] == await broken(stocked)


async def test_an_id_that_became_another_orders_meanwhile_leaves_evidence_of_doubt(api, worker, stocked, ann, busy):
    order = await unsure(api, worker, ann, "timeout")
    worker.clock.forward(TAKEN_IN_S)
    await traffic(api, worker, ann)
    (theirs,) = await bought(stocked, at("timeout"))
    another = await unsure(api, worker, ann, "lost")
    ask = worker.unsure_resolver._look_up_ids

    async def late(inquiry):
        answer = await ask(inquiry)
        assert await order_actions.settle(
            stocked, another, None, str(theirs), acting(worker.clock(), "tester", "a guess")
        )
        return answer

    worker.unsure_resolver._look_up_ids = late
    await worker.settle()
    assert ("unsure", [("neighbours", "ambiguous")]) == (await state(stocked, order), await concluded(stocked, order))
    assert [] == await broken(stocked)


async def test_two_workers_settle_each_attempt_once(api, worker, stocked, ann, busy, database):
    orders = [await api.add(ann.key, link=at("lost", which)) for which in range(20)]
    await worker.send()
    worker.clock.forward(TAKEN_IN_S)
    await traffic(api, worker, ann)
    other = SteppedWorker(database.app_url, worker.registry._sandbox_url, worker.clock)
    await other.housekeeper.step()
    looked = await asyncio.gather(worker.unsure_resolver.step(10), other.unsure_resolver.step(10))
    await other.close()
    assert (10, 10) == tuple(looked)
    assert [("neighbours", "not_bought")] * 20 == [row for order in orders for row in await concluded(stocked, order)]
    assert ["queued"] * 20 == [await state(stocked, order) for order in orders]


async def test_what_the_operator_took_to_be_declined_may_still_own_what_is_found(api, worker, stocked, ann, busy):
    by = By(actor("tester"), "a guess", worker.clock())
    mistaken, order = await api.add(ann.key, link=at("timeout")), await api.add(ann.key, link=at("lost"))
    await worker.send()
    assert await order_actions.settle(stocked, mistaken, None, None, by)
    worker.clock.forward(TAKEN_IN_S)
    await traffic(api, worker, ann)
    await worker.settle()
    assert ("unsure", [("neighbours", "ambiguous")]) == (await state(stocked, order), await concluded(stocked, order))


async def test_two_at_once_of_which_one_was_bought_stay_unsure(api, worker, stocked, ann, busy):
    first, second = await api.add(ann.key, link=at("lost")), await api.add(ann.key, link=at("timeout"))
    await worker.send()
    worker.clock.forward(TAKEN_IN_S)
    await traffic(api, worker, ann)
    assert 2 == await worker.settle()
    for order in (first, second):
        assert ("unsure", [("neighbours", "ambiguous")]) == (
            await state(stocked, order),
            await concluded(stocked, order),
        )
    assert [] == await broken(stocked)


async def test_two_at_once_of_different_quantities_are_told_apart_by_what_was_charged(api, worker, stocked, ann):
    await traffic(api, worker, ann, quantities=(100, 300, 200))
    lost, silent = [await api.add(ann.key, link=at(how), quantity=n) for how, n in (("lost", 500), ("timeout", 400))]
    await worker.send()
    worker.clock.forward(TAKEN_IN_S)
    await traffic(api, worker, ann, quantities=(200, 100, 300))
    await worker.settle()
    assert ["unsure"] * 2 == [await state(stocked, order) for order in (lost, silent)], "no bills after them yet"
    worker.clock.forward(BEYOND_THE_END_S)
    await worker.follow()
    worker.clock.forward(TAKEN_IN_S)
    await worker.settle()
    assert ["queued", "pending"] == [await state(stocked, order) for order in (lost, silent)]
    assert [("accepted", str(*await bought(stocked, at("timeout"))))] == await attempts(stocked, silent)
    assert [] == await broken(stocked)


async def test_a_look_that_ends_late_puts_off_its_own_attempt_alone(api, worker, stocked, ann):
    order = await unsure(api, worker, ann, "timeout")
    later = worker.clock() + timedelta(hours=1)
    for number, due in ((0, None), (1, later)):
        await looks.schedule_check(stocked, [((order, 1, number), later)])
        assert [(due,)] == await fetch(stocked, "select due from delivery where order_id = %s", order)


async def test_two_at_once_that_ask_for_the_same_and_were_both_bought_are_both_accepted(
    api, worker, stocked, ann, busy
):
    orders = [await api.add(ann.key, link=at("timeout")) for _ in range(2)]
    await worker.send()
    worker.clock.forward(TAKEN_IN_S)
    await traffic(api, worker, ann)
    await worker.settle()
    theirs = [(await attempts(stocked, order))[0][1] for order in orders]
    assert sorted(await bought(stocked, at("timeout"))) == sorted(map(int, theirs))
    assert [] == await broken(stocked)


async def test_two_at_once_that_were_both_lost_are_both_sent_again(api, worker, stocked, ann, busy):
    orders = [await api.add(ann.key, link=at("lost", which)) for which in range(2)]
    await worker.send()
    worker.clock.forward(TAKEN_IN_S)
    await traffic(api, worker, ann)
    await worker.settle()
    assert ["queued"] * 2 == [await state(stocked, order) for order in orders]


async def test_a_worker_that_died_while_sending_leaves_something_to_settle(api, worker, stocked, ann, busy):
    order = await api.add(ann.key, link=at("me", "mine"))
    await stocked.execute(
        "update delivery set state = 'sending', attempt = 1, fence = 1, due = null, sent = %s, lease_until = %s "
        "where order_id = %s", [worker.clock(), worker.clock() + timedelta(seconds=20), order],
    )  # fmt: skip
    await stocked.execute(
        "insert into attempt (order_id, run, number, provider_id, provider_service, outcome, fence, sent) "
        "values (%s, 1, 1, 1, '1', 'sending', 1, %s)", [order, worker.clock()],
    )  # fmt: skip
    worker.clock.forward(30)
    await worker.housekeeper.step()
    assert "unsure" == await state(stocked, order)
    worker.clock.forward(TAKEN_IN_S)
    await traffic(api, worker, ann)
    await worker.settle()
    await worker.send()
    assert [("declined", None), ("accepted",)] == [
        (await attempts(stocked, order))[0], (await attempts(stocked, order))[1][:1]
    ]  # fmt: skip
    assert 1 == len(await bought(stocked, at("me", "mine")))
    assert [] == await broken(stocked)


def numbered(fake, ours, unknown="Incorrect order ID"):
    """A panel that gives out every tenth id to us, and knows of the others what it is told."""

    def status(form):
        ids = form.get("orders", form.get("order", "")).split(",")
        return {
            one: {"status": "Pending", "remains": "100", "charge": "1"} if int(one) in ours else {"error": unknown}
            for one in ids
        }

    def add(form):
        if form["link"].endswith("odd"):
            return (500, b"")
        ours.add(10 * (len(fake.requests) + 1))
        return {"order": max(ours)}

    fake.answers |= {"add": add, "status": status}


async def around(api, worker, who):
    """An unsure order with traffic before and after it."""
    await plain(api, worker, who)
    order = await api.add(who.key, link="https://example.com/odd")
    await worker.send()
    worker.clock.forward(TAKEN_IN_S)
    await plain(api, worker, who)
    return order


async def plain(api, worker, who):
    for _ in range(NEIGHBOURS):
        worker.clock.forward(6)
        await api.add(who.key)
        await worker.send()
    worker.clock.forward(6)


@pytest.mark.parametrize("unknown", ["Temporarily unavailable", "Too many requests", ""])
async def test_words_that_do_not_say_unknown_prove_nothing(api, stocked, ann, lied_to, unknown):
    worker, fake = lied_to
    numbered(fake, set(), unknown)
    order = await around(api, worker, ann)
    await worker.settle()
    assert ("unsure", [("neighbours", "unanswered")]) == (await state(stocked, order), await concluded(stocked, order))


async def test_a_provider_that_does_not_know_our_own_orders_proves_nothing(api, stocked, ann, lied_to):
    worker, fake = lied_to
    ours: set[int] = set()
    numbered(fake, ours)
    order = await around(api, worker, ann)
    ours.clear()
    await worker.settle()
    assert ("unsure", [("neighbours", "unanswered")]) == (await state(stocked, order), await concluded(stocked, order))


async def test_a_provider_that_answers_for_strangers_orders_settles_nothing(api, stocked, ann, lied_to):
    worker, fake = lied_to
    numbered(fake, set())
    order = await around(api, worker, ann)
    fake.answers["status"] = lambda form: {
        one: {"status": "Completed", "remains": "0", "charge": "1"} for one in form["orders"].split(",")
    }
    await worker.settle()
    assert ("unsure", [("neighbours", "ambiguous")]) == (await state(stocked, order), await concluded(stocked, order))


async def test_a_provider_that_does_not_answer_is_asked_again_later(api, stocked, ann, lied_to):
    worker, fake = lied_to
    ours: set[int] = set()
    numbered(fake, ours)
    order = await around(api, worker, ann)
    status, fake.answers["status"] = fake.answers["status"], (500, b"")
    assert (1, 0) == (await worker.settle(), await worker.settle())
    assert "unsure" == await state(stocked, order)
    fake.answers["status"] = status
    worker.clock.forward(600)
    await worker.settle()
    assert "queued" == await state(stocked, order)


async def test_a_provider_without_numbers_or_with_too_many_orders_between_is_left_to_the_operator(
    api, stocked, ann, lied_to
):
    worker, fake = lied_to
    for prefix, step, why in (("x", 1, "not_growing"), ("", 5000, "too_many_ids")):
        count = iter(range(step, 10**6, step))
        fake.answers["add"] = lambda form, prefix=prefix, count=count: (
            (500, b"") if form["link"].endswith("odd") else {"order": f"{prefix}{next(count)}"}
        )
        order = await around(api, worker, ann)
        calls = len(fake.requests)
        await worker.settle()
        assert (why, calls) == ((await concluded(stocked, order))[-1][1], len(fake.requests))
        await stocked.execute("update attempt set provider_id = 99")
        await stocked.execute("update delivery set state = 'held' where state = 'unsure'")


async def test_a_look_that_finds_what_the_last_one_found_leaves_no_second_row(api, worker, stocked, ann, busy):
    pair = [await api.add(ann.key, link=at(behaviour)) for behaviour in ("lost", "timeout")]
    await worker.send()
    for _ in range(3):
        worker.clock.forward(600)
        await traffic(api, worker, ann)
        await worker.settle()
    assert [("neighbours", "ambiguous")] * 2 == [row for order in pair for row in await concluded(stocked, order)]


def a_small_panel(answer):
    """Answers of a panel that numbers its orders from 1, and answers an ``add`` of the link ``odd`` with ``said``."""
    book: set[str] = set()

    def add(form):
        if form["link"] == at("odd"):
            return answer
        book.add(str(len(book) + 1))
        return {"order": len(book)}

    def status(form):
        ids = form["orders"].split(",") if "orders" in form else [form["order"]]
        statuses = {one: {"status": "Pending"} if one in book else {"error": "Incorrect order ID"} for one in ids}
        return statuses if "orders" in form else statuses[form["order"]]

    return {"add": add, "status": status}


async def ordinary(api, worker, who):
    for number in range(NEIGHBOURS):
        worker.clock.forward(6)
        await api.add(who.key, link=at("me", number))
        await worker.send()
    worker.clock.forward(6)


@pytest.mark.parametrize(
    ("answer", "ends"),
    [
        ({"error": "Pick something else"}, "canceled"),
        ({"status": "fail", "message": "Pick something else"}, "canceled"),
        ({"error": "Something went wrong"}, "queued"),
        ({"error": "Try again later"}, "queued"),
        ({"error": "error"}, "queued"),
        ({"error": "Pick something else", "order_id": "77"}, "queued"),
        ((500, {"error": "Pick something else"}), "queued"),
        (b"<html>Pick something else</html>", "queued"),
        (b"", "queued"),
    ],
)
async def test_words_before_what_is_proved_not_to_be_bought_are_its_refusal(api, stocked, ann, lied_to, answer, ends):
    worker, fake = lied_to
    fake.answers |= a_small_panel(answer)
    await ordinary(api, worker, ann)
    order = await unsure(api, worker, ann, "odd")
    worker.clock.forward(TAKEN_IN_S)
    await ordinary(api, worker, ann)
    assert 1 == await worker.settle()
    assert [("neighbours", "not_bought")] == await concluded(stocked, order)
    assert ends == await state(stocked, order)
    assert [] == await broken(stocked)
