"""The model says what PostgreSQL says, statement by statement, and the same books stand in both in the end."""

import psycopg
import pytest
from tests.panel import broken
from tests.simulation import bridge

SCENARIOS = ((1, 3_000), (2, 3_000), (16, 3_000), (20, 3_000))


@pytest.mark.parametrize(("seed", "events"), SCENARIOS)
async def test_a_scenario_gives_the_same_answers_and_books_on_postgresql(database, conn, seed, events):
    world, log = bridge.played(seed, events)
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as owner:
        await bridge.furnish(owner, world)
        replay = bridge.Replay(conn, owner)
        await replay.run(log)
    assert replay.asked > events / 2
    assert bridge.books_of(world.store) == await bridge.books_in(conn)
    assert [] == await broken(conn)
