"""Orders fulfilled by the real sandbox over HTTP: every behaviour it knows ends as it should, and the books agree."""

import pytest
from tests.panel import DEFAULT, DRIP, balance, broken, fetch
from tests.stepped_worker import BEYOND_THE_END_S

FUNDS = 10_000_000
CHARGE = 9_000


def at(behaviour):
    return f"https://example.com/{behaviour}"


async def status(api, who, order):
    return await api.ask("v2", who.key, "status", order=order)


async def settled(conn, order):
    return (await fetch(conn, "select state, charge, earned, refunded, remains from orders where id = %s", order))[0]


async def outcomes(conn, order):
    return await fetch(conn, "select outcome from attempt where order_id = %s order by run, number", order)


@pytest.mark.parametrize(
    ("behaviour", "word", "earned", "remains"),
    [
        ("me", "Completed", CHARGE, 0),
        ("drop", "Completed", CHARGE, 0),
        ("partial-40", "Partial", 3_600, 60),
        ("partial-0", "Canceled", 0, 100),
        ("canceled", "Canceled", 0, 100),
    ],
)
async def test_an_order_ends_as_its_link_says(api, worker, stocked, ann, behaviour, word, earned, remains):
    order = await api.add(ann.key, link=at(behaviour))
    await worker.round()
    await worker.round(BEYOND_THE_END_S)
    answer = await status(api, ann, order)
    assert (word, str(remains), f"0.{earned:05}") == (answer["status"], answer["remains"], answer["charge"])
    assert (word.lower(), CHARGE, earned, CHARGE - earned, remains) == await settled(stocked, order)
    assert FUNDS - earned == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


@pytest.mark.parametrize("behaviour", ["me", "partial-40", "refuse", "garbage"])
async def test_the_sandbox_speaks_the_other_dialect_too(api, worker, stocked, ann, behaviour):
    await stocked.execute("update provider set dialect = 'v1'")
    order = await api.add(ann.key, link=at(behaviour))
    await worker.round()
    await worker.round(BEYOND_THE_END_S)
    ends = {"me": "completed", "partial-40": "partial", "refuse": "canceled", "garbage": "open"}
    assert ends[behaviour] == (await settled(stocked, order))[0]
    assert [] == await broken(stocked)


async def test_an_order_moves_from_pending_through_progress_to_its_end(api, worker, ann):
    order = await api.add(ann.key)
    states = []
    for seconds in (0, 1, 3, 3, 3):
        await worker.round(seconds)
        answer = await status(api, ann, order)
        states.append((answer["status"], int(answer["remains"]), int(answer["start_count"]) > 0))
    assert [
        ("Pending", 100, False),
        ("Pending", 100, False),
        ("In progress", 67, True),
        ("In progress", 17, True),
        ("Completed", 0, True),
    ] == states


async def test_a_refusal_gives_the_money_back_and_is_told_as_cancelled(api, worker, stocked, ann):
    order = await api.add(ann.key, link=at("refuse"))
    await worker.round()
    assert ("canceled", CHARGE, 0, CHARGE, 100) == await settled(stocked, order)
    assert [("declined",)] == await outcomes(stocked, order)
    assert FUNDS == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


@pytest.mark.parametrize(("behaviour", "bought"), [("timeout", 1), ("lost", 0), ("garbage", 1)])
async def test_what_is_unsure_is_never_sent_again_nor_given_back(api, worker, stocked, ann, behaviour, bought):
    order = await api.add(ann.key, link=at(behaviour))
    for _ in range(4):
        await worker.round(3600)
    assert "Processing" == (await status(api, ann, order))["status"]
    assert [("unsure",)] == await outcomes(stocked, order)
    assert ("open", CHARGE, 0, 0, None) == await settled(stocked, order)
    assert bought == len(await fetch(stocked, "select from sandbox_order"))
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_what_was_lost_is_refilled_and_no_money_moves(api, worker, stocked, ann):
    order = await api.add(ann.key, link=at("drop"))
    await worker.round()
    await worker.round(BEYOND_THE_END_S)
    before = await fetch(stocked, "select * from transfer order by id")
    answer = await api.ask("v2", ann.key, "refill", order=order)
    assert {"refill": "1"} == answer
    statuses = []
    for seconds in (0, 3, 3, BEYOND_THE_END_S):
        await worker.round(seconds)
        statuses.append((await api.ask("v2", ann.key, "refill_status", refill=1))["status"])
    assert ["Pending", "In progress", "In progress", "Completed"] == statuses
    assert before == await fetch(stocked, "select * from transfer order by id")
    assert {"status": "Completed"} == await api.ask("v2", ann.key, "refill_status", order=order)
    assert [] == await broken(stocked)


async def test_a_refill_that_the_provider_rejects_is_told_so(api, worker, stocked, ann):
    order = await api.add(ann.key, link=at("no-refill"))
    await worker.round()
    await worker.round(BEYOND_THE_END_S)
    await api.ask("v2", ann.key, "refill", order=order)
    await worker.round()
    await worker.round(3)
    assert {"status": "Rejected"} == await api.ask("v2", ann.key, "refill_status", refill=1)


@pytest.mark.parametrize(
    ("behaviour", "wait_s", "word", "earned"),
    [("stuck", 3600, "Canceled", 0), ("slow", 1, "Canceled", 0), ("slow", 2 + 239, "Partial", 4_500)],
)
async def test_a_cancel_is_passed_on_and_money_moves_when_the_provider_confirms(
    api, worker, stocked, ann, behaviour, wait_s, word, earned
):
    order = await api.add(ann.key, link=at(behaviour))
    await worker.round()
    worker.clock.forward(wait_s)
    assert [{"order": order, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", orders=order)
    assert [{"order": order, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", order=order)
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    await worker.round()
    assert word == (await status(api, ann, order))["status"]
    assert (CHARGE, earned, CHARGE - earned) == (await settled(stocked, order))[1:4]
    assert FUNDS - earned == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_a_stuck_order_stays_pending_for_ever(api, worker, ann):
    order = await api.add(ann.key, link=at("stuck"))
    for _ in range(3):
        await worker.round(24 * 3600)
    assert "Pending" == (await status(api, ann, order))["status"]


async def test_the_runs_of_a_drip_feed_are_released_on_time(api, worker, stocked, ann):
    order = await api.add(ann.key, DRIP, runs=3, interval=10)
    progress = []
    for minutes in (0, 1, 9, 5, 5, 20):
        await worker.round(60 * minutes)
        await worker.round(BEYOND_THE_END_S if minutes == 20 else 0.001)
        runs = await fetch(stocked, "select count(*) from attempt where order_id = %s", order)
        progress.append((runs[0][0], (await status(api, ann, order))["status"]))
    assert [(1, "In progress")] * 2 + [(2, "In progress")] * 2 + [(3, "In progress"), (3, "Completed")] == progress
    assert ("completed", 27_000, 27_000, 0, 0) == await settled(stocked, order)
    assert [] == await broken(stocked)


async def test_after_downtime_runs_are_not_fired_in_a_burst(api, worker, stocked, ann):
    order = await api.add(ann.key, DRIP, runs=5, interval=10)
    await worker.round()
    for _ in range(3):
        await worker.round(3600 * 5)
        await worker.send()
    sent = await fetch(stocked, "select count(*) from attempt where order_id = %s", order)
    assert 4 == sent[0][0]


async def test_a_drip_feed_says_what_of_all_runs_remains(api, worker, ann):
    order = await api.add(ann.key, DRIP, runs=3, interval=10)
    answer = await status(api, ann, order)
    assert ("Pending", "300", "0.27000") == (answer["status"], answer["remains"], answer["charge"])
    await worker.round()
    await worker.round(BEYOND_THE_END_S)
    answer = await status(api, ann, order)
    assert ("In progress", "200", "0.27000") == (answer["status"], answer["remains"], answer["charge"])


async def test_a_cancelled_drip_feed_gives_back_the_runs_not_sent(api, worker, stocked, ann):
    order = await api.add(ann.key, DRIP, runs=3, interval=10)
    await worker.round()
    await worker.round(BEYOND_THE_END_S)
    assert [{"order": order, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", orders=order)
    answer = await status(api, ann, order)
    assert ("Partial", "200", "0.09000") == (answer["status"], answer["remains"], answer["charge"])
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_a_drip_feed_cancelled_while_a_run_is_at_the_provider_ends_with_it(api, worker, stocked, ann):
    order = await api.add(ann.key, DRIP, runs=3, interval=10, link=at("stuck"))
    await worker.round()
    await api.ask("v2", ann.key, "cancel", orders=order)
    assert FUNDS - CHARGE == await balance(stocked, ann.id)
    await worker.round(1)
    assert ("canceled", 27_000, 0, 27_000, 300) == await settled(stocked, order)
    assert FUNDS == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


async def test_a_hundred_orders_of_all_kinds_leave_clean_books(api, worker, stocked, ann):
    kinds = ("me", "partial-40", "canceled", "refuse", "garbage", "drop", "stuck", "partial-7", "slow", "other")
    for at_number in range(100):
        await api.add(ann.key, DEFAULT, link=at(kinds[at_number % len(kinds)]), quantity=10 + at_number)
    await worker.round()
    for _ in range(3):
        await worker.round(BEYOND_THE_END_S)
    states = dict(await fetch(stocked, "select state, count(*) from orders group by state"))
    assert {"completed": 30, "partial": 20, "canceled": 20, "open": 30} == states
    assert [] == await broken(stocked)
