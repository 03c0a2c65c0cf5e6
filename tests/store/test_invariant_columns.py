"""Every column of the tables of money and orders is watched by a check of ``verify``, or says why it need not be."""

import pytest
from tests.breaking import unseen, without_constraints
from tests.panel import broken, fetch

from opensmm.store.invariants import INVARIANTS

WATCHED: dict[str, dict[str, str | list[tuple[str, str]]]] = {
    "orders": {
        "id": [("R1", "update orders set id = 999 where id = 6")],
        "customer_id": [("O1", "update orders set customer_id = 2 where id = 6")],
        "service_id": [("O1", "update orders set service_id = 2 where id = 6")],
        "quantity": [("P1", "update orders set quantity = 1000 where id = 6")],
        "charge": [("O1", "update orders set charge = charge + 1 where id = 6")],
        "refunded": [("P3", "update orders set refunded = refunded + 1 where id = 2")],
        "earned": [("P3", "update orders set earned = earned - 1 where id = 1")],
        "remains": [("O8", "update orders set remains = 59 where id = 2")],
        "ended": [("O3", "update orders set ended = null where id = 1")],
        "runs": [("P1", "update orders set runs = 2 where id = 6")],
        "packaged": [("P1", "update orders set packaged = true where id = 6")],
        "state": [("O3", "update orders set state = 'completed' where id = 6")],
        "rate": [("P1", "update orders set rate = 0.9001 where id = 6")],
        "start_count": "the provider's count, shown and never reckoned with",
        "created": "a time that is shown; no money and no duty hangs on it",
        "interval_min": "when runs are sent, not whether: O10 sees to it that they are",
        "link": "what the customer typed: nothing else tells it",
        "user_id": "who placed it, for people to read; a user may be gone, and no money hangs on it",
    },
    "order_detail": {
        "order_id": [("O15", "update order_detail set order_id = 999 where order_id = 7")],
        "details": [("O15", "update order_detail set details = jsonb_set(details, '{max}', '5') where order_id = 7")],
    },
    "delivery": {
        "order_id": [("O1", "update delivery set order_id = 999 where order_id = 6")],
        "service_id": [("O1", "update delivery set service_id = 2 where order_id = 6")],
        "quantity": [("O1", "update delivery set quantity = quantity * 10 where order_id = 6")],
        "remains": [
            ("P5", "update delivery set remains = 50 where order_id = 2"),
            ("O8", "update delivery set remains = null where order_id = 2"),
        ],
        "due": [
            ("O10", "update delivery set due = null where order_id = 6"),
            ("O10", "update delivery set due = null where order_id = 11"),
        ],
        "lease_until": [("O10", "update delivery set state = 'sending', lease_until = null where order_id = 6")],
        "cancel_asked": [("O10", "update delivery set cancel_passed = now(), cancel_asked = null where order_id = 11")],
        "cancel_passed": [("O10", "update delivery set cancel_passed = now() where order_id = 11")],
        "sent": [("O5b", "update delivery set sent = null where order_id = 11")],
        "run": [("O11", "update delivery set run = 4 where order_id = 4 and run = 3")],
        "fence": [("O5b", "update delivery set fence = fence + 1 where order_id = 11")],
        "attempt": [
            ("O4", "update delivery set attempt = 0 where order_id = 11"),
            ("O5", "update delivery set attempt = 2 where order_id = 11"),
        ],
        "state": [
            ("O3", "update delivery set state = 'completed' where order_id = 6"),
            ("O5b", "update delivery set state = 'queued' where order_id = 11"),
            ("P5", "update delivery set state = 'pending' where order_id = 1"),
        ],
        "ceiling": [("P4", "update delivery set ceiling = 0.91 where order_id = 1")],
        "start_count": "the provider's count, shown and never reckoned with",
        "cancel_again": "when a wish that waits is told once more; what it came to shows in the state",
        "cancel_tries": "answers that were not clear, counted for the pauses between them",
        "note": "the provider's words, for the operator",
        "noted": "since when the provider says so",
        "polled": "when news was last asked for; how it ended is what P5 proves",
        "route": "which provider is tried next; who took it stands with the attempt",
    },
    "attempt": {
        "order_id": [("R1", "update attempt set order_id = 999 where order_id = 11")],
        "provider_id": [("R1", "update attempt set provider_id = 999 where order_id = 11")],
        "sent": [("O5b", "update attempt set sent = null where order_id = 11")],
        "run": [("R1", "update attempt set run = 2 where order_id = 11")],
        "number": [("O4", "update attempt set number = 2 where order_id = 11")],
        "fence": [("O5b", "update attempt set fence = fence + 1 where order_id = 11")],
        "outcome": [
            ("O5b", "update attempt set outcome = 'declined', provider_order = null where order_id = 1"),
            ("O6", "update attempt set outcome = 'declined' where order_id = 5"),
        ],
        "provider_order": [
            ("O5b", "update attempt set provider_order = null where order_id = 1"),
            ("O6b", "update attempt set provider_order = '77' where order_id = 11"),
            ("O7", "update attempt set provider_order = '01' where order_id = 11"),
        ],
        "cost": [("P2", "update attempt set cost = cost * 2 where order_id = 1")],
        "exchange_rate": [("P2", "update attempt set exchange_rate = exchange_rate * 2 where order_id = 1")],
        "quoted": [("P4", "update attempt set quoted = 0.91 where order_id = 1")],
        "answered": "a time; evidence takes one without it for nobody's neighbour",
        "provider_service": "the provider's name of the service at that time: routes change, and nothing else keeps it",
        "currency": "in what the cost is written; what is booked hangs on the rate that is kept beside it",
        "answer": "the provider's words, for the operator",
        "provider_order_key": "made by the database from the provider's order",
        "collides": "set once, by a migration, of two ids that shared a key before it: O7 names them",
    },
    "transfer": {
        "id": "a number by which other rows name it",
        "debit": [
            ("L7", "update transfer set debit = 2 where order_id = 6"),
            ("L8", "update transfer set debit = -2 where kind = 'topup'"),
        ],
        "credit": [
            ("L7", "update transfer set credit = 2 where order_id = 2 and kind = 'refund'"),
            ("L7", "update transfer set credit = 1 where order_id = 1 and kind = 'earn'"),
            ("L7", "update transfer set credit = 1 where order_id = 1 and kind = 'cost'"),
            ("L8", "update transfer set credit = 2 where kind = 'topup' and credit = 1"),
        ],
        "amount": [
            ("L3", "update transfer set amount = amount + 1 where kind = 'topup' and credit = 1"),
            ("P5", "update transfer set amount = amount + 1 where order_id = 1 and kind = 'earn'"),
        ],
        "customer_id": [
            ("L7", "update transfer set customer_id = 2 where order_id = 1 and kind = 'earn'"),
            ("L8", "update transfer set customer_id = 2 where kind = 'topup' and credit = 1"),
        ],
        "order_id": [
            ("L8", "update transfer set order_id = null where order_id = 6"),
            ("P3", "update transfer set order_id = 2 where order_id = 3 and kind = 'refund'"),
        ],
        "sequence": [("P5", "update transfer set sequence = 2 where order_id = 1 and kind = 'earn'")],
        "kind": [
            ("L7", "update transfer set kind = 'return' where order_id = 3 and kind = 'refund'"),
            ("L8", "update transfer set kind = 'bonus' where kind = 'topup'"),
        ],
        "corrects": [("L9", "update transfer set corrects = null where kind = 'chargeback'")],
        "created": "a time that is shown",
        "note": "the operator's words",
    },
    "deposit": {
        "transfer_id": [("L5", "insert into deposit (gateway, external_id, transfer_id) values ('g', '1', 99999)")],
        "gateway": "whose payment it is: nothing else tells it",
        "external_id": "the gateway's name of the payment: nothing else tells it",
        "folded": "made from the external id, to find those that are like it",
    },
    "transfer_reference": {
        "transfer_id": [("L9", "update transfer_reference set transfer_id = 1 where kind = 'bonus'")],
        "corrects": [("L9", "update transfer_reference set corrects = 1 where kind = 'chargeback'")],
        "to_customer_id": [("L9", "update transfer_reference set to_customer_id = 1 where to_customer_id > 0")],
        "kind": [("L9", "update transfer_reference set kind = 'payout' where kind = 'bonus'")],
        "reference": "the operator's own name of it",
    },
    "credit_change": {
        "id": [("L10", "update credit_change set id = 999")],
        "customer_id": [("L10", "update credit_change set customer_id = 1")],
        "amount": [("L10", "update credit_change set amount = amount + 1")],
        "at": "a time that is shown",
        "reference": "the operator's own name of it",
        "actor": "who set it, as the audit trail tells it too",
        "reason": "the operator's words",
    },
    "customer": {
        "id": [("R1", "update customer set id = 999 where id = 1")],
        "price_list_id": [("R2", "update customer set price_list_id = 999 where id = 1")],
        "balance": [("L3", "update customer set balance = balance + 1 where id = 1")],
        "credit_limit": [("L10", "update customer set credit_limit = 1 where id = 1")],
        "credit_change_id": [("L10", "update customer set credit_change_id = 999 where id = 1")],
        "overdrawn": [("L4", "update customer set overdrawn = 1 where id = 1")],
        "created": "a time that is shown",
        "suspended": "may be set and taken back at any time, and moves no money",
        "name": "a name",
    },
    "post": {
        "order_id": [("O14", "update post set order_id = 999 where child_id = 8")],
        "provider_id": [("O14", "update post set provider_id = 2 where child_id = 8")],
        "child_id": [("O14", "update post set child_id = 6 where child_id = 8")],
        "state": [("O14", "update post set state = 'unpaid' where child_id = 8")],
        "provider_order": [("O14", "update post set provider_order = '999' where child_id = 8")],
        "seen": "when it was first told; it bounds how long it waits",
        "missing": "since when its provider lists it no more; the order made for it stays one",
        "provider_order_key": "made by the database from the provider's order",
        "collides": "set once, by a migration, of two ids that shared a key before it",
    },
    "refill": {
        "id": [("R2", "update refill set id = 999 where order_id = 1")],
        "order_id": [("R1", "update refill set order_id = 999 where order_id = 1")],
        "customer_id": [("O12", "update refill set customer_id = 2 where order_id = 1")],
        "ended": [("O12b", "update refill set ended = now() where order_id = 1")],
        "purchase_id": [("O12", "update refill set purchase_id = 6 where order_id = 12")],
        "state": [("O12b", "update refill set state = 'completed' where order_id = 1")],
        "mode": [
            ("O12b", "update refill set mode = 'manual' where order_id = 1"),
            ("O12", "update refill set mode = 'provider' where order_id = 12"),
        ],
        "created": "a time that is shown",
    },
    "refill_task": {
        "refill_id": [("R2", "update refill_task set refill_id = 999 where order_id = 1")],
        "order_id": [("O12b", "update refill_task set order_id = 2 where order_id = 1")],
        "provider_id": [("O12b", "update refill_task set provider_id = 3 where order_id = 1")],
        "due": [("O12b", "update refill_task set due = null where order_id = 1")],
        "run": [("O12b", "update refill_task set run = 2 where order_id = 1")],
        "state": [("O12b", "update refill_task set state = 'rejected' where order_id = 1")],
        "provider_order": [("O12b", "update refill_task set provider_order = '999' where order_id = 1")],
        "provider_refill": "the provider's name of the refill, asked after by it; nothing else tells it",
        "lease_until": "not used",
        "fence": "not used",
        "polled": "when it was last asked after",
        "tries": "answers that were not clear, counted for the pauses between them",
        "note": "words for the operator",
        "noted": "since when they hold",
    },
    "evidence": {
        "order_id": [("R1", "update evidence set order_id = 999 where order_id = 11")],
        "provider_id": [("O6b", "update evidence set provider_id = 3 where order_id = 11")],
        "run": [("R1", "update evidence set run = 2 where order_id = 11")],
        "number": [("O6b", "update evidence set number = 2 where order_id = 11")],
        "kind": [("O6b", "update evidence set kind = 'answer' where order_id = 11")],
        "conclusion": [("O6b", "update evidence set conclusion = 'not_bought' where order_id = 11")],
        "detail": [("O6b", 'update evidence set detail = \'{"provider_order": "9"}\' where order_id = 11')],
        "dealt_with": [("O6b", "update evidence set dealt_with = now() where order_id = 11")],
        "id": "a number; the order of rows tells which look was the last",
        "at": "a time that is shown",
    },
    "idempotency": {
        "customer_id": [("O2", "update idempotency set customer_id = 2")],
        "order_id": [("O2", "update idempotency set order_id = 999")],
        "created": "until when it is kept",
        "key": "the client's own word",
        "fingerprint": "a hash of what was asked, of which no more is kept",
    },
    "active_link": {
        "customer_id": [("O3", "update active_link set customer_id = 2")],
        "order_id": [("O3", "update active_link set order_id = 3")],
        "link_hash": "a hash of the link, made by rules that have changed",
    },
    "batch": {
        "orders": [("R2", "update batch set orders = array[999]")],
        "id": "a number that its transaction made up",
        "created": "until when it is kept",
    },
}
COLUMNS = """
select relname, attname from pg_attribute a join pg_class c on c.oid = a.attrelid
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
  and relname = any(%s)
"""
CHECK = {check.name: check for check in INVARIANTS}


async def test_every_column_is_watched_or_says_why_it_need_not_be(conn):
    listed = {(table, column) for table, columns in WATCHED.items() for column in columns}
    assert set(await fetch(conn, COLUMNS, list(WATCHED))) == listed


async def test_what_is_planted_in_a_column_is_found_by_the_check_that_watches_it(honest, owner):
    await without_constraints(owner)
    overlooked = [
        (f"{table}.{column}", name, statement)
        for table, columns in WATCHED.items()
        for column, planted in columns.items()
        if not isinstance(planted, str)
        for name, statement in planted
        if await unseen(owner, statement, CHECK[name])
    ]
    assert [] == overlooked
    assert [] == await broken(honest)


@pytest.mark.parametrize("table", WATCHED)
def test_what_is_planted_changes_the_column_that_it_is_planted_in(table):
    for column, planted in WATCHED[table].items():
        for _, statement in planted if not isinstance(planted, str) else ():
            assert column in statement, statement
            assert f" {table} " in statement, statement
