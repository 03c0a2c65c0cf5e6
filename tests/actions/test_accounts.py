"""Customers, keys and top-ups: each action whole or not at all, with one audit row, and no secret kept in clear."""

import pytest
from tests.panel import PEPPER, acting, balance, broken, buyer, fetch, now

from opensmm.actions import accounts
from opensmm.actions.accounts import NewKey, Taken, fresh_key
from opensmm.base.ids import CustomerId, KeyId
from opensmm.base.money import Money
from opensmm.domain.codes import OperatorRefusal


async def audits(conn):
    return await fetch(conn, "select actor, action, subject from audit order by id")


async def test_a_customer_comes_with_a_key_and_a_first_top_up(conn):
    who = await buyer(conn, "12.34567")
    assert 1_234_567 == await balance(conn, who.id)
    assert [(-3, who.id, 1_234_567, "topup", f"opening {who.id}")] == await fetch(
        conn, "select debit, credit, amount, kind, note from transfer"
    )
    added = [("customer.add", str(who.id)), ("key.add", "1"), ("customer.topup", str(who.id))]
    assert [("opening", str(who.id))] == await fetch(conn, "select gateway, external_id from deposit")
    assert [("test", *one) for one in added] == await audits(conn)
    assert [] == await broken(conn)


async def test_no_key_lies_in_the_database_in_clear(conn):
    who = await buyer(conn)
    tables = await fetch(conn, "select tablename from pg_tables where schemaname = 'public'")
    for (table,) in tables:
        found = await fetch(conn, f"select count(*) from {table} t where t::text like %s", f"%{who.key}%")
        assert [(0,)] == found, table
    assert [(who.key[-4:], 32)] == await fetch(conn, "select hint, length(hash) from api_key")


async def test_a_fresh_key_has_160_bits_and_is_never_the_same():
    keys = {fresh_key().text for _ in range(100)}
    assert (100, {40}) == (len(keys), {len(key) for key in keys})
    assert all(int(key, 16) >= 0 for key in keys)


async def test_a_name_or_a_key_that_is_taken_leaves_nothing_behind(conn):
    key = fresh_key()
    await accounts.add_customer(conn, "Ann", Money(0), key, PEPPER, by=acting(now()))
    for name, other in (("Ann", fresh_key()), ("Bob", key)):
        with pytest.raises(Taken):
            await accounts.add_customer(conn, name, Money(5), other, PEPPER, by=acting(now()))
    with pytest.raises(Taken):
        await accounts.add_key(conn, CustomerId(1), NewKey(key.text), PEPPER, by=acting(now()))
    assert [(1, 1, 0, 2)] == await fetch(
        conn,
        """select (select count(*) from customer), (select count(*) from api_key), (select count(*) from transfer),
                  (select count(*) from audit)""",
    )


async def test_what_is_not_there_is_unknown(conn):
    with pytest.raises(OperatorRefusal):
        await accounts.add_key(conn, CustomerId(7), fresh_key(), PEPPER, by=acting(now()))
    assert [] == await audits(conn)


async def test_a_key_is_revoked_once(conn):
    who = await buyer(conn)
    key = await accounts.add_key(conn, who.id, fresh_key(), PEPPER, by=acting(now()))
    assert [key] == await accounts.revoke_keys(conn, [key, KeyId(99)], by=acting(now()))
    assert [] == await accounts.revoke_keys(conn, [key], by=acting(now()))
