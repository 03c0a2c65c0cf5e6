"""Connections for pages: a few, beside those that the API's lanes hold, and none before the first page is asked for."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from opensmm.base.error_codes import OutageCode
from opensmm.base.errors import Overloaded, Unavailable
from opensmm.store.connection import CONNECT_TIMEOUT_S, Connection, lost

Found = TypeVar("Found")

POOL_SIZE: Final = 4
MAX_WAITING: Final = 64
"""Pages that may wait for a connection; more are refused at once."""
WAIT_S: Final = 3.0
MAX_IDLE_S: Final = 60.0
"""After so long without a page a connection is closed."""
STATEMENT_TIMEOUT_MS: Final = 5_000

_SETTINGS: Final = {
    "default_transaction_read_only": "on",
    # The statements of one page see one state of the books.
    "default_transaction_isolation": r"repeatable\ read",
    "lock_timeout": "1000",
    "idle_in_transaction_session_timeout": "10000",
    "jit": "off",
    # Pages find their rows by key: a plan made while a table was empty would go on reading all of it, as it fills.
    "enable_seqscan": "off",
}


class PagePool:
    """Reads for pages, each in a read-only transaction on a connection that no lane uses.

    A page that is given up has its statement cancelled: nothing is written, so that nothing is in doubt.
    """

    def __init__(self, url: str, *, size: int = POOL_SIZE, statement_timeout_ms: int = STATEMENT_TIMEOUT_MS) -> None:
        self._url = url
        self._size = size
        self._statement_timeout_ms = statement_timeout_ms
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] | None = None

    async def read(self, ask: Callable[[Connection], Awaitable[Found]]) -> Found:
        """Runs the reads of one page in one transaction, on a new connection once more where the first one broke.

        Raises Overloaded where too many pages wait, and Unavailable where the database does not answer or a statement
        takes longer than it may.
        """
        try:
            return await self._read(ask)
        except psycopg.OperationalError as error:
            if not lost(error) or isinstance(error, errors.QueryCanceled | PoolTimeout):
                raise Unavailable(OutageCode.STATEMENT_REFUSED, words=str(error)) from error
        try:
            return await self._read(ask)
        except psycopg.OperationalError as error:
            raise Unavailable(OutageCode.CONNECTION_LOST, words=str(error)) from error

    async def _read(self, ask: Callable[[Connection], Awaitable[Found]]) -> Found:
        pool = await self._opened()
        try:
            async with pool.connection() as connection, connection.transaction():
                return await ask(connection)
        except TooManyRequests as error:
            raise Overloaded(OutageCode.QUEUE_FULL) from error

    async def _opened(self) -> AsyncConnectionPool[AsyncConnection[TupleRow]]:
        if self._pool is None:
            self._pool = AsyncConnectionPool(
                self._url,
                connection_class=AsyncConnection[TupleRow],
                kwargs=self._arguments(),
                min_size=0,
                max_size=self._size,
                max_waiting=MAX_WAITING,
                timeout=WAIT_S,
                max_idle=MAX_IDLE_S,
                check=AsyncConnectionPool.check_connection,
                name="pages",
                open=False,
            )
            await self._pool.open()
        return self._pool

    def _arguments(self) -> dict[str, object]:
        """What each connection is made with. ``options`` of the URL win over ours."""
        given = conninfo_to_dict(self._url)
        wanted = given.get("target_session_attrs")
        settings = {**_SETTINGS, "statement_timeout": str(self._statement_timeout_ms)}
        ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
        return {
            "autocommit": True,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": f"{ours} {given['options']}" if given.get("options") else ours,
            # The server that takes writes, by another word: a read-only session is none that may write.
            "target_session_attrs": "primary" if wanted in (None, "read-write") else wanted,
            "client_encoding": "utf8",
            "application_name": "opensmm pages",
        }

    async def close(self) -> None:
        """Closes the connections; the next read opens others."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()
