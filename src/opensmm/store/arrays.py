"""Array literals of PostgreSQL: one text for an array costs less than one dumped value for each element."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

_BYTEA: Final = r"\\x"


def numbers(values: Iterable[int | Decimal]) -> str:
    """Returns ``{1,2,3}``, an array of whole numbers or numerics."""
    return f"{{{','.join(map(str, values))}}}"


def nullable(values: Iterable[int | Decimal | datetime | None]) -> str:
    """Returns ``{1,NULL,3}``, an array of numbers or times of which some are absent."""
    return f"{{{','.join('NULL' if value is None else str(value) for value in values)}}}"


def enum_values(values: Iterable[str]) -> str:
    """Returns ``{open,open}``, an array of texts that need no quotes: names of letters and underscores."""
    return f"{{{','.join(values)}}}"


def flags(values: Iterable[bool]) -> str:
    """Returns ``{t,f}``, an array of booleans."""
    return f"{{{','.join('t' if value else 'f' for value in values)}}}"


def hashes(values: Iterable[bytes]) -> str:
    r"""Returns ``{\\x0a,\\xff}``, an array of bytea."""
    return f"{{{','.join([_BYTEA + value.hex() for value in values])}}}"


def texts(values: Iterable[str]) -> str:
    """Returns ``{"one","two"}``, an array of any texts."""
    values = list(values)
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') != 2 * max(0, len(values) - 1):
        joined = '","'.join(value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return f'{{"{joined}"}}'
