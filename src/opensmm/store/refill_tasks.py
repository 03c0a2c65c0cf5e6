"""Refill tasks: requesting them from providers, polling them, and summing them up in their refill."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from opensmm.base.ids import OrderId, ProviderId, RefillId
from opensmm.domain.codes import DeliveryNote
from opensmm.domain.refills import UNCLEAR, RefillStatus
from opensmm.store import delivery_notes
from opensmm.store.connection import Connection
from opensmm.store.rows import rows
from opensmm.store.state_sets import ENDED_REFILL, OPEN_REFILL


class TaskRow(Struct, frozen=True):
    """A claimed task. ``provider_refill`` is the provider's id of it, empty until it is known.

    ``since`` is when the customer requested the refill. ``again``: the provider was called for it before, and its
    answer may have been lost. ``tries`` is the number of answers that were not understood.
    """

    refill: RefillId
    run: int
    provider: ProviderId
    provider_order: str
    provider_refill: str
    since: datetime
    again: bool
    tries: int = 0


_CLAIM: Final = """
-- Due tasks that no other worker claims. The pause before a lost answer is retried grows with the refill's age.
with due as materialized (
  select refill_id, run, polled from refill_task where due <= %(now)s
  order by due limit %(limit)s for update skip locked
)
update refill_task t set polled = %(now)s, due = %(now)s + case
  when t.provider_refill is null then greatest(%(lease)s, (%(now)s - r.created) / 4) else %(lease)s end
from due join refill r on r.id = due.refill_id
where t.refill_id = due.refill_id and t.run = due.run
returning t.refill_id as refill, t.run, t.provider_id as provider, t.provider_order,
  coalesce(t.provider_refill, '') as provider_refill, r.created as since, due.polled is not null as again, t.tries
"""


async def claim(connection: Connection, now: datetime, lease: timedelta, limit: int) -> list[TaskRow]:
    """Claims tasks that are due, the longest due first.

    A refill moves no money, so a task whose answer was lost is requested again, ever less often.
    """
    return await rows(connection, TaskRow, _CLAIM, {"now": now, "lease": lease, "limit": limit})


_NEWEST: Final = """
select provider_refill from refill_task where provider_id = %s and provider_refill is not null
order by refill_id desc, run desc limit %s
"""


async def newest(connection: Connection, provider: ProviderId, limit: int) -> list[str]:
    """Returns the provider's own ids of the refills that it accepted last, the newest first."""
    cursor = await connection.execute(_NEWEST, [provider, limit])
    return [row[0] for row in await cursor.fetchall()]


class RefillNews(Struct, frozen=True):
    """A task after its provider answered. ``due`` is None once it has ended.

    ``state`` is None if the answer was not understood: the state stays, and ``note`` has the reason.
    """

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
  as told (refill_id, run, claimed, state, provider_refill, due, tries, note)
where d.refill_id = told.refill_id and d.run = told.run and (d.due is not null or d.state = '{UNCLEAR}')
-- Not over a newer answer, nor over the id that another call was given meanwhile.
  and (d.provider_refill is null
       or d.provider_refill = told.claimed and (d.polled is null or d.polled <= coalesce(%s, d.polled)))
"""
_SUM_UP: Final = f"""
with summed as (
  select refill_id, bool_and(state in {ENDED_REFILL}) as ended,
         bool_or(state = '{RefillStatus.COMPLETED}') as completed,
         bool_or(state = '{RefillStatus.REJECTED}') as rejected,
         bool_or(state = '{RefillStatus.IN_PROGRESS}') as moving
  from refill_task where refill_id = any(%s) group by refill_id
)
-- All tasks have ended: completed if one was. Otherwise in progress if one is, or has completed.
update refill r set
  state = case when s.ended and s.completed then '{RefillStatus.COMPLETED}'
               when s.ended and s.rejected then '{RefillStatus.REJECTED}'
               when s.ended then '{RefillStatus.CANCELED}'
               when s.moving or s.completed then '{RefillStatus.IN_PROGRESS}'
               else '{RefillStatus.PENDING}' end,
  ended = case when s.ended then %s::timestamptz end
from summed s where r.id = s.refill_id and r.state in {OPEN_REFILL}
"""
_LOCK: Final = "select id from refill where id = any(%s) order by id for update"


async def record(connection: Connection, news: Sequence[RefillNews], polled: datetime | None, now: datetime) -> None:
    """Writes providers' answers to calls sent at ``polled``, and the resulting states of their refills.

    ``polled`` is None if the news are no answer to a call, but the staff's. Skips tasks that another call has changed
    since: a refusal because a refill is under way already does not count, and newer answers stay.
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
        delivery_notes.encode_all(one.note for one in news),
    )
    await connection.execute(_RECORD, [now, *arrays, polled])
    await connection.execute(_SUM_UP, [refills, now])


class UnreadRefillRow(Struct, frozen=True):
    """A refill task whose provider's newest answer is not understood, with the run's delivery.

    ``noted``: since when it has its ``note``.
    """

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
select t.refill_id as refill, t.order_id as order, t.run, d.state, d.service_id as service, d.quantity, d.remains,
  p.id as provider, p.name as provider_name, t.provider_order, t.note, t.noted
from refill_task t join delivery d on d.order_id = t.order_id and d.run = t.run join provider p on p.id = t.provider_id
where t.note is not null and t.due is not null order by t.noted, t.refill_id limit %s
"""


async def list_unread(connection: Connection, limit: int) -> list[UnreadRefillRow]:
    """Returns refill tasks whose providers' answers are not understood, the longest first."""
    return await rows(connection, UnreadRefillRow, _UNREAD, [limit], {"note": delivery_notes.decode})
