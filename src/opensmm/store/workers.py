"""Heartbeats: the worker processes that were heard of lately."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct
from psycopg.types.json import Jsonb

from opensmm.base.ids import ProviderId
from opensmm.domain.codes import ShutCode
from opensmm.domain.monitoring import WorkerSeen
from opensmm.store.connection import Connection
from opensmm.store.rows import rows


class WorkerRow(Struct, frozen=True):
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
    """Says that a worker lives, by the database's clock or ``at`` this time, how far the clock of its machine is
    ``off``, and which providers it cannot call; forgets those that have been silent for long."""
    kept = None if shut is None else Jsonb({str(provider): code.value for provider, code in shut.items()})
    told = {"id": worker.id, "at": at, "off": off, "shut": kept, "pid": worker.pid, "host": worker.host}
    await connection.execute(_BEAT, told)
    await connection.execute(_PRUNE, [at, forget_after])


async def place(connection: Connection, worker: WorkerRow, at: datetime | None, within: timedelta) -> tuple[int, int]:
    """How many workers heard of lately are older than this one, and how many there are, itself among them."""
    told = {"id": worker.id, "at": at, "within": within}
    row = await (await connection.execute(_PLACE, told)).fetchone()
    assert row is not None
    return row[0], row[1]


async def leave(connection: Connection, worker: WorkerRow) -> None:
    """Takes a worker off the list that stops of its own will."""
    await connection.execute(_LEAVE, [worker.id])


async def seen(connection: Connection) -> list[WorkerSeen]:
    return await rows(connection, WorkerSeen, _SEEN)
