"""Each invariant of ``verify`` holds on books that were kept honestly, and is found out when it is broken."""

import psycopg
import pytest
from tests.breaking import unseen, without_constraints
from tests.panel import DEFAULT, broken, fetch

from opensmm.store.embedded import APP
from opensmm.store.invariants import INVARIANTS

# What each break does, as the owner with every constraint gone: no break needs more than one statement.
# The orders are those of the fixture.
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
    "L4": [
        "update customer set balance = -1 where id = 1",
        "update customer set balance = -600, credit_limit = 599 where id = 1",
        "update customer set overdrawn = 1 where id = 1",
    ],
    "L9": [
        "delete from deposit",
        "delete from transfer_reference where kind = 'bonus'",
        "delete from transfer_reference where kind = 'chargeback'",
        "update transfer_reference set transfer_id = 1 where kind = 'payout'",
        "update transfer set corrects = null where kind = 'chargeback'",
        "update transfer set corrects = (select min(id) from transfer) where kind = 'adjustment'",
        "update transfer_reference set to_customer_id = 1 where to_customer_id is not null",
        "update transfer set corrects = 1 where kind = 'payout'",
    ],
    "L10": [
        "update customer set credit_limit = credit_limit + 1 where credit_limit > 0",
        "update customer set credit_limit = 1, credit_change_id = null where id = 1",
        "update credit_change set amount = amount + 1",
        "update credit_change set customer_id = 1",
        "delete from audit where action = 'customer.credit_limit'",
    ],
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
    "P5": [
        "update transfer set amount = amount - 1 where order_id = 2 and kind = 'earn'",
        "update transfer set sequence = 9 where order_id = 2 and kind = 'refund'",
        "update delivery set remains = remains - 1 where order_id = 2",
        "update delivery set state = 'in_progress' where order_id = 1",
        "update transfer set sequence = 2 where order_id = 1 and kind = 'cost'",
    ],
    "L7": [
        "update transfer set credit = 2 where order_id = 2 and kind = 'refund'",
        "update transfer set credit = 2, customer_id = 2 where order_id = 2 and kind = 'refund'",
        "update transfer set credit = 1 where order_id = 1 and kind = 'earn'",
        "update transfer set credit = 1 where order_id = 1 and kind = 'cost'",
        "update transfer set debit = -5 where order_id = 6",
        "update transfer set kind = 'bonus' where order_id = 6",
        "update transfer set customer_id = 2 where order_id = 6",
    ],
    "L8": [
        "update transfer set debit = -2 where kind = 'topup'",
        "update transfer set customer_id = 2 where kind = 'topup' and credit = 1",
        "update transfer set kind = 'refund' where kind = 'topup'",
        "update transfer set order_id = null where order_id = 6",
        "insert into transfer (debit, credit, amount, kind, customer_id, created) "
        "values (-2, 1, 5, 'adjustment', 1, now())",
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
        "update delivery set quantity = 1000 where order_id = 6",
        "update delivery set service_id = 2 where order_id = 1",
    ],
    "O2": ["update idempotency set order_id = 999", "update idempotency set customer_id = 2"],
    "O3": [
        "update orders set state = 'open' where id = 1",
        "update orders set state = 'completed' where id = 6",
        "update delivery set state = 'pending' where order_id = 2",
        "update orders set ended = null where id = 1",
        "update orders set ended = now() where id = 6",
        "update active_link set order_id = 3",
        "update active_link set customer_id = 2",
    ],
    "O4": [
        "insert into attempt (order_id, run, number, provider_id, provider_service, outcome, fence) "
        "values (1, 1, 2, 1, '1', 'sending', 2)",
        "update delivery set attempt = 0 where order_id = 3 or order_id = 10",
    ],
    "O5b": [
        "update attempt set outcome = 'declined', provider_order = null where order_id = 1",
        "update delivery set state = 'queued' where order_id = 11",
        "update delivery set state = 'canceled' where order_id = 5",
        "update delivery set state = 'held' where order_id = 5",
        "update delivery set state = 'sending' where order_id = 11",
        "update delivery set state = 'pending' where order_id = 10",
        "update attempt set provider_order = null where order_id = 1",
        "update attempt set provider_order = '77' where order_id = 5",
        "update attempt set fence = fence + 1 where order_id = 11",
        "update delivery set fence = fence + 1 where order_id = 11",
        "update delivery set sent = null where order_id = 11",
        "update attempt set sent = null where order_id = 11",
    ],
    "O10": [
        "update delivery set due = null where order_id = 6",
        "update delivery set due = null where order_id = 11",
        "update delivery set state = 'sending', lease_until = null where order_id = 6",
        "update delivery set due = now() where order_id = 1",
        "update delivery set lease_until = now() where order_id = 1",
        "update delivery set cancel_passed = now() where order_id = 1",
    ],
    "O15": [
        "update order_detail set details = jsonb_set(details, '{posts}', '0') where order_id = 7",
        "update order_detail set details = jsonb_set(details, '{max}', '5') where order_id = 7",
        "update order_detail set details = jsonb_set(details, '{min}', '1000') where order_id = 7",
        "delete from order_detail where order_id = 7",
        "update orders set quantity = 5000 where id = 8",
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
    ]
    + [
        "update evidence set provider_id = 2 where order_id = 11",
        "update evidence set kind = 'neighbours' where conclusion = 'late_acceptance'",
        "update evidence set dealt_with = now() where order_id = 11",
        "delete from audit where action = 'order.deal_with'",
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
        "update refill set customer_id = 2",
        "update refill set mode = 'provider' where purchase_id = 13",
        "update orders set rate = 1, charge = 4000 where id = 13",
    ],
    "O12b": [
        "update refill set state = 'completed', ended = now() where order_id = 1",
        "update refill set ended = now() where order_id = 1",
        "update refill_task set state = 'completed', due = null where order_id = 1",
        "update refill_task set due = null where order_id = 1",
        "update refill_task set order_id = 2 where order_id = 1",
        "update refill_task set provider_id = 2 where order_id = 1",
        "update refill_task set provider_order = '999' where order_id = 1",
        "update refill_task set run = 2 where order_id = 1",
        "update refill set mode = 'manual' where order_id = 1",
        "update refill_task set provider_id = 1 where order_id = 12",
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
        "insert into order_detail (order_id, details) values (999, '{}')",
        "update attempt set provider_id = 999 where order_id = 1",
        "update attempt set run = 2 where order_id = 1",
        "update evidence set run = 2 where order_id = 10",
        "update refill set order_id = 999",
    ],
    "R2": [
        "insert into api_key (customer_id, hash, hint, created) values (999, 'x', 'x', now())",
        "update customer set price_list_id = 999",
        "update refill_task set refill_id = 999 where order_id = 1",
        "update batch set orders = array[999]",
    ],
}  # fmt: skip


def test_every_check_is_broken_by_something():
    assert {check.name for check in INVARIANTS} == set(BREAKS)


async def test_every_broken_invariant_is_found_by_its_check(honest, owner):
    await without_constraints(owner)
    overlooked = [
        (check.name, statement)
        for check in INVARIANTS
        if check.name != "L2"
        for statement in BREAKS[check.name]
        if await unseen(owner, statement, check)
    ]
    assert [] == overlooked
    assert [] == await broken(honest)


@pytest.mark.parametrize("statement", BREAKS["L2"])
async def test_a_role_that_may_change_transfers_is_found(conn, owner, statement):
    assert [] == await broken(conn)
    await owner.execute(statement)
    assert [f"L2: may {statement.split()[1]}"] == await broken(conn)


async def test_a_broken_invariant_is_told_by_its_name_with_examples(honest, owner):
    await owner.execute("update customer set balance = balance + 1 where id = 1")
    ((left, total),) = await fetch(honest, "select balance, balance - 1 from customer where id = 1")
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
