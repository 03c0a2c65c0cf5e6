"""Unsure attempts and what is found out about them: whose turn it is, their neighbours, and the evidence kept."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from opensmm.base.ids import OrderId, ProviderId
from opensmm.domain.call_faults import CallAnswer
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.evidence import AttemptKey, Conclusion, EvidenceKind, Neighbour, SuspectOrder
from opensmm.domain.provider_charges import ChargeSample
from opensmm.domain.subscriptions import PostState
from opensmm.store import call_faults
from opensmm.store.connection import Connection
from opensmm.store.dispatch import OPEN_ROUTES
from opensmm.store.order_keys import key_of
from opensmm.store.rows import rows
from opensmm.store.state_sets import SET_NOT_BOUGHT

MOST_SUSPECTS: Final = 2000
"""Attempts at one provider that are looked at together; a provider with more is left to the operator."""
AROUND: Final = 8
"""Neighbours that are read on each side of an attempt."""
BILLED_WITHIN: Final = 40
"""Accepted orders on each side of an attempt among which those of its service are sought."""
REMEMBERED: Final = timedelta(days=30)
"""An attempt that the operator took to be declined may own an order found in this time."""
UNTOLD_LEASE: Final = timedelta(minutes=10)

_CLOSED: Final = "coalesce(t.answered, d.lease_until, t.sent + %(untold)s)"
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
    """Unsure deliveries whose turn it is to be looked into; should this worker go away, once more at ``again``."""
    told = {"now": now, "closed_by": closed_by, "again": again, "limit": limit, "untold": UNTOLD_LEASE}
    cursor = await connection.execute(_CLAIM, told)
    return [(OrderId(row[0]), row[1], row[2]) for row in await cursor.fetchall()]


class OpenAttempt(Struct, frozen=True):
    """An attempt whose order may be at its provider unknown to us, with what it takes to go on from there.

    ``not_bought``: how often this delivery was proved not to have been taken in by this provider.
    """

    suspect: SuspectOrder
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


_OPEN: Final = f"""
with live as (
  select order_id, run, attempt from delivery where state = '{DeliveryState.UNSURE}'
  union all select order_id, run, attempt from delivery where state = '{DeliveryState.SENDING}'
), doubted as (
  select order_id, run, attempt from live
  union select e.order_id, e.run, e.number from evidence e
  where e.kind = '{EvidenceKind.OPERATOR}' and e.at > %(since)s and e.conclusion in {SET_NOT_BOUGHT}
)
select t.order_id, t.run, t.number, t.sent, {_CLOSED} as closed, d.quantity,
  jsonb_build_array(t.provider_service, o.link, x.details)::text,
  d.state = '{DeliveryState.UNSURE}' and t.outcome = '{AttemptOutcome.UNSURE}' and t.number = d.attempt
    and {_CLOSED} <= %(closed_by)s,
  t.provider_id, d.state, d.fence, d.route, {OPEN_ROUTES},
  s.hold_when_refused,
  (select count(*) from evidence e where e.order_id = t.order_id and e.run = t.run
     and e.provider_id = t.provider_id and e.conclusion = '{Conclusion.NOT_BOUGHT}'),
  t.answer, t.provider_service
from doubted a
join delivery d on d.order_id = a.order_id and d.run = a.run
join attempt t on t.order_id = a.order_id and t.run = a.run and t.number = a.attempt
join orders o on o.id = a.order_id
join service s on s.id = d.service_id
left join order_detail x on x.order_id = a.order_id
where t.outcome <> '{AttemptOutcome.ACCEPTED}' and exists (
  select from attempt m where m.order_id = any(%(orders)s) and m.provider_id = t.provider_id)
  and not exists (select from evidence l where l.order_id = t.order_id and l.run = t.run and l.number = t.number
    and l.conclusion = '{Conclusion.LATE_ACCEPTANCE}')
order by t.sent, t.order_id, t.run
"""


async def doubted(
    connection: Connection, orders: Sequence[OrderId], now: datetime, closed_by: datetime
) -> dict[ProviderId, list[OpenAttempt]]:
    """Every attempt that may own an order unknown to us, at the providers that these orders were sent to."""
    told = {"orders": list(orders), "since": now - REMEMBERED, "closed_by": closed_by, "untold": UNTOLD_LEASE}
    cursor = await connection.execute(_OPEN, told)
    by_provider: dict[ProviderId, list[OpenAttempt]] = {}
    for *row, answer, service in await cursor.fetchall():
        suspect = SuspectOrder(
            (OrderId(row[0]), row[1], row[2]), row[3], row[4], row[5], (row[5], row[6]), row[7], service
        )
        one = OpenAttempt(suspect, ProviderId(row[8]), DeliveryState(row[9]), *(*row[10:], call_faults.read(answer)))
        by_provider.setdefault(one.provider, []).append(one)
    return by_provider


_NEIGHBOURS: Final = f"""
with around as (select * from unnest(%(befores)s::timestamptz[], %(afters)s::timestamptz[]) as a (before, after))
select sent, answered, provider_order from around cross join lateral (
  select t.order_id, t.run, t.number, t.sent, t.answered, t.provider_order from attempt t
  where t.provider_id = %(provider)s and t.outcome = '{AttemptOutcome.ACCEPTED}' and t.answered < before
  order by t.answered desc, t.order_id desc, t.run desc limit %(count)s) n
where not exists (select from evidence e where e.order_id = n.order_id and e.run = n.run and e.number = n.number
  and e.kind = '{EvidenceKind.OPERATOR}' and e.conclusion = '{Conclusion.BOUGHT}')
union
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
    """Accepted orders answered just before the first time of each pair, and sent just after the second.

    An id that the operator typed is nobody's neighbour.
    """
    told = {
        "provider": provider,
        "befores": [before for before, _ in around],
        "afters": [after for _, after in around],
        "count": AROUND,
    }
    return await rows(connection, Neighbour, _NEIGHBOURS, told)


_NEWEST: Final = f"""
select sent, answered, provider_order from attempt
where provider_id = %s and outcome = '{AttemptOutcome.ACCEPTED}' and answered is not null
order by answered desc limit %s
"""


async def newest(connection: Connection, provider: ProviderId, limit: int = 50) -> list[Neighbour]:
    """The orders that a provider accepted last, the newest first."""
    return await rows(connection, Neighbour, _NEWEST, [provider, limit])


_BILLS: Final = f"""
with around as (
  select * from unnest(%(services)s::text[], %(befores)s::timestamptz[], %(afters)s::timestamptz[])
    as a (service, before, after)
), near as (
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
select n.provider_service as service, d.quantity, n.cost as charge, n.currency, n.sent, n.answered
from near n join delivery d on d.order_id = n.order_id and d.run = n.run
where n.provider_service = n.service and n.cost is not null and d.state = '{DeliveryState.COMPLETED}'
"""


async def bills(
    connection: Connection, provider: ProviderId, around: Sequence[tuple[str, datetime, datetime]]
) -> list[ChargeSample]:
    """Completed orders of these services among the accepted ones nearest before the first time and after the second."""
    told = {
        "provider": provider,
        "services": [service for service, _, _ in around],
        "befores": [before for _, before, _ in around],
        "afters": [after for _, _, after in around],
        "within": BILLED_WITHIN,
    }
    return await rows(connection, ChargeSample, _BILLS, told)


_KNOWN: Final = f"""
select provider_order_key from attempt where provider_id = %(provider)s and provider_order_key = any(%(numbers)s)
union select provider_order_key from post
where provider_id = %(provider)s and provider_order_key = any(%(numbers)s) and state <> '{PostState.TAKEN}'
union select key from (
  select {key_of("(detail ->> 'provider_order')")} as key from evidence
  where provider_id = %(provider)s and conclusion = '{Conclusion.LATE_ACCEPTANCE}') late where key = any(%(numbers)s)
"""


async def known(connection: Connection, provider: ProviderId, numbers: Sequence[int]) -> frozenset[int]:
    """Those of a provider's order ids that are orders of ours, were made for posts of our subscriptions, or were told
    after their order had been settled otherwise."""
    told = {"provider": provider, "numbers": [str(number) for number in numbers]}
    cursor = await connection.execute(_KNOWN, told)
    return frozenset(int(row[0]) for row in await cursor.fetchall())


class EvidenceNote(Struct, frozen=True):
    """One row of evidence. ``detail`` is what was asked and said."""

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
    """Appends evidence; a look that found what the last one had found leaves no second row."""
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
    """Locks the deliveries of those attempts that are unsure still. Their orders are locked before."""
    arrays = [one[0] for one in attempts], [one[1] for one in attempts], [one[2] for one in attempts]
    cursor = await connection.execute(_LOCK, [*arrays])
    return {(OrderId(row[0]), row[1], row[2]) for row in await cursor.fetchall()}


_LATER: Final = f"""
update delivery d set due = a.due
from unnest(%s::bigint[], %s::int[], %s::int[], %s::timestamptz[]) as a (order_id, run, number, due)
where d.order_id = a.order_id and d.run = a.run and d.attempt = a.number and d.state = '{DeliveryState.UNSURE}'
"""


async def look_again(connection: Connection, when: Sequence[tuple[AttemptKey, datetime]]) -> None:
    """Sets when unsure attempts are looked into next; what was found out late of an older one puts nothing off."""
    if when:
        keys = [[key[at] for key, _ in when] for at in range(3)]
        arrays = [*keys, [due for _, due in when]]
        await connection.execute(_LATER, arrays)
