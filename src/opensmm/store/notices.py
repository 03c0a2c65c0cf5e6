"""Notices: answers of providers that change no order and cost money unless the operator acts.

They are rows of evidence of the kind ``answer``. They stay open until the operator marks them as dealt with.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from opensmm.base.ids import OrderId
from opensmm.domain.dispatch import AttemptOutcome
from opensmm.domain.evidence import AttemptKey, Conclusion, EvidenceKind
from opensmm.store.connection import Connection
from opensmm.store.order_keys import key_of
from opensmm.store.rows import rows
from opensmm.store.state_sets import ENDED


class LateAcceptance(Struct, frozen=True):
    """An acceptance that came after its attempt had been resolved otherwise."""

    attempt: AttemptKey
    provider_order: str
    answer: str


_LATE: Final = f"""
insert into evidence (order_id, run, number, provider_id, kind, conclusion, detail, at)
select t.order_id, t.run, t.number, t.provider_id, '{EvidenceKind.ANSWER}', '{Conclusion.LATE_ACCEPTANCE}',
  jsonb_build_object('provider_order', a.provider_order, 'answer', a.answer, 'settled_as', t.outcome,
    'held_by', h.order_id), %s
-- The attempts, and the attempt that holds the accepted id by now.
from unnest(%s::bigint[], %s::int[], %s::int[], %s::text[], %s::text[])
  as a (order_id, run, number, provider_order, answer)
join attempt t on t.order_id = a.order_id and t.run = a.run and t.number = a.number
left join attempt h on h.provider_id = t.provider_id and h.provider_order_key = {key_of("a.provider_order")}
-- No news: the same acceptance, recorded again after a lost answer to COMMIT; or ids that two orders which cannot be
-- told apart have exchanged.
where t.provider_order is distinct from a.provider_order
  and (t.outcome <> '{AttemptOutcome.ACCEPTED}' or h.order_id is null)
  and not exists (select from evidence e where e.order_id = t.order_id and e.run = t.run and e.number = t.number
    and e.conclusion = '{Conclusion.LATE_ACCEPTANCE}' and e.detail ->> 'provider_order' = a.provider_order)
returning order_id, run, number
"""


async def keep_late(connection: Connection, late: Sequence[LateAcceptance], now: datetime) -> list[AttemptKey]:
    """Writes late acceptances as notices; returns the attempts of those that are new."""
    arrays = (
        *_keys([one.attempt for one in late]),
        [one.provider_order for one in late],
        [one.answer for one in late],
    )
    cursor = await connection.execute(_LATE, [now, *arrays])
    return [(OrderId(row[0]), row[1], row[2]) for row in await cursor.fetchall()]


def _keys(attempts: Sequence[AttemptKey]) -> tuple[list[OrderId], list[int], list[int]]:
    return [one[0] for one in attempts], [one[1] for one in attempts], [one[2] for one in attempts]


class Notice(Struct, frozen=True):
    """A provider's answer about the newest attempt of a run that has ended."""

    order: OrderId
    run: int
    conclusion: Conclusion
    detail: Mapping[str, object]


_OF_ENDED: Final = f"""
insert into evidence (order_id, run, number, provider_id, kind, conclusion, detail, at)
select t.order_id, t.run, t.number, t.provider_id, '{EvidenceKind.ANSWER}', a.conclusion, a.detail, %s
from unnest(%s::bigint[], %s::int[], %s::text[], %s::jsonb[]) as a (order_id, run, conclusion, detail)
join delivery d on d.order_id = a.order_id and d.run = a.run and d.state in {ENDED}
join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
"""


async def keep_of_ended(connection: Connection, notices: Sequence[Notice], now: datetime) -> None:
    """Writes notices on deliveries that have ended; skips those of other deliveries."""
    if notices:
        arrays = (
            [one.order for one in notices],
            [one.run for one in notices],
            [one.conclusion.value for one in notices],
            [msgspec.json.encode(one.detail).decode() for one in notices],
        )
        await connection.execute(_OF_ENDED, [now, *arrays])


class OpenNotice(Struct, frozen=True):
    """A notice that the operator has not dealt with yet. ``state`` is the delivery's."""

    order: OrderId
    run: int
    number: int
    conclusion: Conclusion
    state: str
    service: int
    quantity: int
    remains: int | None
    provider: int | None
    provider_name: str | None
    provider_order: str | None
    at: datetime
    detail: Mapping[str, object]


_OPEN: Final = f"""
select e.order_id as order, e.run, e.number, e.conclusion, d.state, d.service_id as service, d.quantity, d.remains,
  p.id as provider, p.name as provider_name,
  coalesce(e.detail ->> 'provider_order', t.provider_order) as provider_order, e.at, e.detail
from evidence e
join delivery d on d.order_id = e.order_id and d.run = e.run
left join attempt t on t.order_id = e.order_id and t.run = e.run and t.number = e.number
left join provider p on p.id = e.provider_id
where e.kind = '{EvidenceKind.ANSWER}' and e.dealt_with is null and e.conclusion = any(%s) order by e.id limit %s
"""


async def open_notices(connection: Connection, conclusions: Sequence[Conclusion], limit: int) -> list[OpenNotice]:
    """Returns the open notices with one of ``conclusions``, the oldest first."""
    return await rows(connection, OpenNotice, _OPEN, [[conclusion.value for conclusion in conclusions], limit])


_DEAL_WITH: Final = f"""
update evidence set dealt_with = %s where order_id = %s and kind = '{EvidenceKind.ANSWER}' and dealt_with is null
returning run, number, conclusion, detail ->> 'provider_order'
"""
_ANY: Final = f"select exists (select from evidence where order_id = %s and kind = '{EvidenceKind.ANSWER}')"


async def deal_with(
    connection: Connection, order: OrderId, now: datetime
) -> list[tuple[int, int, Conclusion, str | None]]:
    """Marks the open notices of an order as dealt with.

    Returns the run, attempt number, conclusion and provider's order id of each.
    """
    cursor = await connection.execute(_DEAL_WITH, [now, order])
    return [
        (run, number, Conclusion(conclusion), provider_order)
        for run, number, conclusion, provider_order in await cursor.fetchall()
    ]


async def has_notices(connection: Connection, order: OrderId) -> bool:
    """Returns True if an order has notices, open or dealt with."""
    cursor = await connection.execute(_ANY, [order])
    row = await cursor.fetchone()
    assert row is not None
    return bool(row[0])
