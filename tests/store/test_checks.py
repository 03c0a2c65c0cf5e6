"""Each invariant of ``verify`` holds on books that were kept honestly, and is found out when it is broken."""

import psycopg
import pytest
from tests.panel import DEFAULT, DRIP, LINK, OF_TYPE, SHAPES, broken, fetch
from tests.works import BEYOND_THE_END_S

from opensmm.domain.catalogue import ServiceType
from opensmm.providers.timeline import BEGINS_S, POST_EVERY_S
from opensmm.store.checks import CHECKS
from opensmm.store.embedded import APP

# What each break does, as the owner with every constraint gone: no break needs more than one statement.
# Orders: 1 completed, 2 partial, 3 cancelled before it was sent, 4 a drip-feed at its second run, 5 unsure, 6 queued,
# 7 a subscription, 8 the order made for its first post.
BREAKS = {
    "L1": [
        "update transfer set credit = 999 where order_id = 1 and kind = 'charge'",
        "update transfer set debit = -99 where kind = 'topup'",
        "update transfer set credit = debit where order_id = 1 and kind = 'earn'",
        "update transfer set credit = 0 where order_id = 1 and kind = 'earn'",
    ],
    "L2": [f"grant {privilege} on transfer to {APP}" for privilege in ("update", "delete", "truncate")],
    "L3": [
        "update customer set balance = balance + 1",
        "delete from transfer where kind = 'topup'",
        "update transfer set amount = amount + 1 where kind = 'refund'",
    ],
    "L4": ["update customer set balance = -1", "update customer set balance = -600, credit_limit = 599"],
    "L5": [
        "insert into transfer (debit, credit, amount, kind, customer_id, order_id, created) "
        "select debit, credit, amount, kind, customer_id, order_id, created from transfer where kind = 'charge'",
        "insert into deposit (gateway, external_id, transfer_id) values ('g', '1', 99999)",
    ],
    "L6": [
        "update orders set charge = charge + 1 where id = 6",
        "delete from transfer where order_id = 6",
        "update orders set earned = 1 where id = 6",
    ],
    "P1": [
        "update orders set charge = charge + 1 where id = 6",
        "update orders set quantity = 101 where id = 6",
        "update orders set rate = 0.91 where id = 1",
        "update orders set charge = 0 where id = 6",
        "update orders set packaged = true where id = 6",
    ],
    "P2": [
        "update transfer set amount = amount + 1 where kind = 'cost'",
        "update attempt set exchange_rate = exchange_rate * 2 where cost is not null",
        "update attempt set cost = null",
    ],
    "P3": [
        "update orders set refunded = refunded + 1 where id = 2",
        "update orders set earned = earned - 1 where id = 2",
        "delete from transfer where order_id = 3 and kind = 'refund'",
        "insert into transfer (debit, credit, amount, kind, customer_id, order_id, sequence, created) "
        "values (-1, 1, 5, 'refund', 1, 1, 9, now())",
        "insert into transfer (debit, credit, amount, kind, customer_id, order_id, sequence, created) "
        "values (-2, 1, 5, 'return', 1, 1, 1, now())",
    ],
    "P4": [
        "update attempt set quoted = 0.91 where order_id = 1",
        "update delivery set ceiling = 0.91 where order_id = 1",
    ],
    "O1": [
        "delete from transfer where order_id = 6",
        "update transfer set amount = amount - 1 where order_id = 6",
        "update transfer set debit = 2 where order_id = 6",
        "delete from delivery where order_id = 6",
        "delete from delivery where order_id = 4 and run = 3",
    ],
    "O2": ["update idempotency set order_id = 999", "update idempotency set customer_id = 2"],
    "O3": [
        "update orders set state = 'open' where id = 1",
        "update orders set state = 'completed' where id = 6",
        "update delivery set state = 'pending' where order_id = 2",
    ],
    "O4": [
        "insert into attempt (order_id, run, number, provider_id, provider_service, outcome, fence) "
        "values (1, 1, 2, 1, '1', 'sending', 2)"
    ],
    "O5": [
        "delete from attempt where order_id = 1",
        "update delivery set state = 'sending', attempt = 1 where order_id = 6",
    ],
    "O6": [
        "update attempt set outcome = 'declined' where order_id = 5",
        "insert into transfer (debit, credit, amount, kind, customer_id, order_id, sequence, created) "
        "values (-1, 1, 5, 'refund', 1, 5, 1, now())",
        "update delivery set attempt = 2 where order_id = 5",
    ],
    "O6b": [
        f"insert into evidence (order_id, run, number, at, kind, conclusion, detail) "
        f"values ({order}, 1, 1, now(), 'neighbours', '{conclusion}', '{{\"provider_order\": 0}}')"
        for order, conclusion in ((5, "bought"), (1, "bought"), (5, "not_bought"), (1, "risked"), (6, "bought"))
    ],
    "O7": ["update attempt set provider_order = '1' where provider_order is not null"],
    "O8": [
        "update delivery set remains = 101 where order_id = 2",
        "update delivery set remains = -1 where order_id = 2",
        "update delivery set remains = 1 where order_id = 1",
        "update delivery set remains = 0 where order_id = 2",
        "update orders set remains = 101 where id = 2",
        "update orders set remains = 1 where id = 1",
        "update orders set remains = 0 where id = 2",
        "update orders set remains = remains - 1 where id = 2",
    ],
    "O11": [
        "update orders set earned = earned - 1 where id = 1",
        "update orders set charge = charge + 1 where id = 3",
        "insert into delivery (order_id, run, service_id, quantity) values (4, 4, 3, 100)",
        "insert into delivery (order_id, run, service_id, quantity) values (6, 0, 1, 100)",
    ],
    "O12": [
        "insert into refill (order_id, customer_id, state, created) values (1, 1, 'pending', now())",
        "update refill set purchase_id = 1, mode = 'other'",
        "update refill set purchase_id = 999, mode = 'other'",
    ],
    "O14": [
        "update orders set charge = 5 where id = 7",
        "update orders set quantity = 5 where id = 7",
        "update post set child_id = null where child_id = 8",
        "update post set child_id = 1 where child_id = 8",
        "update post set state = 'unpaid' where child_id = 8",
        "update post set provider_order = '999' where child_id = 8",
        "update post set order_id = 999 where child_id = 8",
        "update orders set customer_id = 2 where id = 8",
        "update orders set service_id = 1 where id = 8",
        "insert into post (order_id, provider_id, child_id, seen, state, provider_order) "
        "select order_id, provider_id, child_id, seen, state, '999' from post",
    ],
    "R1": [
        "update orders set customer_id = 999 where id = 6",
        "update orders set service_id = 999 where id = 6",
        "insert into delivery (order_id, run, service_id, quantity) values (999, 1, 1, 100)",
        "insert into transfer (debit, credit, amount, kind, customer_id, order_id, created) "
        "values (-6, -7, 5, 'cost', 1, 999, now())",
        "insert into api_key (customer_id, hash, hint, created) values (999, 'x', 'x', now())",
        "update refill set order_id = 999",
    ],
}  # fmt: skip

FIRST_POST_S = BEGINS_S + POST_EVERY_S + 0.1
CONSTRAINTS = """
select format('alter table %I drop constraint %I', conrelid::regclass, conname)
from pg_constraint c join pg_class t on t.oid = c.conrelid
where t.relnamespace = 'public'::regnamespace and contype in ('c', 'u', 'f') and c.connamespace = t.relnamespace
"""
UNIQUE_INDEXES = """
select format('drop index %I', i.indexrelid::regclass::text) from pg_index i join pg_class t on t.oid = i.indrelid
where t.relnamespace = 'public'::regnamespace and i.indisunique and not i.indisprimary
"""


@pytest.fixture
async def honest(api, ann, works, stocked):
    """Books of every kind of order, kept by the panel itself."""
    await api.add(ann.key, link=f"{LINK}/complete")
    await api.add(ann.key, link=f"{LINK}/partial-40", idempotency_key="k")
    await api.add(ann.key)
    await api.ask("v2", ann.key, "cancel", orders="3")
    await api.add(ann.key, DRIP, runs=3, interval=10)
    await api.add(ann.key, link=f"{LINK}/garbage")
    await works.round()
    await works.round(BEYOND_THE_END_S)
    await works.round(600)
    await api.ask("v2", ann.key, "refill", order=1)
    await api.add(ann.key)
    kind = ServiceType.SUBSCRIPTIONS
    await api.ask("v2", ann.key, "add", service=OF_TYPE[kind], **SHAPES[kind])
    await stocked.execute("update delivery set due = null where order_id = 6")
    await works.send()
    works.clock.forward(FIRST_POST_S)
    await works.watch()
    states = ["completed", "partial", "canceled", "open", "open", "open", "active", "open"]
    assert states == [state for (state,) in await fetch(stocked, "select state from orders order by id")]
    assert [] == await broken(stocked)
    return stocked


@pytest.fixture
async def owner(database):
    """The owner's connection to books without constraints: what a future bug of the schema might let pass."""
    async with await psycopg.AsyncConnection.connect(database.owner_url, autocommit=True) as connection:
        yield connection


async def without_constraints(owner):
    for query in (CONSTRAINTS, UNIQUE_INDEXES):
        for (statement,) in await fetch(owner, query):
            await owner.execute(statement)


def test_every_check_is_broken_by_something():
    assert {check.name for check in CHECKS} == set(BREAKS)


async def unseen(owner, statement, broken_by):
    """Whether a check overlooks what a statement does; the statement is taken back."""
    async with owner.transaction(force_rollback=True):
        cursor = await owner.execute(statement)
        assert cursor.rowcount > 0, statement
        return not await fetch(owner, broken_by)


async def test_every_broken_invariant_is_found_by_its_check(honest, owner):
    await without_constraints(owner)
    checks = {check.name: check.broken for check in CHECKS if check.name != "L2"}
    overlooked = [
        (name, statement)
        for name, query in checks.items()
        for statement in BREAKS[name]
        if await unseen(owner, statement, query)
    ]
    assert [] == overlooked
    assert [] == await broken(honest)


@pytest.mark.parametrize("statement", BREAKS["L2"])
async def test_a_role_that_may_change_transfers_is_found(conn, owner, statement):
    assert [] == await broken(conn)
    await owner.execute(statement)
    assert [f"L2: may {statement.split()[1]}"] == await broken(conn)


async def test_a_broken_invariant_is_told_by_its_name_with_examples(honest, owner):
    await owner.execute("update customer set balance = balance + 1")
    ((left, total),) = await fetch(honest, "select balance, balance - 1 from customer")
    assert [f"L3: customer 1: {left} is not {total}"] == await broken(honest)


GUARDED = {
    "balance below its limit": "update customer set balance = -1",
    "given back more than paid": "update orders set refunded = charge + 1 where id = 6",
    "earned and given back more than paid": "update orders set earned = charge, refunded = 1 where id = 6",
    "ended without being settled": "update orders set state = 'completed', ended = now() where id = 6",
    "ended without a time": "update orders set ended = null where id = 1",
    "open with a time of its end": "update orders set ended = now() where id = 6",
    "remains above all": "update orders set remains = 101 where id = 2",
    "remains of a run above all": "update delivery set remains = 101 where order_id = 2",
    "remains below nothing": "update delivery set remains = -1 where order_id = 2",
    "an unknown state": "update orders set state = 'cancelled' where id = 6",
    "an unknown state of a run": "update delivery set state = 'cancelled' where order_id = 6",
    "an unknown outcome": "update attempt set outcome = 'maybe'",
    "a negative quantity": "update orders set quantity = -1 where id = 6",
    "a second open try": "insert into attempt (order_id, run, number, provider_id, provider_service, outcome, fence) "
    "values (1, 1, 2, 1, '1', 'sending', 2)",
    "one provider's order twice": "update attempt set provider_order = '1' where provider_order <> '1'",
    "a second open refill": "insert into refill (order_id, customer_id, state, created) "
    "values (1, 1, 'pending', now())",
    "a run twice": "insert into delivery (order_id, run, service_id, quantity) values (6, 1, 1, 100)",
    "money of an order twice": "insert into transfer (debit, credit, amount, kind, customer_id, order_id, created) "
    "select debit, credit, amount, kind, customer_id, order_id, created from transfer where order_id = 1",
    "a transfer of nothing": "insert into transfer (debit, credit, amount, kind, customer_id, created) "
    "values (-3, 1, 0, 'topup', 1, now())",
    "a transfer from an account to itself": "insert into transfer (debit, credit, amount, kind, customer_id, created) "
    "values (1, 1, 5, 'topup', 1, now())",
    "a transfer of a kind unheard of": "insert into transfer (debit, credit, amount, kind, customer_id, created) "
    "values (-3, 1, 5, 'gift', 1, now())",
    "an idempotency key twice": "insert into idempotency (customer_id, key, fingerprint, order_id, created) "
    "select customer_id, key, fingerprint, 1, created from idempotency",
    "a service for nothing that is not free": f"update service set rate = 0 where id = {DEFAULT}",
    "a range upside down": f"update service set min = max + 1 where id = {DEFAULT}",
    "a second panel": "insert into panel (id, currency, created) values (2, 'USD', now())",
}


async def test_the_rules_that_protect_money_stand_in_the_database_too(honest):
    for what, statement in GUARDED.items():
        with pytest.raises(psycopg.errors.IntegrityError):
            await honest.execute(f"{statement} /* {what} */")
    assert [] == await broken(honest)


FORBIDDEN = (
    "update transfer set amount = 1",
    "delete from transfer",
    "truncate transfer",
    "delete from orders",
    "delete from delivery",
    "delete from attempt",
    "delete from customer",
    "delete from audit",
    "alter table customer disable trigger all",
)


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_apps_role_cannot_undo_the_books(conn, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await conn.execute(statement)
