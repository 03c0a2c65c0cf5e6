"""Arrays as PostgreSQL reads them: one text instead of one dumped value per element."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

_BYTEA: Final = r"\\x"


def numbers(values: Iterable[int | Decimal]) -> str:
    """``{1,2,3}``, for an array of whole numbers or numerics."""
    return f"{{{','.join(map(str, values))}}}"


def absent_or(values: Iterable[int | Decimal | datetime | None]) -> str:
    """``{1,NULL,3}``, for numbers or times of which some are absent."""
    return f"{{{','.join('NULL' if value is None else str(value) for value in values)}}}"


def words(values: Iterable[str]) -> str:
    """``{open,open}``, for texts that are names of ours: letters and underscores."""
    return f"{{{','.join(values)}}}"


def flags(values: Iterable[bool]) -> str:
    """``{t,f}``."""
    return f"{{{','.join('t' if value else 'f' for value in values)}}}"


def hashes(values: Iterable[bytes]) -> str:
    r"""``{\\x0a,\\xff}``, for an array of bytea."""
    return f"{{{','.join([_BYTEA + value.hex() for value in values])}}}"


def texts(values: Iterable[str]) -> str:
    """``{"one","two"}``, for any texts."""
    values = list(values)
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') != 2 * max(0, len(values) - 1):
        joined = '","'.join(value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return f'{{"{joined}"}}'
