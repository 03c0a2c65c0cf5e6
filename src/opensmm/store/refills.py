"""Refills and the requests to providers that they are made of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from opensmm.base.ids import CustomerId, OrderId, RefillId
from opensmm.domain.orders import OrderState
from opensmm.domain.refills import Refill, Refillable, RefillStatus
from opensmm.store import settlement
from opensmm.store.connection import Connection
from opensmm.store.state_sets import ENDED_REFILL, OPEN_REFILL

_REFILLABLE: Final = f"""
select o.id, o.customer_id, o.state, s.refill and o.quantity > 0
         and (o.state <> 'completed' or o.charge = 0 or o.refunded < o.charge) and (
         s.refill_mode <> 'provider' or o.state <> 'completed'
         or exists (select from attempt t where t.order_id = o.id and t.outcome = 'accepted')),
       s.refill_wait_h, o.ended,
       exists (select from refill r where r.order_id = o.id and r.state in {OPEN_REFILL}),
       (select max(r.created) from refill r where r.order_id = o.id), s.refill_days
from orders o join service s on s.id = o.service_id where o.id = any(%s)
"""


async def refillable(connection: Connection, orders: Sequence[int]) -> dict[int, tuple[CustomerId, Refillable]]:
    """Orders with their owners, under lock, as a refill request sees them. Where providers refill, nobody can be asked
    for an order that the operator completed before any had it; nor is anything owed for one that completed and was paid
    back in full.
    """
    await settlement.lock(connection, orders)
    cursor = await connection.execute(_REFILLABLE, [orders])
    return {row[0]: (CustomerId(row[1]), Refillable(OrderState(row[2]), *row[3:])) for row in await cursor.fetchall()}


_ADD: Final = """
with asked as materialized (
  select nextval('refill_id_seq') as id, a.order_id, a.customer_id, a.ord, s.refill_mode as mode
  from unnest(%s::bigint[], %s::bigint[]) with ordinality as a (order_id, customer_id, ord)
  join orders o on o.id = a.order_id join service s on s.id = o.service_id
), kept as (
  insert into refill (id, order_id, customer_id, mode, state, created)
  select id, order_id, customer_id, mode, 'pending', %s from asked
), tasks as (
  insert into refill_task (refill_id, run, order_id, provider_id, provider_order, state, due)
  select a.id, t.run, t.order_id, t.provider_id, t.provider_order, 'queued', %s
  from asked a join attempt t on t.order_id = a.order_id and t.outcome = 'accepted' where a.mode = 'provider'
  union all
  select a.id, 1, a.order_id, p.id, a.order_id::text, 'queued', %s
  from asked a cross join lateral (select id from provider where kind = 'manual' order by id limit 1) p
  where a.mode <> 'provider'
)
select id from asked order by ord
"""


async def add(connection: Connection, orders: Sequence[tuple[OrderId, CustomerId]], now: datetime) -> list[RefillId]:
    """Keeps refills, each with a task for every provider's order that the order was fulfilled by, or with one for the
    staff where the service's mode says so."""
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
    cursor = await connection.execute(_VIEWS, [refills])
    return {
        row[0]: (CustomerId(row[1]), Refill(RefillId(row[0]), RefillStatus(row[2]))) for row in await cursor.fetchall()
    }


async def newest(connection: Connection, orders: Sequence[int]) -> dict[int, tuple[CustomerId, Refill]]:
    """The newest refill of each order that has one."""
    cursor = await connection.execute(_NEWEST, [orders])
    return {
        row[0]: (CustomerId(row[1]), Refill(RefillId(row[2]), RefillStatus(row[3]))) for row in await cursor.fetchall()
    }


_CLOSE: Final = f"""
with closed as (
  update refill set state = 'canceled', ended = %s where order_id = %s and state in {OPEN_REFILL}
  returning id, purchase_id
), tasks as (
  update refill_task t set state = 'canceled', due = null from closed c
  where t.refill_id = c.id and t.state not in {ENDED_REFILL}
)
select c.id, o.id from closed c left join orders o on o.id = c.purchase_id and o.ended is null
"""


async def close(connection: Connection, order: OrderId, now: datetime) -> list[tuple[RefillId, OrderId | None]]:
    """Cancels the open refills of an order, whose row is locked, with the house's open purchase for each."""
    cursor = await connection.execute(_CLOSE, [now, order])
    return [(RefillId(row[0]), row[1] and OrderId(row[1])) for row in await cursor.fetchall()]
