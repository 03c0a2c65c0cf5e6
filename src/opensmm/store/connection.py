"""Connections of the app's role, and what an error on one of them proves."""

import asyncio
import time
from typing import Final

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from opensmm.base.faults import Unavailable

Connection = AsyncConnection[TupleRow]

CONNECT_TIMEOUT_S: Final = 3
PAUSE_AFTER_FAILURE_S: Final = 0.25
_OPTIONS: Final = (
    "-c lock_timeout=4000 -c statement_timeout=15000 -c idle_in_transaction_session_timeout=5000"
    " -c tcp_keepalives_idle=5 -c jit=off"
)


async def connect(url: str, *, application: str = "opensmm") -> Connection:
    """A new connection that commits each statement by itself; raises Unavailable where there is none to be had."""
    try:
        return await AsyncConnection.connect(
            url,
            autocommit=True,
            prepare_threshold=1,
            connect_timeout=CONNECT_TIMEOUT_S,
            options=_OPTIONS,
            client_encoding="utf8",  # whatever the environment or the role would have
            # A host that vanished without a word is given up after about ten seconds.
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=10_000,
            application_name=application,
        )
    except psycopg.Error as error:
        raise Unavailable(f"the database does not answer: {error}") from error


class Line:
    """One connection to the database for one lane at a time, made anew when it breaks.

    After a failure to connect callers are refused at once for a moment, so that an outage is answered fast.
    """

    def __init__(self, url: str, *, application: str = "opensmm") -> None:
        self.url = url
        self._application = application
        self._connection: Connection | None = None
        self._failed_at = float("-inf")
        self.turn = asyncio.Lock()
        """Held for a transaction of ``actions.writing``, where several steps may share a line. A lane has its own."""

    async def get(self) -> Connection:
        """The connection, healthy as far as it is known."""
        if self._connection is not None and not self._connection.closed:
            return self._connection
        if time.monotonic() - self._failed_at < PAUSE_AFTER_FAILURE_S:
            raise Unavailable("the database did not answer a moment ago")
        try:
            self._connection = await connect(self.url, application=self._application)
        except Unavailable:
            self._failed_at = time.monotonic()
            raise
        return self._connection

    async def drop(self) -> None:
        """Closes the connection, whatever state it is in; the next ``get`` makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                async with asyncio.timeout(1):
                    await connection.close()
            except (psycopg.Error, TimeoutError):
                pass


def lost(error: psycopg.Error) -> bool:
    """True where the error tells of the connection, not of a statement: what was sent may or may not have run."""
    return error.sqlstate is None or error.sqlstate[:2] in ("08", "57") or error.sqlstate == "25P03"


async def commit(connection: Connection) -> None:
    await connection.execute("commit")


async def rollback(connection: Connection) -> None:
    await connection.execute("rollback")
