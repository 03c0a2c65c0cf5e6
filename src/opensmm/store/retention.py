"""Forgetting what has served its time, a piece at a time: a long absence leaves more than one statement's worth."""

from datetime import datetime
from typing import Final, LiteralString

from opensmm.store.connection import Connection

PIECE: Final = 20_000
"""Rows in one statement."""
_OLD: Final[LiteralString] = "ctid in (select ctid from {0} where created < %s order by created limit %s)"
_IDEMPOTENCY: Final = f"delete from idempotency where {_OLD.format('idempotency')}"
_BATCHES: Final = f"delete from batch where {_OLD.format('batch')}"


async def forget_idempotency(connection: Connection, before: datetime) -> bool:
    """A piece of what is older; True where there may be more."""
    return (await connection.execute(_IDEMPOTENCY, [before, PIECE])).rowcount == PIECE


async def forget_batches(connection: Connection, before: datetime) -> bool:
    """A piece of what is older; True where there may be more."""
    return (await connection.execute(_BATCHES, [before, PIECE])).rowcount == PIECE
