"""Prepared statements of the hot paths, run over libpq itself.

psycopg's cursors take any statement and any value, which costs more than a small batch itself. These statements are
known beforehand, and their parameters are texts already (see ``arrays``).
"""

import asyncio
import re
from collections.abc import Sequence
from itertools import count
from typing import Any, Final
from weakref import WeakSet

import psycopg
from psycopg import errors
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from opensmm.store.connection import Connection, check_replicated

Row = tuple[Any, ...]

WITHIN_S: Final = 14.0
"""The time limit of a statement. Then the connection counts as broken, early enough to recover the COMMIT's outcome."""

_SUCCESSES: Final = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_BINARY: Final = 1


class PreparedStatement:
    """A statement with ``%s`` for its parameters, prepared at its first use on each connection."""

    def __init__(self, name: str, sql: str) -> None:
        places = count(1)
        self.sql = sql
        self._name = name.encode()
        self._prepared_on: WeakSet[Connection] = WeakSet()
        self._numbered = re.sub("%s", lambda _: f"${next(places)}", sql).encode()

    async def rows(self, connection: Connection, parameters: Sequence[str | None]) -> list[Row]:
        """Runs it by itself, or in the transaction under way, and returns its rows; raises psycopg's errors.

        A caller that is cancelled here must drop the connection.
        """
        pgconn = connection.pgconn
        if pgconn.transaction_status != TransactionStatus.IDLE:
            # A prepared statement that is gone would abort the transaction; psycopg keeps track of which are left.
            return await (await connection.execute(self.sql, parameters, binary=True)).fetchall()
        values = [_encode(parameter) for parameter in parameters]
        try:
            async with asyncio.timeout(WITHIN_S):
                result = await self._run_prepared(connection, values)
        except TimeoutError as error:
            raise psycopg.OperationalError(f"no answer within {WITHIN_S:.0f} s") from error
        check_replicated(connection)
        transformer = Transformer(connection)
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)

    async def _run_prepared(self, connection: Connection, values: Sequence[bytes | None]) -> PGresult:
        if connection not in self._prepared_on:
            await self._prepare(connection)
        try:
            return await self._run(connection, values)
        except errors.InvalidSqlStatementName:  # after a rollback, psycopg deallocates all prepared statements
            await self._prepare(connection)
            return await self._run(connection, values)

    async def _prepare(self, connection: Connection) -> None:
        connection.pgconn.send_prepare(self._name, self._numbered)
        await _receive(connection)
        self._prepared_on.add(connection)

    async def _run(self, connection: Connection, values: Sequence[bytes | None]) -> PGresult:
        connection.pgconn.send_query_prepared(self._name, values, result_format=_BINARY)
        return await _receive(connection)


def _encode(parameter: str | None) -> bytes | None:
    if parameter is None:
        return None
    if "\0" in parameter:  # libpq would end the text there
        raise psycopg.DataError("PostgreSQL's texts hold no NUL")
    return parameter.encode()


async def _receive(connection: Connection) -> PGresult:
    """Returns the server's result; raises its error, or OperationalError if the connection broke.

    A statement by itself is a transaction: an error of its COMMIT arrives after the rows, and replaces them.
    """
    pgconn = connection.pgconn
    answer: PGresult | None = None
    try:
        while pgconn.flush():
            await _until_ready(pgconn.socket, writing=True)
            pgconn.consume_input()
        while True:
            while pgconn.is_busy():
                await _until_ready(pgconn.socket)
                pgconn.consume_input()
            result = pgconn.get_result()
            if result is None:
                break
            if answer is None or result.status not in _SUCCESSES:
                answer = result
    except OSError as error:
        raise psycopg.OperationalError(f"the connection broke: {error}") from error
    if answer is None or answer.status not in _SUCCESSES:
        raise errors.error_from_result(answer) if answer else psycopg.OperationalError("the server said nothing")
    return answer


async def _until_ready(socket: int, *, writing: bool = False) -> None:
    """Waits until the socket has data to read or, if ``writing``, takes data to write."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(socket, _wake, ready)
    if writing:
        loop.add_writer(socket, _wake, ready)
    try:
        await ready
    finally:
        loop.remove_reader(socket)
        if writing:
            loop.remove_writer(socket)


def _wake(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
