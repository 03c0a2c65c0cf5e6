"""Reads and transactions on a line, and what the driver's errors on it mean to a caller."""

from collections.abc import Awaitable, Callable
from typing import ClassVar, TypeVar

import psycopg
from psycopg import errors

from opensmm.base.error_codes import OutageCode
from opensmm.base.errors import PanelError, Unavailable
from opensmm.store import connection as db
from opensmm.store.connection import Connection, ReconnectingConnection

Result = TypeVar("Result")


class StatementRejected(PanelError):
    """A statement reported an error, so that nothing of its transaction was kept."""

    outage: ClassVar = OutageCode.STATEMENT_REFUSED
    """What a caller is told whose statement is not tried again."""


class RowsLocked(StatementRejected):
    """A statement waited too long for a row that another transaction holds."""

    outage: ClassVar = OutageCode.ROWS_LOCKED


async def read(line: ReconnectingConnection, ask: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Runs one read, on a new connection once more where the first one broke; raises Unavailable.

    Nothing is written, so nothing waits for a synchronous standby: a read may tell of what no standby has yet.
    """
    try:
        return await _read(line, ask)
    except psycopg.Error as error:
        # What took too long and was cancelled would be cancelled again.
        if not db.lost(error) or isinstance(error, errors.QueryCanceled):
            raise Unavailable(StatementRejected.outage, words=str(error)) from error
    try:
        return await _read(line, ask)
    except psycopg.Error as error:
        raise _lost(error) from error


async def _read(line: ReconnectingConnection, ask: Callable[[Connection], Awaitable[Result]]) -> Result:
    connection = await line.get()
    try:
        return await ask(connection)
    except BaseException:
        await line.drop()
        raise


async def write(line: ReconnectingConnection, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Runs ``work`` in a transaction that may be tried again as a whole by whoever asked for it, when the line is free.

    Raises what ``fault_of`` returns. Where the connection went nothing is known of the outcome, and the requests this
    is used for say the same when they are repeated.
    """
    async with line.turn:
        connection = await line.get()
        try:
            async with connection.transaction():
                return await work(connection)
        except psycopg.Error as error:
            if db.lost(error):
                await line.drop()
            raise fault_of(error) from error
        except BaseException:
            await line.drop()
            raise


def fault_of(error: psycopg.Error, locked: type[StatementRejected] = RowsLocked) -> Unavailable | StatementRejected:
    """Returns the fault that the driver's error amounts to.

    That is Unavailable where it tells of the connection, ``locked`` where a statement waited too long for a row, and
    Rejected where a statement reported any other error.
    """
    if db.lost(error):
        return _lost(error)
    return (locked if isinstance(error, errors.LockNotAvailable) else StatementRejected)(str(error))


def _lost(error: psycopg.Error) -> Unavailable:
    return Unavailable(OutageCode.CONNECTION_LOST, words=str(error))
