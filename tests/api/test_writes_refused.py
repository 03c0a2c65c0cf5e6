"""A process whose database takes no orders says so, and says so no longer once it does again."""

import psycopg
import pytest
from tests.panel import DEFAULT, LINK, books, broken, until

FULL = """
create function refuse() returns trigger language plpgsql as $$
begin raise exception 'could not extend file' using errcode = %s; end $$;
create trigger refuse before insert on batch for each row execute function refuse()
"""
HEALED = "drop trigger refuse on batch"


async def health(api):
    answer = await api.call("/healthz", method="GET")
    return answer.status, answer.said


@pytest.mark.parametrize("code", ["53100", "25006"], ids=["a full disk", "a database that only reads"])
async def test_a_database_that_takes_no_orders_is_told_and_its_recovery_too(api, stocked, ann, database, code):
    before = await books(stocked)
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(FULL.replace("%s", f"'{code}'"))
        assert (200, {"status": "ok"}) == await health(api)
        for _ in range(2):
            order = {"key": ann.key, "action": "add", "service": DEFAULT, "link": LINK, "quantity": 100}
            assert 503 == (await api.form("v2", order)).status
        assert (503, {"status": "the database takes no orders"}) == await health(api)
        assert "100.00" == (await api.ask("v2", ann.key, "balance"))["balance"]
        owner.execute(HEALED)

    async def well():
        return (200, {"status": "ok"}) == await health(api)

    await until(well)
    assert before == await books(stocked)
    await api.add(ann.key)
    assert [] == await broken(stocked)


async def test_an_order_that_only_its_own_data_refuse_says_nothing_of_the_database(api, stocked, ann, database):
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute(FULL.replace("%s", "'23514'"))
        order = {"key": ann.key, "action": "add", "service": DEFAULT, "link": LINK, "quantity": 100}
        assert 503 == (await api.form("v2", order)).status
        assert (200, {"status": "ok"}) == await health(api)
