"""Running a batch that writes, in one transaction on a line of its own."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
from psycopg import errors

from opensmm.actions.lane import Locked, Rejected
from opensmm.base.faults import Unavailable
from opensmm.store import connection as db
from opensmm.store.connection import Connection, Line

Kept = TypeVar("Kept")


async def write(line: Line, work: Callable[[Connection], Awaitable[Kept]]) -> Kept:
    """Runs ``work`` in a transaction that may be tried again as a whole by whoever asked for it, when the line is free.

    Raises Rejected where a statement reported an error, and Locked where one waited for a row. Raises Unavailable where
    the connection went: then nothing is known of the outcome, and the asks this is used for say the same when they are
    repeated.
    """
    async with line.turn:
        connection = await line.get()
        try:
            async with connection.transaction():
                return await work(connection)
        except psycopg.Error as error:
            if db.lost(error):
                await line.drop()
                raise Unavailable(f"the database went away: {error}") from error
            raise (Locked if isinstance(error, errors.LockNotAvailable) else Rejected)(str(error)) from error
        except BaseException:
            await line.drop()
            raise
