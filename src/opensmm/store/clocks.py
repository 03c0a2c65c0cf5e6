"""The database's clock: readings of it, and its recorded steps."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from opensmm.domain.clocks import ClockReading, ClockStep, StepCause
from opensmm.store.connection import Connection
from opensmm.store.rows import rows

_NOW: Final = "select coalesce(%s::timestamptz, clock_timestamp())"
# The row comes first: a session that waits for its lock reads the clock afterwards, and so never an older time.
_LOOK: Final = f"""
with stored as materialized (select at, timeline, started from clock for update),
newest as (select noted from clock_step where cause <> '{StepCause.UNWATCHED}' order by id desc limit 1)
select coalesce(%s::timestamptz, clock_timestamp()), left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
  pg_postmaster_start_time(), stored.at, stored.timeline, stored.started, newest.noted
from (select) always left join stored on true left join newest on true
"""
_KEEP: Final = """
insert into clock (id, at, timeline, started) values (1, %s, %s, %s)
on conflict (id) do update set at = excluded.at, timeline = excluded.timeline, started = excluded.started
"""
_NOTE: Final = "insert into clock_step (noted, since, until, moved, cause) values (%s, %s, %s, %s, %s)"
_STEPS: Final = "select cause, since, until, moved from clock_step where until >= %s order by since, id"


async def now(connection: Connection, at: datetime | None) -> datetime:
    """Returns the database's time, or ``at`` if a test sets the time."""
    row = await (await connection.execute(_NOW, [at])).fetchone()
    assert row is not None
    time: datetime = row[0]
    return time


async def lock_reading(
    connection: Connection, at: datetime | None
) -> tuple[ClockReading, ClockReading | None, datetime | None]:
    """Reads the clock (``at`` if a test sets the time) and locks the stored reading.

    Returns the reading, the stored one, and when a step was last recorded.
    """
    row = await (await connection.execute(_LOOK, [at])).fetchone()
    assert row is not None
    time, timeline, started, stored_at, stored_timeline, stored_started, noted = row
    stored = None if stored_at is None else ClockReading(stored_at, stored_timeline, stored_started)
    return ClockReading(time, timeline, started), stored, noted


async def keep(connection: Connection, reading: ClockReading) -> None:
    await connection.execute(_KEEP, [reading.at, reading.timeline, reading.started])


async def note(connection: Connection, step: ClockStep, noted: datetime) -> None:
    await connection.execute(_NOTE, [noted, step.since, step.until, step.moved, step.cause.value])


async def steps(connection: Connection, since: datetime) -> Sequence[ClockStep]:
    """Returns the steps that lasted until ``since`` or later, periods without a worker included."""
    return await rows(connection, ClockStep, _STEPS, [since])
