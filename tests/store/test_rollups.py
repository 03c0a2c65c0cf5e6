"""The daily sums are the ledger's, whatever commits late, ends late, crashes or runs twice."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from tests.panel import DEFAULT, LINK, fetch
from tests.stepped_worker import BEYOND_THE_END_S

from opensmm.actions.rollups import RollupUpdater
from opensmm.base.ids import OrderId
from opensmm.base.money import Money
from opensmm.domain import ledger
from opensmm.store import customers, rollups
from opensmm.store.connection import ReconnectingConnection
from opensmm.store.rollups import DaySums, ReportBy

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
TODAY, TOMORROW = NOW.date(), NOW.date() + timedelta(days=1)
LONG_AGO, FAR = date(2000, 1, 1), date(2200, 1, 1)
NAMES = ("charged", "earned", "refunded", "returned", "cost")
OF_SERVICES = "select " + ", ".join(
    f"coalesce(sum({name}), 0)::bigint" for name in (*NAMES, "placed")
) + " from service_day"  # fmt: skip
OF_CUSTOMERS = f"{OF_SERVICES.replace('service_day', 'customer_day')}"
OF_LEDGER = "select " + ", ".join(
    f"coalesce(sum(amount) filter (where kind = '{kind}'), 0)::bigint"
    for kind in ("charge", "earn", "refund", "return", "cost")
) + ", (select count(*) from orders) from transfer"  # fmt: skip


async def catch_up(conn):
    """All that can be added up, in as many pieces as it takes."""
    for _ in range(200):
        async with conn.transaction():
            await rollups.add_up(conn)
        if not await rollups.is_behind(conn):
            return
    pytest.fail("it never ends")


async def agree(conn):
    """The sums are those of the ledger and of the orders."""
    (row,) = await fetch(conn, OF_LEDGER)
    assert [row] == await fetch(conn, OF_SERVICES)
    assert [row] == await fetch(conn, OF_CUSTOMERS)
    balances = await fetch(conn, "select id, balance from customer where balance <> 0 order by id")
    assert balances == await fetch(
        conn,
        """select customer_id, sum(paid + granted + refunded + returned - charged)::bigint from customer_day
           group by customer_id having sum(paid + granted + refunded + returned - charged) <> 0 order by customer_id""",
    )


async def test_the_sums_of_every_kind_of_order_are_the_ledgers(honest, monkeypatch):
    monkeypatch.setattr(rollups, "PIECE", 5)
    await catch_up(honest)
    await agree(honest)
    before = await fetch(honest, "select * from service_day order by 1, 2, 3")
    await catch_up(honest)
    assert before == await fetch(honest, "select * from service_day order by 1, 2, 3"), "nothing is added twice"


async def test_what_is_added_up_is_told_by_day_service_provider_and_customer(honest, ann):
    await catch_up(honest)
    (whole,) = await fetch(honest, OF_LEDGER)
    for by in ReportBy:
        rows = await rollups.report(honest, by, LONG_AGO, FAR)
        sums = [sum(getattr(day, name) for _, day in rows) for name in NAMES]
        assert list(whole[:5]) == sums, by
        assert len({key for key, _ in rows}) == len(rows)
    mine = await rollups.customer_days(honest, ann.id, LONG_AGO, FAR)
    ((charged,),) = await fetch(
        honest, "select sum(amount)::bigint from transfer where kind = 'charge' and customer_id = %s", ann.id
    )
    assert charged == sum(day.charged for _, day in mine)
    assert [] == await rollups.report(honest, ReportBy.DAY, FAR, FAR)


async def test_an_order_counts_on_the_day_it_was_placed_and_its_money_on_the_day_it_moved(api, ann, worker, stocked):
    order = await api.add(ann.key, link=f"{LINK}/complete")
    await catch_up(stocked)
    placed = worker.clock().date()
    first = dict(await rollups.report(stocked, ReportBy.DAY, placed, placed + timedelta(days=1)))
    assert {placed: DaySums(1, Money(9_000), Money(0), Money(0), Money(0), Money(0))} == first
    worker.clock.forward(7 * 86_400)
    await worker.send()
    await worker.round(BEYOND_THE_END_S)
    ended = worker.clock().date()
    await catch_up(stocked)
    after = dict(await rollups.report(stocked, ReportBy.DAY, placed, ended + timedelta(days=1)))
    assert first[placed] == after[placed], "a past day stays as it was"
    ((cost, provider),) = await fetch(
        stocked,
        "select amount, (select provider_id from attempt where order_id = %s) from transfer where kind = 'cost'",
        order,
    )
    assert DaySums(0, Money(0), Money(9_000), Money(0), Money(0), cost) == after[ended]
    assert 9_000 - cost == after[ended].profit
    by_provider = dict(await rollups.report(stocked, ReportBy.PROVIDER, placed, ended + timedelta(days=1)))
    assert {0: 9_000, provider: 0} == {key: sums.charged for key, sums in by_provider.items()}
    assert {0: 0, provider: 9_000} == {key: sums.earned for key, sums in by_provider.items()}
    ((service, _),) = await rollups.report(stocked, ReportBy.SERVICE, placed, ended + timedelta(days=1))
    assert DEFAULT == service


async def test_what_commits_late_is_neither_left_out_nor_counted_twice(database, stocked, ann):
    async with (
        await psycopg.AsyncConnection.connect(database.app_url, autocommit=True) as slow,
        slow.transaction(),
    ):
        await customers.lock(slow, [ann.id])
        await customers.transfer(slow, [ledger.top_up(ann.id, Money(7))], NOW)
        await stocked.execute("insert into customer (name, created) values ('quick', now())")
        ((quick,),) = await fetch(stocked, "select id from customer where name = 'quick'")
        async with stocked.transaction():
            await customers.lock(stocked, [quick])
            await customers.transfer(stocked, [ledger.top_up(quick, Money(5))], NOW)
        for _ in range(3):
            async with stocked.transaction():
                await rollups.add_up(stocked)
        assert await rollups.is_behind(stocked)
        assert [] == await fetch(stocked, "select from customer_day where customer_id = %s", quick)
    await catch_up(stocked)
    assert [(5,)] == await fetch(stocked, "select paid from customer_day where customer_id = %s", quick)
    await agree(stocked)


async def test_a_crash_leaves_a_piece_added_up_once_or_not_at_all(honest, monkeypatch):
    monkeypatch.setattr(rollups, "PIECE", 4)
    crashes = 0
    while await rollups.is_behind(honest):
        async with honest.transaction(force_rollback=True):
            await rollups.add_up(honest)
        crashes += 1
        async with honest.transaction():
            await rollups.add_up(honest)
    assert crashes > 5
    await agree(honest)


async def test_workers_that_add_up_at_once_add_up_once(database, honest, monkeypatch):
    monkeypatch.setattr(rollups, "PIECE", 3)
    lines = [ReconnectingConnection(database.app_url) for _ in range(3)]
    while await rollups.is_behind(honest):
        await asyncio.gather(*(RollupUpdater(line).step() for line in lines))
    for line in lines:
        await line.close()
    await agree(honest)


async def test_books_that_were_moved_to_another_server_are_added_up_there(honest):
    async with honest.transaction():
        await rollups.add_up(honest)
    await honest.execute("update rollup_cursor set fence = %s", [2**60])
    await catch_up(honest)
    await agree(honest)


async def test_nothing_is_written_while_nothing_is_new(honest):
    await catch_up(honest)
    async with honest.transaction():
        assert not await rollups.add_up(honest)
        assert [(None,)] == await fetch(honest, "select pg_current_xact_id_if_assigned()")


async def test_a_refund_by_hand_takes_from_the_profit_of_its_own_day(stocked, ann):
    back = ledger.return_earned(ann.id, OrderId(1), 1, Money(40), "why")
    await stocked.execute(
        """insert into orders (id, customer_id, service_id, link, quantity, rate, packaged, charge, earned, state,
                               created, ended)
           values (1, %s, 1, 'x', 1, 1, false, 100, 100, 'completed', %s, %s)""",
        [ann.id, NOW, NOW],
    )
    async with stocked.transaction():
        await customers.lock(stocked, [ann.id])
        await customers.transfer(stocked, [ledger.earn(ann.id, OrderId(1), 1, Money(100))], NOW - timedelta(days=2))
        await customers.transfer(stocked, [back], NOW)
    await catch_up(stocked)
    result = dict(await rollups.report(stocked, ReportBy.DAY, LONG_AGO, TOMORROW))
    assert {TODAY - timedelta(days=2): 100, TODAY: -40} == {day: sums.profit for day, sums in result.items()}
