"""Two real panels, one buying from the other over HTTP in both dialects: what is bought, followed and paid agrees."""

from contextlib import asynccontextmanager
from decimal import Decimal

import psycopg
import pytest
from tests.panel import DEFAULT, LINK, PEPPER, PLAIN, PRICE_LIST, balance, broken, buyer, fetch, open_api, stock
from tests.panels import add_panel, route
from tests.stepped_worker import SteppedWorker, open_worker, served

from opensmm.actions import provider_check
from opensmm.actions.provider_check import CallSettings, StoredProvider

FUNDS, CHARGE = 10_000_000, 9_000


class Pair:
    """The panel that sells, the one it buys from, and what both do as time passes."""

    def __init__(self, ours, theirs, our_works, their_works, our_books, their_books, them):
        self.ours, self.theirs = ours, theirs
        self.our_works, self.their_works = our_works, their_works
        self.our_books, self.their_books = our_books, their_books
        self.them = them

    async def pass_time(self, seconds, steps=6):
        for _ in range(steps):
            await self.our_works.round(seconds / steps)
            await self.their_works.round()

    async def read_order(self, order, *columns):
        query = f"select {', '.join(columns)} from orders where id = %s"
        return (await fetch(self.our_books, query, order))[0]


@pytest.fixture(params=["v1", "v2"])
async def pair(request, stocked, database, other_database, clock):
    """``them`` is the customer that we are at the other panel; our service buys their default one at 2 for 1."""
    async with pair_of(request.param, stocked, database, other_database, clock) as made:
        yield made


@asynccontextmanager
async def pair_of(dialect, stocked, database, other_database, clock):
    async with await psycopg.AsyncConnection.connect(other_database.app_url, autocommit=True) as their_books:
        await stock(their_books)
        them = await buyer(their_books)
        async with (
            open_api(database.app_url, clock) as ours,
            open_api(other_database.app_url, clock) as theirs,
            served(theirs.application) as address,
            open_worker(other_database.app_url, clock, timeout_s=5) as their_works,
        ):
            url = address.removesuffix("/api/v2") + f"/api/{dialect}"
            provider = await add_panel(stocked, them.key, url=url, dialect=dialect, exchange_rate=Decimal(2))
            for service in (DEFAULT, PLAIN):
                await route(stocked, service, (provider, service))
            our_works = SteppedWorker(database.app_url, "", clock, 5)
            await our_works.housekeeper.step()
            yield Pair(ours, theirs, our_works, their_works, stocked, their_books, them)
            await our_works.close()


async def test_an_order_is_bought_followed_and_ends_on_both_sides(pair, ann):
    order = await pair.ours.add(ann.key, quantity=1000)
    await pair.pass_time(30)
    assert ("completed", 0, 90_000) == await pair.read_order(order, "state", "remains", "earned")
    assert [(ann.id, 9_910_000)] == await fetch(
        pair.our_books, "select id, balance from customer where id = %s", ann.id
    )
    assert FUNDS - 90_000 == await balance(pair.their_books, pair.them.id)
    ((link, quantity, state),) = await fetch(pair.their_books, "select link, quantity, state from orders")
    assert (LINK, 1000, "completed") == (link, quantity, state)
    ((cost, rate),) = await fetch(pair.our_books, "select cost, exchange_rate from attempt")
    assert (Decimal("0.9"), Decimal(2)) == (cost, rate)
    assert [(180_000,)] == await fetch(pair.our_books, "select amount from transfer where kind = 'cost'")
    assert [] == await broken(pair.our_books)
    assert [] == await broken(pair.their_books)


async def test_what_their_end_does_not_deliver_is_given_back_on_both_sides(pair, ann):
    order = await pair.ours.add(ann.key, quantity=1000, link=f"{LINK}/partial-40")
    await pair.pass_time(30)
    assert ("partial", 600, 36_000, 54_000) == await pair.read_order(order, "state", "remains", "earned", "refunded")
    assert FUNDS - 36_000 == await balance(pair.our_books, ann.id) == await balance(pair.their_books, pair.them.id)
    assert [(72_000,)] == await fetch(pair.our_books, "select amount from transfer where kind = 'cost'")
    assert [] == await broken(pair.our_books)


async def test_a_cancel_and_a_refill_are_passed_on_through_both(pair, ann):
    stuck = await pair.ours.add(ann.key, link=f"{LINK}/stuck")
    dropping = await pair.ours.add(ann.key, link=f"{LINK}/drop")
    await pair.pass_time(30)
    await pair.ours.ask("v2", ann.key, "cancel", orders=stuck)
    refill = (await pair.ours.ask("v2", ann.key, "refill", order=dropping))["refill"]
    await pair.pass_time(60, steps=12)
    assert "canceled" == (await pair.read_order(stuck, "state"))[0]
    assert "Completed" == (await pair.ours.ask("v2", ann.key, "refill_status", refill=refill))["status"]
    states = await fetch(pair.their_books, "select state from orders order by id")
    assert [("canceled",), ("completed",)] == states
    assert [("completed",)] == await fetch(pair.their_books, "select state from refill")
    assert [] == await broken(pair.our_books)
    assert [] == await broken(pair.their_books)


async def test_a_refusal_of_theirs_is_proved_and_goes_on_to_the_next_provider(pair, ann):
    await pair.their_books.execute("update service set max = 50 where id = %s", [PLAIN])
    await pair.their_books.execute("update panel set catalogue_version = catalogue_version + 1")
    await pair.their_books.execute("update service set version = 2 + version where id = %s", [PLAIN])
    ((provider,),) = await fetch(pair.our_books, "select id from provider where kind = 'panel'")
    await route(pair.our_books, PLAIN, (provider, 999), (provider, PLAIN), (provider, DEFAULT))
    order = await pair.ours.add(ann.key, PLAIN)
    await pair.pass_time(30)
    tried = await fetch(pair.our_books, "select provider_service, outcome from attempt order by number")
    assert [("999", "declined"), (str(PLAIN), "declined"), (str(DEFAULT), "accepted")] == tried
    assert "completed" == (await pair.read_order(order, "state"))[0]
    assert [(1,)] == await fetch(pair.their_books, "select count(*) from orders")
    assert [] == await broken(pair.our_books)


async def test_their_balance_is_read_and_kept(pair, clock):
    assert 1 == await pair.our_works.balances.step()
    assert 0 == await pair.our_works.balances.step()
    clock.forward(300)
    assert 1 == await pair.our_works.balances.step()
    assert [(Decimal(100),)] * 2 == await fetch(pair.our_books, "select balance from balance_reading")


async def test_a_key_that_they_revoked_has_orders_wait_and_stands_in_no_evidence(pair, ann):
    await pair.their_books.execute("update api_key set revoked = now()")
    await pair.ours.add(ann.key)
    clock = pair.our_works.clock
    clock.forward(5)
    await pair.our_works.send()
    assert [("declined",)] == await fetch(pair.our_books, "select outcome from attempt")
    rows = await fetch(
        pair.our_books, "select attempt::text from attempt union all select provider::text from provider"
    )
    assert pair.them.key not in str(rows)
    assert [("queued",)] == await fetch(pair.our_books, "select state from delivery")
    assert [("key",)] == await fetch(pair.our_books, "select refuses from provider where kind = 'panel'")
    assert FUNDS - CHARGE == await balance(pair.our_books, ann.id)


async def test_their_price_list_is_read_as_they_sell_it(pair):
    ((provider,),) = await fetch(pair.our_books, "select id from provider where kind = 'panel'")
    row = pair.our_works.registry.connection_to(provider).row
    calls = CallSettings(PEPPER, 5, private=True)
    async with provider_check.client_of(row, calls) as client:
        offered = await client.services()
    (tried,) = await provider_check.try_out(StoredProvider(row, "USD", ()), calls, anywhere=True)
    assert offered.odd == ()
    on_sale = [one for one in PRICE_LIST if one.on_sale]
    assert {(str(one.id), one.name, one.type, one.rate, one.min, one.max) for one in on_sale} == {
        (one.service, one.name, one.type, one.rate, one.min, one.max) for one in offered.services
    }
    assert (row.dialect, (), "100.00", len(on_sale)) == (offered.dialect, offered.odd, tried.balance, tried.services)
    assert (None, row.dialect, ()) == (tried.fault, tried.dialect, tried.odd)
