"""Recovering the outcome of a batch whose COMMIT went unanswered. The batch is never run again."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import psycopg

from opensmm.base.error_codes import OutageCode
from opensmm.base.errors import CommitUnknown, Unavailable
from opensmm.base.ids import OrderId
from opensmm.store import connection as db
from opensmm.store import placing
from opensmm.store.connection import ReconnectingConnection

SETTLE_WITHIN_S: Final = 5.0
"""Seconds of looking for the outcome before the callers are told to try later."""


async def recover(
    connection: ReconnectingConnection, mark: UUID, at: datetime | None
) -> Sequence[OrderId | None] | None:
    """Returns the batch's orders in its order, or None if it did not commit and never will.

    ``mark`` is the batch mark that the transaction wrote. Raises CommitUnknown if the database gives no answer within
    ``SETTLE_WITHIN_S``.
    """
    try:
        async with asyncio.timeout(SETTLE_WITHIN_S):
            return await _retry_until_answered(connection, mark, at)
    except TimeoutError as error:
        await connection.drop()
        raise CommitUnknown(OutageCode.COMMIT_UNKNOWN) from error


async def _retry_until_answered(
    connection: ReconnectingConnection, mark: UUID, at: datetime | None
) -> Sequence[OrderId | None] | None:
    while True:
        await connection.drop()
        try:
            return await placing.recover_batch(await connection.get(), mark, at)
        except (psycopg.Error, Unavailable):
            await asyncio.sleep(db.PAUSE_AFTER_FAILURE_S)
