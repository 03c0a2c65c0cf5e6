"""The work list of the manual provider: deliveries and refills for the operator's staff."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from opensmm.base.ids import OrderId, ProviderId, RefillId, ServiceId
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.catalogue import RefillMode
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.polling import PolledDelivery
from opensmm.domain.providers import MANUAL
from opensmm.domain.refills import UNCLEAR
from opensmm.store.connection import Connection
from opensmm.store.dispatch import AttemptResult
from opensmm.store.polling import DueDelivery
from opensmm.store.refill_tasks import TaskRow
from opensmm.store.rows import rows
from opensmm.store.state_sets import AT_PROVIDER


class ManualDelivery(Struct, frozen=True):
    """A delivery on the work list. ``cancel_asked``: when the customer last requested to cancel it."""

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


# Only deliveries of the manual provider have no due time while a provider has them: they have an index of their own.
_WAITING: Final = f"""
select d.order_id as "order", d.run, o.runs, d.service_id as service, s.name as service_name, o.link, d.quantity,
  d.remains, d.start_count, d.state, d.sent as since, d.cancel_asked, coalesce(x.details, '{{}}'::jsonb) as details
from delivery d
join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
join provider p on p.id = t.provider_id and p.kind = '{MANUAL}'
join orders o on o.id = d.order_id
join service s on s.id = d.service_id
left join order_detail x on x.order_id = d.order_id
-- These two conditions are those of the index.
where d.state in {AT_PROVIDER} and d.due is null
order by d.sent, d.order_id, d.run limit %s
"""


async def list_deliveries(connection: Connection, limit: int) -> list[ManualDelivery]:
    """Returns the deliveries on the work list, oldest first."""
    return await rows(connection, ManualDelivery, _WAITING, [limit])


class _HandedDelivery(Struct, frozen=True):
    order_id: OrderId
    run: int
    attempt: int
    provider_id: ProviderId
    provider_order: str
    sent: datetime
    state: DeliveryState
    quantity: int
    packaged: bool
    start_count: int | None
    remains: int | None
    polled: datetime | None


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


async def lock_deliveries(connection: Connection, orders: Sequence[OrderId]) -> list[DueDelivery]:
    """Locks and returns the orders' deliveries at the manual provider. The caller has locked the orders."""
    return [_make_due(row) for row in await rows(connection, _HandedDelivery, _WITH_STAFF, [orders])]


def _make_due(row: _HandedDelivery) -> DueDelivery:
    delivery = PolledDelivery(row.state, row.quantity, row.packaged, row.start_count, row.remains, row.polled)
    return DueDelivery(row.order_id, row.run, row.attempt, row.provider_id, row.provider_order, row.sent, delivery)


_LEFT_BEHIND: Final = f"""
select d.order_id, d.run, d.attempt, d.fence, d.route
from delivery d
join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
join provider p on p.id = t.provider_id and p.kind = '{MANUAL}'
where d.state = '{DeliveryState.SENDING}' and d.lease_until < %s order by d.order_id, d.run
"""


async def list_left_behind(connection: Connection, now: datetime) -> list[AttemptResult]:
    """Returns results that queue again what a dead worker was handing to the manual provider.

    Such a delivery is not unsure, as it would be at another provider: it is handed over by being recorded, and no
    record exists.
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
            outcome=AttemptOutcome.NOT_BOUGHT,
            provider_order=None,
            answer=CallFault(CallCode.WORKER_GONE_BEFORE),
        )
        for order, run, attempt, fence, route in await cursor.fetchall()
    ]


class ManualRefill(Struct, frozen=True):
    """A refill on the work list. ``words``: a provider's answer that was not clear."""

    refill: RefillId
    order: OrderId
    run: int
    service_name: str
    link: str
    quantity: int
    since: datetime
    mode: str = RefillMode.PROVIDER
    words: str = ""


_REFILLS: Final = f"""
select t.refill_id as refill, t.order_id as "order", t.run, s.name as service_name, o.link, o.quantity,
  r.created as since, r.mode, coalesce(t.note->>'words', '') as words
from refill_task t
join provider p on p.id = t.provider_id
join refill r on r.id = t.refill_id
join orders o on o.id = t.order_id
join service s on s.id = o.service_id
-- Open tasks at the manual provider, and tasks at any provider whose answer is not clear.
where (t.due is not null or t.state = '{UNCLEAR}')
  and (p.kind = '{MANUAL}' or t.state = '{UNCLEAR}' or t.note is not null)
order by t.refill_id, t.run limit %s
"""


async def list_refills(connection: Connection, limit: int) -> list[ManualRefill]:
    """Returns the refills on the work list, oldest first, and those that a provider answered unclearly."""
    return await rows(connection, ManualRefill, _REFILLS, [limit])


_LOCK_REFILLS: Final = "select id, state from refill where id = any(%s) order by id for update"
_REFILL_TASKS: Final = f"""
select t.refill_id as refill, t.run, t.provider_id as provider, t.provider_order,
  coalesce(t.provider_refill, t.provider_order) as provider_refill, r.created as since, t.polled is not null as again
from refill_task t join provider p on p.id = t.provider_id join refill r on r.id = t.refill_id
where t.refill_id = any(%s)
  and (t.due is not null and (p.kind = '{MANUAL}' or t.note is not null) or t.state = '{UNCLEAR}')
order by t.refill_id, t.run
"""


async def lock_refills(connection: Connection, refills: Sequence[RefillId]) -> dict[RefillId, str]:
    """Locks refills and returns their states."""
    cursor = await connection.execute(_LOCK_REFILLS, [refills])
    return {RefillId(refill): state for refill, state in await cursor.fetchall()}


async def list_tasks(connection: Connection, refills: Sequence[RefillId]) -> list[TaskRow]:
    """Returns the tasks of refills that the manual provider has, or that a provider answered unclearly.

    The caller has locked the refills.
    """
    return await rows(connection, TaskRow, _REFILL_TASKS, [refills])


_PROVIDER: Final = f"""
insert into provider (name, kind, currency) select %s, '{MANUAL}', currency from panel
where not exists (select from provider where kind = '{MANUAL}')
"""
_FIRST: Final = f"select id from provider where kind = '{MANUAL}' order by id limit 1"
NAME: Final = "Staff"


async def ensure_provider(connection: Connection) -> tuple[ProviderId, bool]:
    """Returns the manual provider, and True if it was made now. The first use makes it."""
    fresh = (await connection.execute(_PROVIDER, [NAME])).rowcount == 1
    row = await (await connection.execute(_FIRST)).fetchone()
    assert row is not None
    return ProviderId(row[0]), fresh
