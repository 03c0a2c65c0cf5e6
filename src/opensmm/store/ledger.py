"""The ledger of the pages: a customer's statement with the balance after each row, and sums over a period."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct, convert, structs
from psycopg.rows import TupleRow

from opensmm.base.ids import CustomerId, OrderId
from opensmm.base.money import Money
from opensmm.base.pages import Keyset, Page
from opensmm.domain.ledger import TransferKind
from opensmm.store.connection import Connection
from opensmm.store.pages import IdFinder, PageQuery

MAX_SUMMED: Final = 100_000
"""The most transfers that are added up for a balance, or for the sums over a period."""


class StatementFilter(Struct, frozen=True):
    """A filter of a statement: times from ``since`` until before ``until``. ``kinds`` empty: every kind."""

    kinds: tuple[TransferKind, ...] = ()
    since: datetime | None = None
    until: datetime | None = None


EVERYTHING: Final = StatementFilter()


class StatementRow(Struct, frozen=True):
    """One transfer of a customer. ``amount`` is above 0 if the customer received it.

    ``balance``: after the transfer; None if more than ``MAX_SUMMED`` newer transfers exist. A payment has ``gateway``
    and ``reference``, another transfer by the operator ``reference`` alone.
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
_COLUMNS: Final = {
    "id": "t.id",
    "at": "t.created",
    "kind": "t.kind",
    "amount": _SIGNED,
    "order": "t.order_id",
    "sequence": "t.sequence",
    "corrects": "coalesce(t.corrects, r.corrects)",
    "note": "t.note",
    "gateway": "d.gateway",
    "reference": "coalesce(d.external_id, r.reference)",
}
"""The SQL of each field of a row, but for the balance."""
STATEMENT: Final = PageQuery(
    "transfer",
    ", ".join(_COLUMNS.values()),
    row="t",
    scope=_OWN,
    filters=_WANTED,
    joins="""
left join deposit d on d.transfer_id = t.id and t.order_id is null
left join transfer_reference r on r.transfer_id = t.id and t.order_id is null""",
)
TIMES: Final = IdFinder("transfer", scope=_OWN)


async def statement(
    connection: Connection, customer: CustomerId, place: Keyset, filters: StatementFilter = EVERYTHING
) -> Page[StatementRow]:
    """Returns a page of a customer's transfers, newest first."""
    values = _make_parameters(customer, filters)
    ids = await TIMES.ids(connection, filters.since, filters.until, {"customer": customer})
    page = await STATEMENT.read(connection, place, values, _read_row, filtered=filters != EVERYTHING, ids=ids)
    balances = await _read_balances(connection, customer, [row.id for row in page.rows])
    rows = tuple(structs.replace(row, balance=balances.get(row.id)) for row in page.rows)
    return Page(rows, page.newer, page.older)


def _make_parameters(customer: CustomerId, filters: StatementFilter) -> dict[str, Any]:
    kinds = [kind.value for kind in filters.kinds] or None
    return {"customer": customer, "kinds": kinds, "since": filters.since, "until": filters.until}


def _read_row(row: TupleRow) -> StatementRow:
    return convert(dict(zip(_COLUMNS, row, strict=True)), StatementRow)


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


async def _read_balances(connection: Connection, customer: CustomerId, rows: list[int]) -> Mapping[int, Money]:
    """Returns the balance after each of some transfers: the present balance, less the newer transfers.

    A customer's row is locked for each transfer, so the ids of its transfers grow as its balance changes.
    """
    if not rows:
        return {}
    values = {"customer": customer, "rows": rows, "oldest": min(rows), "most": MAX_SUMMED}
    return dict(await (await connection.execute(_BALANCES, values)).fetchall())


class KindTotal(Struct, frozen=True):
    """The transfers of one kind: their number, and what the customer received and spent by them."""

    kind: TransferKind
    count: int
    received: Money
    spent: Money


class Totals(Struct, frozen=True):
    """Sums by kind. ``whole``: False if only the newest ``MAX_SUMMED`` transfers were added up."""

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
-- The last row has the number of all that were read.
union all select null, count(*), 0, 0 from summed order by kind nulls last
"""


async def totals(connection: Connection, customer: CustomerId, filters: StatementFilter = EVERYTHING) -> Totals:
    """Returns the sums by kind of the transfers that a statement with the same filter shows."""
    ids = await TIMES.ids(connection, filters.since, filters.until, {"customer": customer})
    bounds = {"above": ids.above, "below": ids.below, "most": MAX_SUMMED}
    cursor = await connection.execute(_TOTALS, {**_make_parameters(customer, filters), **bounds})
    *rows, (_, summed, _, _) = await cursor.fetchall()
    kinds = tuple(KindTotal(TransferKind(kind), count, received, spent) for kind, count, received, spent in rows)
    return Totals(kinds, whole=summed < MAX_SUMMED)
