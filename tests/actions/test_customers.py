"""Customers, keys and top-ups: each action whole or not at all, with one audit row, and no secret kept in clear."""

import pytest
from tests.panel import PEPPER, acting, balance, broken, buyer, fetch, now, or_code

from opensmm.actions import customers
from opensmm.actions.customers import NewKey, make_key, take_over_key
from opensmm.base.ids import CustomerId, KeyId
from opensmm.base.money import Money
from opensmm.domain.amounts import MAX_AMOUNT
from opensmm.domain.api_keys import MAX_ADDRESSES, MAX_LABEL
from opensmm.domain.customers import HOUSE, MAX_NAME
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.store.api_keys import KeySettings


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
        rows = await fetch(conn, f"select count(*) from {table} t where t::text like %s", f"%{who.key}%")
        assert [(0,)] == rows, table
    assert [(who.key[-4:], 32)] == await fetch(conn, "select hint, length(hash) from api_key")


async def test_a_fresh_key_has_160_bits_and_is_never_the_same():
    keys = {make_key().text for _ in range(100)}
    assert (100, {40}) == (len(keys), {len(key) for key in keys})
    assert all(int(key, 16) >= 0 for key in keys)


async def test_a_name_or_a_key_that_is_taken_leaves_nothing_behind(conn):
    key = make_key()
    await customers.add_customer(conn, "Ann", Money(0), key, PEPPER, by=acting(now()))
    for name, other, why in (
        ("Ann", make_key(), RefusalCode.CUSTOMER_EXISTS),
        (HOUSE, make_key(), RefusalCode.CUSTOMER_EXISTS),
        ("Bob", key, RefusalCode.KEY_EXISTS),
    ):
        adding = customers.add_customer(conn, name, Money(5), other, PEPPER, by=acting(now()))
        assert why is await or_code(adding)
    again = customers.add_key(conn, CustomerId(1), NewKey(key.text), PEPPER, by=acting(now()))
    assert RefusalCode.KEY_EXISTS is await or_code(again)
    assert [(1, 1, 0, 2)] == await fetch(
        conn,
        """select (select count(*) from customer), (select count(*) from api_key), (select count(*) from transfer),
                  (select count(*) from audit)""",
    )


async def test_what_is_not_there_is_unknown(conn):
    adding = customers.add_key(conn, CustomerId(7), make_key(), PEPPER, by=acting(now()))
    assert RefusalCode.NO_CUSTOMER is await or_code(adding)
    editing = customers.edit_key(conn, KeyId(7), title_case=True, by=acting(now()))
    assert RefusalCode.NO_LIVE_KEY is await or_code(editing)
    assert [] == await audits(conn)


@pytest.mark.parametrize(
    ("name", "balance", "key", "why"),
    [
        ("", 0, NewKey("k" * 40), RefusalCode.FIELD_BLANK),
        ("x" * (MAX_NAME + 1), 0, NewKey("k" * 40), RefusalCode.FIELD_TOO_LONG),
        ("a\u202eb", 0, NewKey("k" * 40), RefusalCode.FIELD_UNFIT),
        ("Ann", -1, NewKey("k" * 40), RefusalCode.FIELD_OUT_OF_RANGE),
        ("Ann", MAX_AMOUNT + 1, NewKey("k" * 40), RefusalCode.FIELD_OUT_OF_RANGE),
        ("Ann", 0, NewKey("k" * 40, "x" * (MAX_LABEL + 1)), RefusalCode.FIELD_TOO_LONG),
        ("Ann", 0, NewKey("k" * 40, "a\nb"), RefusalCode.FIELD_UNFIT),
        ("Ann", 0, NewKey("k" * 40, "", KeySettings(addresses=("10.0.0.0/8",))), RefusalCode.BAD_KEY_ADDRESS),
        (
            "Ann", 0, NewKey("k" * 40, "", KeySettings(addresses=("::1",) * (MAX_ADDRESSES + 1))),
            RefusalCode.TOO_MANY_KEY_ADDRESSES,
        ),
    ],
)  # fmt: skip
async def test_what_will_not_do_is_refused_and_nothing_is_written(conn, name, balance, key, why):
    assert why is await or_code(customers.add_customer(conn, name, Money(balance), key, PEPPER, by=acting(now())))
    assert [(0,)] == await fetch(conn, "select count(*) from customer")
    assert [] == await audits(conn)


@pytest.mark.parametrize("text", ["short", "k" * 65, "k" * 31 + " ", "k" * 31 + "é"])
def test_a_key_to_import_has_its_shape(text):
    with pytest.raises(OperatorRefusal) as refused:
        take_over_key(text)
    assert (RefusalCode.BAD_KEY, {"least": 32, "most": 64}) == (refused.value.code, refused.value.fields)


async def test_an_edit_that_changes_nothing_leaves_no_row(conn):
    who = await buyer(conn)
    (number,) = [KeyId(row[0]) for row in await fetch(conn, "select id from api_key")]
    before = await audits(conn)
    assert await customers.edit_key(conn, number, addresses=["2001:DB8::1"], by=acting(now()))
    assert not await customers.edit_key(conn, number, addresses=["2001:db8:0::1"], by=acting(now()))
    for suspended in (True, True, False, False):
        await customers.set_suspended(conn, who.id, suspended, by=acting(now()))
    expected = ["key.edit", "customer.suspend", "customer.resume"]
    assert expected == [action for _, action, _ in (await audits(conn))[len(before) :]]


async def test_a_key_is_revoked_once(conn):
    who = await buyer(conn)
    key = await customers.add_key(conn, who.id, make_key(), PEPPER, by=acting(now()))
    assert [key] == await customers.revoke_keys(conn, [key, KeyId(99)], by=acting(now()))
    assert [] == await customers.revoke_keys(conn, [key], by=acting(now()))
