"""The ledger as pages show it: a customer's statement, with the balance after each row, and sums of a span of time."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct, structs
from psycopg.rows import TupleRow

from opensmm.base.ids import CustomerId, OrderId
from opensmm.base.money import Money
from opensmm.base.pages import Keyset, Page
from opensmm.domain.ledger import TransferKind
from opensmm.store.connection import Connection
from opensmm.store.pages import IdFinder, PageQuery

MAX_SUMMED: Final = 100_000
"""Transfers that are added up at most to tell a balance, or the sums of a span."""


class StatementFilter(Struct, frozen=True):
    """What a statement shows. ``kinds`` empty: every kind. Times from ``since`` until before ``until``."""

    kinds: tuple[TransferKind, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING: Final = StatementFilter()


class StatementRow(Struct, frozen=True):
    """One transfer of a customer. ``amount`` is above 0 where the customer got it.

    ``balance``: after the transfer; None where it lies more than ``MAX_SUMMED`` transfers back. ``gateway`` and
    ``reference`` tell a payment, ``reference`` alone what else the operator booked.
    """

    id: int
    at: datetime
    kind: TransferKind
    amount: Money
    order: OrderId | None
    sequence: int
    corrects: int | None
    note: str
    gateway: str | None
    reference: str | None
    balance: Money | None = None


_OWN: Final = "customer_id = %(customer)s and (debit > 0 or credit > 0)"
_SIGNED: Final = "case when credit > 0 then amount else -amount end"
_WANTED: Final = """(%(kinds)s::text[] is null or kind = any(%(kinds)s::text[]))
  and (%(since)s::timestamptz is null or created >= %(since)s)
  and (%(until)s::timestamptz is null or created < %(until)s)"""
STATEMENT: Final = PageQuery(
    "transfer",
    f"""t.id, t.created, t.kind, {_SIGNED}, t.order_id, t.sequence, coalesce(t.corrects, r.corrects), t.note, d.gateway,
  coalesce(d.external_id, r.reference)""",
    row="t",
    scope=_OWN,
    filters=_WANTED,
    joins="""
left join deposit d on d.transfer_id = t.id and t.order_id is null
left join transfer_reference r on r.transfer_id = t.id and t.order_id is null""",
)
TIMES: Final = IdFinder("transfer", scope=_OWN)


async def statement(
    connection: Connection, customer: CustomerId, place: Keyset, wanted: StatementFilter = EVERYTHING
) -> Page[StatementRow]:
    """A page of a customer's transfers, newest first."""
    told = _told(customer, wanted)
    ids = await TIMES.ids(connection, wanted.since, wanted.until, {"customer": customer})
    found = await STATEMENT.read(connection, place, told, _row, filtered=wanted != EVERYTHING, ids=ids)
    balances = await _balances(connection, customer, [row.id for row in found.rows])
    rows = tuple(structs.replace(row, balance=balances.get(row.id)) for row in found.rows)
    return Page(rows, found.newer, found.older)


def _told(customer: CustomerId, wanted: StatementFilter) -> dict[str, Any]:
    kinds = [kind.value for kind in wanted.kinds] or None
    return {"customer": customer, "kinds": kinds, "since": wanted.since, "until": wanted.until}


def _row(row: TupleRow) -> StatementRow:
    number, at, kind, *rest = row
    return StatementRow(number, at, TransferKind(kind), *rest)


_BALANCES: Final = f"""
with newer as (
  select id, {_SIGNED} as moved from transfer
  where {_OWN} and id >= %(oldest)s order by id desc limit %(most)s
), back as (
  select id, coalesce(sum(moved) over (order by id desc rows between unbounded preceding and 1 preceding), 0) as since
  from newer
)
select back.id, (c.balance - back.since)::bigint
from back, customer c where c.id = %(customer)s and back.id = any(%(rows)s::bigint[])
"""


async def _balances(connection: Connection, customer: CustomerId, rows: list[int]) -> Mapping[int, Money]:
    """The balance after each of some transfers: today's, less what has moved since. A customer's transfers have their
    ids in the order in which the balance changed, as its row is locked for each."""
    if not rows:
        return {}
    told = {"customer": customer, "rows": rows, "oldest": min(rows), "most": MAX_SUMMED}
    return dict(await (await connection.execute(_BALANCES, told)).fetchall())


class KindTotal(Struct, frozen=True):
    """What the transfers of a kind brought a customer and took from it."""

    kind: TransferKind
    count: int
    received: Money
    spent: Money


class Totals(Struct, frozen=True):
    """Sums by kind. ``whole``: False where there are more transfers than were added up, the newest ones."""

    kinds: tuple[KindTotal, ...]
    whole: bool


_TOTALS: Final = f"""
with summed as (
  select kind, amount, credit > 0 as received, created from transfer
  where {_OWN} and id > %(above)s and id < %(below)s order by id desc limit %(most)s
)
select kind, count(*), coalesce(sum(amount) filter (where received), 0)::bigint,
  coalesce(sum(amount) filter (where not received), 0)::bigint
from summed where {_WANTED} group by kind
union all select null, count(*), 0, 0 from summed order by kind nulls last
"""


async def totals(connection: Connection, customer: CustomerId, wanted: StatementFilter = EVERYTHING) -> Totals:
    """What moved by kind, of the transfers that a statement with the same filter shows."""
    ids = await TIMES.ids(connection, wanted.since, wanted.until, {"customer": customer})
    bounds = {"above": ids.above, "below": ids.below, "most": MAX_SUMMED}
    *rows, whole = await (await connection.execute(_TOTALS, {**_told(customer, wanted), **bounds})).fetchall()
    kinds = tuple(KindTotal(TransferKind(kind), *sums) for kind, *sums in rows)
    return Totals(kinds, whole=whole[1] < MAX_SUMMED)
