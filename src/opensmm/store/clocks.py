"""The database's clock: looks at it, and where it stepped."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from opensmm.domain.clocks import ClockReading, ClockStep, StepCause
from opensmm.store.connection import Connection
from opensmm.store.rows import rows

_NOW: Final = "select coalesce(%s::timestamptz, clock_timestamp())"
# The clock is read when the row is locked: whoever waits for the lock reads it afterwards.
_LOOK: Final = f"""
with kept as materialized (select at, timeline, started from clock for update),
newest as (select noted from clock_step where cause <> '{StepCause.UNWATCHED}' order by id desc limit 1)
select coalesce(%s::timestamptz, clock_timestamp()), left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
  pg_postmaster_start_time(), kept.at, kept.timeline, kept.started, newest.noted
from (select) one left join kept on true left join newest on true
"""
_KEEP: Final = """
insert into clock (id, at, timeline, started) values (1, %s, %s, %s)
on conflict (id) do update set at = excluded.at, timeline = excluded.timeline, started = excluded.started
"""
_NOTE: Final = "insert into clock_step (noted, since, until, moved, cause) values (%s, %s, %s, %s, %s)"
_STEPS: Final = "select cause, since, until, moved from clock_step where until >= %s order by since, id"


async def now(connection: Connection, at: datetime | None) -> datetime:
    """What time it is at the database, or ``at``, where a test says so."""
    row = await (await connection.execute(_NOW, [at])).fetchone()
    assert row is not None
    found: datetime = row[0]
    return found


async def look(
    connection: Connection, at: datetime | None
) -> tuple[ClockReading, ClockReading | None, datetime | None]:
    """The clock as it is (``at``, where a test says so), as it was kept, and when a step was last noted; the row of
    what is kept stays locked."""
    row = await (await connection.execute(_LOOK, [at])).fetchone()
    assert row is not None
    return ClockReading(*row[:3]), None if row[3] is None else ClockReading(*row[3:6]), row[6]


async def keep(connection: Connection, found: ClockReading) -> None:
    await connection.execute(_KEEP, [found.at, found.timeline, found.started])


async def note(connection: Connection, step: ClockStep, noted: datetime) -> None:
    await connection.execute(_NOTE, [noted, step.since, step.until, step.moved, step.cause.value])


async def steps(connection: Connection, since: datetime) -> Sequence[ClockStep]:
    """Every step that lasted until then or later, those of times that nobody watched among them."""
    return await rows(connection, ClockStep, _STEPS, [since])
