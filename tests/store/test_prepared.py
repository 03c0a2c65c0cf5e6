"""Statements over libpq itself answer, fail and break as a cursor's would."""

import asyncio

import psycopg
import pytest
from psycopg import errors
from tests.panel import fetch

from opensmm.store import postgres_install
from opensmm.store.connection import connect, is_connection_error
from opensmm.store.prepared import PreparedStatement

DOUBLED = PreparedStatement("doubled", "select n, 2 * n, %s::text from unnest(%s::bigint[]) as n order by n")
DIVIDED = PreparedStatement("divided", "select 1 / n from unnest(%s::int[]) as n")


@pytest.fixture
async def connection(database):
    made = await connect(database.app_url)
    yield made
    await made.close()


async def prepared(connection):
    """The names of the statements that are prepared on a connection, without psycopg's own."""
    rows = await fetch(connection, "select name from pg_prepared_statements where name !~ '^_pg3'")
    return [name for (name,) in rows]


async def test_rows_come_in_the_types_of_their_columns_and_the_statement_is_prepared_once(connection):
    assert [] == await prepared(connection)
    for _ in range(3):
        assert [(1, 2, "é"), (7, 14, "é")] == await DOUBLED.rows(connection, ["é", "{7,1}"])
    assert [(4, 8, None)] == await DOUBLED.rows(connection, [None, "{4}"])
    assert [] == await DOUBLED.rows(connection, ["", "{}"])
    assert ["doubled"] == await prepared(connection)


async def test_an_error_is_raised_as_psycopg_would_and_the_connection_goes_on(connection):
    for _ in range(2):
        with pytest.raises(errors.DivisionByZero) as raised:
            await DIVIDED.rows(connection, ["{0}"])
        assert not is_connection_error(raised.value)
    with pytest.raises(errors.InvalidTextRepresentation):
        await DIVIDED.rows(connection, ["{no number}"])
    assert [(1,)] == await DIVIDED.rows(connection, ["{1}"])


async def test_a_text_that_libpq_would_cut_short_is_refused_unsent(connection):
    with pytest.raises(psycopg.DataError):
        await DOUBLED.rows(connection, ["a\0b", "{1}"])
    assert [(1, 2, "ab")] == await DOUBLED.rows(connection, ["ab", "{1}"])


async def test_an_error_of_its_commit_is_raised_though_rows_came_before(connection):
    """A statement by itself commits behind its rows: what it seemed to keep may not be."""
    await connection.execute("create temp table parent (id int primary key)")
    await connection.execute("create temp table child (id int references parent deferrable initially deferred)")
    adopted = PreparedStatement("adopted", "insert into child values (%s::int) returning id")
    for _ in range(2):
        with pytest.raises(errors.ForeignKeyViolation):
            await adopted.rows(connection, ["1"])
    await connection.execute("insert into parent values (1)")
    assert [(1,)] == await adopted.rows(connection, ["1"])
    assert [(1,)] == await fetch(connection, "select id from child")


async def test_texts_are_kept_as_they_are_whatever_encoding_the_environment_is_set_to(database, monkeypatch):
    monkeypatch.setenv("PGCLIENTENCODING", "WIN1256")
    made = await connect(database.app_url)
    assert [(1, 2, "متابعين")] == await DOUBLED.rows(made, ["متابعين", "{1}"])
    assert [(7,)] == await fetch(made, "select length('متابعين')")
    await made.close()


async def test_a_statement_that_cannot_be_prepared_is_tried_again(connection):
    missing = PreparedStatement("missing", "select 1 from nowhere where %s::int = 1")
    for _ in range(2):
        with pytest.raises(errors.UndefinedTable):
            await missing.rows(connection, ["1"])
    assert [] == await prepared(connection)


async def test_more_than_a_socket_holds_is_sent_and_read(connection):
    text = "x" * (5 << 20)
    rows = await DOUBLED.rows(connection, [text, f"{{{','.join(map(str, range(3)))}}}"])
    assert [(0, 0, text), (1, 2, text), (2, 4, text)] == rows


async def test_a_rollback_after_which_psycopg_forgets_what_is_prepared_changes_no_answer(connection):
    for _ in range(3):
        assert [(1, 2, "")] == await DOUBLED.rows(connection, ["", "{1}"])
        await connection.execute("begin")
        assert [(3, 6, "")] == await DOUBLED.rows(connection, ["", "{3}"])
        await connection.execute("rollback")
    async with connection.transaction():
        assert [(3, 6, "")] == await DOUBLED.rows(connection, ["", "{3}"])


async def test_a_connection_that_breaks_under_a_statement_is_known_as_lost(connection, server):
    sleeping = PreparedStatement("sleeping", "select pg_sleep(%s::float8)")
    running = asyncio.create_task(sleeping.rows(connection, ["60"]))
    with psycopg.connect(server.url(postgres_install.SUPERUSER, "postgres"), autocommit=True) as other:
        ended = False
        while not ended:
            await asyncio.sleep(0.01)
            ended = bool(
                other.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'pg_sleep' and pid <> %s",
                    [other.info.backend_pid],
                ).fetchall()
            )
    with pytest.raises(psycopg.Error) as raised:
        await running
    assert is_connection_error(raised.value)
    assert connection.closed
    with pytest.raises(psycopg.OperationalError) as again:
        await sleeping.rows(connection, ["0"])
    assert is_connection_error(again.value)
