"""What waits for the operator's staff: deliveries and refills that a provider of kind ``manual`` was handed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from opensmm.base.ids import OrderId, ProviderId, RefillId, ServiceId
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.polling import PolledDelivery
from opensmm.domain.providers import MANUAL
from opensmm.domain.refills import UNCLEAR
from opensmm.store.connection import Connection
from opensmm.store.dispatch import AttemptResult
from opensmm.store.polling import DueDelivery
from opensmm.store.refill_tasks import TaskRow
from opensmm.store.state_sets import AT_PROVIDER


class ManualDelivery(Struct, frozen=True):
    """A delivery on the staff's list. ``cancel_asked``: when the customer last asked to cancel it."""

    order: OrderId
    run: int
    runs: int
    service: ServiceId
    service_name: str
    link: str
    quantity: int
    remains: int | None
    start_count: int | None
    state: DeliveryState
    since: datetime
    cancel_asked: datetime | None
    details: dict[str, Any]


# What the staff has is the only work at a provider without a due time, and so has an index of its own.
_WAITING: Final = f"""
select d.order_id, d.run, o.runs, d.service_id, s.name, o.link, d.quantity, d.remains, d.start_count, d.state, d.sent,
  d.cancel_asked, coalesce(x.details, '{{}}'::jsonb)
from delivery d
join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
join provider p on p.id = t.provider_id and p.kind = '{MANUAL}'
join orders o on o.id = d.order_id
join service s on s.id = d.service_id
left join order_detail x on x.order_id = d.order_id
where d.state in {AT_PROVIDER} and d.due is null
order by d.sent, d.order_id, d.run limit %s
"""


async def waiting(connection: Connection, limit: int) -> list[ManualDelivery]:
    """The list, oldest first."""
    cursor = await connection.execute(_WAITING, [limit])
    return [ManualDelivery(*(*row[:9], DeliveryState(row[9]), *row[10:])) for row in await cursor.fetchall()]


_WITH_STAFF: Final = f"""
select d.order_id, d.run, d.attempt, t.provider_id, t.provider_order, d.sent, d.state, d.quantity, o.packaged,
  d.start_count, d.remains, d.polled
from delivery d
join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
join provider p on p.id = t.provider_id and p.kind = '{MANUAL}'
join orders o on o.id = d.order_id
where d.order_id = any(%s) and d.state in {AT_PROVIDER}
order by d.order_id, d.run for update of d
"""


async def with_staff(connection: Connection, orders: Sequence[OrderId]) -> list[DueDelivery]:
    """The deliveries of orders that are with the staff, under lock. The orders' rows are locked before."""
    cursor = await connection.execute(_WITH_STAFF, [orders])
    return [
        DueDelivery(*(*row[:6], PolledDelivery(DeliveryState(row[6]), *row[7:]))) for row in await cursor.fetchall()
    ]


_LEFT_BEHIND: Final = f"""
select d.order_id, d.run, d.attempt, d.fence, d.route
from delivery d
join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
join provider p on p.id = t.provider_id and p.kind = '{MANUAL}'
where d.state = '{DeliveryState.SENDING}' and d.lease_until < %s order by d.order_id, d.run
"""


async def left_behind(connection: Connection, now: datetime) -> list[AttemptResult]:
    """What a worker that went away was handing to the staff, as what is to be recorded of it: it is queued again.

    It is not unsure, as it would be at another provider: the hand-over is the record of it, and there is none.
    """
    cursor = await connection.execute(_LEFT_BEHIND, [now])
    return [
        AttemptResult(
            order=order,
            run=run,
            attempt=attempt,
            fence=fence,
            state=DeliveryState.QUEUED,
            route=route,
            due=now,
            outcome=AttemptOutcome.DECLINED,
            provider_order=None,
            answer=CallFault(CallCode.WORKER_GONE_BEFORE),
        )
        for order, run, attempt, fence, route in await cursor.fetchall()
    ]


class ManualRefill(Struct, frozen=True):
    refill: RefillId
    order: OrderId
    run: int
    service_name: str
    link: str
    quantity: int
    since: datetime
    mode: str = "provider"
    words: str = ""


_REFILLS: Final = f"""
select t.refill_id, t.order_id, t.run, s.name, o.link, o.quantity, r.created, r.mode,
  coalesce(t.note->>'words', '')
from refill_task t
join provider p on p.id = t.provider_id
join refill r on r.id = t.refill_id
join orders o on o.id = t.order_id
join service s on s.id = o.service_id
where (t.due is not null or t.state = '{UNCLEAR}')
  and (p.kind = '{MANUAL}' or t.state = '{UNCLEAR}' or t.note is not null)
order by t.refill_id, t.run limit %s
"""


async def waiting_refills(connection: Connection, limit: int) -> list[ManualRefill]:
    """Refills that the staff has been asked for, and those that a provider gave no clear answer to, with its words,
    oldest first."""
    cursor = await connection.execute(_REFILLS, [limit])
    return [ManualRefill(*row) for row in await cursor.fetchall()]


_LOCK_REFILLS: Final = "select id, state from refill where id = any(%s) order by id for update"
_REFILL_TASKS: Final = f"""
select t.refill_id, t.run, t.provider_id, t.provider_order, coalesce(t.provider_refill, t.provider_order), r.created,
  t.polled is not null
from refill_task t join provider p on p.id = t.provider_id join refill r on r.id = t.refill_id
where t.refill_id = any(%s)
  and (t.due is not null and (p.kind = '{MANUAL}' or t.note is not null) or t.state = '{UNCLEAR}')
order by t.refill_id, t.run
"""


async def lock_refills(connection: Connection, refills: Sequence[RefillId]) -> dict[RefillId, str]:
    """The states of refills, under lock."""
    cursor = await connection.execute(_LOCK_REFILLS, [refills])
    return {RefillId(refill): state for refill, state in await cursor.fetchall()}


async def refill_tasks(connection: Connection, refills: Sequence[RefillId]) -> list[TaskRow]:
    """The open shares of refills that the staff has, and those that a provider gave no clear answer to; the caller has
    locked their rows."""
    cursor = await connection.execute(_REFILL_TASKS, [refills])
    return [TaskRow(*row) for row in await cursor.fetchall()]


_PROVIDER: Final = f"""
insert into provider (name, kind, currency) select %s, '{MANUAL}', currency from panel
where not exists (select from provider where kind = '{MANUAL}')
"""
_FIRST: Final = f"select id from provider where kind = '{MANUAL}' order by id limit 1"
NAME: Final = "Staff"


async def provide(connection: Connection) -> tuple[ProviderId, bool]:
    """Returns the staff as a provider, and whether it became one now: the first time it is asked for."""
    fresh = (await connection.execute(_PROVIDER, [NAME])).rowcount == 1
    row = await (await connection.execute(_FIRST)).fetchone()
    assert row is not None
    return ProviderId(row[0]), fresh
