"""Connections of the app's role: making, reconnecting and abandoning them, and reading their errors."""

import asyncio
import os
import select
import time
from typing import Final, TypeVar

import psycopg
from psycopg import AsyncConnection
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ConnStatus, TransactionStatus
from psycopg.rows import TupleRow
from psycopg.waiting import wait_async

from opensmm.base.error_codes import OutageCode
from opensmm.base.errors import Unavailable
from opensmm.domain.server import LIMITS_MS

Connection = AsyncConnection[TupleRow]
Outcome = TypeVar("Outcome")

CONNECT_TIMEOUT_S: Final = 3
PAUSE_AFTER_FAILURE_S: Final = 0.25
MOST_ABANDONED: Final = 2
"""With so many abandoned connections that the server has not finished with, no new one is made in their place."""
_SETTINGS: Final = {
    **LIMITS_MS,
    "synchronous_commit": "on",  # an answered order is durable, whatever role and server are set to
    "tcp_keepalives_idle": 5,
    "tcp_keepalives_interval": 2,
    "tcp_keepalives_count": 3,
    "jit": "off",
}
_KEYED: Final = {"enable_seqscan": "off"}
"""For statements that find their rows by key. A plan made while a table was empty would read the whole table, as it
fills, until the table is analyzed."""
_READ_SIZE: Final = 1 << 16


class UncanceledConnection(AsyncConnection[TupleRow]):
    """A connection whose statements are never cancelled.

    When a task is cancelled, psycopg asks the server to cancel the statement that the task waits for. A COMMIT that
    waits for its synchronous standby would end its wait early: kept on this server alone, and reported as a success.
    """

    abandoned: int | None = None
    """A duplicate of the socket of a connection that was abandoned in the middle of a statement."""
    replicated = True
    """False once the server has ended a COMMIT's wait for its standby."""

    async def wait(self, gen: PQGen[Outcome], interval: float = 0.1, timeout: float | None = None) -> Outcome:
        try:
            outcome = await wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.abandon()
            raise
        check_replicated(self)
        return outcome

    def abandon(self) -> None:
        """Closes the connection without cancelling the statement under way.

        The server finishes that statement and then closes its end, which the duplicate socket shows.
        """
        if self.pgconn.status != ConnStatus.BAD:
            if self.pgconn.transaction_status != TransactionStatus.IDLE:
                self.abandoned = os.dup(self.pgconn.socket)
            self.pgconn.finish()

    def receive(self, notice: psycopg.errors.Diagnostic) -> None:
        """Records the server's warning that a COMMIT no longer waits for its standby."""
        # By the function's name: the text depends on the server's language.
        if notice.source_function == "SyncRepWaitForLSN":
            self.replicated = False


def check_replicated(connection: Connection) -> None:
    """Raises OperationalError if the server has ended a COMMIT's wait for its standby: the outcome is in doubt."""
    if isinstance(connection, UncanceledConnection) and not connection.replicated:
        connection.abandon()
        raise psycopg.OperationalError("committed, but its wait for a synchronous standby was ended")


async def connect(
    url: str, *, application: str = "opensmm", lock_timeout_ms: int | None = None, keyed: bool = False
) -> UncanceledConnection:
    """Makes a connection that commits each statement by itself; raises Unavailable if it cannot be made.

    Of several hosts in the URL, the one that accepts writes is chosen. ``options`` of the URL win over ours.
    ``keyed``: for statements that find their rows by key; never reads a whole table that has an index for them.
    """
    try:
        parameters = conninfo_to_dict(url)
        connection = await UncanceledConnection.connect(
            url,
            autocommit=True,
            prepare_threshold=1,
            connect_timeout=CONNECT_TIMEOUT_S,
            options=_make_options(parameters.get("options"), lock_timeout_ms, keyed=keyed),
            target_session_attrs=parameters.get("target_session_attrs") or "read-write",
            client_encoding="utf8",  # whatever environment and role are set to
            # A host that vanished without closing the connection is noticed after about ten seconds.
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=10_000,
            application_name=application,
        )
    except psycopg.Error as error:
        raise Unavailable(OutageCode.NO_CONNECTION, words=str(error)) from error
    connection.add_notice_handler(connection.receive)
    return connection


def _make_options(of_url: object, lock_timeout_ms: int | None, *, keyed: bool) -> str:
    settings = _SETTINGS | (_KEYED if keyed else {})
    if lock_timeout_ms is not None:
        settings["lock_timeout"] = lock_timeout_ms
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return f"{ours} {of_url}" if of_url else ours


class AbandonedSockets:
    """Sockets of connections abandoned in the middle of a statement, until the server has finished it.

    Their number bounds the server's backends that can pile up behind a standby that does not answer.
    """

    def __init__(self) -> None:
        self._open: set[int] = set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, socket: int) -> None:
        self._open.add(socket)
        asyncio.get_running_loop().add_reader(socket, self._read, socket)

    def _read(self, socket: int) -> None:
        try:
            ended = not os.read(socket, _READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            ended = True
        if ended:
            self._close(socket)

    def _close(self, socket: int) -> None:
        self._open.discard(socket)
        asyncio.get_running_loop().remove_reader(socket)
        os.close(socket)

    def close(self) -> None:
        for socket in list(self._open):
            self._close(socket)


class ReconnectingConnection:
    """One connection to the database, for one batcher at a time, made anew when it breaks.

    For a moment after a failure to connect, callers are refused at once, so that an outage is answered fast.
    """

    def __init__(
        self, url: str, *, application: str = "opensmm", lock_timeout_ms: int | None = None, keyed: bool = False
    ) -> None:
        self.url = url
        self._application = application
        self._lock_timeout_ms = lock_timeout_ms
        self._keyed = keyed
        self._connection: UncanceledConnection | None = None
        self._abandoned = AbandonedSockets()
        self._failed_at = float("-inf")
        self.turn = asyncio.Lock()
        """Held by ``actions.transactions`` for each transaction, if several tasks share this connection."""

    async def get(self) -> Connection:
        """Returns the connection, which is healthy as far as this process can see; raises Unavailable."""
        if self._connection is not None:
            if not self._connection.closed and not _has_ended(self._connection):
                return self._connection
            await self.drop()
        if time.monotonic() - self._failed_at < PAUSE_AFTER_FAILURE_S:
            raise Unavailable(OutageCode.NO_CONNECTION_LATELY)
        if len(self._abandoned) >= MOST_ABANDONED:
            raise Unavailable(OutageCode.ABANDONED_STATEMENTS)
        try:
            self._connection = await connect(
                self.url,
                application=self._application,
                lock_timeout_ms=self._lock_timeout_ms,
                keyed=self._keyed,
            )
        except Unavailable:
            self._failed_at = time.monotonic()
            raise
        return self._connection

    async def drop(self) -> None:
        """Closes the connection in any state; the next ``get`` makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
            if connection.abandoned is not None:
                self._abandoned.add(connection.abandoned)
                connection.abandoned = None

    async def close(self) -> None:
        """Drops the connection, and closes the sockets of those that were abandoned."""
        await self.drop()
        self._abandoned.close()


def _has_ended(connection: Connection) -> bool:
    """Returns True if an idle connection has something to read: its end, or the reason for it.

    A server sends hardly anything else to an idle session, and a new connection does no harm.
    """
    if connection.pgconn.transaction_status != TransactionStatus.IDLE:
        return False
    socket = select.poll()
    socket.register(connection.pgconn.socket, select.POLLIN)
    return bool(socket.poll(0))


def is_connection_error(error: psycopg.Error) -> bool:
    """Returns True if the error concerns the connection, not a statement: a sent statement may or may not have run."""
    return error.sqlstate is None or error.sqlstate[:2] in ("08", "57") or error.sqlstate == "25P03"


async def commit(connection: Connection) -> None:
    await connection.execute("commit")


async def rollback(connection: Connection) -> None:
    await connection.execute("rollback")
