"""Statements that run in crowds, over libpq itself.

psycopg's cursors take any statement and any value. What that costs is paid once a batch, and is the larger part of a
small one: a crowd's statement is known beforehand, and its parameters are texts already (see ``arrays``).
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
"""How long one may take. Then the connection counts as broken, while there is still time to learn what became of it."""

_ANSWERED: Final = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
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
        """Runs it by itself, or within the transaction that is under way; raises psycopg's errors.

        Whoever is cancelled here has to drop the connection.
        """
        pgconn = connection.pgconn
        if pgconn.transaction_status != TransactionStatus.IDLE:
            # Where a statement that is gone would end the transaction, psycopg knows which are left.
            return await (await connection.execute(self.sql, parameters, binary=True)).fetchall()
        told = [_bytes(one) for one in parameters]
        try:
            async with asyncio.timeout(WITHIN_S):
                result = await self._answer_prepared(connection, told)
        except TimeoutError as error:
            raise psycopg.OperationalError(f"no answer within {WITHIN_S:.0f} s") from error
        check_replicated(connection)
        transformer = Transformer(connection)
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)

    async def _answer_prepared(self, connection: Connection, parameters: Sequence[bytes | None]) -> PGresult:
        if connection not in self._prepared_on:
            await self._prepare(connection)
        try:
            return await self._answer(connection, parameters)
        except errors.InvalidSqlStatementName:  # after a rollback, psycopg has all that is prepared forgotten
            await self._prepare(connection)
            return await self._answer(connection, parameters)

    async def _prepare(self, connection: Connection) -> None:
        connection.pgconn.send_prepare(self._name, self._numbered)
        await _result(connection)
        self._prepared_on.add(connection)

    async def _answer(self, connection: Connection, parameters: Sequence[bytes | None]) -> PGresult:
        connection.pgconn.send_query_prepared(self._name, parameters, result_format=_BINARY)
        return await _result(connection)


def _bytes(parameter: str | None) -> bytes | None:
    if parameter is None:
        return None
    if "\0" in parameter:  # libpq would end the text there
        raise psycopg.DataError("PostgreSQL's texts hold no NUL")
    return parameter.encode()


async def _result(connection: Connection) -> PGresult:
    """What the server says to what was sent; raises its error, or OperationalError where the connection broke.

    A statement by itself is a transaction: an error of its COMMIT comes behind the rows that it would have kept.
    """
    pgconn = connection.pgconn
    found: PGresult | None = None
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
            if found is None or result.status not in _ANSWERED:
                found = result
    except OSError as error:
        raise psycopg.OperationalError(f"the connection broke: {error}") from error
    if found is None or found.status not in _ANSWERED:
        raise errors.error_from_result(found) if found else psycopg.OperationalError("the server said nothing")
    return found


async def _until_ready(socket: int, *, writing: bool = False) -> None:
    """Waits until the socket has something to read or, ``writing``, takes something either."""
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
