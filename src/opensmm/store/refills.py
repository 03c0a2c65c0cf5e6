"""Refills, and the tasks for providers or the staff that they consist of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from opensmm.base.ids import CustomerId, OrderId, RefillId
from opensmm.domain.catalogue import RefillMode
from opensmm.domain.dispatch import AttemptOutcome
from opensmm.domain.orders import OrderState
from opensmm.domain.providers import MANUAL
from opensmm.domain.refills import Refill, Refillable, RefillStatus
from opensmm.store import settlement
from opensmm.store.connection import Connection
from opensmm.store.rows import records
from opensmm.store.state_sets import ENDED_REFILL, OPEN_REFILL

_REFILLABLE: Final = f"""
select o.id, o.customer_id as customer, o.state,
  s.refill and o.quantity > 0
    -- Nothing is owed for an order that completed and was refunded in full.
    and (o.state <> '{OrderState.COMPLETED}' or o.charge = 0 or o.refunded < o.charge)
    -- If providers refill, one of them must have had the order: the operator may have completed it before.
    and (s.refill_mode <> '{RefillMode.PROVIDER}' or o.state <> '{OrderState.COMPLETED}' or exists (
      select from attempt t where t.order_id = o.id and t.outcome = '{AttemptOutcome.ACCEPTED}')) as offered,
  s.refill_wait_h as wait_h, o.ended,
  exists (select from refill r where r.order_id = o.id and r.state in {OPEN_REFILL}) as open_refill,
  (select max(r.created) from refill r where r.order_id = o.id) as last, s.refill_days as within_days
from orders o join service s on s.id = o.service_id where o.id = any(%s)
"""


async def lock_refillable(connection: Connection, orders: Sequence[int]) -> dict[int, tuple[CustomerId, Refillable]]:
    """Locks orders and returns those that exist, with their customers, as a refill request sees them."""
    await settlement.lock(connection, orders)
    return {
        record["id"]: (CustomerId(record["customer"]), msgspec.convert(record, Refillable))
        for record in await records(connection, _REFILLABLE, [orders])
    }


_ADD: Final = f"""
-- The refills, each in the mode of its service.
with requested as materialized (
  select nextval('refill_id_seq') as id, a.order_id, a.customer_id, a.ord, s.refill_mode as mode
  from unnest(%s::bigint[], %s::bigint[]) with ordinality as a (order_id, customer_id, ord)
  join orders o on o.id = a.order_id join service s on s.id = o.service_id
), stored as (
  insert into refill (id, order_id, customer_id, mode, state, created)
  select id, order_id, customer_id, mode, '{RefillStatus.PENDING}', %s from requested
-- A task for each provider's order that fulfilled the order; in other modes, one for the manual provider.
), tasks as (
  insert into refill_task (refill_id, run, order_id, provider_id, provider_order, state, due)
  select r.id, t.run, t.order_id, t.provider_id, t.provider_order, 'queued', %s
  from requested r join attempt t on t.order_id = r.order_id and t.outcome = '{AttemptOutcome.ACCEPTED}'
  where r.mode = '{RefillMode.PROVIDER}'
  union all
  select r.id, 1, r.order_id, p.id, r.order_id::text, 'queued', %s
  from requested r cross join lateral (select id from provider where kind = '{MANUAL}' order by id limit 1) p
  where r.mode <> '{RefillMode.PROVIDER}'
)
select id from requested order by ord
"""


async def add(connection: Connection, orders: Sequence[tuple[OrderId, CustomerId]], now: datetime) -> list[RefillId]:
    """Writes refills of orders, with their tasks; returns their ids in the order given."""
    if not orders:
        return []
    arrays = [order for order, _ in orders], [customer for _, customer in orders]
    cursor = await connection.execute(_ADD, [*arrays, now, now, now])
    return [RefillId(row[0]) for row in await cursor.fetchall()]


_VIEWS: Final = "select id, customer_id, state from refill where id = any(%s)"
_NEWEST: Final = """
select distinct on (order_id) order_id, customer_id, id, state from refill
where order_id = any(%s) order by order_id, id desc
"""


async def views(connection: Connection, refills: Sequence[int]) -> dict[int, tuple[CustomerId, Refill]]:
    """Returns those of ``refills`` that exist, with their customers."""
    cursor = await connection.execute(_VIEWS, [refills])
    return {
        number: (CustomerId(customer), Refill(RefillId(number), RefillStatus(state)))
        for number, customer, state in await cursor.fetchall()
    }


async def newest(connection: Connection, orders: Sequence[int]) -> dict[int, tuple[CustomerId, Refill]]:
    """Returns the newest refill of each order that has one, with its customer."""
    cursor = await connection.execute(_NEWEST, [orders])
    return {
        order: (CustomerId(customer), Refill(RefillId(number), RefillStatus(state)))
        for order, customer, number, state in await cursor.fetchall()
    }


_CLOSE: Final = f"""
with closed as (
  update refill set state = '{RefillStatus.CANCELED}', ended = %s where order_id = %s and state in {OPEN_REFILL}
  returning id, purchase_id
), tasks as (
  update refill_task t set state = '{RefillStatus.CANCELED}', due = null from closed c
  where t.refill_id = c.id and t.state not in {ENDED_REFILL}
)
select c.id, o.id from closed c left join orders o on o.id = c.purchase_id and o.ended is null
"""


async def close(connection: Connection, order: OrderId, now: datetime) -> list[tuple[RefillId, OrderId | None]]:
    """Cancels the open refills of an order, whose row is locked, with their tasks.

    Returns each with the house's open purchase for it, or None.
    """
    cursor = await connection.execute(_CLOSE, [now, order])
    return [(RefillId(row[0]), row[1] and OrderId(row[1])) for row in await cursor.fetchall()]
