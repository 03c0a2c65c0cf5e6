"""Refill tasks on their way: to be passed on, asked after, and summed up in their refill."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from opensmm.base.ids import OrderId, ProviderId, RefillId
from opensmm.domain.codes import DeliveryNote
from opensmm.store import delivery_notes
from opensmm.store.connection import Connection
from opensmm.store.state_sets import ENDED_REFILL, OPEN_REFILL


class TaskRow(Struct, frozen=True):
    """``provider_refill`` is empty until the provider told it; ``since``: when the customer asked. ``again``: the
    provider was asked before, and may have said what did not come through. ``tries``: answers that were not clear."""

    refill: RefillId
    run: int
    provider: ProviderId
    provider_order: str
    provider_refill: str
    since: datetime
    again: bool
    tries: int = 0


_CLAIM: Final = """
with due as materialized (
  select refill_id, run, polled from refill_task where due <= %(now)s
  order by due limit %(limit)s for update skip locked
)
update refill_task t set polled = %(now)s, due = %(now)s + case
  when t.provider_refill is null then greatest(%(lease)s, (%(now)s - r.created) / 4) else %(lease)s end
from due join refill r on r.id = due.refill_id
where t.refill_id = due.refill_id and t.run = due.run
returning t.refill_id, t.run, t.provider_id, t.provider_order, coalesce(t.provider_refill, ''), r.created,
  due.polled is not null, t.tries
"""


async def claim(connection: Connection, now: datetime, lease: timedelta, limit: int) -> list[TaskRow]:
    """Tasks whose turn it is. A refill moves no money, so one whose answer was lost is asked for again, the older the
    seldomer."""
    cursor = await connection.execute(_CLAIM, {"now": now, "lease": lease, "limit": limit})
    return [TaskRow(*row) for row in await cursor.fetchall()]


_NEWEST: Final = """
select provider_refill from refill_task where provider_id = %s and provider_refill is not null
order by refill_id desc, run desc limit %s
"""


async def newest(connection: Connection, provider: ProviderId, limit: int) -> list[str]:
    """The refills that a provider took on last, by its own ids, the newest first."""
    cursor = await connection.execute(_NEWEST, [provider, limit])
    return [row[0] for row in await cursor.fetchall()]


class RefillNews(Struct, frozen=True):
    """A task after its provider was asked. ``due`` is None once it has ended. ``state`` None: as it was, since the
    answer was not understood, of which ``note`` tells."""

    task: TaskRow
    state: str | None
    provider_refill: str
    due: datetime | None
    tries: int = 0
    note: DeliveryNote | None = None


_RECORD: Final = f"""
update refill_task d set state = coalesce(told.state, d.state), provider_refill = nullif(told.provider_refill, ''),
  due = told.due, tries = told.tries, note = {delivery_notes.NOTE}, noted = {delivery_notes.NOTED}
from unnest(%s::bigint[], %s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::int[], %s::text[])
  as told (refill_id, run, known, state, provider_refill, due, tries, note)
where d.refill_id = told.refill_id and d.run = told.run and (d.due is not null or d.state = 'unsure')
  and (d.provider_refill is null
       or d.provider_refill = told.known and (d.polled is null or d.polled <= coalesce(%s, d.polled)))
"""
_SUM_UP: Final = f"""
with summed as (
  select refill_id, bool_and(state in {ENDED_REFILL}) as ended,
         bool_or(state = 'completed') as completed, bool_or(state = 'rejected') as rejected,
         bool_or(state = 'in_progress') as moving
  from refill_task where refill_id = any(%s) group by refill_id
)
update refill r set
  state = case when s.ended and s.completed then 'completed' when s.ended and s.rejected then 'rejected'
               when s.ended then 'canceled' when s.moving or s.completed then 'in_progress' else 'pending' end,
  ended = case when s.ended then %s::timestamptz end
from summed s where r.id = s.refill_id and r.state in {OPEN_REFILL}
"""
_LOCK: Final = "select id from refill where id = any(%s) order by id for update"


async def record(connection: Connection, news: Sequence[RefillNews], asked: datetime | None, now: datetime) -> None:
    """Writes what providers said when asked at ``asked`` (None: unasked, by whoever knows best), and what their refills
    have come to.

    What was asked for meanwhile by somebody else is theirs: that it is under way already refuses nothing, and what they
    were told since is newer.
    """
    if not news:
        return
    refills = sorted({one.task.refill for one in news})
    await connection.execute(_LOCK, [refills])
    arrays = (
        [one.task.refill for one in news],
        [one.task.run for one in news],
        [one.task.provider_refill for one in news],
        [one.state for one in news],
        [one.provider_refill for one in news],
        [one.due for one in news],
        [one.tries for one in news],
        delivery_notes.notes(one.note for one in news),
    )
    await connection.execute(_RECORD, [now, *arrays, asked])
    await connection.execute(_SUM_UP, [refills, now])


class UnreadRefillRow(Struct, frozen=True):
    """A refill's share whose provider's newest answer is not understood, and since when, with the run's delivery."""

    refill: RefillId
    order: OrderId
    run: int
    state: str
    service: int
    quantity: int
    remains: int | None
    provider: ProviderId
    provider_name: str
    provider_order: str
    note: DeliveryNote | None
    noted: datetime


_UNREAD: Final = """
select t.refill_id, t.order_id, t.run, d.state, d.service_id, d.quantity, d.remains, p.id, p.name, t.provider_order,
  t.note, t.noted
from refill_task t join delivery d on d.order_id = t.order_id and d.run = t.run join provider p on p.id = t.provider_id
where t.note is not null and t.due is not null order by t.noted, t.refill_id limit %s
"""


async def unread(connection: Connection, limit: int) -> list[UnreadRefillRow]:
    """Shares of refills whose providers' answers are not understood, the oldest first."""
    cursor = await connection.execute(_UNREAD, [limit])
    return [UnreadRefillRow(*(*row[:10], delivery_notes.read(row[10]), row[11])) for row in await cursor.fetchall()]
