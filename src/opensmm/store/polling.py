"""Following deliveries at their providers: whose turn it is, and what their answers changed."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct
from psycopg.rows import TupleRow

from opensmm.base.ids import OrderId, ProviderId
from opensmm.domain.cancels import SILENT_FOR, SILENT_PAUSES, TOLD_AGAIN_AFTER
from opensmm.domain.codes import DeliveryNote
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.polling import PolledDelivery
from opensmm.store.arrays import absent_or, numbers, texts, words
from opensmm.store.connection import Connection
from opensmm.store.delivery_notes import NOTE, NOTED, notes
from opensmm.store.state_sets import AT_PROVIDER, ENDED


class DueDelivery(Struct, frozen=True):
    """A delivery at a provider, to be asked after. ``sent`` tells its age."""

    order: OrderId
    run: int
    attempt: int
    provider: ProviderId
    provider_order: str
    sent: datetime
    known: PolledDelivery


_DUE: Final = f"""
with due as materialized (
  select order_id, run from delivery
  where state in {AT_PROVIDER} and due <= %s and {{which}}
  order by due limit %s for update skip locked
), claimed as (
  update delivery d set due = %s from due where d.order_id = due.order_id and d.run = due.run
  returning d.order_id, d.run, d.attempt, d.sent, d.state, d.quantity, d.start_count, d.remains, d.polled
)
select c.order_id, c.run, c.attempt, t.provider_id, t.provider_order, c.sent, c.state, c.quantity, o.packaged,
  c.start_count, c.remains, c.polled, t.cost, t.currency, t.quoted
from claimed c
join attempt t on t.order_id = c.order_id and t.run = c.run and t.number = c.attempt
join orders o on o.id = c.order_id
"""
_CLAIM: Final = _DUE.format(which="quantity > 0")
_CLAIM_WATCHED: Final = _DUE.format(which="quantity = 0")


async def claim(connection: Connection, now: datetime, again: datetime, limit: int) -> list[DueDelivery]:
    """Deliveries whose turn it is; should this worker go away, they are due once more at ``again``."""
    cursor = await connection.execute(_CLAIM, [now, limit, again])
    return [_followee(row) for row in await cursor.fetchall()]


async def claim_watched(connection: Connection, now: datetime, again: datetime, limit: int) -> list[DueDelivery]:
    """Like ``claim``, of subscriptions."""
    cursor = await connection.execute(_CLAIM_WATCHED, [now, limit, again])
    return [_followee(row) for row in await cursor.fetchall()]


def _followee(row: TupleRow) -> DueDelivery:
    return DueDelivery(*(*row[:6], PolledDelivery(DeliveryState(row[6]), *row[7:])))


class PolledResult(Struct, frozen=True):
    """A delivery after its provider was asked: news, or nothing but the next time to ask.

    ``polled`` is the delivery's as it was claimed: what was reckoned from it counts for that row alone.
    ``unfinished``: units that remain in the provider's words, although it says that the delivery is completed.
    ``unclear_charge``: in its words, where it may be read in two ways.
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
select order_id, run, remains, case when exchange_rate is not null then cost end, coalesce(exchange_rate, 1)
from rated where state in {ENDED}
"""


async def record(
    connection: Connection, told: Sequence[PolledResult], asked: datetime
) -> list[tuple[OrderId, int, int, Decimal | None, Decimal]]:
    """Writes answers to polls asked at ``asked``, never over newer ones, nor where another answer came in between:
    what was reckoned without it would take it back.

    Returns the deliveries that ended: order, run, remains, cost and exchange rate. The cost is the last that was told,
    at the rate of this moment; one in another currency than the provider's stands on the attempt and is not booked.
    """
    arrays = (
        numbers(one.order for one in told),
        numbers(one.run for one in told),
        numbers(one.attempt for one in told),
        words(one.state for one in told),
        absent_or(one.start_count for one in told),
        absent_or(one.remains for one in told),
        absent_or(one.due for one in told),
        absent_or(one.cost for one in told),
        texts(one.currency for one in told),
        absent_or(one.polled for one in told),
        notes(one.note for one in told),
    )
    cursor = await connection.execute(_RECORD, [*arrays, asked, asked, asked])
    return [(OrderId(row[0]), row[1], row[2], row[3], row[4]) for row in await cursor.fetchall()]


_NOTE: Final = f"""
update delivery d set note = {NOTE}, noted = {NOTED}
from unnest(%s::bigint[], %s::int[], %s::text[]) as told (order_id, run, note)
where d.order_id = told.order_id and d.run = told.run and d.state in {AT_PROVIDER}
"""


async def note(connection: Connection, told: Sequence[tuple[OrderId, int, DeliveryNote | None]], now: datetime) -> None:
    """Keeps notes on deliveries at providers that nothing else is written of."""
    arrays = numbers(one[0] for one in told), numbers(one[1] for one in told), notes(one[2] for one in told)
    await connection.execute(_NOTE, [now, *arrays])


class CancelTask(Struct, frozen=True):
    order: OrderId
    run: int
    provider: ProviderId
    provider_order: str


CANCEL_WAITS: Final = f"""d.cancel_asked is not null and d.cancel_passed is null
  and (d.state in {AT_PROVIDER}
       or d.state in ('held', 'partial', 'canceled') and d.cancel_asked > %(ended_since)s and exists (
         select from attempt x
         where x.order_id = d.order_id and x.run = d.run and x.number = d.attempt and x.outcome = 'accepted'))"""
"""The provider of delivery ``d`` is yet to hear of its cancel; of what it never took it is told nothing."""
_CANCELS: Final = f"""
select d.order_id, d.run, t.provider_id, t.provider_order
from delivery d join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
where {CANCEL_WAITS} and t.provider_id = any(%(providers)s)
  and d.cancel_tries <= %(most)s and (d.cancel_again is null or d.cancel_again <= %(now)s)
order by d.order_id, d.run limit %(limit)s
"""
_PASSED: Final = """
update delivery d set cancel_passed = case when a.accepted then %(now)s::timestamptz end,
  cancel_asked = case when a.accepted then coalesce(d.cancel_asked, %(now)s) end,
  due = case when d.due is not null then %(now)s end
from unnest(%(orders)s::bigint[], %(runs)s::int[], %(accepted)s::bool[]) as a (order_id, run, accepted)
where d.order_id = a.order_id and d.run = a.run and d.cancel_passed is null and d.state <> 'completed'
"""


async def cancels(
    connection: Connection, providers: Sequence[ProviderId], ended_since: datetime, now: datetime, limit: int
) -> list[CancelTask]:
    """Cancellations asked for that these providers have not heard of, and whose turn it is; of what has ended, those
    asked for of late."""
    asked = {"providers": list(providers), "ended_since": ended_since, "now": now, "limit": limit}
    asked["most"] = len(TOLD_AGAIN_AFTER)
    cursor = await connection.execute(_CANCELS, asked)
    return [CancelTask(*row) for row in await cursor.fetchall()]


_UNCLEAR: Final = """
update delivery d set cancel_tries = d.cancel_tries + 1, cancel_again = %(now)s + (%(pauses)s::interval[])[
  least(d.cancel_tries + 1, cardinality(%(pauses)s::interval[]))]
from unnest(%(orders)s::bigint[], %(runs)s::int[]) as a (order_id, run)
where d.order_id = a.order_id and d.run = a.run and d.cancel_passed is null
"""


async def told_again(connection: Connection, tasks: Sequence[CancelTask], now: datetime) -> None:
    """Puts off cancellations that were answered in words that are not clear: each time for longer."""
    if tasks:
        told = {"orders": [task.order for task in tasks], "runs": [task.run for task in tasks]}
        await connection.execute(_UNCLEAR, {"now": now, "pauses": list(TOLD_AGAIN_AFTER), **told})


_SILENT: Final = """
update delivery d set cancel_again = %(now)s + (%(pauses)s::interval[])[least(d.cancel_tries + 1, %(grow)s)],
  cancel_tries = case when d.cancel_asked <= %(given_up)s then %(most)s + 1
    else greatest(d.cancel_tries, least(d.cancel_tries + 1, %(grow)s)) end
from unnest(%(orders)s::bigint[], %(runs)s::int[]) as a (order_id, run)
where d.order_id = a.order_id and d.run = a.run and d.cancel_passed is null
"""


async def told_in_vain(connection: Connection, tasks: Sequence[CancelTask], now: datetime) -> None:
    """Puts off cancellations that no answer came to: each time for longer, and after a day for good."""
    if tasks:
        told = {"orders": [task.order for task in tasks], "runs": [task.run for task in tasks], "now": now}
        pauses = {"pauses": list(TOLD_AGAIN_AFTER), "grow": SILENT_PAUSES, "most": len(TOLD_AGAIN_AFTER)}
        await connection.execute(_SILENT, told | pauses | {"given_up": now - SILENT_FOR})


async def passed(connection: Connection, answers: Sequence[tuple[CancelTask, bool]], now: datetime) -> None:
    """Records what providers said to cancellations; a refused one may be asked for again.

    The provider is asked after it at once, where it is one that is asked.
    """
    if answers:
        arrays = {
            "orders": [task.order for task, _ in answers],
            "runs": [task.run for task, _ in answers],
            "accepted": [accepted for _, accepted in answers],
        }
        await connection.execute(_PASSED, {"now": now, **arrays})
