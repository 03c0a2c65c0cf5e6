"""Heartbeats of worker processes."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from opensmm.base.ids import ProviderId
from opensmm.domain.codes import ShutCode
from opensmm.domain.panel_facts import WorkerSeen
from opensmm.store.connection import Connection
from opensmm.store.rows import rows


class WorkerRow(Struct, frozen=True):
    """A worker process. ``host`` is the name of its machine."""

    id: UUID
    pid: int
    host: str


_BEAT: Final = """
insert into worker (id, started, seen, clock_off, shut, pid, host)
select %(id)s, at, at, %(off)s, %(shut)s, %(pid)s, %(host)s
from (select coalesce(%(at)s::timestamptz, clock_timestamp())) c (at)
on conflict (id) do update set seen = excluded.seen, clock_off = excluded.clock_off, shut = excluded.shut
"""
_PLACE: Final = """
select count(*) filter (where (w.started, w.id) < (own.started, own.id)), count(*)
from worker w left join worker own on own.id = %(id)s
where w.seen > coalesce(%(at)s::timestamptz, clock_timestamp()) - %(within)s
"""
_PRUNE: Final = "delete from worker where seen < coalesce(%s::timestamptz, clock_timestamp()) - %s"
_LEAVE: Final = "delete from worker where id = %s"
_SEEN: Final = "select host, pid, started, seen, clock_off, shut from worker order by started, id"


async def beat(
    connection: Connection,
    worker: WorkerRow,
    at: datetime | None,
    off: timedelta | None,
    forget_after: timedelta,
    shut: Mapping[ProviderId, ShutCode] | None = None,
) -> None:
    """Writes a worker's heartbeat; deletes workers without one for longer than ``forget_after``.

    ``at`` is its time, None: by the database's clock. ``off`` is the error of its machine's clock. ``shut`` are the
    providers that it cannot call, each with the reason.
    """
    codes = None if shut is None else Jsonb({str(provider): code.value for provider, code in shut.items()})
    heartbeat = {"id": worker.id, "at": at, "off": off, "shut": codes, "pid": worker.pid, "host": worker.host}
    await connection.execute(_BEAT, heartbeat)
    await connection.execute(_PRUNE, [at, forget_after])


async def find_rank(
    connection: Connection, worker: WorkerRow, at: datetime | None, within: timedelta
) -> tuple[int, int]:
    """Returns a worker's rank by age among the live ones, from 0, and the number of live workers, itself included.

    A worker is live if its last heartbeat was ``within`` this time before ``at`` (None: the database's clock).
    """
    row = await (await connection.execute(_PLACE, {"id": worker.id, "at": at, "within": within})).fetchone()
    assert row is not None
    rank, workers = row
    return rank, workers


async def leave(connection: Connection, worker: WorkerRow) -> None:
    """Deletes a worker that stops on its own."""
    await connection.execute(_LEAVE, [worker.id])


async def list_workers(connection: Connection) -> list[WorkerSeen]:
    """Returns the workers, oldest first."""
    return await rows(connection, WorkerSeen, _SEEN)
