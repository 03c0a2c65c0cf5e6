"""What an error proves of a connection, and a line that is made anew when its connection breaks."""

import asyncio
import time

import psycopg
import pytest
from psycopg import errors
from tests.panel import fetch, until

from opensmm.actions import transactions
from opensmm.base.errors import Unavailable
from opensmm.store import postgres_install
from opensmm.store.connection import ReconnectingConnection, connect, is_connection_error


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
    assert gone == is_connection_error(error)


@pytest.fixture
async def line(database):
    made = ReconnectingConnection(database.app_url)
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


async def end_backends(server, application):
    """Ends the server's side of connections, and waits until it is gone."""
    theirs = "from pg_stat_activity where application_name like %s"
    with psycopg.connect(server.url(postgres_install.SUPERUSER, "postgres"), autocommit=True) as conn:
        conn.execute(f"select pg_terminate_backend(pid) {theirs}", [application])

        async def gone():
            return conn.execute(f"select count(*) {theirs}", [application]).fetchone() == (0,)

        await until(gone)


async def test_a_line_whose_backend_was_ended_is_made_anew_before_it_is_used(line, server):
    first = await number(line)
    await end_backends(server, "opensmm")
    assert first != await number(line)


async def test_after_a_failover_the_first_read_and_the_first_order_succeed(api, ann, server):
    """Idle connections know nothing of it, minutes later too."""
    await api.add(ann.key)
    await api.ask("v2", ann.key, "status", order=1)
    await end_backends(server, "opensmm api: %")
    for action in ("balance", "status", "orders", "refill_status"):
        answer = await api.form("v2", {"key": ann.key, "action": action, "order": 1, "refill": 1})
        assert 200 == answer.status
    assert 2 == await api.add(ann.key)
    assert 3 == await api.add(ann.key, idempotency_key="the third")
    assert [{"order": 1, "cancel": 1}] == await api.ask("v2", ann.key, "cancel", orders=1)


async def test_a_read_whose_connection_breaks_under_it_is_made_once_more(line, server):
    requests = []

    async def ask(connection):
        requests.append(await number(line))
        if len(requests) == 1:
            await end_backends(server, "opensmm")
        return await (await connection.execute("select 7")).fetchone()

    assert (7,) == await transactions.read(line, ask)
    assert 2 == len(set(requests))


async def test_a_read_that_takes_too_long_is_not_made_again(line):
    requests = []

    async def ask(connection):
        requests.append(1)
        await connection.execute("set statement_timeout = 1")
        await connection.execute("select pg_sleep(60)")

    with pytest.raises(Unavailable):
        await transactions.read(line, ask)
    assert [1] == requests


async def test_a_standby_is_no_database_to_work_with(database):
    """A server that takes no writes is refused when a connection to it is made."""
    with pytest.raises(Unavailable, match="read-only"):
        await connect(database.app_url + "&options=-c%20default_transaction_read_only%3Don")


async def test_while_the_database_is_away_a_line_refuses_at_once(database):
    away = ReconnectingConnection("postgresql://nobody@127.0.0.1:9/none")
    with pytest.raises(Unavailable):
        await away.get()
    began = time.monotonic()
    for _ in range(100):
        with pytest.raises(Unavailable):
            await away.get()
    assert time.monotonic() - began < 0.2


async def test_a_connection_waits_for_locks_and_statements_only_so_long(line):
    connection = await line.get()
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "jit", "synchronous_commit")
    rows = [await (await connection.execute(f"show {name}")).fetchone() for name in names]
    assert [("4s",), ("15s",), ("1min",), ("off",), ("on",)] == rows


async def test_options_of_the_url_win(database):
    url = database.app_url + "&options=-c%20lock_timeout%3D7s"
    connection = await connect(url)
    rows = [await (await connection.execute(f"show {name}")).fetchone() for name in ("lock_timeout", "jit")]
    await connection.close()
    assert [("7s",), ("off",)] == rows


async def test_a_cancelled_task_closes_its_connection_and_cancels_no_statement(line, conn):
    connection = await line.get()
    task = asyncio.create_task(connection.execute("select pg_sleep(2)"))
    sleeping = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and state = 'active'"

    async def asleep():
        return [(1,)] == await fetch(conn, sleeping)

    await until(asleep)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert connection.closed
    assert [(1,)] == await fetch(conn, sleeping)
