"""Forgetting what has served its time."""

from datetime import datetime
from typing import Final

from opensmm.store.connection import Connection

_IDEMPOTENCY: Final = "delete from idempotency where created < %s"
_BATCHES: Final = "delete from batch where created < %s"


async def forget_idempotency(connection: Connection, before: datetime) -> None:
    await connection.execute(_IDEMPOTENCY, [before])


async def forget_batches(connection: Connection, before: datetime) -> None:
    await connection.execute(_BATCHES, [before])
