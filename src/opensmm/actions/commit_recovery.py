"""Learning what became of a batch whose COMMIT went unanswered. It is never sent again."""

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
"""How long the outcome is looked for before the callers are told to try later."""


async def recover(line: ReconnectingConnection, mark: UUID, at: datetime | None) -> Sequence[OrderId | None] | None:
    """The batch's orders, or None: it was not kept and never will be. Raises CommitUnknown if that takes too long."""
    try:
        async with asyncio.timeout(SETTLE_WITHIN_S):
            return await _ask_until_answered(line, mark, at)
    except TimeoutError as error:
        await line.drop()
        raise CommitUnknown(OutageCode.COMMIT_UNKNOWN) from error


async def _ask_until_answered(
    line: ReconnectingConnection, mark: UUID, at: datetime | None
) -> Sequence[OrderId | None] | None:
    while True:
        await line.drop()
        try:
            return await placing.settle(await line.get(), mark, at)
        except (psycopg.Error, Unavailable):
            await asyncio.sleep(db.PAUSE_AFTER_FAILURE_S)
