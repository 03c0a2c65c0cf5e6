"""Handing on to providers that refuse, lie, are away or late: nothing is bought twice, nothing applied blindly."""

import asyncio
from datetime import timedelta

import pytest
from tests.panel import DEFAULT, DRIP, PACKAGE, balance, books, broken, fetch, until
from tests.works import TIMEOUT_S, Works, open_liar

from opensmm.actions import progress
from opensmm.actions.dispatch import LEASE_MARGIN_S, _ask
from opensmm.domain.dispatch import Accepted, NotSent
from opensmm.domain.orders import OrderStatus
from opensmm.domain.progress import Report
from opensmm.providers.desk import Contact
from opensmm.store import catalogue as rows
from opensmm.store import dispatch as dispatch_rows
from opensmm.store import progress as progress_rows

FUNDS, CHARGE = 10_000_000, 9_000


async def state(conn, order, run=1):
    found = await fetch(conn, "select state from delivery where order_id = %s and run = %s", order, run)
    return found[0][0]


async def attempts(conn, order):
    return await fetch(conn, "select outcome, provider_order from attempt where order_id = %s order by number", order)


@pytest.fixture
async def lied_to(stocked, database, clock):
    async with open_liar(database.app_url, clock) as (works, liar):
        yield works, liar


REFUSAL = {"error": "Not enough funds on balance"}


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
        ({"error": "Temporarily unavailable"}, "unsure", ("unsure", None)),
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
    works, liar = lied_to
    liar.answers["add"] = answer
    order = await api.add(ann.key)
    await works.send()
    await works.send()
    assert (ends, [outcome], 1) == (await state(stocked, order), await attempts(stocked, order), len(liar.asked))
    assert FUNDS - (0 if ends == "canceled" else CHARGE) == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_what_is_sent_is_what_was_bought(api, ann, lied_to):
    works, liar = lied_to
    liar.answers["add"] = {"order": 7}
    await api.add(ann.key, DRIP, quantity=70, runs=3, interval=5, link="https://example.com/?a=1&b=2")
    await works.send()
    asked = liar.asked[0] | {"key": ""}
    expected = {"action": "add", "service": str(DRIP), "link": "https://example.com/?a=1&b=2", "quantity": "70"}
    assert expected | {"key": ""} == asked


async def test_two_deliveries_never_share_one_providers_order(api, ann, stocked, lied_to):
    works, liar = lied_to
    liar.answers["add"] = {"order": 7}
    first, second = await api.add(ann.key), await api.add(ann.key)
    await works.send()
    told = sorted([await state(stocked, first), await state(stocked, second)])
    assert ["pending", "unsure"] == told
    assert [("7",)] == await fetch(stocked, "select provider_order from attempt where provider_order is not null")
    assert [] == await broken(stocked)


async def test_a_refused_order_goes_to_the_next_provider_and_no_further(api, ann, stocked, lied_to):
    works, liar = lied_to
    provider = await rows.save_provider(stocked, "Other", "sandbox", "sandbox:", "USD")
    await stocked.execute(
        "insert into route (service_id, position, provider_id, provider_service) values (%s, 1, %s, '77')",
        [DEFAULT, provider],
    )
    await works.chores.step()
    liar.answers["add"] = lambda form: {"order": 7} if form["service"] == "77" else REFUSAL
    order = await api.add(ann.key)
    await works.send()
    assert ("queued", [("declined", None)]) == (await state(stocked, order), await attempts(stocked, order))
    await works.send()
    assert ("pending", [("declined", None), ("accepted", "7")]) == (
        await state(stocked, order),
        await attempts(stocked, order),
    )
    assert [] == await broken(stocked)


async def test_a_refused_order_is_held_where_the_operator_wants_to_look(api, ann, stocked, lied_to):
    works, liar = lied_to
    await stocked.execute("update service set hold_when_refused = true where id = %s", [DEFAULT])
    liar.answers["add"] = REFUSAL
    order = await api.add(ann.key)
    await works.send()
    assert "held" == await state(stocked, order)
    assert "Processing" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_an_order_that_nobody_fulfils_is_held(api, ann, stocked, works):
    await stocked.execute("update route set service_id = -service_id")
    order = await api.add(ann.key)
    assert 0 == await works.send()
    assert ("held", []) == (await state(stocked, order), await attempts(stocked, order))


async def test_a_provider_that_cannot_be_reached_gets_the_order_later_and_is_left_alone_meanwhile(
    api, ann, stocked, database, clock
):
    away = Works(database.app_url, "http://127.0.0.1:9/api/v2", clock)
    order = await api.add(ann.key)
    pauses = []
    for _ in range(4):
        await away.chores.step()
        assert 1 == await away.send()
        assert 0 == await away.send()
        ((until,),) = await fetch(stocked, "select resting_until from provider")
        pauses.append(round((until - clock()).total_seconds()))
        clock.forward(pauses[-1])
    assert [1, 2, 5, 15] == pauses
    assert ("queued", [("declined", None)] * 4) == (await state(stocked, order), await attempts(stocked, order))
    await away.close()
    assert [] == await broken(stocked)


async def test_a_provider_that_is_well_again_is_called_at_once(api, ann, stocked, works, clock):
    await stocked.execute("update provider set failures = 6, resting_until = %s", [clock() + timedelta(minutes=1)])
    order = await api.add(ann.key)
    assert 0 == await works.send()
    clock.forward(60)
    assert 1 == await works.send()
    assert [(0, None)] == await fetch(stocked, "select failures, resting_until from provider")
    assert "pending" == await state(stocked, order)


async def test_a_disabled_provider_is_sent_nothing(api, ann, stocked, works):
    await stocked.execute("update provider set enabled = false")
    order = await api.add(ann.key)
    assert (0, "queued") == (await works.send(), await state(stocked, order))


async def test_sending_is_committed_before_the_first_byte_leaves(api, ann, stocked, lied_to):
    works, liar = lied_to
    arrived, answer = asyncio.Event(), asyncio.Event()
    order = await api.add(ann.key)
    contact = works.desk.contact(1)

    add = contact.provider.add

    async def slowly(ask):
        arrived.set()
        await answer.wait()
        return await add(ask)

    contact.provider.add = slowly
    liar.answers["add"] = {"order": 7}
    tasks = await works.dispatching.step(10)
    await arrived.wait()
    assert ("sending", [("sending", None)]) == (await state(stocked, order), await attempts(stocked, order))
    assert "Processing" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    answer.set()
    await asyncio.gather(*tasks)
    assert "pending" == await state(stocked, order)


async def leave_behind(works, clock):
    """Claims as a worker that dies before it has sent anything."""
    async with (await works._lines[0].get()).transaction():
        return await dispatch_rows.claim(
            await works._lines[0].get(), clock(), clock(), clock() + timedelta(seconds=TIMEOUT_S + LEASE_MARGIN_S), 10
        )


async def test_what_a_dead_worker_was_sending_becomes_unsure_once_its_lease_is_over(api, ann, stocked, works, clock):
    order = await api.add(ann.key)
    assert 1 == len(await leave_behind(works, clock))
    await works.round(LEASE_MARGIN_S)
    assert "sending" == await state(stocked, order)
    await works.round(1)
    await works.round(3600)
    assert ("unsure", [("unsure", None)]) == (await state(stocked, order), await attempts(stocked, order))
    assert [] == await fetch(stocked, "select from sandbox_order")
    assert [] == await broken(stocked)


async def test_a_late_answer_still_counts_where_nobody_else_has_the_order(api, ann, stocked, lied_to, clock):
    works, liar = lied_to
    order = await api.add(ann.key)

    def answer(form):
        clock.forward(3600)
        return {"order": 7}

    liar.answers["add"] = answer
    tasks = await works.dispatching.step(10)
    await asyncio.gather(*tasks)
    assert ("pending", [("accepted", "7")]) == (await state(stocked, order), await attempts(stocked, order))


async def test_a_late_answer_is_heard_after_the_delivery_became_unsure(api, ann, stocked, works, clock):
    order = await api.add(ann.key)
    (claim,) = await leave_behind(works, clock)
    await works.round(3600)
    assert "unsure" == await state(stocked, order)
    await works.dispatching._keep(claim, Accepted("late-1"))
    assert ("pending", [("accepted", "late-1")]) == (await state(stocked, order), await attempts(stocked, order))
    assert [] == await broken(stocked)


async def test_an_answer_to_a_claim_that_is_no_longer_ours_changes_nothing(api, ann, stocked, works, clock):
    order = await api.add(ann.key)
    (claim,) = await leave_behind(works, clock)
    await stocked.execute("update delivery set fence = fence + 1, attempt = 2 where order_id = %s", [order])
    await works.dispatching._keep(claim, Accepted("late-1"))
    assert "sending" == await state(stocked, order)


async def test_what_waited_too_long_for_its_turn_is_not_sent_after_its_lease(api, ann, stocked, lied_to, clock):
    works, liar = lied_to
    contact = works.desk.contact(1)
    works.desk._contacts[1] = Contact(contact.row, contact.provider, asyncio.Semaphore(1))

    def answer(form):
        clock.forward(LEASE_MARGIN_S)
        return {"order": len(liar.asked)}

    liar.answers["add"] = answer
    for _ in range(3):
        await api.add(ann.key)
    await works.send()
    assert (1, [("pending", 1), ("queued", 2)]) == (
        len(liar.asked),
        await fetch(stocked, "select state, count(*) from delivery group by state order by 1"),
    )
    for _ in range(2):
        clock.forward(1)
        await works.send()
    assert 3 == len(liar.asked)
    assert [] == await broken(stocked)


async def test_an_answer_is_recorded_once_the_database_is_back(api, ann, stocked, works):
    order = await api.add(ann.key)
    records = works._lines[1]
    real = records.url
    records.url = real.replace("/test_", "/no_such_")
    tasks = await works.dispatching.step(10)
    await until(lambda: fetch(stocked, "select from sandbox_order"))
    records.url = real
    await asyncio.gather(*tasks)
    assert "pending" == await state(stocked, order)


async def test_two_workers_never_send_the_same_delivery(api, ann, stocked, database, lied_to, clock):
    works, liar = lied_to
    liar.answers["add"] = lambda form: {"order": len(liar.asked)}
    orders = [await api.add(ann.key) for _ in range(40)]
    other = Works(database.app_url, works.desk._sandbox_url, clock)
    await other.chores.step()
    sent = await asyncio.gather(works.send(25), other.send(25), works.send(25), other.send(25))
    await works.send()
    await other.close()
    assert (len(orders), len(orders)) == (sum(sent), len(liar.asked))
    assert [] == await broken(stocked)


async def follow_once(works, liar, status, seconds=5):
    liar.answers["status"] = status
    works.clock.forward(seconds)
    await works.follow()


@pytest.mark.parametrize(
    "status",
    [
        {"7": {"status": "Odd word", "remains": "5"}},
        {"7": {"error": "Incorrect order ID"}},
        {"error": "Incorrect order ID"},
        {"8": {"status": "Completed", "remains": "0"}},
        [],
        None,
        b"<html>",
        b'{"7": {"status": "Completed", "status": "Canceled"}}',
        b'{"7": {"status": "Completed"',
        (500, {"7": {"status": "Completed", "remains": "0"}}),
        (302, b""),
    ],
)
async def test_what_cannot_be_understood_changes_nothing(api, ann, stocked, lied_to, status):
    works, liar = lied_to
    liar.answers["add"] = {"order": 7}
    await api.add(ann.key)
    await works.send()
    before = await books(stocked)
    await follow_once(works, liar, status)
    after = await books(stocked)
    assert (before["transfers"], before["orders"]) == (after["transfers"], after["orders"])
    assert [("pending", None)] == await fetch(stocked, "select state, remains from delivery")
    await follow_once(works, liar, {"7": {"status": "Completed", "remains": "0"}}, seconds=100)
    assert [("completed",)] == await fetch(stocked, "select state from orders")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"status": "In progress", "remains": "101", "start_count": "7"}, ("in_progress", None, 7)),
        ({"status": "inprogress", "remains": -1, "start_count": None}, ("in_progress", None, None)),
        ({"status": "In Progress", "remains": "1e3"}, ("in_progress", None, None)),
        ({"status": "IN_PROGRESS", "remains": "40", "start_count": ""}, ("in_progress", 40, None)),
        ({"status": "Processing", "remains": 40, "start_count": "1,234"}, ("processing", 40, 1234)),
    ],
)
async def test_a_providers_word_is_bounded(api, ann, stocked, lied_to, said, kept):
    works, liar = lied_to
    liar.answers["add"] = {"order": 7}
    await api.add(ann.key)
    await works.send()
    await follow_once(works, liar, {"7": said})
    state_, remains, start = kept
    assert [(state_, 100 if remains is None else remains, start)] == await fetch(
        stocked, "select state, remains, start_count from delivery"
    )


@pytest.mark.parametrize(
    "said",
    [
        {"status": "Partial", "remains": "101"},
        {"status": "Partial", "remains": "0"},
        {"status": "Partial"},
        {"status": "Canceled", "remains": "0", "charge": "0.5"},
        {"status": "Canceled", "remains": "999"},
    ],
)
async def test_an_end_that_cannot_be_believed_goes_to_the_operator(api, ann, stocked, lied_to, said):
    works, liar = lied_to
    liar.answers["add"] = {"order": 7}
    order = await api.add(ann.key)
    await works.send()
    await follow_once(works, liar, {"7": said})
    assert "held" == await state(stocked, order)
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    assert 0 == await works.follow()
    assert [] == await broken(stocked)


async def test_a_partial_package_goes_to_the_operator(api, ann, stocked, lied_to):
    works, liar = lied_to
    liar.answers["add"] = {"order": 7}
    order = await api.add(ann.key, PACKAGE)
    await works.send()
    await follow_once(works, liar, {"7": {"status": "Partial", "remains": "1"}})
    assert "held" == await state(stocked, order)


@pytest.mark.parametrize("charge", ["1e99", "99999999999999", "-5", "NaN", "0.000000000000000001"])
async def test_a_mad_cost_neither_stops_the_order_nor_its_neighbours(api, ann, stocked, lied_to, charge):
    works, liar = lied_to
    liar.answers["add"] = lambda form: {"order": len(liar.asked)}
    for _ in range(2):
        await api.add(ann.key)
    await works.send()
    done = {"status": "Completed", "remains": "0"}
    await follow_once(works, liar, {"1": done | {"charge": charge}, "2": done | {"charge": "0.01"}})
    assert [("completed",), ("completed",)] == await fetch(stocked, "select state from orders")
    assert [] == await broken(stocked)


async def test_ids_swapped_or_repeated_in_an_answer_are_read_by_their_names(api, ann, stocked, lied_to):
    works, liar = lied_to
    liar.answers["add"] = lambda form: {"order": len(liar.asked)}
    first, second = await api.add(ann.key), await api.add(ann.key)
    await works.send()
    said = [
        {"order": 2, "status": "Completed", "remains": 0},
        {"order": 3, "status": "Completed", "remains": 0},
        {"order": 1, "status": "Partial", "remains": 50},
    ]
    await follow_once(works, liar, said)
    theirs = dict(await fetch(stocked, "select order_id, provider_order from attempt"))
    told = {
        theirs[order]: (await fetch(stocked, "select state from orders where id = %s", order))[0][0] for order in theirs
    }
    assert {"1": "partial", "2": "completed"} == told
    assert {first, second} == set(theirs)


async def test_a_hundred_ids_are_asked_for_at_a_time(api, ann, stocked, lied_to):
    works, liar = lied_to
    liar.answers["add"] = lambda form: {"order": len(liar.asked)}
    for _ in range(130):
        await api.add(ann.key, quantity=10)
    await works.send()
    liar.asked.clear()
    await follow_once(works, liar, {})
    assert [30, 100] == sorted(len(form["orders"].split(",")) for form in liar.asked)


async def test_an_older_answer_never_overwrites_a_newer_one(api, ann, stocked, lied_to, clock):
    works, liar = lied_to
    liar.answers["add"] = {"order": 7}
    await api.add(ann.key)
    await works.send()
    clock.forward(100)
    asked = clock()
    async with stocked.transaction():
        late = (await progress_rows.claim(stocked, asked, asked, 10))[0]
    clock.forward(1)
    liar.answers["status"] = {"7": {"status": "In progress", "remains": "10"}}
    await works.follow()
    stale = progress.told_of(late, Report(status=OrderStatus.PENDING, remains=100), asked, clock())
    async with stocked.transaction():
        await progress.record(stocked, [stale], asked, clock())
    assert [("in_progress", 10)] == await fetch(stocked, "select state, remains from delivery")


async def test_a_cancel_that_the_provider_refuses_may_be_asked_for_again(api, ann, stocked, lied_to):
    works, liar = lied_to
    liar.answers["add"] = {"order": 7}
    order = await api.add(ann.key)
    await works.send()
    await api.ask("v2", ann.key, "cancel", orders=order)
    liar.answers["cancel"] = [{"order": 7, "cancel": {"error": "Order cannot be canceled"}}]
    assert (1, 0) == (await works.following.pass_on_cancels(10), await works.following.pass_on_cancels(10))
    await api.ask("v2", ann.key, "cancel", orders=order)
    liar.answers["cancel"] = [{"order": 7, "cancel": 1}]
    assert (1, 0) == (await works.following.pass_on_cancels(10), await works.following.pass_on_cancels(10))
    assert FUNDS - CHARGE == await balance(stocked, ann.id)


async def test_a_cancel_without_an_answer_is_passed_on_again_after_a_pause(api, ann, stocked, lied_to, clock):
    works, liar = lied_to
    liar.answers["add"] = {"order": 7}
    order = await api.add(ann.key)
    await works.send()
    await api.ask("v2", ann.key, "cancel", orders=order)
    liar.answers["cancel"] = (500, b"")
    assert 0 == await works.following.pass_on_cancels(10)
    liar.answers["cancel"] = [{"order": "7", "cancel": 1}]
    assert 0 == await works.following.pass_on_cancels(10)
    clock.forward(10)
    assert 1 == await works.following.pass_on_cancels(10)


async def test_a_cancel_asked_while_it_was_being_sent_is_passed_on_when_it_is_there(api, ann, stocked, works, clock):
    order = await api.add(ann.key, link="https://example.com/stuck")
    (claim,) = await leave_behind(works, clock)
    assert [{"order": order, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", orders=order)
    assert 0 == await works.following.pass_on_cancels(10)
    contact = works.desk.contact(claim.provider)
    await works.dispatching._keep(claim, await contact.provider.add(_ask(claim)))
    await works.round(2)
    assert "Canceled" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    assert FUNDS == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_a_cancel_asked_while_a_send_came_to_nothing_ends_the_order(api, ann, stocked, works, clock):
    order = await api.add(ann.key)
    (claim,) = await leave_behind(works, clock)
    assert [{"order": order, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", orders=order)
    await works.dispatching._keep(claim, NotSent("not sent: no route to host"))
    assert "Canceled" == (await api.ask("v2", ann.key, "status", order=order))["status"]
    assert FUNDS == await balance(stocked, ann.id)
    assert [] == await broken(stocked)
