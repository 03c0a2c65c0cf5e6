"""Purchases of the house for refills: orders of its own that deliver again what an order lost, charged to nobody."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from opensmm.base.ids import OrderId, RefillId, ServiceId
from opensmm.domain.catalogue import RefillMode
from opensmm.domain.customers import HOUSE
from opensmm.domain.dispatch import AttemptOutcome
from opensmm.domain.orders import OrderState
from opensmm.domain.providers import MANUAL
from opensmm.domain.refills import RefillStatus
from opensmm.store.connection import Connection
from opensmm.store.rows import first_row
from opensmm.store.state_sets import OPEN_REFILL

_HOUSE: Final = """
insert into customer (name, suspended, created) values (%s, true, %s) on conflict (name) do update set suspended = true
returning id
"""
_WANTED: Final = f"""
select r.order_id as order, o.service_id as service, o.quantity * o.runs as quantity, o.packaged, (
    select min(position) from route where service_id = o.service_id and provider_id <> all (
      select provider_id from attempt where order_id = o.id and outcome = '{AttemptOutcome.ACCEPTED}'
      union select id from provider where kind = '{MANUAL}')) as route
from refill r join orders o on o.id = r.order_id
join refill_task t on t.refill_id = r.id and t.due is not null
where r.id = %s and r.mode = '{RefillMode.OTHER}' and r.state in {OPEN_REFILL}
"""
_LOCK: Final = "select from refill where id = %s for update"


class WantedPurchase(Struct, frozen=True):
    """A refill to buy elsewhere. ``route`` is the first to another provider than the order's, None if there is none."""

    order: OrderId
    service: ServiceId
    quantity: int
    packaged: bool
    route: int | None


async def lock_wanted(connection: Connection, refill: RefillId) -> WantedPurchase | None:
    """Locks a refill's row and returns what to buy for it; None if it does not wait for a purchase."""
    await connection.execute(_LOCK, [refill])
    return await first_row(connection, WantedPurchase, _WANTED, [refill])


_BUY: Final = f"""
-- An order of the house with the details of the refilled one, and its delivery.
with bought as (
  insert into orders (customer_id, service_id, link, quantity, rate, packaged, charge, created)
  select %(house)s, service_id, link, %(quantity)s, 0, packaged, 0, %(now)s from orders where id = %(order)s
  returning id, service_id, quantity
), detailed as (
  insert into order_detail (order_id, details)
  select b.id, x.details from bought b join order_detail x on x.order_id = %(order)s
), delivered as (
  insert into delivery (order_id, run, service_id, quantity, due, route)
  select id, 1, service_id, quantity, %(now)s, %(route)s from bought
-- The refill and its task are in progress until the order ends.
), noted as (
  update refill set purchase_id = bought.id, state = '{RefillStatus.IN_PROGRESS}'
  from bought where refill.id = %(refill)s
), begun as (
  update refill_task set due = null, state = '{RefillStatus.IN_PROGRESS}' where refill_id = %(refill)s
)
select id from bought
"""


async def buy(
    connection: Connection, refill: RefillId, purchase: WantedPurchase, quantity: int, now: datetime
) -> OrderId:
    """Places the house's order, which is sent like any other. The refill's row is locked."""
    cursor = await connection.execute(_HOUSE, [HOUSE, now])
    house = await cursor.fetchone()
    assert house is not None
    fields = {"order": purchase.order, "route": purchase.route, "quantity": quantity, "refill": refill}
    cursor = await connection.execute(_BUY, {"house": house[0], **fields, "now": now})
    row = await cursor.fetchone()
    assert row is not None
    return OrderId(row[0])


_AFTER_PURCHASE: Final = (
    f"case when e.state = '{OrderState.COMPLETED}' then '{RefillStatus.COMPLETED}' else '{RefillStatus.PENDING}' end"
)
_ENDED: Final = f"""
-- Refills whose purchase has ended.
with ended as materialized (
  select r.id, o.state from refill r join orders o on o.id = r.purchase_id and o.ended is not null
  where r.mode = '{RefillMode.OTHER}' and r.state in {OPEN_REFILL}
  and exists (select from refill_task t where t.refill_id = r.id and t.due is null)
  order by r.id limit %s for update of r skip locked
-- Their tasks and they themselves: completed, or waiting again.
), tasks as (
  update refill_task t set state = {_AFTER_PURCHASE},
    due = case when e.state <> '{OrderState.COMPLETED}' then %s::timestamptz end
  from ended e where t.refill_id = e.id
)
update refill r set state = {_AFTER_PURCHASE},
  ended = case when e.state = '{OrderState.COMPLETED}' then %s::timestamptz end
from ended e where r.id = e.id
"""


async def conclude(connection: Connection, now: datetime, limit: int) -> None:
    """Completes refills whose purchase was delivered; puts the others back on the staff's list."""
    await connection.execute(_ENDED, [limit, now, now])
