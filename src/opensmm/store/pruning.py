"""Deletes rows that have served their time, a bounded number at once: after a long pause there may be very many."""

from datetime import datetime, timedelta
from typing import Final, LiteralString

from opensmm.store.connection import Connection

PIECE: Final = 20_000
"""The most rows that one statement deletes."""
# Time by which the clock was seen to jump ahead does not count as age.
_OLD: Final[LiteralString] = """ctid in (
  with clock as materialized (select coalesce(%(at)s::timestamptz, clock_timestamp()) as at)
  select ctid from {0} where created < (
    select at - %(max_age)s - coalesce((select sum(moved) from clock_step
      where noted > at - %(max_age)s and moved > interval '0'), interval '0') from clock)
  order by created limit %(piece)s)"""
_IDEMPOTENCY: Final = f"delete from idempotency where {_OLD.format('idempotency')}"
_BATCHES: Final = f"delete from batch where {_OLD.format('batch')}"


async def forget_idempotency(connection: Connection, at: datetime | None, max_age: timedelta) -> bool:
    """Deletes up to ``PIECE`` idempotency records that are older than ``max_age``; True if there may be more.

    Their age is that ``at`` a time, or by the database's clock if it is None.
    """
    values = {"at": at, "max_age": max_age, "piece": PIECE}
    return (await connection.execute(_IDEMPOTENCY, values)).rowcount == PIECE


async def forget_batches(connection: Connection, at: datetime | None, max_age: timedelta) -> bool:
    """Deletes batches' marks, as ``forget_idempotency`` does idempotency records."""
    values = {"at": at, "max_age": max_age, "piece": PIECE}
    return (await connection.execute(_BATCHES, values)).rowcount == PIECE
