"""Crowds over real HTTP, two API processes, two keys of one customer: nothing is overspent, no order doubled.

``OPENSMM_TEST_CROWDS`` says how often the big one comes (``make crowds TIMES=100`` is the long run).
"""

import asyncio
import os

import aiohttp
import pytest
from rich.console import Console
from rich.progress import track
from tests.faults.processes import apis
from tests.panel import LINK, PEPPER, acting, balance, broken, buyer, fetch, now

from opensmm.actions import customers
from opensmm.actions.customers import make_key

CROWD, AFFORDED = 2_000, 200
TIMES = int(os.environ.get("OPENSMM_TEST_CROWDS", "1"))
BIG_CROWD, MANY_AFFORDED = 10_000, 1_000


@pytest.fixture
async def two_keys(stocked):
    """A customer with funds for 200 orders of 0.09, and its two keys."""
    ann = await buyer(stocked, "18.00")
    key = make_key("second")
    await customers.add_key(stocked, ann.id, key, PEPPER, by=acting(now()))
    return ann, [ann.key, key.text]


async def post(session, url, **fields):
    form = {"action": "add", "service": 1, "link": LINK, "quantity": 100} | fields
    async with session.post(url, data=form) as answer:
        return answer.status, await answer.json()


async def crowd(urls, keys, count, **fields):
    connector = aiohttp.TCPConnector(limit=400)
    async with aiohttp.ClientSession(connector=connector) as session:
        return await asyncio.gather(
            *(post(session, urls[at % len(urls)], key=keys[at // 2 % 2], **fields) for at in range(count))
        )


async def test_two_thousand_orders_at_once_with_funds_for_two_hundred(stocked, two_keys, database, tmp_path):
    ann, keys = two_keys
    with apis(2, database.app_url, tmp_path) as urls:
        replies = await crowd(urls, keys, CROWD)
    orders = [answer["order"] for _, answer in replies if "order" in answer]
    refused = [answer for _, answer in replies if answer == {"error": "Not enough funds on balance"}]
    assert {200} == {status for status, _ in replies}
    assert (AFFORDED, AFFORDED, CROWD - AFFORDED) == (len(orders), len(set(orders)), len(refused))
    assert (0, [(AFFORDED,)]) == (await balance(stocked, ann.id), await fetch(stocked, "select count(*) from orders"))
    assert [] == await broken(stocked)


async def test_ten_thousand_orders_with_funds_for_a_thousand_as_often_as_they_come(stocked, database, tmp_path):
    with apis(2, database.app_url, tmp_path) as urls:
        for _ in track(range(TIMES), "crowds", console=Console(stderr=True), disable=TIMES == 1):
            ann = await buyer(stocked, "90.00")
            key = make_key("second")
            await customers.add_key(stocked, ann.id, key, PEPPER, by=acting(now()))
            replies = await crowd(urls, [ann.key, key.text], BIG_CROWD)
            orders = [answer["order"] for _, answer in replies if "order" in answer]
            count = await fetch(stocked, "select count(*) from orders where customer_id = %s", ann.id)
            assert {200} == {status for status, _ in replies}
            assert (MANY_AFFORDED, MANY_AFFORDED, [(MANY_AFFORDED,)]) == (len(orders), len(set(orders)), count)
            assert 0 == await balance(stocked, ann.id)
            assert [] == await broken(stocked)


async def test_one_idempotency_key_fifty_times_at_once(stocked, two_keys, database, tmp_path):
    ann, keys = two_keys
    with apis(2, database.app_url, tmp_path) as urls:
        replies = await crowd(urls, keys, 50, idempotency_key="only once")
        other = await crowd(urls, keys, 1, idempotency_key="only once", quantity=101)
    assert [(200, {"order": 1})] * 50 == replies
    assert [(200, {"error": "Idempotency key was used with other parameters"})] == other
    assert (1_800_000 - 9_000, [(1,)]) == (
        await balance(stocked, ann.id),
        await fetch(stocked, "select count(*) from orders"),
    )
    assert [] == await broken(stocked)
