"""Arrays written as text are read as the values they were written from."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from opensmm.store.arrays import enum_values, flags, hashes, nullable, numbers, texts

HARD = [
    ["plain", "with spaces", ""],
    ['a","b', "c"],
    ['","', '","', '"'],
    ["back\\slash", 'quo"te', "{brace}", "com,ma", "NULL", "nul\nline", "عربي"],
    ['{"order":1000000001}', '{"order":1000000002}'],
    ["alone"],
    [],
]


async def read(conn, text, kind):
    return (await (await conn.execute(f"select %s::{kind}[]", [text])).fetchone())[0]


@pytest.mark.parametrize("values", HARD)
async def test_texts_stay_apart_and_as_they_are_whatever_they_hold(conn, values):
    """A text that looks like the end of one element and the begin of the next would move all that follow it."""
    assert (values or [""]) == await read(conn, texts(values), "text")


async def test_what_is_absent_is_null(conn):
    noon = datetime(2026, 3, 1, 12, 30, 0, 17, tzinfo=UTC)
    assert [noon, None] == await read(conn, nullable([noon, None]), "timestamptz")
    assert [None, 0, 7] == await read(conn, nullable([None, 0, 7]), "bigint")
    assert [Decimal("0.45000"), None] == await read(conn, nullable([Decimal("0.45000"), None]), "numeric")


async def test_numbers_names_and_flags(conn):
    assert [1, -2] == await read(conn, numbers([1, -2]), "bigint")
    assert ["open", "in_progress"] == await read(conn, enum_values(["open", "in_progress"]), "text")
    assert [True, False] == await read(conn, flags([True, False]), "bool")
    assert [b'\x00\\"', b"", b"\xff"] == await read(conn, hashes([b'\x00\\"', b"", b"\xff"]), "bytea")
