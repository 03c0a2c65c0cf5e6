"""Reading a page of a long table: by id, through a bounded number of rows, with no index of its own for each filter."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from msgspec import Struct
from psycopg.rows import TupleRow

from opensmm.base.pages import MAX_ID, Keyset, Page, page
from opensmm.store.connection import Connection

Row = TypeVar("Row")

LOOKED_AT: Final = 10_000
"""Rows that a filtered page goes through at most, before it ends with what it has found."""

_PAGE: Final = """
-- The rows in reach by index, then those of them that pass, then what is shown beside them.
select {columns}
from (
  select * from (
    select * from {table} where {scope} and id > %(above)s and id < %(below)s order by id {way} limit %(looked_at)s
  ) {row} where {filters} order by id {way} limit %(most)s
) {row} {joins} order by {row}.id {way}
"""
_STOP: Final = """
select id from {table} where {scope} and id > %(above)s and id < %(below)s order by id {way}
limit 1 offset %(looked_at)s - 1
"""


class IdRange(Struct, frozen=True):
    """The ids between two, both left out."""

    above: int = -1
    below: int = MAX_ID


EVERY_ID: Final = IdRange()


class PageQuery:
    """A list of one table's rows. ``columns`` begin with the id of ``row``, as the SQL calls it; ``scope`` is found by
    an index that ends with the id, ``filters`` is asked of each row of it."""

    def __init__(
        self, table: str, columns: str, *, row: str, scope: str = "true", filters: str = "true", joins: str = ""
    ) -> None:
        parts = {"table": table, "columns": columns, "row": row, "scope": scope, "filters": filters, "joins": joins}
        self._pages = {ascends: _PAGE.format(**parts, way=way) for ascends, way in _WAYS.items()}
        self._stops = {ascends: _STOP.format(**parts, way=way) for ascends, way in _WAYS.items()}
        self.statements = (*self._pages.values(), *self._stops.values())

    async def read(
        self,
        connection: Connection,
        place: Keyset,
        values: Mapping[str, Any],
        make: Callable[[TupleRow], Row],
        *,
        filtered: bool,
        ids: IdRange = EVERY_ID,
    ) -> Page[Row]:
        """The page at ``place`` within ``ids``; ``filtered`` tells that some rows may not pass."""
        bounds = {"above": max(ids.above, -1 if place.after is None else place.after)}
        bounds["below"] = min(ids.below, MAX_ID if place.before is None else place.before)
        bounds["looked_at"] = LOOKED_AT if filtered else place.size + 1
        more = {"most": place.size + 1}
        rows = await (await connection.execute(self._pages[place.ascends], {**values, **bounds, **more})).fetchall()
        stop = None
        if filtered and len(rows) <= place.size:
            row = await (await connection.execute(self._stops[place.ascends], {**values, **bounds})).fetchone()
            stop = None if row is None else row[0]
        numbered = page(place, rows, _id, stop)
        return Page(tuple(map(make, numbered.rows)), numbered.newer, numbered.older)


_WAYS: Final = {False: "desc", True: "asc"}


def _id(row: TupleRow) -> int:
    number: int = row[0]
    return number


_FIND_IDS: Final = """
-- Times nearly grow with ids: halve the ids until the first row of that time is found, with some slack on both sides.
with recursive slack as materialized (
  select interval '1 hour' + coalesce((select -sum(moved) from clock_step where moved < interval '0'), interval '0')
    as most
), wanted (side, at) as (
  select 'above', %(since)s::timestamptz - most from slack union all
  select 'below', %(until)s::timestamptz + most from slack
), search (side, at, low, high) as (
  select side, at, 0::bigint, coalesce((select max(id) from {table} where {scope}), 0) + 1
  from wanted where at is not null
  union all
  select s.side, s.at, case when r.created < s.at then r.id + 1 else s.low end,
    case when r.created < s.at then s.high else s.middle end
  from (select *, low + (high - low) / 2 as middle from search where low < high) s
  left join lateral (
    select id, created from {table} where {scope} and id >= s.middle order by id limit 1
  ) r on true
)
select side, high from search where low >= high
"""


class IdFinder:
    """Finds by halving which ids of a table may have times in a span, where there is no index of times."""

    def __init__(self, table: str, *, scope: str = "true") -> None:
        self.statement = _FIND_IDS.format(table=table, scope=scope)

    async def ids(
        self, connection: Connection, since: datetime | None, until: datetime | None, values: Mapping[str, Any]
    ) -> IdRange:
        """Ids outside which no row was created from ``since`` until before ``until``; within, there may be others.

        A row's time may be an hour older than that of a row with a lower id, and by as much as the clock is known to
        have stepped back.
        """
        if since is None and until is None:
            return EVERY_ID
        told = {**values, "since": since, "until": until}
        found: dict[str, int] = dict(await (await connection.execute(self.statement, told)).fetchall())
        return IdRange(found["above"] - 1 if "above" in found else -1, found.get("below", MAX_ID))
