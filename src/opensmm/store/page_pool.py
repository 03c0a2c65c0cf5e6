"""A pool of connections for pages, beside those of the API's batchers. It opens none before the first page."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from opensmm.base.error_codes import OutageCode
from opensmm.base.errors import Overloaded, Unavailable
from opensmm.store.connection import CONNECT_TIMEOUT_S, Connection, is_connection_error

Result = TypeVar("Result")

POOL_SIZE: Final = 4
MAX_WAITING: Final = 64
"""Pages that may wait for a connection; more are refused at once."""
WAIT_S: Final = 3.0
MAX_IDLE_S: Final = 60.0
"""A connection that no page uses for this long is closed."""
STATEMENT_TIMEOUT_MS: Final = 5_000

_SETTINGS: Final = {
    "default_transaction_read_only": "on",
    # All statements of one page see the same snapshot.
    "default_transaction_isolation": r"repeatable\ read",
    "lock_timeout": "1000",
    "idle_in_transaction_session_timeout": "10000",
    "jit": "off",
    # Pages find rows by index. A plan made while a table was empty would keep reading all of it as it fills.
    "enable_seqscan": "off",
}


class PagePool:
    """Runs reads for pages, each in a read-only transaction on a connection that no batcher uses.

    If a page is given up, its statement is cancelled. Nothing is written, so no outcome is in doubt.
    """

    def __init__(self, url: str, *, size: int = POOL_SIZE, statement_timeout_ms: int = STATEMENT_TIMEOUT_MS) -> None:
        self._url = url
        self._size = size
        self._statement_timeout_ms = statement_timeout_ms
        self._pool: AsyncConnectionPool[AsyncConnection[TupleRow]] | None = None

    async def read(self, query: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Runs the reads of one page in one transaction; retries once on a new connection if the first one broke.

        Raises Overloaded if too many pages wait, and Unavailable if the database does not answer or a statement exceeds
        its time limit.
        """
        try:
            return await self._read(query)
        except psycopg.OperationalError as error:
            if not is_connection_error(error) or isinstance(error, errors.QueryCanceled | PoolTimeout):
                raise Unavailable(OutageCode.STATEMENT_REFUSED, words=str(error)) from error
        try:
            return await self._read(query)
        except psycopg.OperationalError as error:
            raise Unavailable(OutageCode.CONNECTION_LOST, words=str(error)) from error

    async def _read(self, query: Callable[[Connection], Awaitable[Result]]) -> Result:
        pool = await self._open()
        try:
            async with pool.connection() as connection, connection.transaction():
                return await query(connection)
        except TooManyRequests as error:
            raise Overloaded(OutageCode.QUEUE_FULL) from error

    async def _open(self) -> AsyncConnectionPool[AsyncConnection[TupleRow]]:
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
        """Returns the arguments of each connection. ``options`` in the URL override ours."""
        url_fields = conninfo_to_dict(self._url)
        target = url_fields.get("target_session_attrs")
        settings = {**_SETTINGS, "statement_timeout": str(self._statement_timeout_ms)}
        ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
        return {
            "autocommit": True,
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": f"{ours} {url_fields['options']}" if url_fields.get("options") else ours,
            # Our sessions are read-only, which libpq would take for a server that is not read-write.
            "target_session_attrs": "primary" if target in (None, "read-write") else target,
            "client_encoding": "utf8",
            "application_name": "opensmm pages",
        }

    async def close(self) -> None:
        """Closes the connections; the next read opens others."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()
