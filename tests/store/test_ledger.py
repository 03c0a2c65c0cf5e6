"""A customer's statement: every transfer once, with the balance after it, whatever is filtered."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.panel import acting, balance, broken, buyer, fetch, pay, walk

from opensmm.actions import money
from opensmm.base.money import Money
from opensmm.base.pages import Keyset
from opensmm.domain.ledger import TransferKind
from opensmm.domain.payments import Payment
from opensmm.store import ledger, pages
from opensmm.store.ledger import KindTotal, StatementFilter

DAY = timedelta(days=1)
SHORT = 3_000
BEGIN = datetime(2035, 1, 1, tzinfo=UTC)
LONG = f"""
insert into transfer (debit, credit, amount, kind, customer_id, order_id, created)
  select %s, -1, 10, 'charge', %s, 500000 + n, timestamptz '2035-01-01 00:00Z' + n * interval '1 minute'
  from generate_series(1, {SHORT}) n
"""


async def whole(conn, customer, wanted=ledger.EVERYTHING, size=7):
    """All rows of a statement, page by page, and how many pages there were."""
    pages = await walk(lambda place: ledger.statement(conn, customer, place, wanted), Keyset(size=size))
    return [row for one in pages for row in one.rows], len(pages)


async def told_by_transfers(conn, customer):
    """(id, amount, balance after it), newest first, from the table as it is."""
    moved = await fetch(
        conn,
        """select id, case when credit = customer_id then amount else -amount end from transfer
           where customer_id = %s and customer_id in (debit, credit) order by id""",
        customer,
    )
    sums, total = [], 0
    for number, amount in moved:
        total += amount
        sums.append((number, amount, total))
    return sums[::-1]


async def test_a_statement_tells_every_movement_and_the_balance_after_it(honest, ann):
    rows, _ = await whole(honest, ann.id)
    expected = await told_by_transfers(honest, ann.id)
    assert expected == [(row.id, row.amount, row.balance) for row in rows]
    assert await balance(honest, ann.id) == rows[0].balance
    assert {"topup", "charge", "refund"} == {row.kind for row in rows}
    assert TransferKind.COST not in {row.kind for row in rows}, "what the house pays is not the customer's"
    assert [] == await broken(honest)


async def test_the_way_up_meets_the_same_rows(honest, ann):
    rows, _ = await whole(honest, ann.id)
    upwards = await walk(lambda place: ledger.statement(honest, ann.id, place), Keyset(after=0, size=4))
    assert rows == [row for found in reversed(upwards) for row in found.rows]


async def test_a_filtered_statement_keeps_the_balances_of_the_whole_one(honest, ann):
    every, _ = await whole(honest, ann.id)
    for kind in TransferKind:
        rows, _ = await whole(honest, ann.id, StatementFilter(kinds=(kind,)), size=2)
        assert [row for row in every if row.kind is kind] == rows, kind


async def test_a_movement_by_hand_tells_its_reference(stocked):
    by, who = acting(datetime.now(UTC), reason="why"), await buyer(stocked, "0")
    paid = await pay(stocked, who.id, 5_000, "A1")
    await money.bonus(stocked, who.id, Money(5), "b", by)
    await money.charge_back(stocked, Payment("bank", "A1"), Money(3_000), "c", by)
    rows, _ = await whole(stocked, who.id)
    assert [
        ("chargeback", -3_000, 2_005, None, "c", paid.transfer, "why"),
        ("bonus", 5, 5_005, None, "b", None, "why"),
        ("topup", 5_000, 5_000, "bank", "A1", None, "bank A1"),
    ] == [(r.kind, r.amount, r.balance, r.gateway, r.reference, r.corrects, r.note) for r in rows]


@pytest.fixture
async def long(stocked, ann):
    """A customer with a charge each minute for two days, and the balance that they leave."""
    await stocked.execute(LONG, [ann.id, ann.id])
    await stocked.execute("update customer set balance = balance - %s where id = %s", [10 * SHORT, ann.id])
    return stocked


async def test_a_rare_kind_is_looked_for_a_piece_at_a_time(long, ann, monkeypatch):
    monkeypatch.setattr(pages, "LOOKED_AT", 500)
    rows, count = await whole(long, ann.id, StatementFilter(kinds=(TransferKind.TOPUP,)))
    assert ([("topup", 10_000_000, 10_000_000)], 7) == ([(r.kind, r.amount, r.balance) for r in rows], count)


async def test_a_span_of_time_has_its_rows_and_no_others_wherever_it_lies(long, ann, monkeypatch):
    monkeypatch.setattr(pages, "LOOKED_AT", 10_000)
    for since, until, count in (
        (BEGIN, BEGIN + timedelta(minutes=5), 4),
        (BEGIN + timedelta(minutes=100), BEGIN + timedelta(minutes=160), 60),
        (BEGIN + timedelta(minutes=SHORT), None, 1),
        (None, BEGIN, 1),
        (BEGIN + 3 * DAY, BEGIN + 4 * DAY, 0),
        (None, None, SHORT + 1),
    ):
        wanted = StatementFilter(since=since, until=until)
        rows, _ = await whole(long, ann.id, wanted, size=200)
        assert count == len(rows), (since, until)
        totals = await ledger.totals(long, ann.id, wanted)
        assert (count, True) == (sum(kind.count for kind in totals.kinds), totals.whole)


async def test_a_span_is_found_without_reading_what_lies_outside(long, ann):
    scope = {"customer": ann.id}
    ids = await ledger.TIMES.ids(long, BEGIN + DAY, BEGIN + DAY + timedelta(hours=1), scope)
    inside = await fetch(
        long,
        "select min(id), max(id) from transfer where created >= %s and created < %s",
        BEGIN + DAY,
        BEGIN + DAY + timedelta(hours=1),
    )
    assert (inside[0][0] - 61, inside[0][1] + 61) == (ids.above, ids.below)


async def test_times_that_went_back_with_the_clock_are_found_all_the_same(long, ann):
    """Five hours of charges happened again, as it were, when the clock was set back."""
    await long.execute(
        """insert into clock_step (noted, since, until, moved, cause)
           values ('2035-01-03', '2035-01-02', '2035-01-03', '-5 hours', 'moved')"""
    )
    await long.execute(
        LONG.replace("500000", "900000").replace("minute'", "minute' + interval '45 hours'"), [ann.id] * 2
    )
    since = BEGIN + timedelta(hours=46)
    span = StatementFilter(since=since, until=since + timedelta(hours=4))
    rows, _ = await whole(long, ann.id, span, size=200)
    assert 2 * 240 == len(rows)


async def test_sums_are_by_kind_and_say_when_they_are_not_whole(long, ann, monkeypatch):
    assert ledger.Totals(
        (KindTotal(TransferKind.CHARGE, SHORT, Money(0), Money(10 * SHORT)),
         KindTotal(TransferKind.TOPUP, 1, Money(10_000_000), Money(0))),
        whole=True,
    ) == await ledger.totals(long, ann.id)  # fmt: skip
    monkeypatch.setattr(ledger, "MAX_SUMMED", 100)
    assert not (await ledger.totals(long, ann.id)).whole
    only = StatementFilter(kinds=(TransferKind.TOPUP,))
    assert ledger.Totals((), whole=False) == await ledger.totals(long, ann.id, only)


async def test_a_balance_too_far_back_is_not_told(long, ann, monkeypatch):
    monkeypatch.setattr(ledger, "MAX_SUMMED", 100)
    (row,) = (await ledger.statement(long, ann.id, Keyset(before=2))).rows
    assert ("topup", None) == (row.kind, row.balance)
