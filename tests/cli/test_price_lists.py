"""Price lists of some customers, from the command line to what an order costs."""

import asyncio

import pytest
from tests.panel import DEFAULT, LINK, PLAIN, buyer, fetch

DONE, FAILED, MISUSED = 0, 1, 2


@pytest.fixture
def does(run_json):
    """A verb beside the test's own loop: its exit code and what it said."""
    return lambda *words: asyncio.to_thread(run_json, *words)


async def test_customers_buy_by_their_price_list_from_the_next_look_on(stocked, api, ann, does):
    bob = await buyer(stocked, "100")

    async def charge(who, service=DEFAULT):
        await api.panel.refresh_catalogue()
        order = await api.add(who.key, service, link=f"{LINK}/{who.id}", quantity=100)
        return (await fetch(stocked, "select charge from orders where id = %s", order))[0][0]

    assert (9_000, 9_000) == (await charge(ann), await charge(bob))
    assert DONE == (await does("price-list", "add", "Friends"))[0]
    assert DONE == (await does("price-list", "set", "Friends", DEFAULT, "0.50"))[0]
    assert DONE == (await does("price-list", "assign", "Friends", bob.id))[0]
    assert (9_000, 5_000) == (await charge(ann), await charge(bob))
    assert await charge(ann, PLAIN) == await charge(bob, PLAIN)
    shown = (await does("price-list", "show", "Friends"))[1]["rates"]
    assert [(DEFAULT, "0.50", "0.90")] == [(one["service"], one["rate"], one["own"]) for one in shown]
    assert DONE == (await does("price-list", "unset", "Friends", DEFAULT))[0]
    assert 9_000 == await charge(bob)
    assert [] == (await does("price-list", "show", "Friends"))[1]["rates"]
    assert DONE == (await does("price-list", "assign", "standard", bob.id))[0]
    listed = (await does("price-list", "list"))[1]["price_lists"]
    assert [("standard", 0, 2), ("Friends", 0, 0)] == [(one["name"], one["rates"], one["customers"]) for one in listed]
    query = "select action, subject, detail from audit where action like '%%price_list%%' order by id"
    assert [
        ("price_list.add", "Friends", {"changes": {"name": [None, "Friends"]}}),
        ("price_list.rate", "Friends", {"changes": {"rate": [None, "0.50"]}, "service": DEFAULT}),
        ("customer.price_list", str(bob.id), {"changes": {"price_list": ["standard", "Friends"]}}),
        ("price_list.rate", "Friends", {"changes": {"rate": ["0.50", None]}, "service": DEFAULT}),
        ("customer.price_list", str(bob.id), {"changes": {"price_list": ["Friends", "standard"]}}),
    ] == await fetch(stocked, query)


async def test_what_does_not_exist_is_refused_and_nothing_changes(stocked, ann, does):
    await does("price-list", "add", "Friends")
    assert FAILED == (await does("price-list", "add", "Friends"))[0]
    assert FAILED == (await does("price-list", "set", "Foes", DEFAULT, "0.50"))[0]
    assert FAILED == (await does("price-list", "set", "Friends", 999, "0.50"))[0]
    assert FAILED == (await does("price-list", "assign", "Friends", ann.id, 999))[0]
    assert [MISUSED] * 3 == [
        (await does("price-list", "set", "Friends", DEFAULT, rate))[0] for rate in ("0", "x", "NaN")
    ]
    assert [MISUSED] * 2 == [(await does("price-list", "add", name))[0] for name in (" ", "x" * 65)]
    assert [(1,)] == await fetch(stocked, "select price_list_id from customer where id = %s", ann.id)
    assert [] == await fetch(stocked, "select * from price where price_list_id > 2")
