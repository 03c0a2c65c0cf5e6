"""The list of customers: each once, and what each filter lets pass."""

import pytest
from tests.panel import balance, fetch, walk

from opensmm.base.ids import PriceListId
from opensmm.base.pages import Keyset
from opensmm.store import customer_lists, pages
from opensmm.store.customer_lists import CustomerFilter


async def every(conn, wanted=customer_lists.EVERY_CUSTOMER):
    pages = await walk(lambda place: customer_lists.list_customers(conn, place, wanted), Keyset(size=2))
    return [row for page in pages for row in page.rows]


async def test_the_list_tells_money_keys_and_the_newest_order(honest, ann):
    rows = await every(honest)
    ids = [number for (number,) in await fetch(honest, "select id from customer order by id desc")]
    assert ids == [row.id for row in rows]
    (row,) = [row for row in rows if row.id == ann.id]
    ((newest, at),) = await fetch(
        honest, "select id, created from orders where customer_id = %s order by id desc limit 1", ann.id
    )
    fields = (row.balance, row.overdrawn, row.suspended, row.price_list, row.keys, row.newest_order, row.ordered)
    assert (await balance(honest, ann.id), 0, False, 1, 1, newest, at) == fields
    await honest.execute("update api_key set revoked = now() where customer_id = %s", [ann.id])
    assert {0} == {row.keys for row in await every(honest) if row.id == ann.id}
    without = [row for row in rows if row.newest_order is None]
    assert without
    assert {None} == {row.ordered for row in without}


@pytest.fixture
async def crowd(conn):
    await conn.execute("insert into price_list (name) values ('Resellers')")
    await conn.execute(
        """insert into credit_change (id, customer_id, amount, reference, at, actor, reason)
           select n, n, 100, n::text, now(), 'test', '' from generate_series(1, 20) n"""
    )
    await conn.execute(
        """insert into customer (id, name, created, balance, credit_limit, credit_change_id, suspended, price_list_id)
           select n, case when n % 2 = 0 then 'Ann ' else 'Bob 100% ' end || n, now(),
             case when n % 5 = 0 then -50 else 50 end, 100, n, n % 3 = 0, 1 + (n % 4 = 0)::int
           from generate_series(1, 20) n""",
        prepare=False,
    )
    return conn


async def test_filters_narrow_and_go_together(crowd, monkeypatch):
    monkeypatch.setattr(pages, "LOOKED_AT", 4)
    rows = await every(crowd)
    assert 20 == len(rows)
    for wanted, passes in (
        (CustomerFilter(name="ANN"), lambda row: row.name.startswith("Ann")),
        (CustomerFilter(name="100%"), lambda row: "100%" in row.name),
        (CustomerFilter(name="_"), lambda row: False),
        (CustomerFilter(suspended=True), lambda row: row.suspended),
        (CustomerFilter(suspended=False, owing=True), lambda row: not row.suspended and row.balance < 0),
        (CustomerFilter(price_list=PriceListId(2)), lambda row: row.price_list_name == "Resellers"),
    ):
        assert [row for row in rows if passes(row)] == await every(crowd, wanted), wanted
