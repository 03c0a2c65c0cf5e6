"""store.clocks, on the model's rows."""

from collections.abc import Sequence
from datetime import UTC, datetime

from tests.simulation.model.connection import Connection
from tests.simulation.model.tables import ClockRow, ClockStepRow

from opensmm.domain.clocks import ClockReading, ClockStep

STARTED = datetime(2026, 1, 1, tzinfo=UTC)


async def now(connection: Connection, at: datetime | None) -> datetime:
    assert at is not None
    return at


async def lock_reading(
    connection: Connection, at: datetime | None
) -> tuple[ClockReading, ClockReading | None, datetime | None]:
    assert at is not None
    store = connection.store
    row = store.clock.get(1)
    stored = None if row is None else ClockReading(row.at, row.timeline, row.started)
    breaking = [one.noted for one in store.clock_steps.values() if one.step.breaks]
    return ClockReading(at, str(store.timeline), STARTED), stored, breaking[-1] if breaking else None


async def keep(connection: Connection, reading: ClockReading) -> None:
    store = connection.store
    if 1 not in store.clock:
        store.insert(store.clock, 1, ClockRow(reading.at, reading.timeline, reading.started))
    row = store.edit(store.clock[1])
    row.at, row.timeline, row.started = reading.at, reading.timeline, reading.started


async def note(connection: Connection, step: ClockStep, noted: datetime) -> None:
    store = connection.store
    store.insert(store.clock_steps, len(store.clock_steps) + 1, ClockStepRow(step, noted))


async def steps(connection: Connection, since: datetime) -> Sequence[ClockStep]:
    steps_ = [one.step for one in connection.store.clock_steps.values() if one.step.until >= since]
    return sorted(steps_, key=lambda one: one.since)
