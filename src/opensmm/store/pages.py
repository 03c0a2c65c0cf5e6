"""Pages of long tables, read by id through a bounded number of rows, without an index for each filter."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from msgspec import Struct
from psycopg.rows import TupleRow

from opensmm.base.pages import MAX_ID, Keyset, Page, page
from opensmm.store.connection import Connection

Row = TypeVar("Row")

LOOKED_AT: Final = 10_000
"""The most rows that a filtered page reads. Then it ends with the rows that have passed."""

_PAGE: Final = """
-- Inside out: the rows in reach by index, those of them that pass the filters, and the columns shown with them.
select {columns}
from (
  select * from (
    select * from {table} where {scope} and id > %(above)s and id < %(below)s order by id {direction}
    limit %(looked_at)s
  ) {row} where {filters} order by id {direction} limit %(most)s
) {row} {joins} order by {row}.id {direction}
"""
_STOP: Final = """
select id from {table} where {scope} and id > %(above)s and id < %(below)s order by id {direction}
limit 1 offset %(looked_at)s - 1
"""


class IdRange(Struct, frozen=True):
    """The ids between ``above`` and ``below``, both excluded."""

    above: int = -1
    below: int = MAX_ID


EVERY_ID: Final = IdRange()


class PageQuery:
    """A list of one table's rows.

    ``row`` is the table's alias in the SQL. ``columns`` begin with its id. ``scope`` is a condition with an index that
    ends with the id; ``filters`` are evaluated for each row in it.
    """

    def __init__(
        self, table: str, columns: str, *, row: str, scope: str = "true", filters: str = "true", joins: str = ""
    ) -> None:
        parts = {"table": table, "columns": columns, "row": row, "scope": scope, "filters": filters, "joins": joins}
        self._pages = {ascends: _PAGE.format(**parts, direction=order) for ascends, order in _DIRECTIONS.items()}
        self._stops = {ascends: _STOP.format(**parts, direction=order) for ascends, order in _DIRECTIONS.items()}
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
        """Returns the page at ``place`` within ``ids``, its rows made by ``make``.

        ``filtered`` is False if every row of the scope passes the filters.
        """
        bounds = {"above": max(ids.above, -1 if place.after is None else place.after)}
        bounds["below"] = min(ids.below, MAX_ID if place.before is None else place.before)
        bounds["looked_at"] = LOOKED_AT if filtered else place.size + 1
        page_values = {**values, **bounds, "most": place.size + 1}
        rows = await (await connection.execute(self._pages[place.ascends], page_values)).fetchall()
        stop = None
        if filtered and len(rows) <= place.size:
            row = await (await connection.execute(self._stops[place.ascends], {**values, **bounds})).fetchone()
            stop = None if row is None else row[0]
        raw_page = page(place, rows, _id_of, stop)
        return Page(tuple(map(make, raw_page.rows)), raw_page.newer, raw_page.older)


_DIRECTIONS: Final = {False: "desc", True: "asc"}
"""The direction of SQL by ``Keyset.ascends``."""


def _id_of(row: TupleRow) -> int:
    number: int = row[0]
    return number


_FIND_IDS: Final = """
-- Times nearly grow with ids: a binary search of the ids for the first row of a time, with some slack on both sides.
with recursive slack as materialized (
  select interval '1 hour' + coalesce((select -sum(moved) from clock_step where moved < interval '0'), interval '0')
    as most
-- The two times to search for.
), wanted (side, at) as (
  select 'above', %(since)s::timestamptz - most from slack union all
  select 'below', %(until)s::timestamptz + most from slack
-- Each step halves the ids between low and high, for each side by itself.
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
    """Finds the ids of a table that may have times in a span, by binary search: there is no index of times."""

    def __init__(self, table: str, *, scope: str = "true") -> None:
        self.statement = _FIND_IDS.format(table=table, scope=scope)

    async def ids(
        self, connection: Connection, since: datetime | None, until: datetime | None, values: Mapping[str, Any]
    ) -> IdRange:
        """Returns a range that has all rows created from ``since`` until before ``until``, and maybe others.

        The time of a row may be earlier than that of a row with a lower id: by up to an hour, and by as much as the
        clock was seen to step back.
        """
        if since is None and until is None:
            return EVERY_ID
        span = {**values, "since": since, "until": until}
        edges: dict[str, int] = dict(await (await connection.execute(self.statement, span)).fetchall())
        return IdRange(edges["above"] - 1 if "above" in edges else -1, edges.get("below", MAX_ID))
