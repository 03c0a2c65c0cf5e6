"""Reads and transactions over a reconnecting connection, and the faults that the driver's errors amount to."""

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
    """A statement reported an error. Nothing of its transaction was stored."""

    outage: ClassVar = OutageCode.STATEMENT_REFUSED
    """The reason given to a caller whose statement is not retried."""


class RowsLocked(StatementRejected):
    """A statement waited too long for a row that another transaction holds."""

    outage: ClassVar = OutageCode.ROWS_LOCKED


async def read(connection: ReconnectingConnection, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Runs one read. Retries it once, on a new connection, if the first one broke. Raises Unavailable.

    A read does not wait for a synchronous standby, so it may return rows that no standby has yet.
    """
    try:
        return await _read(connection, work)
    except psycopg.Error as error:
        # A statement that was cancelled for taking too long would be cancelled again.
        if not db.is_connection_error(error) or isinstance(error, errors.QueryCanceled):
            raise Unavailable(StatementRejected.outage, words=str(error)) from error
    try:
        return await _read(connection, work)
    except psycopg.Error as error:
        raise _build_unavailable(error) from error


async def _read(connection: ReconnectingConnection, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    session = await connection.get()
    try:
        return await work(session)
    except BaseException:
        await connection.drop()
        raise


async def write(connection: ReconnectingConnection, work: Callable[[Connection], Awaitable[Result]]) -> Result:
    """Waits for the connection's turn and runs ``work`` in one transaction, which the caller may retry as a whole.

    Raises what ``fault_of`` returns. If the connection broke, the outcome is unknown: use it only for work that has
    the same result when it is repeated.
    """
    async with connection.turn:
        session = await connection.get()
        try:
            async with session.transaction():
                return await work(session)
        except psycopg.Error as error:
            if db.is_connection_error(error):
                await connection.drop()
            raise fault_of(error) from error
        except BaseException:
            await connection.drop()
            raise


def fault_of(error: psycopg.Error, locked: type[StatementRejected] = RowsLocked) -> Unavailable | StatementRejected:
    """Returns the fault that the driver's error amounts to.

    That is Unavailable if the connection broke, ``locked`` if a statement waited too long for a row, and
    StatementRejected for any other error of a statement.
    """
    if db.is_connection_error(error):
        return _build_unavailable(error)
    return (locked if isinstance(error, errors.LockNotAvailable) else StatementRejected)(str(error))


def _build_unavailable(error: psycopg.Error) -> Unavailable:
    return Unavailable(OutageCode.CONNECTION_LOST, words=str(error))
