"""Statements of polling: which deliveries are due, what their providers answered, and cancels to pass on.

Claims and records run for each delivery: their rows are read by position, which costs less than by name.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct
from psycopg.rows import TupleRow

from opensmm.base.ids import OrderId, ProviderId
from opensmm.domain.cancels import CANCEL_PAUSES, SILENT_FOR, SILENT_PAUSES
from opensmm.domain.codes import DeliveryNote
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.polling import PolledDelivery
from opensmm.store.arrays import enum_values, nullable, numbers, texts
from opensmm.store.connection import Connection
from opensmm.store.delivery_notes import NOTE, NOTED, encode_all
from opensmm.store.rows import rows
from opensmm.store.state_sets import AT_PROVIDER, ENDED, listed


class DueDelivery(Struct, frozen=True):
    """A delivery to poll. ``before`` is what earlier polls reported; ``sent`` is when its attempt was sent."""

    order: OrderId
    run: int
    attempt: int
    provider: ProviderId
    provider_order: str
    sent: datetime
    before: PolledDelivery


_DUE: Final = f"""
-- Due deliveries that no other worker claims, put off until the claim runs out.
with due as materialized (
  select order_id, run from delivery
  where state in {AT_PROVIDER} and due <= %s and {{which}}
  order by due limit %s for update skip locked
), claimed as (
  update delivery d set due = %s from due where d.order_id = due.order_id and d.run = due.run
  returning d.order_id, d.run, d.attempt, d.sent, d.state, d.quantity, d.start_count, d.remains, d.polled
)
-- Beside them their newest attempt.
select c.order_id, c.run, c.attempt, t.provider_id, t.provider_order, c.sent, c.state, c.quantity, o.packaged,
  c.start_count, c.remains, c.polled, t.cost, t.currency, t.quoted
from claimed c
join attempt t on t.order_id = c.order_id and t.run = c.run and t.number = c.attempt
join orders o on o.id = c.order_id
"""
_CLAIM: Final = _DUE.format(which="quantity > 0")
_CLAIM_WATCHED: Final = _DUE.format(which="quantity = 0")


async def claim(connection: Connection, now: datetime, again: datetime, limit: int) -> list[DueDelivery]:
    """Claims deliveries that are due, the longest due first. If this worker dies, they are due again at ``again``."""
    cursor = await connection.execute(_CLAIM, [now, limit, again])
    return [_due_delivery(row) for row in await cursor.fetchall()]


async def claim_subscriptions(connection: Connection, now: datetime, again: datetime, limit: int) -> list[DueDelivery]:
    """Claims subscriptions that are due, as ``claim`` does deliveries."""
    cursor = await connection.execute(_CLAIM_WATCHED, [now, limit, again])
    return [_due_delivery(row) for row in await cursor.fetchall()]


def _due_delivery(row: TupleRow) -> DueDelivery:
    return DueDelivery(*(*row[:6], PolledDelivery(DeliveryState(row[6]), *row[7:])))


class PolledResult(Struct, frozen=True):
    """A delivery after a poll. With no news, only ``due`` changes, the time of the next poll.

    ``polled`` is the delivery's as it was claimed: the result is written only if it is still the same. ``unfinished``
    are the units that remain by the provider's answer, although it says completed. ``unclear_charge`` is the charge as
    the provider spelt it, if it can be read in two ways.
    """

    order: OrderId
    run: int
    attempt: int
    state: DeliveryState
    start_count: int | None
    remains: int | None
    due: datetime | None
    cost: Decimal | None
    currency: str
    polled: datetime | None
    unfinished: int | None = None
    unclear_charge: str = ""
    note: DeliveryNote | None = None


_RECORD: Final = f"""
-- The results, and the deliveries that they are newer than.
with told as materialized (
  select * from unnest(%s::bigint[], %s::int[], %s::int[], %s::text[], %s::bigint[], %s::bigint[], %s::timestamptz[],
                       %s::numeric[], %s::text[], %s::timestamptz[], %s::text[])
    as a (order_id, run, number, state, start_count, remains, due, cost, currency, polled, note)
), changed as (
  update delivery d set state = told.state, start_count = told.start_count, remains = told.remains, due = told.due,
    polled = %s, note = {NOTE}, noted = {NOTED}
  from told where d.order_id = told.order_id and d.run = told.run and d.attempt = told.number
    and d.state in {AT_PROVIDER} and (d.polled is null or d.polled < %s)
    and d.polled is not distinct from told.polled
  returning d.order_id, d.run, d.attempt, d.state, d.remains, told.cost, told.currency
-- Their costs: the one just reported or else the last, with an exchange rate if it is in the provider's currency.
), costing as (
  select c.order_id, c.run, c.attempt, c.state, c.remains, coalesce(c.cost, t.cost) as cost,
    case when c.cost is null then t.currency else coalesce(nullif(c.currency, ''), p.currency) end as currency,
    p.exchange_rate, p.currency as kept_in
  from changed c
  join attempt t on t.order_id = c.order_id and t.run = c.run and t.number = c.attempt
  join provider p on p.id = t.provider_id
), rated as (
  select order_id, run, attempt, state, remains, cost, currency,
    case when currency = kept_in then exchange_rate end as exchange_rate
  from costing
), costs as (
  update attempt t set cost = r.cost, currency = r.currency, exchange_rate = r.exchange_rate
  from rated r
  where t.order_id = r.order_id and t.run = r.run and t.number = r.attempt and r.cost is not null
    and (t.cost, t.currency, t.exchange_rate) is distinct from (r.cost, r.currency, r.exchange_rate)
)
-- The deliveries that ended.
select order_id, run, remains, case when exchange_rate is not null then cost end, coalesce(exchange_rate, 1)
from rated where state in {ENDED}
"""


async def record(
    connection: Connection, results: Sequence[PolledResult], polled: datetime
) -> list[tuple[OrderId, int, int, Decimal | None, Decimal]]:
    """Writes the results of polls that were sent at ``polled``.

    Skips deliveries that have a newer result, or one that came in between: this one was computed without it, and would
    undo it. Returns the deliveries that ended: order, run, remains, cost and exchange rate. The cost is the last one
    reported, at the current rate. A cost in another currency than the provider's is stored, but not booked.
    """
    arrays = (
        numbers(result.order for result in results),
        numbers(result.run for result in results),
        numbers(result.attempt for result in results),
        enum_values(result.state for result in results),
        nullable(result.start_count for result in results),
        nullable(result.remains for result in results),
        nullable(result.due for result in results),
        nullable(result.cost for result in results),
        texts(result.currency for result in results),
        nullable(result.polled for result in results),
        encode_all(result.note for result in results),
    )
    cursor = await connection.execute(_RECORD, [*arrays, polled, polled, polled])
    return [(OrderId(row[0]), row[1], row[2], row[3], row[4]) for row in await cursor.fetchall()]


_NOTE: Final = f"""
update delivery d set note = {NOTE}, noted = {NOTED}
from unnest(%s::bigint[], %s::int[], %s::text[]) as told (order_id, run, note)
where d.order_id = told.order_id and d.run = told.run and d.state in {AT_PROVIDER}
"""


async def note(
    connection: Connection, noted: Sequence[tuple[OrderId, int, DeliveryNote | None]], now: datetime
) -> None:
    """Writes the notes on deliveries (order, run, note) at providers, and nothing else of them."""
    arrays = numbers(one[0] for one in noted), numbers(one[1] for one in noted), encode_all(one[2] for one in noted)
    await connection.execute(_NOTE, [now, *arrays])


class CancelTask(Struct, frozen=True):
    """A cancel to pass on to a provider."""

    order: OrderId
    run: int
    provider: ProviderId
    provider_order: str


_ENDED_SHORT: Final = listed((DeliveryState.HELD, DeliveryState.PARTIAL, DeliveryState.CANCELED))
CANCEL_WAITS: Final = f"""d.cancel_asked is not null and d.cancel_passed is null
  and (d.state in {AT_PROVIDER}
       or d.state in {_ENDED_SHORT} and d.cancel_asked > %(ended_since)s and exists (
         select from attempt x
         where x.order_id = d.order_id and x.run = d.run and x.number = d.attempt
           and x.outcome = '{AttemptOutcome.ACCEPTED}'))"""
"""The cancel of delivery ``d`` is yet to be passed on to its provider. There is none for what it never accepted."""
_CANCELS: Final = f"""
select d.order_id as order, d.run, t.provider_id as provider, t.provider_order
from delivery d join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
where {CANCEL_WAITS} and t.provider_id = any(%(providers)s)
  and d.cancel_tries <= %(most)s and (d.cancel_again is null or d.cancel_again <= %(now)s)
order by d.order_id, d.run limit %(limit)s
"""
_PASSED: Final = f"""
update delivery d set cancel_passed = case when a.accepted then %(now)s::timestamptz end,
  cancel_asked = case when a.accepted then coalesce(d.cancel_asked, %(now)s) end,
  due = case when d.due is not null then %(now)s end
from unnest(%(orders)s::bigint[], %(runs)s::int[], %(accepted)s::bool[]) as a (order_id, run, accepted)
where d.order_id = a.order_id and d.run = a.run and d.cancel_passed is null and d.state <> '{DeliveryState.COMPLETED}'
"""


async def list_cancels(
    connection: Connection, providers: Sequence[ProviderId], ended_since: datetime, now: datetime, limit: int
) -> list[CancelTask]:
    """Returns cancels that are due to be passed on to these providers.

    Of deliveries that have ended, only those whose cancel was requested after ``ended_since``.
    """
    times = {"ended_since": ended_since, "now": now}
    limits = {"most": len(CANCEL_PAUSES), "limit": limit}
    return await rows(connection, CancelTask, _CANCELS, {"providers": list(providers), **times, **limits})


_UNCLEAR: Final = """
update delivery d set cancel_tries = d.cancel_tries + 1, cancel_again = %(now)s + (%(pauses)s::interval[])[
  least(d.cancel_tries + 1, cardinality(%(pauses)s::interval[]))]
from unnest(%(orders)s::bigint[], %(runs)s::int[]) as a (order_id, run)
where d.order_id = a.order_id and d.run = a.run and d.cancel_passed is null
"""


async def put_off_unclear(connection: Connection, tasks: Sequence[CancelTask], now: datetime) -> None:
    """Puts off cancels whose answer was not understood, each time for longer."""
    if tasks:
        arrays = {"orders": [task.order for task in tasks], "runs": [task.run for task in tasks]}
        await connection.execute(_UNCLEAR, {"now": now, "pauses": list(CANCEL_PAUSES), **arrays})


_SILENT: Final = """
update delivery d set cancel_again = %(now)s + (%(pauses)s::interval[])[least(d.cancel_tries + 1, %(grow)s)],
  cancel_tries = case when d.cancel_asked <= %(given_up)s then %(most)s + 1
    else greatest(d.cancel_tries, least(d.cancel_tries + 1, %(grow)s)) end
from unnest(%(orders)s::bigint[], %(runs)s::int[]) as a (order_id, run)
where d.order_id = a.order_id and d.run = a.run and d.cancel_passed is null
"""


async def put_off_unanswered(connection: Connection, tasks: Sequence[CancelTask], now: datetime) -> None:
    """Puts off cancels that got no answer, each time for longer; gives them up after ``SILENT_FOR``."""
    if tasks:
        arrays = {"orders": [task.order for task in tasks], "runs": [task.run for task in tasks]}
        pauses = {"pauses": list(CANCEL_PAUSES), "grow": SILENT_PAUSES, "most": len(CANCEL_PAUSES)}
        await connection.execute(_SILENT, {**arrays, **pauses, "now": now, "given_up": now - SILENT_FOR})


async def record_cancels(connection: Connection, answers: Sequence[tuple[CancelTask, bool]], now: datetime) -> None:
    """Writes providers' answers to cancels, and polls the deliveries at once. A refused cancel can be requested again.

    Deliveries that are not polled (their provider is manual, or they have ended) stay so.
    """
    if answers:
        arrays = {
            "orders": [task.order for task, _ in answers],
            "runs": [task.run for task, _ in answers],
            "accepted": [accepted for _, accepted in answers],
        }
        await connection.execute(_PASSED, {"now": now, **arrays})
