"""What an error proves of a connection, and a line that is made anew when its connection breaks."""

import time

import psycopg
import pytest
from psycopg import errors

from opensmm.base.faults import Unavailable
from opensmm.store import cluster
from opensmm.store.connection import Line, lost


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        (errors.AdminShutdown(), True),
        (errors.CrashShutdown(), True),
        (errors.CannotConnectNow(), True),
        (errors.ConnectionFailure(), True),
        (errors.IdleInTransactionSessionTimeout(), True),
        (psycopg.OperationalError("the connection is closed"), True),
        (errors.UniqueViolation(), False),
        (errors.CheckViolation(), False),
        (errors.DeadlockDetected(), False),
        (errors.LockNotAvailable(), False),
        (errors.NumericValueOutOfRange(), False),
        (errors.SerializationFailure(), False),
    ],
)
def test_an_error_tells_of_the_connection_or_of_the_statement(error, gone):
    assert gone == lost(error)


@pytest.fixture
async def line(database):
    made = Line(database.app_url)
    yield made
    await made.drop()


async def number(line):
    cursor = await (await line.get()).execute("select pg_backend_pid()")
    row = await cursor.fetchone()
    assert row is not None
    return row[0]


async def test_a_line_keeps_its_connection_until_it_is_dropped(line):
    first = await number(line)
    assert first == await number(line)
    await line.drop()
    assert first != await number(line)


async def test_a_line_whose_backend_was_killed_is_made_anew(line, server):
    first = await number(line)
    with psycopg.connect(server.url(cluster.SUPERUSER, "postgres"), autocommit=True) as conn:
        conn.execute("select pg_terminate_backend(%s)", [first])
    with pytest.raises(psycopg.Error) as killed:
        await number(line)
    assert lost(killed.value)
    assert first != await number(line)


async def test_while_the_database_is_away_a_line_refuses_at_once(database):
    away = Line("postgresql://nobody@127.0.0.1:9/none")
    with pytest.raises(Unavailable):
        await away.get()
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(Unavailable):
            await away.get()
    assert time.monotonic() - began < 0.2


async def test_a_connection_waits_for_locks_and_statements_only_so_long(line):
    connection = await line.get()
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "jit")
    told = [await (await connection.execute(f"show {name}")).fetchone() for name in names]
    assert [("4s",), ("15s",), ("5s",), ("off",)] == told
