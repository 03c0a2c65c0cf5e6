"""Unsure attempts: claims by the resolver, neighbours and charges to compare with, and the stored evidence."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from opensmm.base.ids import OrderId, ProviderId
from opensmm.domain.call_faults import CallAnswer
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.evidence import AttemptKey, Conclusion, EvidenceKind, Neighbour, SuspectAttempt
from opensmm.domain.provider_charges import ChargeSample
from opensmm.domain.subscriptions import PostState
from opensmm.store import call_faults
from opensmm.store.connection import Connection
from opensmm.store.dispatch import ROUTES_TO_TRY
from opensmm.store.order_keys import key_of
from opensmm.store.rows import rows
from opensmm.store.state_sets import SET_NOT_BOUGHT

MOST_SUSPECTS: Final = 2000
"""The most attempts at one provider that are examined together; if there are more, the operator decides."""
AROUND: Final = 8
"""The number of neighbours that are read on each side of an attempt."""
SAMPLED_WITHIN: Final = 40
"""The number of accepted orders on each side of an attempt among which charges of its service are sought."""
REMEMBERED: Final = timedelta(days=30)
"""An attempt that the operator declared not bought may still own an order that is found within this time."""
ASSUMED_LEASE: Final = timedelta(minutes=10)
"""The lease of a delivery whose row has none, counted from the claim."""

# The time after which no byte of the attempt was sent.
_CLOSED: Final = "coalesce(t.answered, d.lease_until, t.sent + %(assumed)s)"
_CLAIM: Final = f"""
with ripe as materialized (
  select d.order_id, d.run from delivery d
  join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
  where d.state = '{DeliveryState.UNSURE}' and (d.due is null or d.due <= %(now)s) and {_CLOSED} <= %(closed_by)s
  order by d.order_id limit %(limit)s for update of d skip locked
)
update delivery d set due = %(again)s from ripe where d.order_id = ripe.order_id and d.run = ripe.run
returning d.order_id, d.run, d.attempt
"""


async def claim(
    connection: Connection, now: datetime, closed_by: datetime, again: datetime, limit: int
) -> list[AttemptKey]:
    """Claims unsure deliveries that are due to be examined. If this worker dies, they are due again at ``again``."""
    values = {"now": now, "closed_by": closed_by, "again": again, "limit": limit, "assumed": ASSUMED_LEASE}
    cursor = await connection.execute(_CLAIM, values)
    return [(OrderId(row[0]), row[1], row[2]) for row in await cursor.fetchall()]


class OpenAttempt(Struct, frozen=True):
    """An attempt that may own an order at its provider that we do not know, with the facts to continue its delivery.

    ``not_bought``: how often it was proved that this provider had not taken this delivery.
    """

    suspect: SuspectAttempt
    provider: ProviderId
    state: DeliveryState
    fence: int
    route: int
    routes: int
    hold_when_refused: bool
    not_bought: int
    answer: CallAnswer

    @property
    def routes_left(self) -> bool:
        return self.route + 1 < self.routes


class _OpenRow(Struct, frozen=True):
    order_id: OrderId
    run: int
    number: int
    sent: datetime
    closed: datetime
    quantity: int
    alike: str
    resolvable: bool
    provider: ProviderId
    state: DeliveryState
    fence: int
    route: int
    routes: int
    hold_when_refused: bool
    not_bought: int
    answer: str
    service: str


_OPEN: Final = f"""
-- Each branch has an index of its own.
with live as (
  select order_id, run, attempt from delivery where state = '{DeliveryState.UNSURE}'
  union all select order_id, run, attempt from delivery where state = '{DeliveryState.SENDING}'
), doubted as (
  -- Attempts that the operator declared not bought may own an order all the same.
  select order_id, run, attempt from live
  union select e.order_id, e.run, e.number from evidence e
  where e.kind = '{EvidenceKind.OPERATOR}' and e.at > %(since)s and e.conclusion in {SET_NOT_BOUGHT}
)
select t.order_id, t.run, t.number, t.sent, {_CLOSED} as closed, d.quantity,
  jsonb_build_array(t.provider_service, o.link, x.details)::text as alike,
  d.state = '{DeliveryState.UNSURE}' and t.outcome = '{AttemptOutcome.UNSURE}' and t.number = d.attempt
    and {_CLOSED} <= %(closed_by)s as resolvable,
  t.provider_id as provider, d.state, d.fence, d.route, {ROUTES_TO_TRY} as routes,
  s.hold_when_refused,
  (select count(*) from evidence e where e.order_id = t.order_id and e.run = t.run
     and e.provider_id = t.provider_id and e.conclusion = '{Conclusion.NOT_BOUGHT}') as not_bought,
  t.answer, t.provider_service as service
from doubted a
join delivery d on d.order_id = a.order_id and d.run = a.run
join attempt t on t.order_id = a.order_id and t.run = a.run and t.number = a.attempt
join orders o on o.id = a.order_id
join service s on s.id = d.service_id
left join order_detail x on x.order_id = a.order_id
-- At the providers of these orders alone, and not if the provider has accepted late.
where t.outcome <> '{AttemptOutcome.ACCEPTED}' and exists (
  select from attempt m where m.order_id = any(%(orders)s) and m.provider_id = t.provider_id)
  and not exists (select from evidence l where l.order_id = t.order_id and l.run = t.run and l.number = t.number
    and l.conclusion = '{Conclusion.LATE_ACCEPTANCE}')
order by t.sent, t.order_id, t.run
"""


async def list_doubted(
    connection: Connection, orders: Sequence[OrderId], now: datetime, closed_by: datetime
) -> dict[ProviderId, list[OpenAttempt]]:
    """Returns the attempts that may own an order unknown to us, by provider, for the providers of these orders."""
    values = {"orders": list(orders), "since": now - REMEMBERED, "closed_by": closed_by, "assumed": ASSUMED_LEASE}
    by_provider: dict[ProviderId, list[OpenAttempt]] = {}
    for row in await rows(connection, _OpenRow, _OPEN, values):
        by_provider.setdefault(row.provider, []).append(_make_attempt(row))
    return by_provider


def _make_attempt(row: _OpenRow) -> OpenAttempt:
    key = row.order_id, row.run, row.number
    alike = row.quantity, row.alike
    suspect = SuspectAttempt(key, row.sent, row.closed, row.quantity, alike, row.resolvable, row.service)
    return OpenAttempt(
        suspect=suspect,
        provider=row.provider,
        state=row.state,
        fence=row.fence,
        route=row.route,
        routes=row.routes,
        hold_when_refused=row.hold_when_refused,
        not_bought=row.not_bought,
        answer=call_faults.decode(row.answer),
    )


_NEIGHBOURS: Final = f"""
with around as (select * from unnest(%(befores)s::timestamptz[], %(afters)s::timestamptz[]) as a (before, after))
-- The last answered before.
select sent, answered, provider_order from around cross join lateral (
  select t.order_id, t.run, t.number, t.sent, t.answered, t.provider_order from attempt t
  where t.provider_id = %(provider)s and t.outcome = '{AttemptOutcome.ACCEPTED}' and t.answered < before
  order by t.answered desc, t.order_id desc, t.run desc limit %(count)s) n
where not exists (select from evidence e where e.order_id = n.order_id and e.run = n.run and e.number = n.number
  and e.kind = '{EvidenceKind.OPERATOR}' and e.conclusion = '{Conclusion.BOUGHT}')
union
-- The first answered of those sent after.
select sent, answered, provider_order from around cross join lateral (
  select t.order_id, t.run, t.number, t.sent, t.answered, t.provider_order from attempt t
  where t.provider_id = %(provider)s and t.outcome = '{AttemptOutcome.ACCEPTED}'
    and t.answered > after and t.sent > after
  order by t.answered, t.order_id, t.run limit %(count)s) n
where not exists (select from evidence e where e.order_id = n.order_id and e.run = n.run and e.number = n.number
  and e.kind = '{EvidenceKind.OPERATOR}' and e.conclusion = '{Conclusion.BOUGHT}')
"""


async def neighbours(
    connection: Connection, provider: ProviderId, around: Sequence[tuple[datetime, datetime]]
) -> list[Neighbour]:
    """Returns accepted orders answered just before the first time of each pair, or sent just after the second.

    Orders whose id the operator entered are left out.
    """
    values = {
        "provider": provider,
        "befores": [before for before, _ in around],
        "afters": [after for _, after in around],
        "count": AROUND,
    }
    return await rows(connection, Neighbour, _NEIGHBOURS, values)


_NEWEST: Final = f"""
select sent, answered, provider_order from attempt
where provider_id = %s and outcome = '{AttemptOutcome.ACCEPTED}' and answered is not null
order by answered desc limit %s
"""


async def newest(connection: Connection, provider: ProviderId, limit: int = 50) -> list[Neighbour]:
    """Returns the orders that a provider accepted last, the newest first."""
    return await rows(connection, Neighbour, _NEWEST, [provider, limit])


_CHARGES: Final = f"""
with around as (
  select * from unnest(%(services)s::text[], %(befores)s::timestamptz[], %(afters)s::timestamptz[])
    as a (service, before, after)
), near as (
  -- As the neighbours are found, but more of them.
  select service, n.* from around cross join lateral (
    select t.* from attempt t
    where t.provider_id = %(provider)s and t.outcome = '{AttemptOutcome.ACCEPTED}' and t.answered < before
    order by t.answered desc, t.order_id desc, t.run desc limit %(within)s) n
  union
  select service, n.* from around cross join lateral (
    select t.* from attempt t
    where t.provider_id = %(provider)s and t.outcome = '{AttemptOutcome.ACCEPTED}'
      and t.answered > after and t.sent > after
    order by t.answered, t.order_id, t.run limit %(within)s) n
)
-- Of these, the ones of the same service whose charge and quantity are final.
select n.provider_service as service, d.quantity, n.cost as charge, n.currency, n.sent, n.answered
from near n join delivery d on d.order_id = n.order_id and d.run = n.run
where n.provider_service = n.service and n.cost is not null and d.state = '{DeliveryState.COMPLETED}'
"""


async def charge_samples(
    connection: Connection, provider: ProviderId, around: Sequence[tuple[str, datetime, datetime]]
) -> list[ChargeSample]:
    """Returns charges of completed orders, by which charges of unsure ones are judged.

    ``around``: for each service the times before and after which the nearest accepted orders are considered.
    """
    values = {
        "provider": provider,
        "services": [service for service, _, _ in around],
        "befores": [before for _, before, _ in around],
        "afters": [after for _, _, after in around],
        "within": SAMPLED_WITHIN,
    }
    return await rows(connection, ChargeSample, _CHARGES, values)


_KNOWN: Final = f"""
select provider_order_key from attempt where provider_id = %(provider)s and provider_order_key = any(%(numbers)s)
union select provider_order_key from post
where provider_id = %(provider)s and provider_order_key = any(%(numbers)s) and state <> '{PostState.TAKEN}'
union select key from (
  select {key_of("(detail ->> 'provider_order')")} as key from evidence
  where provider_id = %(provider)s and conclusion = '{Conclusion.LATE_ACCEPTANCE}') late where key = any(%(numbers)s)
"""


async def find_known(connection: Connection, provider: ProviderId, numbers: Sequence[int]) -> frozenset[int]:
    """Returns those of a provider's order ids that we know.

    They belong to our orders, to posts of our subscriptions, or to an acceptance that came too late for its order.
    """
    values = {"provider": provider, "numbers": [str(number) for number in numbers]}
    cursor = await connection.execute(_KNOWN, values)
    return frozenset(int(row[0]) for row in await cursor.fetchall())


class EvidenceNote(Struct, frozen=True):
    """One row of evidence. ``detail``: the questions and the answers."""

    attempt: AttemptKey
    provider: ProviderId | None
    kind: EvidenceKind
    conclusion: Conclusion
    detail: Mapping[str, object]


_KEEP: Final = """
with told as (
  select * from unnest(%s::bigint[], %s::int[], %s::int[], %s::bigint[], %s::text[], %s::text[], %s::jsonb[])
    as a (order_id, run, number, provider_id, kind, conclusion, detail)
)
insert into evidence (order_id, run, number, provider_id, kind, conclusion, detail, at)
select told.*, %s from told where not exists (
  select from (select kind, conclusion, detail from evidence e
    where e.order_id = told.order_id and e.run = told.run and e.number = told.number order by e.id desc limit 1) last
  where last.kind = told.kind and last.conclusion = told.conclusion and last.detail = told.detail)
"""


async def keep(connection: Connection, notes: Sequence[EvidenceNote], now: datetime) -> None:
    """Appends evidence. A check with the same result as the last one about its attempt adds no row."""
    if not notes:
        return
    arrays = (
        [note.attempt[0] for note in notes],
        [note.attempt[1] for note in notes],
        [note.attempt[2] for note in notes],
        [note.provider for note in notes],
        [note.kind.value for note in notes],
        [note.conclusion.value for note in notes],
        [msgspec.json.encode(note.detail).decode() for note in notes],
    )
    await connection.execute(_KEEP, [*arrays, now])


_LOCK: Final = f"""
select d.order_id, d.run, d.attempt from delivery d join unnest(%s::bigint[], %s::int[], %s::int[])
  as a (order_id, run, number) on d.order_id = a.order_id and d.run = a.run and d.attempt = a.number
where d.state = '{DeliveryState.UNSURE}' order by d.order_id, d.run for update of d
"""


async def lock_unsure(connection: Connection, attempts: Sequence[AttemptKey]) -> set[AttemptKey]:
    """Locks the deliveries of attempts that are still unsure; returns these. The caller has locked the orders."""
    arrays = [order for order, _, _ in attempts], [run for _, run, _ in attempts], [number for _, _, number in attempts]
    cursor = await connection.execute(_LOCK, [*arrays])
    return {(OrderId(row[0]), row[1], row[2]) for row in await cursor.fetchall()}


_LATER: Final = f"""
update delivery d set due = a.due
from unnest(%s::bigint[], %s::int[], %s::int[], %s::timestamptz[]) as a (order_id, run, number, due)
where d.order_id = a.order_id and d.run = a.run and d.attempt = a.number and d.state = '{DeliveryState.UNSURE}'
"""


async def schedule_check(connection: Connection, when: Sequence[tuple[AttemptKey, datetime]]) -> None:
    """Sets when unsure attempts are examined next. A late result of an older attempt postpones nothing."""
    if when:
        keys = [[key[part] for key, _ in when] for part in range(3)]
        arrays = [*keys, [due for _, due in when]]
        await connection.execute(_LATER, arrays)
