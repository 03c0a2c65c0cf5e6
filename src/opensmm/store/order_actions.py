"""Statements of the operator's actions on one order, and the list of deliveries that wait for the operator."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from opensmm.base.ids import CustomerId, OrderId, ProviderId
from opensmm.base.money import Money
from opensmm.domain.call_faults import CallAnswer
from opensmm.domain.codes import DeliveryNote
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.ledger import TransferKind
from opensmm.domain.order_actions import AT_PROVIDER_TOO_LONG, QUEUED_TOO_LONG, ChosenEnd, LockedRun, OrderSubject
from opensmm.domain.orders import OrderState
from opensmm.store import call_faults, delivery_notes
from opensmm.store.connection import Connection
from opensmm.store.rows import rows
from opensmm.store.state_sets import AT_PROVIDER

_ORDER: Final = "select customer_id, state, packaged, earned, interval_min from orders where id = %s"
_RUNS: Final = """
select d.run, d.state, d.quantity, d.remains, t.outcome, t.provider_order, d.due
from delivery d left join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
where d.order_id = %s order by d.run for update of d
"""


async def lock_subject(connection: Connection, order: OrderId) -> tuple[CustomerId, OrderSubject] | None:
    """Locks the runs of an order and returns it with its customer, or None if there is no such order.

    The caller has locked the customer's row and the order's.
    """
    runs = tuple(await rows(connection, LockedRun, _RUNS, [order]))
    row = await (await connection.execute(_ORDER, [order])).fetchone()
    if row is None:
        return None
    customer, state, packaged, earned, interval_min = row
    return CustomerId(customer), OrderSubject(order, OrderState(state), packaged, earned, runs, interval_min)


_END: Final = f"""
update delivery d set state = a.state, remains = a.remains, due = null, lease_until = null,
  cancel_asked = case when a.at_provider then %s else d.cancel_asked end,
  cancel_passed = case when a.at_provider then null else d.cancel_passed end,
  cancel_tries = case when a.at_provider then 0 else d.cancel_tries end,
  cancel_again = case when a.at_provider then null else d.cancel_again end
-- A provider that took a run and is not to deliver it gets the same cancel as when a customer asks for one.
from (
  select e.*, e.state <> '{DeliveryState.COMPLETED}'
    and t.outcome is not distinct from '{AttemptOutcome.ACCEPTED}' as at_provider
  from unnest(%s::int[], %s::text[], %s::bigint[]) as e (run, state, remains)
  join delivery d on d.order_id = %s and d.run = e.run
  left join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
) a
where d.order_id = %s and d.run = a.run
"""
_TRIED: Final = """
select d.run, d.attempt as number, t.provider_id as provider,
  case when t.exchange_rate is not null then t.cost end as cost, t.exchange_rate
from delivery d left join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
where d.order_id = %s and d.run = any(%s) order by d.run
"""


class NewestTry(Struct, frozen=True):
    """A run's newest attempt, with its provider and its cost in the provider's currency.

    ``exchange_rate`` is the one stored with the cost. Both are None if there is no cost that can be booked.
    """

    run: int
    number: int
    provider: ProviderId | None
    cost: Decimal | None
    exchange_rate: Decimal | None


async def list_newest_attempts(connection: Connection, order: OrderId, runs: Sequence[int]) -> list[NewestTry]:
    """Returns the newest attempt of each of an order's ``runs`` that exists, in the order of the runs."""
    return await rows(connection, NewestTry, _TRIED, [order, list(runs)])


async def end(connection: Connection, order: OrderId, endings: Sequence[ChosenEnd], now: datetime) -> None:
    """Ends runs as the operator chose, and requests a cancel of those that a provider has. Their rows are locked."""
    arrays = [one.run for one in endings], [one.state.value for one in endings], [one.remains for one in endings]
    await connection.execute(_END, [now, *arrays, order, order])


# The operator's machine may have a wrong clock: a due time takes the earlier clock, an answer's time the later one.
_QUEUE: Final = f"""
update delivery set state = '{DeliveryState.QUEUED}', due = least(%s, clock_timestamp()), lease_until = null,
  cancel_asked = null, cancel_passed = null,
  note = null, noted = null,
  route = case when state = '{DeliveryState.HELD}' then 0 else route end
where order_id = %s and run = %s
"""
_RISKED: Final = f"""
update attempt t set outcome = '{AttemptOutcome.NOT_BOUGHT}', answered = greatest(%s, clock_timestamp()) from delivery d
where d.order_id = %s and d.run = %s and t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
  and t.outcome = '{AttemptOutcome.UNSURE}'
"""


async def queue_again(connection: Connection, order: OrderId, run: int, now: datetime) -> None:
    """Queues a run again, and declines its newest attempt if that was unsure.

    A run that was held starts again at its service's first provider.
    """
    await connection.execute(_RISKED, [now, order, run])
    await connection.execute(_QUEUE, [now, order, run])


_BOOKED: Final = f"""
select amount from transfer where order_id = %s and kind = '{TransferKind.RETURN}' and sequence = %s
"""
_GIVE: Final = "update orders set earned = earned - %s, refunded = refunded + %s where id = %s"


async def find_refund(connection: Connection, order: OrderId, number: int) -> Money | None:
    """Returns the amount of an order's refund with this number, or None if there is none."""
    cursor = await connection.execute(_BOOKED, [order, number])
    row = await cursor.fetchone()
    return None if row is None else Money(row[0])


async def give_back(connection: Connection, order: OrderId, amount: Money) -> None:
    """Moves an amount of an order from earned to refunded. The caller writes the transfer."""
    await connection.execute(_GIVE, [amount, amount, order])


_WAITING: Final = f"""
-- Deliveries of the kinds that are on, each with its kind.
with waiting as (
  select *, 'unsure' as why from delivery where state = '{DeliveryState.UNSURE}' and %(unsure)s
  union all select *, 'held' from delivery where state = '{DeliveryState.HELD}' and %(held)s
  union all select *, 'stuck' from delivery
    where %(stuck)s and state = '{DeliveryState.QUEUED}' and due < %(queued_by)s
  union all select *, 'stuck' from delivery
    where %(stuck)s and state = '{DeliveryState.SENDING}' and lease_until < %(queued_by)s
  union all select *, 'stuck' from delivery where %(stuck)s and state in {AT_PROVIDER}
    and sent < %(sent_by)s and quantity > 0
  union all select *, 'unread' from delivery where %(unread)s and state in {AT_PROVIDER}
    and note is not null
  union all select *, 'waits' from delivery
    where %(waits)s and state = '{DeliveryState.QUEUED}' and note is not null
)
-- Beside them their newest attempt, its provider, and what the newest evidence concluded.
select w.order_id as order, w.run, w.why, w.state, w.service_id as service, w.quantity, w.remains, p.id as provider,
  p.name as provider_name, t.provider_order, coalesce(t.sent, w.sent, w.due) as since, t.answer,
  (select e.conclusion from evidence e where e.order_id = w.order_id and e.run = w.run and e.number = w.attempt
   order by e.id desc limit 1) as concluded, w.note, w.noted
from waiting w
left join attempt t on t.order_id = w.order_id and t.run = w.run and t.number = w.attempt
left join provider p on p.id = t.provider_id
order by w.order_id, w.run limit %(limit)s
"""


class WaitingDelivery(Struct, frozen=True):
    """A delivery that waits for the operator.

    ``why`` is its kind, as ``waiting`` takes it. ``concluded`` is the conclusion of the newest evidence, None if there
    is none. ``noted``: since when it has its ``note``.
    """

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


async def list_waiting_deliveries(
    connection: Connection, kinds: frozenset[str], now: datetime, limit: int
) -> list[WaitingDelivery]:
    """Returns deliveries of some ``kinds`` (unsure, held, stuck, unread, waits), those of the oldest orders first."""
    switches = {kind: kind in kinds for kind in ("unsure", "held", "stuck", "unread", "waits")}
    times = {"queued_by": now - QUEUED_TOO_LONG, "sent_by": now - AT_PROVIDER_TOO_LONG}
    decoders = {"answer": call_faults.decode, "note": delivery_notes.decode}
    return await rows(connection, WaitingDelivery, _WAITING, {**switches, **times, "limit": limit}, decoders)
