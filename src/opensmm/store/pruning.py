"""Forgetting what has served its time, a piece at a time: a long absence leaves more than one statement's worth."""

from datetime import datetime, timedelta
from typing import Final, LiteralString

from opensmm.store.connection import Connection

PIECE: Final = 20_000
"""Rows in one statement."""
# Time that the clock skipped, or that nobody watched, makes nothing older.
_OLD: Final[LiteralString] = """ctid in (
  with clock as materialized (select coalesce(%(at)s::timestamptz, clock_timestamp()) as at)
  select ctid from {0} where created < (
    select at - %(kept)s - coalesce((select sum(moved) from clock_step
      where noted > at - %(kept)s and moved > interval '0'), interval '0') from clock)
  order by created limit %(piece)s)"""
_IDEMPOTENCY: Final = f"delete from idempotency where {_OLD.format('idempotency')}"
_BATCHES: Final = f"delete from batch where {_OLD.format('batch')}"


async def forget_idempotency(connection: Connection, at: datetime | None, kept: timedelta) -> bool:
    """Forgets a piece of what is older than it is kept ``at`` this time, None: by the database's clock. True where
    there may be more."""
    told = {"at": at, "kept": kept, "piece": PIECE}
    return (await connection.execute(_IDEMPOTENCY, told)).rowcount == PIECE


async def forget_batches(connection: Connection, at: datetime | None, kept: timedelta) -> bool:
    """Like ``forget_idempotency``, of batches' marks."""
    told = {"at": at, "kept": kept, "piece": PIECE}
    return (await connection.execute(_BATCHES, told)).rowcount == PIECE
