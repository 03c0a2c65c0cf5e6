"""Daily sums of the ledger, by service and provider and by customer, added up as the ledger grows.

Money counts on the day (UTC) of its transfer: a charge on the day the order was placed; earnings, refunds and costs on
the day that it ended. So sums of past days do not change, and all sums together equal the ledger. Profit is earned less
returned less cost.

A row with a lower id may become visible later, because ids are drawn before transactions commit. Rows are added up only
when every transaction that was under way when they were seen has ended. Each of these had its transaction number before
it drew an id, since writing a transfer or an order locks the customer's row first.
"""

from datetime import date
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from opensmm.base.ids import CustomerId
from opensmm.base.money import Money
from opensmm.domain.dispatch import AttemptOutcome
from opensmm.domain.ledger import TransferKind
from opensmm.store.connection import Connection
from opensmm.store.rows import first_row, records

PIECE: Final = 20_000
"""The most rows that one transaction adds up."""

_IS_BEHIND: Final = """
select exists (
  select from rollup_cursor where name = 'transfer' and done < (select coalesce(max(id), 0) from transfer)
     or name = 'orders' and done < (select coalesce(max(id), 0) from orders))
"""
_TURN: Final = """
select c.done, c.until, c.fence, coalesce((select max(id) from {name}), 0) as newest,
  pg_snapshot_xmin(pg_current_snapshot())::text::bigint as oldest,
  pg_snapshot_xmax(pg_current_snapshot())::text::bigint as next
from rollup_cursor c where c.name = '{name}' for update skip locked
"""
_MOVE: Final = "update rollup_cursor set done = %s, until = %s, fence = %s where name = %s"


def _sum(kind: TransferKind) -> str:
    return f"coalesce(sum(amount) filter (where kind = '{kind}'), 0)::bigint"


_SUMS: Final = ", ".join(
    map(_sum, (TransferKind.CHARGE, TransferKind.EARN, TransferKind.REFUND, TransferKind.RETURN, TransferKind.COST))
)
_MONEY: Final = ("charged", "earned", "refunded", "returned", "cost")


def _added(table: str, *columns: str) -> str:
    return ", ".join(f"{column} = {table}.{column} + excluded.{column}" for column in columns)


_OWN_MONEY: Final = f"'{TransferKind.TOPUP}', '{TransferKind.PAYOUT}', '{TransferKind.CHARGEBACK}'"
_HOUSE_MONEY: Final = f"'{TransferKind.BONUS}', '{TransferKind.ADJUSTMENT}'"
_SIGNED: Final = "case when credit > 0 then amount else -amount end"
_ADD_TRANSFERS: Final = f"""
-- The next transfers.
with moved as materialized (
  select id, (created at time zone 'UTC')::date as day, kind, amount, credit, customer_id, order_id, sequence
  from transfer where id > %(done)s and id <= %(until)s order by id limit %(most)s
-- The service of each order, and the provider that accepted the run; none has when an order is charged.
), sold as materialized (
  select m.day, m.kind, m.amount, o.service_id, case when m.kind = '{TransferKind.CHARGE}' then 0 else coalesce((
    select a.provider_id from attempt a
    where a.order_id = m.order_id and a.outcome = '{AttemptOutcome.ACCEPTED}'
      and (a.run = m.sequence or m.kind = '{TransferKind.RETURN}')
    order by a.run desc, a.number desc limit 1), 0) end as provider_id
  from moved m join orders o on o.id = m.order_id
), by_service as (
  insert into service_day (day, service_id, provider_id, {", ".join(_MONEY)})
  select day, service_id, provider_id, {_SUMS} from sold group by day, service_id, provider_id
  on conflict (day, service_id, provider_id) do update set {_added("service_day", *_MONEY)}
), by_customer as (
  insert into customer_day (day, customer_id, {", ".join(_MONEY)}, paid, granted)
  select day, customer_id, {_SUMS}, coalesce(sum({_SIGNED}) filter (where kind in ({_OWN_MONEY})), 0)::bigint,
    coalesce(sum({_SIGNED}) filter (where kind in ({_HOUSE_MONEY})), 0)::bigint
  from moved group by day, customer_id
  on conflict (customer_id, day) do update set {_added("customer_day", *_MONEY, "paid", "granted")}
)
select count(*), max(id) from moved
"""
_ADD_ORDERS: Final = f"""
-- The next orders that were placed.
with placed as materialized (
  select id, (created at time zone 'UTC')::date as day, service_id, customer_id
  from orders where id > %(done)s and id <= %(until)s order by id limit %(most)s
), by_service as (
  insert into service_day (day, service_id, provider_id, placed)
  select day, service_id, 0, count(*) from placed group by day, service_id
  on conflict (day, service_id, provider_id) do update set {_added("service_day", "placed")}
), by_customer as (
  insert into customer_day (day, customer_id, placed)
  select day, customer_id, count(*) from placed group by day, customer_id
  on conflict (customer_id, day) do update set {_added("customer_day", "placed")}
)
select count(*), max(id) from placed
"""
_SOURCES: Final = {"transfer": _ADD_TRANSFERS, "orders": _ADD_ORDERS}


class _Turn(Struct, frozen=True):
    """The progress of adding up a table.

    Ids up to ``done`` are added up; those up to ``until`` may be, once all transactions before ``fence`` have ended.
    ``newest`` is the highest id, ``oldest`` the number of the oldest transaction under way, ``next`` that of the next
    transaction, all of one moment.
    """

    done: int
    until: int
    fence: int | None
    newest: int
    oldest: int
    next: int


async def is_behind(connection: Connection) -> bool:
    """Returns True if some rows are not added up yet."""
    row = await (await connection.execute(_IS_BEHIND)).fetchone()
    assert row is not None
    return bool(row[0])


async def add_up(connection: Connection) -> bool:
    """Adds the next piece of each table to the daily sums, in the caller's transaction; returns True if it added any.

    If there is nothing new, it writes nothing and so costs no flush of the WAL.
    """
    if not await is_behind(connection):
        return False
    added = 0
    for name, statement in _SOURCES.items():
        turn = await first_row(connection, _Turn, _TURN.format(name=name))
        if turn is not None:
            added += await _add_piece(connection, name, statement, turn)
    return added > 0


async def _add_piece(connection: Connection, name: str, statement: str, turn: _Turn) -> int:
    count, done, until, fence = 0, turn.done, turn.until, turn.fence
    if done < until and fence is not None and fence <= turn.oldest:
        span = {"done": done, "until": until, "most": PIECE}
        row = await (await connection.execute(statement, span)).fetchone()
        assert row is not None
        count = row[0]
        done = row[1] if count == PIECE else until
    # A fence ahead of all transaction numbers is another server's, from which the database was moved to this one.
    if done == until < turn.newest or (fence is not None and fence > turn.next):
        until, fence = max(until, turn.newest), turn.next
    if (done, until, fence) != (turn.done, turn.until, turn.fence):
        await connection.execute(_MOVE, [done, until, fence, name])
    return count


class DaySums(Struct, frozen=True):
    """Sums of some days: the orders placed, and the money of their transfers."""

    placed: int
    charged: Money
    earned: Money
    refunded: Money
    returned: Money
    cost: Money

    @property
    def profit(self) -> Money:
        return Money(self.earned - self.returned - self.cost)


class ReportBy(StrEnum):
    """The column that a report groups by."""

    DAY = "day"
    SERVICE = "service_id"
    PROVIDER = "provider_id"
    CUSTOMER = "customer_id"


MAX_REPORT_ROWS: Final = 1000
_TOTALS: Final = ", ".join(f"sum({column})::bigint as {column}" for column in ("placed", *_MONEY))
_REPORT: Final = f"""
select {{by}} as key, {_TOTALS} from {{table}} where day >= %(since)s and day < %(until)s and {{scope}}
group by {{by}} order by {{order}} limit %(most)s
"""
_MOST_PROFIT_FIRST: Final = "sum(earned - returned - cost) desc, 1"


async def report(connection: Connection, by: ReportBy, since: date, until: date) -> list[tuple[date | int, DaySums]]:
    """Returns the sums from ``since`` until before ``until``: by day, oldest first; otherwise by most profit first."""
    table = "customer_day" if by is ReportBy.CUSTOMER else "service_day"
    order = "1" if by is ReportBy.DAY else _MOST_PROFIT_FIRST
    statement = _REPORT.format(by=by.value, table=table, scope="true", order=order)
    return await _read(connection, statement, {"since": since, "until": until})


async def customer_days(
    connection: Connection, customer: CustomerId, since: date, until: date
) -> list[tuple[date | int, DaySums]]:
    """Returns a customer's sums of each day that has any, from ``since`` until before ``until``, oldest first."""
    statement = _REPORT.format(by="day", table="customer_day", scope="customer_id = %(customer)s", order="1")
    return await _read(connection, statement, {"since": since, "until": until, "customer": customer})


async def _read(connection: Connection, statement: str, values: dict[str, object]) -> list[tuple[date | int, DaySums]]:
    sums = await records(connection, statement, {**values, "most": MAX_REPORT_ROWS})
    return [(record["key"], msgspec.convert(record, DaySums)) for record in sums]
