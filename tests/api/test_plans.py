"""Statements that were planned while the panel was empty."""

import psycopg
from tests.panel import DRIP, LINK, broken, open_api

RUNS = 1000
PLANNED_FOR_GOOD = 8
"""PostgreSQL plans a prepared statement anew five times; then it may keep one plan for whatever is asked."""
READ_WHOLE = "select relname, seq_tup_read from pg_stat_user_tables where seq_tup_read > 20 * %s order by relname"


async def test_what_was_planned_for_empty_tables_does_not_read_them_whole_once_they_fill(ann, stocked, database):
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner:
        await owner.execute("vacuum analyze")
        async with open_api(database.app_url) as api:
            for number in range(PLANNED_FOR_GOOD):
                await ask_all(api, ann, number)
            await api.add(ann.key, DRIP, runs=RUNS, interval=10)
            for number in range(30):
                await ask_all(api, ann, number)
        # A connection tells what it has read when it ends, at the latest.
        assert [] == await (await owner.execute(READ_WHOLE, [RUNS])).fetchall()
    assert [] == await broken(stocked)


async def ask_all(api, ann, number):
    order = await api.add(ann.key, link=f"{LINK}/{number}")
    await api.ask("v2", ann.key, "status", order=order)
    await api.ask("v2", ann.key, "orders")
    await api.ask("v2", ann.key, "cancel", orders=str(order))
    await api.ask("v2", ann.key, "add", service=DRIP, link=LINK, quantity=100, idempotency_key=f"n{number}")
