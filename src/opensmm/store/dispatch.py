"""Deliveries and attempts: claims by workers, the results of sending, and recovery after a dead worker."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg.rows import TupleRow

from opensmm.base.ids import OrderId, ProviderId
from opensmm.domain.call_faults import CallAnswer, CallCode, CallFault
from opensmm.domain.catalogue import ServiceType
from opensmm.domain.codes import DeliveryNote, EventCode
from opensmm.domain.dispatch import MOST_NOTED, PASSED_OVER_AFTER, AttemptOutcome, DeliveryState
from opensmm.domain.providers import MANUAL
from opensmm.domain.requests import NO_DETAILS, TypeDetails
from opensmm.store import call_faults
from opensmm.store.arrays import enum_values, nullable, numbers, texts
from opensmm.store.connection import Connection
from opensmm.store.delivery_notes import NOTE, NOTED, encode_all
from opensmm.store.prepared import PreparedStatement
from opensmm.store.state_sets import UNANSWERED, UNRECORDED, listed


class DeliveryClaim(Struct, frozen=True):
    """A delivery that only this worker may send until its lease ends.

    ``routes``: see ``ROUTES_TO_TRY``. ``first_route``: the first route that has not refused; ``route`` is another one
    if that was passed over. ``sent``: the time of the claim, by the database's clock.
    """

    order: OrderId
    run: int
    attempt: int
    fence: int
    provider: ProviderId
    provider_service: str
    service_type: ServiceType
    link: str
    quantity: int
    details: TypeDetails
    route: int
    routes: int
    hold_when_refused: bool
    runs: int
    interval_min: int
    due: datetime
    first_route: int
    sent: datetime

    @property
    def routes_left(self) -> bool:
        return self.route + 1 < self.routes


ROUTE_IS_OPEN: Final = "r.off is null and (r.cost <= d.ceiling) is not false"
"""A condition: the provider of route ``r`` lists it, and its cost is within the ceiling of delivery ``d``."""
HELD_FOR_A_ROUTE: Final = """d.note is null and not exists (
  select from attempt t where t.order_id = d.order_id and t.run = d.run and t.number = d.attempt)"""
"""A condition: delivery ``d``, which is held, had no open route at its newest claim."""
ROUTES_TO_TRY: Final = f"""
coalesce((select max(r.position) + 1 from route r where r.service_id = d.service_id and {ROUTE_IS_OPEN}), 0)
"""
"""The number of routes of ``d``'s service up to the last open one, closed ones included."""
# The first open route that is still to be tried. A provider that is disabled, or has failed for a while, is passed over
# if there is another one; if there is none, the delivery waits for it.
_ROUTE: Final = f"""(
    select r.position, r.provider_id, r.provider_service, r.cost from route r join provider w on w.id = r.provider_id
    where r.service_id = d.service_id and r.position >= d.route and {ROUTE_IS_OPEN}
    order by w.enabled and (w.resting_until > %(now)s and w.failures >= {PASSED_OVER_AFTER}) is not true desc,
      r.position limit 1) r"""
_DUE: Final = f"""
  select d.order_id, d.run, d.due, d.route as first_route, p.id as provider_id, r.provider_service, r.position, r.cost
  from delivery d
  left join lateral {_ROUTE} on true
  left join provider p on p.id = r.provider_id
  where d.state = '{DeliveryState.QUEUED}' and d.due <= %(now)s
    and (p.id is null or p.enabled and p.resting_until is null and p.id = any(%(providers)s)
      and coalesce(p.adds_at_a_time, 0) = 0)
  order by d.due limit %(limit)s for update of d skip locked
"""
# Deliveries that were sold alike have the same next provider. It is found once for each such group, so a backlog at one
# provider costs the others little; and no more of a group is read than can be claimed. Each level names its columns: a
# row to be locked would drag all of its columns along, and the arrays hold the whole backlog.
#
# A provider may be limited to few adds at a time. Each delivery in *sending* counts, whichever worker sends it, until
# it is recorded, or recovered if its sender died. Claims therefore run one after the other (CLAIMING): each sees what
# the one before has claimed.
_DUE_AT_EACH: Final = f"""
  -- The adds that are being sent to each provider.
  with under_way as materialized (
    select t.provider_id, count(*) as adds
    from delivery d join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
    where d.state = '{DeliveryState.SENDING}' group by 1
  )
  select d.order_id, d.run, d.due, d.route as first_route, t.provider_id, t.provider_service, t.position, t.cost
  from (
    select order_id, run, due, route, ceiling, provider_id, provider_service, position, cost from (
      select u.order_id, u.run, u.due, d.route, d.ceiling, r.provider_id, r.provider_service, r.position, r.cost,
        n.room, row_number() over (partition by r.provider_id order by u.due, u.order_id, u.run) as turn
      from (
        -- Groups that were sold alike, each in the order in which they are due.
        select service_id, route, ceiling, array_agg(order_id order by due, order_id, run) as orders,
          array_agg(run order by due, order_id, run) as runs, array_agg(due order by due, order_id, run) as dues
        from (
          select service_id, route, ceiling, order_id, run, due from delivery
          where state = '{DeliveryState.QUEUED}' and due <= %(now)s order by due limit %(among)s) oldest
        group by 1, 2, 3
      ) d
      left join lateral {_ROUTE} on true
      -- The room at the next provider; a group without one is held, as far as the limit.
      cross join lateral (
        select case when r.provider_id is null then %(limit)s else (
          select least(max(n.room), max(case when p.adds_at_a_time > 0 then p.adds_at_a_time
            - coalesce((select w.adds from under_way w where w.provider_id = p.id), 0) end))
          from unnest(%(providers)s::bigint[], %(rooms)s::int[], %(tried)s::bool[]) as n (id, room, tried)
          join provider p on p.id = n.id and p.enabled
            and (p.resting_until is null or n.tried and p.resting_until <= %(now)s)
          where n.id = r.provider_id) end as room) n
      cross join lateral unnest(d.orders[:n.room], d.runs[:n.room], d.dues[:n.room]) as u (order_id, run, due)
    ) t
    -- In turns: one of each provider, then the next of each.
    where turn <= room order by turn, due limit %(limit)s
  ) t
  -- The row itself, if nothing has changed it meanwhile.
  join delivery d on d.order_id = t.order_id and d.run = t.run
  where d.state = '{DeliveryState.QUEUED}' and d.due is not distinct from t.due
    and d.route = t.route and d.ceiling is not distinct from t.ceiling
  for update of d skip locked
"""
CLAIMING: Final = 0x0C1A1
"""The number of the advisory lock for ``claim_at_each``."""
_ONE_AT_A_TIME: Final = "select pg_advisory_xact_lock(%s)"
_CLAIM_DUE: Final = """
with clock as materialized (select coalesce(%(at)s::timestamptz, clock_timestamp()) as at),
due as materialized ({due}), claimed as (
  -- A lease begins by the database's clock: a worker's own may be minutes off, or jump.
  update delivery d set state = case when due.provider_id is null then '{held}' else '{sending}' end, due = null,
    lease_until = clock.at + %(lease)s, fence = d.fence + 1, attempt = d.attempt + 1, sent = clock.at,
    route = coalesce(due.position, d.route), note = case when due.provider_id is not null then d.note end
  from due, clock where d.order_id = due.order_id and d.run = due.run
  returning d.order_id, d.run, d.service_id, d.attempt, d.fence, d.quantity, d.route, d.ceiling, d.sent,
    due.due, due.first_route, due.provider_id, due.provider_service, due.cost
), tried as (
  insert into attempt (order_id, run, number, provider_id, provider_service, quoted, outcome, fence, sent)
  select order_id, run, attempt, provider_id, provider_service, cost, '{outcome}', fence, sent
  from claimed where provider_id is not null
), marked as (
  -- Shows after a lost answer to COMMIT that the claim was committed.
  insert into batch (id, created, orders) select %(mark)s::uuid, clock.at, '{{}}'
  from clock where %(mark)s::uuid is not null and exists (select from claimed where provider_id is not null)
)
-- With what the request to the provider needs.
select d.order_id, d.run, d.attempt, d.fence, d.provider_id, d.provider_service, s.type, o.link, d.quantity, x.details,
  d.route, {routes},
  s.hold_when_refused, o.runs, o.interval_min, d.due, d.first_route, d.sent
from claimed d join orders o on o.id = d.order_id join service s on s.id = d.service_id
left join order_detail x on x.order_id = d.order_id
where d.provider_id is not null order by d.due, d.order_id, d.run
"""


def _make_claim_statement(due: str) -> str:
    """Returns the statement that claims what ``due`` selects."""
    return _CLAIM_DUE.format(
        due=due,
        routes=ROUTES_TO_TRY,
        held=DeliveryState.HELD,
        sending=DeliveryState.SENDING,
        outcome=AttemptOutcome.SENDING,
    )


_CLAIM: Final = _make_claim_statement(_DUE)
_CLAIM_AT_EACH: Final = _make_claim_statement(_DUE_AT_EACH)


_IS_DUE: Final = PreparedStatement(
    "due", f"select exists (select from delivery where state = '{DeliveryState.QUEUED}' and due <= %s::timestamptz)"
)


async def is_due(connection: Connection, now: datetime) -> bool:
    """Returns True if a delivery is due. Costs an idle worker a fraction of a claim."""
    ((is_any,),) = await _IS_DUE.rows(connection, [now.isoformat()])
    return bool(is_any)


async def claim(
    connection: Connection,
    now: datetime,
    at: datetime | None,
    lease: timedelta,
    limit: int,
    providers: Sequence[ProviderId],
    mark: UUID | None = None,
) -> list[DeliveryClaim]:
    """Claims due deliveries of these providers, the oldest first, and marks them *sending*.

    It is for the usual case: each of the providers has room for ``limit``. Leaves out providers that are paused, and
    those that take few adds at a time, which ``claim_at_each`` serves. A delivery without an open route is held for the
    operator.

    If any were claimed, the batch ``mark`` shows that the claim was committed. ``at``: when the lease begins; None: the
    database's time, as everywhere in this module.
    """
    parameters = {"now": now, "at": at, "lease": lease, "limit": limit, "providers": list(providers), "mark": mark}
    cursor = await connection.execute(_CLAIM, parameters)
    return [_read_claim(row) for row in await cursor.fetchall()]


async def claim_at_each(
    connection: Connection,
    now: datetime,
    at: datetime | None,
    lease: timedelta,
    limit: int,
    rooms: Mapping[ProviderId, int],
    to_try: Sequence[ProviderId] = (),
    among: int | None = None,
    mark: UUID | None = None,
) -> list[DeliveryClaim]:
    """Claims as ``claim`` does, if a provider has room for less than ``limit``, or its pause is over.

    It costs more than ``claim``: it groups all that is due by its next provider.

    Claims for each provider at most its room in ``rooms``, in turns, and never more at a time than it is set to take;
    one for each provider in ``to_try`` whose pause is over; none for other providers. ``among``: only so many of the
    due deliveries, the oldest, are considered.

    Sessions wait for each other here: two at once would choose the same deliveries, and one of them would get none.
    """
    await connection.execute(_ONE_AT_A_TIME, [CLAIMING])
    entries = [
        *((provider, room, False) for provider, room in rooms.items()),
        *((provider, 1, True) for provider in to_try),
    ]
    arrays = {
        "providers": [provider for provider, _, _ in entries],
        "rooms": [room for _, room, _ in entries],
        "tried": [tried for _, _, tried in entries],
    }
    parameters = arrays | {"now": now, "at": at, "lease": lease, "limit": limit, "among": among, "mark": mark}
    cursor = await connection.execute(_CLAIM_AT_EACH, parameters)
    return [_read_claim(row) for row in await cursor.fetchall()]


def _read_claim(row: TupleRow) -> DeliveryClaim:
    # By position: each order that is sent passes here.
    return DeliveryClaim(*(*row[:6], ServiceType(row[6]), *row[7:9], _read_details(row[9]), *row[10:]))


def _read_details(stored: object) -> TypeDetails:
    return NO_DETAILS if stored is None else msgspec.convert(stored, TypeDetails, strict=False)


_RELEASE: Final = f"""
update delivery d set due = a.due from unnest(%s::bigint[], %s::int[], %s::timestamptz[]) as a (order_id, run, due)
where d.order_id = a.order_id and d.state = '{DeliveryState.QUEUED}' and d.run = (
    select min(n.run) from delivery n
    where n.order_id = a.order_id and n.run >= a.run and n.state = '{DeliveryState.QUEUED}')
  -- Another run than the named one takes a time only if it has none, and loses its own only if none before was sent,
  -- from the named one on.
  and (d.run = a.run
    or (d.due is null and a.due is not null)
    or (a.due is null and not exists (
      select from delivery n where n.order_id = a.order_id and n.run >= a.run and n.run < d.run and n.attempt > 0)))
"""


async def schedule_runs(connection: Connection, runs: Sequence[tuple[OrderId, int, datetime | None]]) -> None:
    """Sets the times at which runs of drip-feeds are due, or removes them (None). Changes queued runs only.

    If the operator has ended a named run, the next queued one takes its place. A time that it has already stays, and is
    removed only if no run from the named one up to it was ever sent. The caller has locked the run before the named
    one.
    """
    if runs:
        arrays = [order for order, _, _ in runs], [number for _, number, _ in runs], [due for _, _, due in runs]
        await connection.execute(_RELEASE, [*arrays])


class AttemptResult(Struct, frozen=True):
    """The result of an attempt: the delivery's next state, the attempt's outcome, and a note for the operator."""

    order: OrderId
    run: int
    attempt: int
    fence: int
    state: DeliveryState
    route: int
    due: datetime | None
    outcome: AttemptOutcome
    provider_order: str | None
    answer: CallAnswer
    note: DeliveryNote | None = None


_UNPLACED: Final = listed((DeliveryState.QUEUED, DeliveryState.HELD))
_RECORD: Final = f"""
with told as materialized (
  select *
  from unnest(%s::bigint[], %s::int[], %s::int[], %s::int[], %s::text[], %s::int[], %s::timestamptz[],
              %s::text[], %s::text[], %s::text[], %s::text[])
    as a (order_id, run, number, fence, state, route, due, outcome, provider_order, answer, note)
), tried as (
  -- An outcome that is final is not overwritten.
  update attempt t set outcome = told.outcome, provider_order = nullif(told.provider_order, ''), answer = told.answer,
    answered = (select coalesce(%s::timestamptz, clock_timestamp()))
  from told where t.order_id = told.order_id and t.run = told.run and t.number = told.number
    and t.outcome in {UNANSWERED}
)
-- A delivery whose cancel was requested ends here, if no provider has it.
update delivery d set note = {NOTE}, noted = {NOTED}, (state, due, remains) = (
    select state, case when state <> '{DeliveryState.CANCELED}' then told.due end,
      case when state = '{DeliveryState.CANCELED}' then d.quantity else d.remains end
    from (select case when told.state in {_UNPLACED} and d.cancel_asked is not null then '{DeliveryState.CANCELED}'
                      else told.state end) x (state)
  ), route = told.route, lease_until = null
from told where d.order_id = told.order_id and d.run = told.run and d.fence = told.fence
  and d.state in {UNRECORDED}
returning d.order_id, d.run, d.quantity, d.state
"""


async def record(
    connection: Connection, results: Sequence[AttemptResult], at: datetime | None
) -> list[tuple[OrderId, int, int, DeliveryState]]:
    """Records the results of attempts; returns order, run, quantity and new state of each delivery that changed.

    A result that comes after the lease still counts if nobody has claimed the delivery since. A delivery whose cancel
    was requested meanwhile ends, if it would be queued again or held.
    """
    arrays = (
        numbers(result.order for result in results),
        numbers(result.run for result in results),
        numbers(result.attempt for result in results),
        numbers(result.fence for result in results),
        enum_values(result.state for result in results),
        numbers(result.route for result in results),
        nullable(result.due for result in results),
        enum_values(result.outcome for result in results),
        texts(result.provider_order or "" for result in results),
        texts(call_faults.encode(result.answer) for result in results),
        encode_all(result.note for result in results),
    )
    cursor = await connection.execute(_RECORD, [*arrays, at, at])
    # By position: each result passes here.
    return [(OrderId(row[0]), row[1], row[2], DeliveryState(row[3])) for row in await cursor.fetchall()]


_HOLD: Final = f"""
with since as materialized (
  select now - make_interval(hours => p.refused_wait_h) as until, p.refused_wait_h as hours
  from panel p cross join (select %(now)s::timestamptz as now) n
), tried as materialized (
  -- Deliveries that were themselves put off or turned away.
  select d.order_id, d.run, d.note->>'words' as words from delivery d
  where d.state = '{DeliveryState.QUEUED}' and d.note is not null and d.noted <= (select until from since)
  order by d.noted limit %(limit)s for update of d skip locked
), untried as materialized (
  -- Deliveries whose next provider turns us away, whatever is ordered.
  select d.order_id, d.run, p.fault as words from delivery d
  join lateral {_ROUTE} on true
  join provider p on p.id = r.provider_id and p.refuses is not null
  where d.state = '{DeliveryState.QUEUED}' and d.note is null and d.due <= (select until from since)
  order by d.due limit %(limit)s for update of d skip locked
), waiting as (
  select * from tried union all select * from untried
)
update delivery d set state = '{DeliveryState.HELD}', due = null, noted = %(now)s,
  note = jsonb_build_object('code', %(code)s::text, 'hours', since.hours::text, 'words', left(w.words, %(most)s))
from waiting w, since where d.order_id = w.order_id and d.run = w.run returning d.order_id
"""


async def hold_waiting(connection: Connection, now: datetime, limit: int) -> int:
    """Holds deliveries that have waited longer than the panel allows for providers that turn us away.

    Returns the number of them. ``limit``: of each of the two kinds, those that were tried and those that were not.
    """
    values = {"now": now, "limit": limit, "code": EventCode.WAITED_TOO_LONG, "most": MOST_NOTED}
    cursor = await connection.execute(_HOLD, values)
    return len(await cursor.fetchall())


_WORKER_GONE: Final = call_faults.encode(CallFault(CallCode.WORKER_GONE))
_RECOVER: Final = f"""
-- The manual provider's are queued again instead, by ``store/manual.py``: a person's answer cannot be lost.
with left_behind as (
  update delivery d set state = '{DeliveryState.UNSURE}'
  from attempt t join provider p on p.id = t.provider_id and p.kind <> '{MANUAL}'
  where d.state = '{DeliveryState.SENDING}' and d.lease_until < %s
    and (d.order_id, d.run, d.fence) not in (select * from unnest(%s::bigint[], %s::int[], %s::int[]))
    and t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
  returning d.order_id, d.run, d.attempt
)
-- An outcome that was recorded meanwhile stays.
update attempt t set outcome = '{AttemptOutcome.UNSURE}', answer = %s
from left_behind l
where t.order_id = l.order_id and t.run = l.run and t.number = l.attempt and t.outcome = '{AttemptOutcome.SENDING}'
returning t.order_id
"""


InFlight = Sequence[tuple[OrderId, int, int]]
"""Deliveries that a process has claimed and not yet recorded: order, run and fence of each."""


async def recover(connection: Connection, now: datetime, in_flight: InFlight = ()) -> int:
    """Marks deliveries unsure whose sender's lease has ended, but for the manual provider's; returns their number.

    Deliveries ``in_flight`` are the caller's own and stay. The old lease stays in the row: until its end the sender may
    have been sending.
    """
    own = [[delivery[part] for delivery in in_flight] for part in range(3)]
    cursor = await connection.execute(_RECOVER, [now, *own, _WORKER_GONE])
    return len(await cursor.fetchall())
