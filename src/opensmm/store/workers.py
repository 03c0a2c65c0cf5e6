"""Heartbeats: the worker processes that were heard of lately."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import Struct

from opensmm.domain.health import WorkerSeen
from opensmm.store.connection import Connection


class Worker(Struct, frozen=True):
    id: UUID
    started: datetime
    pid: int
    host: str


_BEAT: Final = """
insert into worker (id, started, seen, pid, host) values (%s, %s, %s, %s, %s)
on conflict (id) do update set seen = excluded.seen
"""
_PLACE: Final = """
select count(*) filter (where (started, id) < (%s, %s)), count(*) from worker where seen > %s
"""
_PRUNE: Final = "delete from worker where seen < %s"
_LEAVE: Final = "delete from worker where id = %s"
_SEEN: Final = "select host, pid, started, seen from worker order by started, id"


async def beat(connection: Connection, worker: Worker, now: datetime, forget_before: datetime) -> None:
    """Says that a worker lives, and forgets those that have been silent since ``forget_before``."""
    await connection.execute(_BEAT, [worker.id, worker.started, now, worker.pid, worker.host])
    await connection.execute(_PRUNE, [forget_before])


async def place(connection: Connection, worker: Worker, alive_after: datetime) -> tuple[int, int]:
    """How many workers heard of since then are older than this one, and how many there are, itself among them."""
    cursor = await connection.execute(_PLACE, [worker.started, worker.id, alive_after])
    row = await cursor.fetchone()
    assert row is not None
    return row[0], row[1]


async def leave(connection: Connection, worker: Worker) -> None:
    """Takes a worker off the list that stops of its own will."""
    await connection.execute(_LEAVE, [worker.id])


async def seen(connection: Connection) -> list[WorkerSeen]:
    cursor = await connection.execute(_SEEN)
    return [WorkerSeen(*row) for row in await cursor.fetchall()]
