"""Rows read into structs by the names of their columns: a column in the wrong place shifts nothing.

Statements that run for each request build their structs by position, which costs less.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from opensmm.store.connection import Connection

Row = TypeVar("Row", bound=msgspec.Struct)
Values = Sequence[object] | Mapping[str, object]
Decoders = Mapping[str, Callable[[Any], object]]
"""Functions by column that turn a stored value, if it is not null, into the field's value."""
NO_DECODERS: Final[Decoders] = {}


async def rows(
    connection: Connection, kind: type[Row], query: str, values: Values = (), decoders: Decoders = NO_DECODERS
) -> list[Row]:
    """Runs a query and returns its rows as structs.

    Raises TypeError if a column is no field of ``kind``, and msgspec.ValidationError if a field has no column or its
    value is of another type.
    """
    names, by_name = await _read(connection, query, values)
    if strangers := set(names) - set(kind.__struct_fields__):
        raise TypeError(f"{kind.__name__} has no field {', '.join(sorted(strangers))}")
    return [_convert(record, kind, decoders) for record in by_name]


def _convert(record: dict[str, Any], kind: type[Row], decoders: Decoders) -> Row:
    for name, decode in decoders.items():
        if record[name] is not None:
            record[name] = decode(record[name])
    return msgspec.convert(record, kind)


async def first_row(
    connection: Connection, kind: type[Row], query: str, values: Values = (), decoders: Decoders = NO_DECODERS
) -> Row | None:
    """Returns the first row as a struct, or None if there is none; raises as ``rows`` does."""
    return next(iter(await rows(connection, kind, query, values, decoders)), None)


async def records(connection: Connection, query: str, values: Values = ()) -> list[dict[str, Any]]:
    """Runs a query and returns its rows as values by column, for rows that are more or less than one struct."""
    return (await _read(connection, query, values))[1]


async def first_record(connection: Connection, query: str, values: Values = ()) -> dict[str, Any] | None:
    """Returns the first row as values by column, or None if there is none."""
    return next(iter(await records(connection, query, values)), None)


async def _read(connection: Connection, query: str, values: Values) -> tuple[list[str], list[dict[str, Any]]]:
    cursor = await connection.execute(query, values or None)
    names = [column.name for column in cursor.description or ()]
    return names, [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
