"""The statements of the operator's work on single orders, and the list of those that wait for it."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct
from psycopg.rows import TupleRow

from opensmm.base.ids import CustomerId, OrderId, ProviderId
from opensmm.base.money import Money
from opensmm.domain.call_faults import CallAnswer
from opensmm.domain.codes import DeliveryNote
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.order_actions import AT_PROVIDER_TOO_LONG, QUEUED_TOO_LONG, ChosenEnd, LockedRun, OrderSubject
from opensmm.domain.orders import OrderState
from opensmm.store import call_faults, delivery_notes
from opensmm.store.connection import Connection
from opensmm.store.state_sets import AT_PROVIDER

_ORDER: Final = "select customer_id, state, packaged, earned, interval_min from orders where id = %s"
_RUNS: Final = """
select d.run, d.state, d.quantity, d.remains, t.outcome, t.provider_order, d.due
from delivery d left join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
where d.order_id = %s order by d.run for update of d
"""


async def subject(connection: Connection, order: OrderId) -> tuple[CustomerId, OrderSubject] | None:
    """An order with its runs, under lock; the customer and the order were locked before."""
    cursor = await connection.execute(_RUNS, [order])
    runs = tuple(
        LockedRun(row[0], DeliveryState(row[1]), row[2], row[3], row[4] and AttemptOutcome(row[4]), row[5], row[6])
        for row in await cursor.fetchall()
    )
    cursor = await connection.execute(_ORDER, [order])
    row = await cursor.fetchone()
    if row is None:
        return None
    return CustomerId(row[0]), OrderSubject(order, OrderState(row[1]), row[2], row[3], runs, row[4])


# Of what a provider took and is not to deliver it is told the same way as of a customer's cancel.
_END: Final = """
update delivery d set state = a.state, remains = a.remains, due = null, lease_until = null,
  cancel_asked = case when a.told then %s else d.cancel_asked end,
  cancel_passed = case when a.told then null else d.cancel_passed end,
  cancel_tries = case when a.told then 0 else d.cancel_tries end,
  cancel_again = case when a.told then null else d.cancel_again end
from (
  select e.*, e.state <> 'completed' and t.outcome is not distinct from 'accepted' as told
  from unnest(%s::int[], %s::text[], %s::bigint[]) as e (run, state, remains)
  join delivery d on d.order_id = %s and d.run = e.run
  left join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
) a
where d.order_id = %s and d.run = a.run
"""
_TRIED: Final = """
select d.run, d.attempt, t.provider_id, case when t.exchange_rate is not null then t.cost end, t.exchange_rate
from delivery d left join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
where d.order_id = %s and d.run = any(%s) order by d.run
"""


class NewestTry(Struct, frozen=True):
    """A run's newest attempt: where it was tried, and what it has cost as far as is known.

    ``exchange_rate`` is the one kept with the cost; None where no cost is known that can be booked.
    """

    run: int
    number: int
    provider: ProviderId | None
    cost: Decimal | None
    exchange_rate: Decimal | None


async def tried(connection: Connection, order: OrderId, runs: Sequence[int]) -> list[NewestTry]:
    cursor = await connection.execute(_TRIED, [order, list(runs)])
    return [NewestTry(*row) for row in await cursor.fetchall()]


async def end(connection: Connection, order: OrderId, endings: Sequence[ChosenEnd], now: datetime) -> None:
    """Gives runs, whose rows are locked, the ends that the operator chose; their providers are to be told."""
    arrays = [one.run for one in endings], [one.state.value for one in endings], [one.remains for one in endings]
    await connection.execute(_END, [now, *arrays, order, order])


# The operator's machine may be off: what is due is so by the earlier clock, and what has ended did by the later one.
_QUEUE: Final = """
update delivery set state = 'queued', due = least(%s, clock_timestamp()), lease_until = null,
  cancel_asked = null, cancel_passed = null,
  note = null, noted = null,
  route = case when state = 'held' then 0 else route end
where order_id = %s and run = %s
"""
_RISKED: Final = """
update attempt t set outcome = 'declined', answered = greatest(%s, clock_timestamp()) from delivery d
where d.order_id = %s and d.run = %s and t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
  and t.outcome = 'unsure'
"""


async def queue_again(connection: Connection, order: OrderId, run: int, now: datetime) -> None:
    """Has a run sent again; one that was held begins at its service's first provider."""
    await connection.execute(_RISKED, [now, order, run])
    await connection.execute(_QUEUE, [now, order, run])


_BOOKED: Final = "select amount from transfer where order_id = %s and kind = 'return' and sequence = %s"
_GIVE: Final = "update orders set earned = earned - %s, refunded = refunded + %s where id = %s"


async def booked(connection: Connection, order: OrderId, number: int) -> Money | None:
    """The amount of an order's refund of that number, where there was one."""
    cursor = await connection.execute(_BOOKED, [order, number])
    row = await cursor.fetchone()
    return None if row is None else Money(row[0])


async def give_back(connection: Connection, order: OrderId, amount: Money) -> None:
    await connection.execute(_GIVE, [amount, amount, order])


_WAITING: Final = f"""
with waiting as (
  select *, 'unsure' as why from delivery where state = 'unsure' and %(unsure)s
  union all select *, 'held' from delivery where state = 'held' and %(held)s
  union all select *, 'stuck' from delivery where %(stuck)s and state = 'queued' and due < %(queued_by)s
  union all select *, 'stuck' from delivery where %(stuck)s and state = 'sending' and lease_until < %(queued_by)s
  union all select *, 'stuck' from delivery where %(stuck)s and state in {AT_PROVIDER}
    and sent < %(sent_by)s and quantity > 0
  union all select *, 'unread' from delivery where %(unread)s and state in {AT_PROVIDER}
    and note is not null
  union all select *, 'waits' from delivery where %(waits)s and state = 'queued' and note is not null
)
select w.order_id, w.run, w.why, w.state, w.service_id, w.quantity, w.remains, p.id, p.name, t.provider_order,
  coalesce(t.sent, w.sent, w.due), t.answer,
  (select e.conclusion from evidence e where e.order_id = w.order_id and e.run = w.run and e.number = w.attempt
   order by e.id desc limit 1), w.note, w.noted
from waiting w
left join attempt t on t.order_id = w.order_id and t.run = w.run and t.number = w.attempt
left join provider p on p.id = t.provider_id
order by w.order_id, w.run limit %(limit)s
"""


class WaitingDelivery(Struct, frozen=True):
    """A delivery that waits for the operator. ``concluded`` is what the last look at its evidence came to."""

    order: OrderId
    run: int
    why: str
    state: str
    service: int
    quantity: int
    remains: int | None
    provider: int | None
    provider_name: str | None
    provider_order: str | None
    since: datetime | None
    answer: CallAnswer | None
    concluded: str | None
    note: DeliveryNote | None = None
    noted: datetime | None = None


async def waiting(connection: Connection, kinds: frozenset[str], now: datetime, limit: int) -> list[WaitingDelivery]:
    """Deliveries of some kinds (unsure, held, stuck, unread, waits), oldest orders first."""
    told = {kind: kind in kinds for kind in ("unsure", "held", "stuck", "unread", "waits")}
    times = {"queued_by": now - QUEUED_TOO_LONG, "sent_by": now - AT_PROVIDER_TOO_LONG}
    cursor = await connection.execute(_WAITING, {**told, **times, "limit": limit})
    return [_waiting(row) for row in await cursor.fetchall()]


def _waiting(row: TupleRow) -> WaitingDelivery:
    answer = None if row[11] is None else call_faults.read(row[11])
    return WaitingDelivery(*(*row[:11], answer, row[12], delivery_notes.read(row[13]), row[14]))
