"""Rows read into structs by the names of their columns: a column in the wrong place shifts nothing.

Statements that run for each request build their structs by position, which costs less.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from opensmm.store.connection import Connection

Row = TypeVar("Row", bound=msgspec.Struct)
Values = Sequence[object] | Mapping[str, object]


async def rows(connection: Connection, kind: type[Row], query: str, values: Values = ()) -> list[Row]:
    """Runs a query and returns its rows as structs; raises TypeError where a column is no field of ``kind``."""
    cursor = await connection.execute(query, values or None)
    names = [column.name for column in cursor.description or ()]
    if strangers := set(names) - set(kind.__struct_fields__):
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(strangers))}")
    return [msgspec.convert(dict(zip(names, row, strict=True)), kind) for row in await cursor.fetchall()]


async def first_row(connection: Connection, kind: type[Row], query: str, values: Values = ()) -> Row | None:
    """Returns the first row as a struct, or None where there is none; raises as ``rows`` does."""
    return next(iter(await rows(connection, kind, query, values)), None)
