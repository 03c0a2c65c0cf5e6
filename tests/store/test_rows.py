"""Rows are read by the names of their columns."""

from decimal import Decimal

import msgspec
import pytest
from tests.panel import now

from opensmm.domain.clocks import StepCause
from opensmm.store.rows import first_row, rows


class Sample(msgspec.Struct, frozen=True):
    name: str
    rate: Decimal
    cause: StepCause
    count: int | None = None


QUERY = "select 'moved' as cause, 0.90 as rate, %s::text as name"


async def test_columns_find_their_fields_in_any_order(conn):
    assert [Sample("Likes", Decimal("0.90"), StepCause.MOVED)] == await rows(conn, Sample, QUERY, ["Likes"])
    assert await first_row(conn, Sample, QUERY + " limit 0", ["Likes"]) is None


async def test_a_decoder_reads_what_is_stored_but_nulls(conn):
    query = "select 'a' as name, 0.9 as rate, 'moved' as cause, count from unnest(array[7, null]) as count"
    doubled = {"count": lambda number: 2 * number}
    assert [14, None] == [row.count for row in await rows(conn, Sample, query, decoders=doubled)]


async def test_a_column_that_is_no_field_is_a_mistake_even_of_no_rows(conn):
    with pytest.raises(TypeError, match="Sample has no field rates"):
        await rows(conn, Sample, "select 1 as rates where false")


async def test_a_column_that_is_missing_or_of_another_type_is_a_mistake(conn):
    for query in ("select 'a' as name", f"select '{now():%Y}'::int as name, 1.0 as rate, 'moved' as cause"):
        with pytest.raises(msgspec.ValidationError):
            await rows(conn, Sample, query)
