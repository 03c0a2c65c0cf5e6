"""The pool of pages: few connections, none of them a lane's, read-only, and whole again after the database was."""

import asyncio
from contextlib import asynccontextmanager

import psycopg
import pytest
from tests.panel import fetch, open_api, until

from opensmm.base.errors import Overloaded, Unavailable
from opensmm.store import page_pool
from opensmm.store.page_pool import POOL_SIZE, PagePool

PAGES = "select pid, state from pg_stat_activity where application_name = 'opensmm pages'"
LANES = "select count(*) from pg_stat_activity where application_name like 'opensmm api:%'"


@asynccontextmanager
async def opened(database, **settings):
    pool = PagePool(database.app_url, **settings)
    try:
        yield pool
    finally:
        await pool.close()


async def ask(connection, query="select 1"):
    return await (await connection.execute(query)).fetchall()


async def test_no_connection_is_made_before_the_first_page_and_few_for_many(database, conn):
    async with opened(database) as pool:
        assert [] == await fetch(conn, PAGES)
        answers = await asyncio.gather(*(pool.read(lambda c: ask(c, "select pg_sleep(0.02), 7")) for _ in range(40)))
        assert {7} == {rows[0][1] for rows in answers}
        assert 1 <= len(await fetch(conn, PAGES)) <= POOL_SIZE
    await until(lambda: _none(conn))


async def test_pages_that_fill_their_pool_take_nothing_from_the_lanes(database, stocked, ann):
    async with opened(database) as pool, open_api(database.app_url) as api:
        before = await fetch(stocked, LANES)
        waiting = [asyncio.create_task(pool.read(lambda c: ask(c, "select pg_sleep(60)"))) for _ in range(10)]
        await until(lambda: _count(stocked, POOL_SIZE))
        assert 1 == await api.add(ann.key)
        assert before == await fetch(stocked, LANES)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _none(conn):
    return not await fetch(conn, PAGES)


async def _count(conn, wanted):
    return wanted == len([pid for pid, state in await fetch(conn, PAGES) if state == "active"])


async def test_nothing_is_written_for_a_page(database, stocked):
    async with opened(database) as pool:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await pool.read(lambda c: ask(c, "insert into category (name) values ('x') returning id"))
        assert [(1,)] == await pool.read(ask)


async def test_the_statements_of_a_page_see_one_state(database, stocked):
    async def twice(connection):
        before = await ask(connection, "select count(*) from customer")
        await stocked.execute("insert into customer (name, created) values ('new', now())")
        return before, await ask(connection, "select count(*) from customer")

    async with opened(database) as pool:
        before, after = await pool.read(twice)
        assert before == after
        assert after != await pool.read(lambda c: ask(c, "select count(*) from customer"))


async def test_a_page_that_takes_too_long_is_ended_and_the_next_is_served(database):
    async with opened(database, size=1, statement_timeout_ms=50) as pool:
        with pytest.raises(Unavailable):
            await pool.read(lambda c: ask(c, "select pg_sleep(60)"))
        assert [(1,)] == await pool.read(ask)


async def test_a_page_that_is_given_up_has_its_statement_cancelled(database, conn):
    async with opened(database, size=1) as pool:
        task = asyncio.create_task(pool.read(lambda c: ask(c, "select pg_sleep(60)")))
        await until(lambda: _count(conn, 1))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert [(1,)] == await pool.read(ask)
        assert [] == [pid for pid, state in await fetch(conn, PAGES) if state == "active"]


async def test_connections_that_the_server_ended_are_replaced(database, conn):
    async with opened(database) as pool:
        await pool.read(ask)
        await fetch(conn, f"select pg_terminate_backend(pid) from ({PAGES}) p")
        assert [(1,)] == await pool.read(ask)


async def test_too_many_pages_are_refused_at_once(database, conn, monkeypatch):
    monkeypatch.setattr(page_pool, "MAX_WAITING", 2)
    async with opened(database, size=1) as pool:
        tasks = [asyncio.create_task(pool.read(lambda c: ask(c, "select pg_sleep(60)")))]
        await until(lambda: _count(conn, 1))
        tasks += [asyncio.create_task(pool.read(ask)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await pool.read(ask)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_database_that_is_not_there_is_told_soon(monkeypatch):
    monkeypatch.setattr(page_pool, "WAIT_S", 0.2)
    pool = PagePool("postgresql://nobody@127.0.0.1:9/none")
    with pytest.raises(Unavailable):
        await pool.read(ask)
    await pool.close()
