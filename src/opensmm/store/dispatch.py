"""Deliveries and attempts: claimed by a worker, sent, recorded, polled."""

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
from opensmm.store.arrays import absent_or, numbers, texts, words
from opensmm.store.connection import Connection
from opensmm.store.delivery_notes import NOTE, NOTED, notes
from opensmm.store.prepared import PreparedStatement
from opensmm.store.state_sets import UNANSWERED, UNRECORDED, listed


class DeliveryClaim(Struct, frozen=True):
    """A delivery that this worker alone may send, until its lease ends. ``routes``: see ``OPEN_ROUTES``;
    ``first_route`` is the first that has not refused, where that was passed over another than ``route``.

    ``sent``: when it was claimed, by the database's clock.
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
"""The provider of route ``r`` lists it, and it costs no more than was sold, or approved, for delivery ``d``."""
NO_ANSWER_YET: Final = """d.note is null and not exists (
  select from attempt t where t.order_id = d.order_id and t.run = d.run and t.number = d.attempt)"""
"""Delivery ``d``, which is held, is so for want of an open route: at its newest claim there was none to try."""
OPEN_ROUTES: Final = f"""
coalesce((select max(r.position) + 1 from route r where r.service_id = d.service_id and {ROUTE_IS_OPEN}), 0)
"""
"""The providers of ``d``'s service, as far as the last of those that may be asked."""
# The first of the routes still to be tried that are open. A provider that is disabled, or has not been reached for a
# while, is passed over where another is there; where none is, the delivery waits for it.
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
# Which provider is next is the same for all that were sold alike, and is looked for once for these: what waits for one
# provider, however much it is, costs the others little. No more of a kind is looked at than could be taken. Columns are
# named on each level: a row that is to be locked drags all of them along, and the arrays hold the whole backlog.
#
# A provider may be set to take few adds at a time. What is being sent to it stands in *sending* until it is recorded,
# or recovered where its sender went away: so many fewer are taken, whichever worker sends those. Claims stand in line
# for this (CLAIMING): each begins when the one before it is kept, and sees what that one took.
_DUE_AT_EACH: Final = f"""
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
        select service_id, route, ceiling, array_agg(order_id order by due, order_id, run) as orders,
          array_agg(run order by due, order_id, run) as runs, array_agg(due order by due, order_id, run) as dues
        from (
          select service_id, route, ceiling, order_id, run, due from delivery
          where state = '{DeliveryState.QUEUED}' and due <= %(now)s order by due limit %(among)s) oldest
        group by 1, 2, 3
      ) d
      left join lateral {_ROUTE} on true
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
    where turn <= room order by turn, due limit %(limit)s
  ) t
  join delivery d on d.order_id = t.order_id and d.run = t.run
  where d.state = '{DeliveryState.QUEUED}' and d.due is not distinct from t.due
    and d.route = t.route and d.ceiling is not distinct from t.ceiling
  for update of d skip locked
"""
CLAIMING: Final = 0x0C1A1
"""The advisory lock of whoever looks through what is due."""
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
  insert into batch (id, created, orders) select %(mark)s::uuid, clock.at, '{{}}'
  from clock where %(mark)s::uuid is not null and exists (select from claimed where provider_id is not null)
)
select d.order_id, d.run, d.attempt, d.fence, d.provider_id, d.provider_service, s.type, o.link, d.quantity, x.details,
  d.route, {routes},
  s.hold_when_refused, o.runs, o.interval_min, d.due, d.first_route, d.sent
from claimed d join orders o on o.id = d.order_id join service s on s.id = d.service_id
left join order_detail x on x.order_id = d.order_id
where d.provider_id is not null order by d.due, d.order_id, d.run
"""


def _claiming(due: str) -> str:
    """Returns the statement that claims what ``due`` selects."""
    return _CLAIM_DUE.format(
        due=due,
        routes=OPEN_ROUTES,
        held=DeliveryState.HELD,
        sending=DeliveryState.SENDING,
        outcome=AttemptOutcome.SENDING,
    )


_CLAIM: Final = _claiming(_DUE)
_CLAIM_AT_EACH: Final = _claiming(_DUE_AT_EACH)


_IS_DUE: Final = PreparedStatement(
    "due", f"select exists (select from delivery where state = '{DeliveryState.QUEUED}' and due <= %s::timestamptz)"
)


async def is_due(connection: Connection, now: datetime) -> bool:
    """Whether anything may be claimed: a look that costs a fraction of a claim, for a worker that has nothing to do."""
    ((found,),) = await _IS_DUE.rows(connection, [now.isoformat()])
    return bool(found)


async def claim(
    connection: Connection,
    now: datetime,
    at: datetime | None,
    lease: timedelta,
    limit: int,
    providers: Sequence[ProviderId],
    mark: UUID | None = None,
) -> list[DeliveryClaim]:
    """Takes deliveries of these providers that are due and marks them *sending*, the oldest first; none of those that
    take few adds at a time, for which ``claim_at_each`` looks.

    Where any were taken, a batch's row ``mark`` tells that the claim was kept: see ``placing.settle``.

    One that no provider fulfils, or none at its price, is held for the operator. A provider that rests, or is to be
    tried, gets none. ``at``: when the lease begins; None, as everywhere here, by the database's clock.
    """
    parameters = {"now": now, "at": at, "lease": lease, "limit": limit, "providers": list(providers), "mark": mark}
    cursor = await connection.execute(_CLAIM, parameters)
    return [_claim(row) for row in await cursor.fetchall()]


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
    """The same, where providers have room for few: no more than that of each, in turns, nor more at a time than it is
    set to take; one for each that has rested and is to be tried. Whoever is not named gets none. ``among``: only so
    many, the oldest that are due, are looked at.

    Workers do so one after the other: two at once would want the same deliveries, and one of them get none.
    """
    await connection.execute(_ONE_AT_A_TIME, [CLAIMING])
    wanted = [*((provider, room, False) for provider, room in rooms.items()), *((one, 1, True) for one in to_try)]
    arrays = {
        "providers": [provider for provider, _, _ in wanted],
        "rooms": [room for _, room, _ in wanted],
        "tried": [tried for _, _, tried in wanted],
    }
    parameters = arrays | {"now": now, "at": at, "lease": lease, "limit": limit, "among": among, "mark": mark}
    cursor = await connection.execute(_CLAIM_AT_EACH, parameters)
    return [_claim(row) for row in await cursor.fetchall()]


def _claim(row: TupleRow) -> DeliveryClaim:
    return DeliveryClaim(*(*row[:6], ServiceType(row[6]), *row[7:9], _details(row[9]), *row[10:]))


def _details(found: object) -> TypeDetails:
    return NO_DETAILS if found is None else msgspec.convert(found, TypeDetails, strict=False)


_RELEASE: Final = f"""
update delivery d set due = a.due from unnest(%s::bigint[], %s::int[], %s::timestamptz[]) as a (order_id, run, due)
where d.order_id = a.order_id and d.state = '{DeliveryState.QUEUED}' and d.run = (
    select min(n.run) from delivery n
    where n.order_id = a.order_id and n.run >= a.run and n.state = '{DeliveryState.QUEUED}')
  and (d.run = a.run or d.due is null and a.due is not null or a.due is null and not exists (
    select from delivery n where n.order_id = a.order_id and n.run >= a.run and n.run < d.run and n.attempt > 0))
"""


async def release(connection: Connection, runs: Sequence[tuple[OrderId, int, datetime | None]]) -> None:
    """Sets when runs of drip-feeds are due; None takes the time away again. In the place of one that the operator ended
    stands the next that waits; one whose time another run has set keeps it. The caller holds the run before it."""
    if runs:
        arrays = [run[0] for run in runs], [run[1] for run in runs], [run[2] for run in runs]
        await connection.execute(_RELEASE, [*arrays])


class AttemptResult(Struct, frozen=True):
    """What a try came to: the delivery's next state, the attempt's evidence, and the note for the operator."""

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


_UNSENT: Final = listed((DeliveryState.QUEUED, DeliveryState.HELD))
_RECORD: Final = f"""
with told as materialized (
  select *
  from unnest(%s::bigint[], %s::int[], %s::int[], %s::int[], %s::text[], %s::int[], %s::timestamptz[],
              %s::text[], %s::text[], %s::text[], %s::text[])
    as a (order_id, run, number, fence, state, route, due, outcome, provider_order, answer, note)
), tried as (
  update attempt t set outcome = told.outcome, provider_order = nullif(told.provider_order, ''), answer = told.answer,
    answered = (select coalesce(%s::timestamptz, clock_timestamp()))
  from told where t.order_id = told.order_id and t.run = told.run and t.number = told.number
    and t.outcome in {UNANSWERED}
)
update delivery d set note = {NOTE}, noted = {NOTED}, (state, due, remains) = (
    select state, case when state <> '{DeliveryState.CANCELED}' then told.due end,
      case when state = '{DeliveryState.CANCELED}' then d.quantity else d.remains end
    from (select case when told.state in {_UNSENT} and d.cancel_asked is not null then '{DeliveryState.CANCELED}'
                      else told.state end) x (state)
  ), route = told.route, lease_until = null
from told where d.order_id = told.order_id and d.run = told.run and d.fence = told.fence
  and d.state in {UNRECORDED}
returning d.order_id, d.run, d.quantity, d.state
"""


async def record(
    connection: Connection, told: Sequence[AttemptResult], at: datetime | None
) -> list[tuple[OrderId, int, int, DeliveryState]]:
    """Writes what tries came to. A result that arrives after the lease still counts where nobody else has the order.

    What would be queued again or held, and was asked to be cancelled meanwhile, ends instead.
    """
    arrays = (
        numbers(one.order for one in told),
        numbers(one.run for one in told),
        numbers(one.attempt for one in told),
        numbers(one.fence for one in told),
        words(one.state for one in told),
        numbers(one.route for one in told),
        absent_or(one.due for one in told),
        words(one.outcome for one in told),
        texts(one.provider_order or "" for one in told),
        texts(call_faults.written(one.answer) for one in told),
        notes(one.note for one in told),
    )
    cursor = await connection.execute(_RECORD, [*arrays, at, at])
    return [(OrderId(row[0]), row[1], row[2], DeliveryState(row[3])) for row in await cursor.fetchall()]


_HOLD: Final = f"""
with since as materialized (
  select now - make_interval(hours => p.refused_wait_h) as until, p.refused_wait_h as hours
  from panel p cross join (select %(now)s::timestamptz as now) n
), tried as materialized (
  -- Those that were put off or turned away themselves.
  select d.order_id, d.run, d.note->>'words' as words from delivery d
  where d.state = '{DeliveryState.QUEUED}' and d.note is not null and d.noted <= (select until from since)
  order by d.noted limit %(limit)s for update of d skip locked
), untried as materialized (
  -- Those whose next provider turns everybody away.
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
    """Holds deliveries that have waited for longer than the panel allows for providers that turn them away; returns
    how many."""
    told = {"now": now, "limit": limit, "code": EventCode.WAITED_TOO_LONG, "most": MOST_NOTED}
    cursor = await connection.execute(_HOLD, told)
    return len(await cursor.fetchall())


_WORKER_GONE: Final = call_faults.written(CallFault(CallCode.WORKER_GONE))
_RECOVER: Final = f"""
with left_behind as (
  update delivery d set state = '{DeliveryState.UNSURE}'
  from attempt t join provider p on p.id = t.provider_id and p.kind <> '{MANUAL}'
  where d.state = '{DeliveryState.SENDING}' and d.lease_until < %s
    and (d.order_id, d.run, d.fence) not in (select * from unnest(%s::bigint[], %s::int[], %s::int[]))
    and t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
  returning d.order_id, d.run, d.attempt
)
update attempt t set outcome = '{AttemptOutcome.UNSURE}', answer = %s
from left_behind l
where t.order_id = l.order_id and t.run = l.run and t.number = l.attempt and t.outcome = '{AttemptOutcome.SENDING}'
returning t.order_id
"""


InFlight = Sequence[tuple[OrderId, int, int]]
"""Deliveries that a process has claimed and not recorded yet: order, run and fence."""


async def recover(connection: Connection, now: datetime, in_flight: InFlight = ()) -> int:
    """Deliveries whose sender went away are unsure from now on, but for the staff's; returns how many.

    What is ``in_flight`` is the caller's own. Their lease stays written: until then the sender may have been at it.
    """
    own = [[one[part] for one in in_flight] for part in range(3)]
    cursor = await connection.execute(_RECOVER, [now, *own, _WORKER_GONE])
    return len(await cursor.fetchall())
