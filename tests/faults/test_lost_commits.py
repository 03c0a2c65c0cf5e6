"""The answer to a COMMIT is lost, or the COMMIT itself: an order is placed once or not at all, never twice.

``OPENSMM_TEST_CUTS`` says how many of them (``make lost-commits CUTS=10000`` is the long run).
"""

import asyncio
import os
import random
import sys

import pytest
from rich.console import Console
from rich.progress import track
from tests.faults import proxy
from tests.faults.proxy import COMMIT, KEEP, Cut
from tests.panel import LINK, at_last, balance, broken, buyer, fetch, open_api, until

CUTS = int(os.environ.get("OPENSMM_TEST_CUTS", "40"))
SEED = int(os.environ.get("OPENSMM_TEST_SEED", "0")) or random.randrange(10**6)
AT_ONCE = 6
CUTS_A_VERIFY = 500
CHARGE = 9_000
FUNDS = 10_000_000


@pytest.fixture
async def cutting(stocked, database, clock):
    """The API whose way to the database leads through a proxy."""
    async with proxy.before(database.app_url) as (between, url), open_api(url, clock) as api:
        yield between, api


async def place(api, who, **fields):
    """(status, what was said) of an order; a fault of the moment is no exception here."""
    form = {"key": who.key, "action": "add", "service": 1, "link": LINK, "quantity": 100}
    answer = await api.form("v2", form | fields)
    return answer.status, answer.said


async def read_orders(conn):
    return [order for (order,) in await fetch(conn, "select id from orders order by id")]


UNAVAILABLE = (503, {"error": "Temporarily unavailable"})


@pytest.mark.parametrize("cut", [Cut.AFTER, Cut.ANSWERED])
@pytest.mark.parametrize("attempt", range(5))
async def test_an_order_whose_commit_went_unanswered_is_placed_once(cutting, stocked, ann, cut, attempt):
    between, api = cutting
    assert (200, {"order": 1}) == await place(api, ann)
    between.cut_next(cut, KEEP)
    answer = await place(api, ann)
    assert answer in ((200, {"order": 2}), UNAVAILABLE)
    orders = await read_orders(stocked)
    assert (1, [1, 2] if answer[0] == 200 else [1]) == (between.cuts, orders)
    assert FUNDS - CHARGE * len(orders) == await balance(stocked, ann.id)
    assert 200 == (await place(api, ann))[0]
    assert [] == await broken(stocked)


@pytest.mark.parametrize("attempt", range(3))
async def test_an_order_whose_commit_was_never_sent_is_not_placed(cutting, stocked, ann, attempt):
    between, api = cutting
    assert 200 == (await place(api, ann))[0]
    between.cut_next(Cut.BEFORE, KEEP)
    assert (UNAVAILABLE, 1) == (await place(api, ann), between.cuts)
    assert ([1], FUNDS - CHARGE) == (await read_orders(stocked), await balance(stocked, ann.id))
    assert 200 == (await place(api, ann))[0]
    assert [] == await broken(stocked)


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize("attempt", range(5))
async def test_with_an_idempotency_key_the_repeat_gives_the_same_single_order(cutting, stocked, ann, cut, attempt):
    between, api = cutting
    assert 200 == (await place(api, ann, idempotency_key="first"))[0]
    between.cut_next(cut, COMMIT)
    first = await place(api, ann, idempotency_key="second")
    assert 1 == between.cuts
    assert first[0] == 200 if cut is Cut.ANSWERED else first[0] in (200, 503)
    if cut is Cut.BEFORE:
        assert (UNAVAILABLE, 1) == (first, len(await read_orders(stocked)))
        assert FUNDS - CHARGE == await balance(stocked, ann.id)
    again = await place(api, ann, idempotency_key="second")
    assert again[0] == 200
    assert first in (again, UNAVAILABLE)
    assert (2, FUNDS - 2 * CHARGE) == (len(await read_orders(stocked)), await balance(stocked, ann.id))
    assert [] == await broken(stocked)


@pytest.mark.parametrize("statement", [KEEP, COMMIT], ids=["keep", "commit"])
@pytest.mark.parametrize("cut", Cut)
async def test_a_whole_batch_is_settled_as_one(cutting, stocked, ann, cut, statement):
    between, api = cutting
    keys = [f"key {at}" if statement is COMMIT else "" for at in range(60)]
    await place(api, ann)
    between.cut_next(cut, statement)
    answers = await asyncio.gather(*(place(api, ann, idempotency_key=key) for key in keys))
    assert 1 == between.cuts
    reports = [answer["order"] for status, answer in answers if status == 200]
    assert {200, 503} >= {status for status, _ in answers}
    orders = await read_orders(stocked)
    assert (orders[1:], len(reports)) == (sorted(reports), len(set(reports)))
    assert FUNDS - CHARGE * len(orders) == await balance(stocked, ann.id)
    assert [] == await broken(stocked)


class Crowd:
    """Customers who order at the same moment, half of them under names, which they repeat until they are answered."""

    def __init__(self, api, who):
        self.api, self.who = api, who
        self.named, self.plain = {}, []

    async def order(self, name):
        while name and name not in self.named:
            status, answer = await place(self.api, self.who, idempotency_key=name)
            if status == 200:
                self.named[name] = answer["order"]
        if not name:
            status, answer = await place(self.api, self.who)
            if status == 200:
                self.plain.append(answer["order"])


async def test_however_many_commits_are_lost_no_order_is_lost_or_doubled(cutting, stocked, database):
    sys.stderr.write(f"seed {SEED}, {CUTS} cuts\n")
    between, api = cutting
    dice, who = random.Random(SEED), await buyer(stocked, "1000000.00")
    crowd = Crowd(api, who)
    for number in track(range(CUTS), "commits cut", console=Console(stderr=True), disable=CUTS < CUTS_A_VERIFY):
        statement = dice.choice((KEEP, COMMIT))
        between.cut_next(dice.choice(list(Cut)), statement)
        names = [f"{number}-{at}" if at % 2 or statement is COMMIT else "" for at in range(AT_ONCE)]
        await asyncio.gather(*(crowd.order(name) for name in names))
        if number % CUTS_A_VERIFY == 0:
            assert [] == await broken(stocked)
    orders = await read_orders(stocked)
    reports = [*crowd.named.values(), *crowd.plain]
    by_name = dict(await fetch(stocked, "select key, order_id from idempotency"))
    assert CUTS == between.cuts
    assert (len(reports), crowd.named) == (len(set(reports)), by_name)
    assert set(reports) <= set(orders)
    assert 100_000_000_000 - CHARGE * len(orders) == await balance(stocked, who.id)
    assert [] == await broken(stocked)


async def test_while_the_database_is_away_everything_is_refused_fast_and_works_again_when_it_is_back(
    cutting, stocked, ann
):
    between, api = cutting
    assert 200 == (await place(api, ann))[0]
    await between.down()
    for action in ("balance", "status", "add", "services", "cancel", "refill", "orders", "refill_status"):
        fields = {"service": 1, "link": LINK, "quantity": 100, "order": 1, "refill": 1}
        form = {"key": ann.key, "action": action} | fields
        answers = [await at_last(api.form("v2", form)) for _ in range(3)]
        if action != "services":
            assert {(503, "1")} == {(answer.status, answer.headers.get("retry-after")) for answer in answers}
        assert all(answer.status in (200, 503) for answer in answers)
    answer = await api.form("v2", {"key": "k" * 40, "action": "balance"})
    assert (503, {"error": "Temporarily unavailable"}) == (answer.status, answer.said)
    await between.up()

    async def back():
        return (await place(api, ann))[0] == 200

    await until(back)
    assert 200 == (await api.form("v2", {"key": ann.key, "action": "balance"})).status
    assert [] == await broken(stocked)


async def test_an_api_that_started_without_its_database_never_shows_an_empty_price_list(stocked, database, ann):
    async with proxy.before(database.app_url) as (between, url):
        await between.down()
        async with open_api(url) as api:
            answer = await api.form("v2", {"key": ann.key, "action": "services"})
            assert 503 == answer.status
            await between.up()

            async def back():
                answer = await api.form("v2", {"key": ann.key, "action": "services"})
                assert answer.status == 503 or len(answer.said) > 10
                return answer.status == 200

            await until(back)
            assert {"balance": "100.00", "currency": "USD"} == await api.ask("v2", ann.key, "balance")


async def test_callers_that_give_up_leave_the_lane_and_the_books_in_order(api, stocked, ann):
    waiting = [asyncio.create_task(place(api, ann, link=f"{LINK}/{at}")) for at in range(200)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for task in waiting[::2]:
        task.cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert 100 <= sum(isinstance(task, tuple) and task[0] == 200 for task in answers)
    orders = await read_orders(stocked)
    assert FUNDS - CHARGE * len(orders) == await balance(stocked, ann.id)
    reported = {task[1]["order"] for task in answers if isinstance(task, tuple)}
    assert reported <= set(orders)
    assert [] == await broken(stocked)
