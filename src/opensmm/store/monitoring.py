"""The facts of the panel's health.

Partial indexes hold what is counted, and no count reads more than ``COUNTED`` rows: the cost does not grow with the
number of orders.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import convert, structs
from psycopg.rows import TupleRow

from opensmm.base.ids import ProviderId
from opensmm.domain import polling
from opensmm.domain.cancels import CANCEL_AFTER_END_FOR, CANCEL_PAUSES
from opensmm.domain.catalogue import BelowCost
from opensmm.domain.clocks import NewestStep, StepCause
from opensmm.domain.codes import LineFault
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.evidence import LATE_NOTICES, ODD_NOTICES, Conclusion, EvidenceKind
from opensmm.domain.order_actions import AT_PROVIDER_TOO_LONG
from opensmm.domain.panel_facts import (
    COUNTED,
    NAMED,
    POSTS_REMEMBERED,
    UNPOLLED_GRACE,
    UNPOLLED_INTERVALS,
    DeliveriesAtProviders,
    FollowedList,
    NamedServices,
    NoticeCounts,
    PanelFacts,
    ProviderSeen,
    UnreadAnswers,
    UnsoldServices,
    WaitingCount,
)
from opensmm.domain.providers import MANUAL, PANEL
from opensmm.domain.refills import UNCLEAR
from opensmm.store import call_faults, line_faults, list_doubts, price_sync, server, workers
from opensmm.store.connection import Connection
from opensmm.store.polling import CANCEL_WAITS
from opensmm.store.rows import first_row
from opensmm.store.state_sets import AT_PROVIDER, REFUSED_POST, UNSOLD, WAITING_POST, listed

_DUE: Final = f"""
with found as materialized (
  select due from delivery where state = '{DeliveryState.QUEUED}' and due <= %(now)s order by due limit %(most)s
)
select count(*) as count, min(due) as since from found
"""
_SENDING: Final = f"""
with found as materialized (select lease_until from delivery where state = '{DeliveryState.SENDING}' limit %(most)s)
select count(*) from found
"""
_JUDGED: Final = f"""
-- The deliveries at providers that are due next.
with found as materialized (
  select order_id, run, attempt, coalesce(polled, sent) as heard, sent, quantity from delivery
  where state in {AT_PROVIDER} and due is not null order by due limit %(most)s
), judged as (
  -- Unpolled: not heard of for several of the poll intervals that fit its age. Long: there for too long.
  select order_id, run, attempt, sent, heard, quantity > 0 and sent < %(long_ago)s::timestamptz as long,
    heard < %(now)s::timestamptz - %(grace)s::interval - %(intervals)s::int
      * (%(pauses)s::interval[])[1 + width_bucket(%(now)s::timestamptz - sent, %(ages)s::interval[])] as unpolled
  from found
)"""
_MOVING: Final = f"""{_JUDGED}
select count(*), count(*) filter (where unpolled), min(heard) filter (where unpolled),
  count(*) filter (where long), min(sent) filter (where long)
from judged
"""
_UNPOLLED: Final = f"""{_JUDGED}, late as materialized (
  select heard, (
    select t.provider_id from attempt t where t.order_id = j.order_id and t.run = j.run and t.number = j.attempt
  ) as provider_id
  from judged j where unpolled
)
select provider_id, count(*), min(heard) from late where provider_id is not null group by provider_id
"""
_NOT_UNDERSTOOD: Final = f"""
with found as materialized (
  select order_id, run, attempt, noted, note from delivery
  where state in {AT_PROVIDER} and note is not null order by noted limit %(most)s
), first as (select * from found order by noted limit 1)
select (select count(*) from found) as count, f.noted as since, coalesce(p.name, '') as provider_name,
  coalesce(f.note->>'words', '') as words
from first f left join attempt t on t.order_id = f.order_id and t.run = f.run and t.number = f.attempt
left join provider p on p.id = t.provider_id
"""
_REFILLS_NOT_UNDERSTOOD: Final = """
with found as materialized (
  select provider_id, noted, note from refill_task
  where note is not null and due is not null order by noted limit %(most)s
), first as (select * from found order by noted limit 1)
select (select count(*) from found) as count, f.noted as since, coalesce(p.name, '') as provider_name,
  coalesce(f.note->>'words', '') as words
from first f left join provider p on p.id = f.provider_id
"""
_FORGOTTEN: Final = f"""
with found as materialized (
  -- First runs that will never be due.
  (select order_id from delivery where state = '{DeliveryState.QUEUED}' and due is null and run = 1
   order by order_id limit %(most)s)
  union
  -- Claims without a lease, which nobody recovers.
  (select order_id from delivery where state = '{DeliveryState.SENDING}' and lease_until is null limit %(most)s)
  union
  -- Deliveries at a provider that will never be polled, but for the manual provider's.
  select order_id from (
    select d.order_id, d.run, d.attempt from delivery d
    where d.state in {AT_PROVIDER} and d.due is null order by d.order_id limit %(most)s) d
  where not exists (select from attempt t join provider p on p.id = t.provider_id
    where t.order_id = d.order_id and t.run = d.run and t.number = d.attempt and p.kind = '{MANUAL}')
)
select count(*), array(select order_id from found order by order_id limit %(named)s) from found
"""
_UNSURE_OR_HELD: Final = listed((DeliveryState.UNSURE, DeliveryState.HELD))
_FOR_OPERATOR: Final = f"""
with found as materialized (
  select state, sent from delivery where state in {_UNSURE_OR_HELD} order by order_id limit %(most)s
)
select state, count(*), min(sent) as since from found group by state
"""
_REFILLS: Final = """
with found as materialized (
  select refill_id from refill_task where due is not null and provider_refill is null order by due limit %(most)s
)
select count(*) as count, min(r.created) as since from found f join refill r on r.id = f.refill_id
"""
_CANCELS: Final = f"""
with found as materialized (
  select d.cancel_asked from delivery d where {CANCEL_WAITS} order by d.order_id limit %(most)s
)
select count(*) as count, min(cancel_asked) as since from found
"""
_UNHEARD: Final = f"""
with found as materialized (
  select d.order_id, p.name, coalesce(t.provider_order, '') as theirs, d.cancel_asked as since
  from delivery d join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
  join provider p on p.id = t.provider_id
  where {CANCEL_WAITS} and d.cancel_tries > %(tries)s order by d.order_id limit %(most)s
)
select count(*), min(since), array(
  select array[order_id::text, name, theirs] from found order by order_id limit %(named)s)
from found
"""
_UNCLEAR_REFILLS: Final = f"""
with found as materialized (
  select t.refill_id, t.provider_id, t.provider_order from refill_task t
  where t.state = '{UNCLEAR}' order by t.refill_id limit %(most)s
)
select count(*), min(r.created), array(
  select array[f.refill_id::text, p.name, f.provider_order] from found f join provider p on p.id = f.provider_id
  order by f.refill_id limit %(named)s)
from found f join refill r on r.id = f.refill_id
"""
_PROVIDERS: Final = f"""
select id, name, kind, enabled, currency, failures, resting_until,
       (select max(answered) from attempt
        where provider_id = p.id and outcome = '{AttemptOutcome.ACCEPTED}') as accepted, balance_asked,
       kind = '{PANEL}' and sync_every_min > 0 as follows, make_interval(mins => sync_every_min) as every, synced,
       sync_fault, refuses, fault, dialect, adds_at_a_time, concurrency
from provider p order by name
"""
_QUARANTINED: Final = """
select r.service_id from route r join service s on s.id = r.service_id and s.on_sale where r.quarantined is not null
"""
_HALTED: Final = f"""
select id from service s where on_sale and halted in {UNSOLD}
  and not exists (select from route r where r.service_id = s.id and r.unread is not null)
"""
_UNREAD: Final = """
select distinct on (s.id) s.id, r.unread from route r join service s on s.id = r.service_id and s.on_sale
where r.unread is not null order by s.id, r.position limit %(named)s
"""
_UNREAD_COUNT: Final = """
select r.service_id from route r join service s on s.id = r.service_id and s.on_sale where r.unread is not null
"""
_BELOW_COST: Final = f"select id from ({price_sync.BELOW_COST}) b"
_NAMED: Final = """
with found as (select distinct id from ({}) f (id))
select (select count(*) from found), array(select id from found order by id limit %(named)s)
"""
_HOLDS: Final = f"select below_cost = '{BelowCost.HOLD}' from panel"
_POSTS: Final = f"""
with found as materialized (
  select seen from post where state in {WAITING_POST} order by seen limit %(most)s
)
select count(*) as count, min(seen) as since from found
"""
_REFUSED_POSTS: Final = f"""
with found as materialized (
  select seen from post where state in {REFUSED_POST} and seen > %(since)s
  order by seen desc limit %(most)s
)
select count(*) as count, max(seen) as since from found
"""
_NOTICES: Final = f"""
with found as materialized (
  select id, order_id, run, number, provider_id, at, detail from evidence
  where kind = '{EvidenceKind.ANSWER}' and dealt_with is null and conclusion = any(%(conclusions)s)
  order by id limit %(most)s
)
-- The first ones with the provider's name and its id of the order.
select count(*), min(at), array(
  select array[f.order_id::text, coalesce(p.name, ''), coalesce(f.detail ->> 'provider_order', t.provider_order, '')]
  from (select * from found order by id limit %(named)s) f
  left join attempt t on t.order_id = f.order_id and t.run = f.run and t.number = f.number
  left join provider p on p.id = f.provider_id order by f.id)
from found
"""
_STEPPED: Final = f"""
select noted, moved, cause from clock_step where cause <> '{StepCause.UNWATCHED}' order by id desc limit 1
"""
_DATABASE: Final = """
select p.catalogue_version, pg_database_size(current_database()), (
  select min(xact_start) from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend')
from panel p
"""


async def facts(connection: Connection, now: datetime) -> PanelFacts:
    """Reads the panel's facts of this moment. Of transactions, the app's role sees only its own."""
    most = {"most": COUNTED}
    at_providers = most | make_poll_parameters(now)
    count, unpolled, unpolled_since, long, long_since = await _fetch_one(connection, _MOVING, at_providers)
    late_rows = await _fetch_all(connection, _UNPOLLED, at_providers) if unpolled else []
    late = {ProviderId(provider): WaitingCount(number, since) for provider, number, since in late_rows}
    operator_rows = await _fetch_all(connection, _FOR_OPERATOR, most)
    operator = {state: WaitingCount(number, since) for state, number, since in operator_rows}
    version, size, transaction = await _fetch_one(connection, _DATABASE, {})
    return PanelFacts(
        workers=tuple(await workers.list_workers(connection)),
        providers=await _read_providers(connection, late),
        catalogue_version=version,
        database_bytes=size,
        oldest_transaction=transaction,
        due=await _count_waiting(connection, _DUE, most | {"now": now}),
        sending=(await _fetch_one(connection, _SENDING, most))[0],
        moving=DeliveriesAtProviders(count, WaitingCount(unpolled, unpolled_since), WaitingCount(long, long_since)),
        not_understood=await _read_unread(connection, _NOT_UNDERSTOOD),
        refills_not_understood=await _read_unread(connection, _REFILLS_NOT_UNDERSTOOD),
        unsure=operator.get(DeliveryState.UNSURE, WaitingCount()),
        held=operator.get(DeliveryState.HELD, WaitingCount()),
        refills=await _count_waiting(connection, _REFILLS, most),
        cancels=await _count_waiting(connection, _CANCELS, most | {"ended_since": now - CANCEL_AFTER_END_FOR}),
        unheard=await _count_unheard(connection, _UNHEARD, now),
        unclear_refills=await _count_unheard(connection, _UNCLEAR_REFILLS, now),
        unsold=UnsoldServices(
            quarantined=await _name_services(connection, _QUARANTINED),
            halted=await _name_services(connection, _HALTED),
            below_cost=await _name_services(connection, _BELOW_COST),
            unread=await _name_services(connection, _UNREAD_COUNT),
            why_unread=await _read_line_faults(connection),
            holds=(await _fetch_one(connection, _HOLDS, {}))[0],
        ),
        posts=await _count_waiting(connection, _POSTS, most),
        refused_posts=await _count_waiting(connection, _REFUSED_POSTS, most | {"since": now - POSTS_REMEMBERED}),
        forgotten=await _name_forgotten(connection),
        stepped=await _read_newest_step(connection),
        late=await _count_notices(connection, LATE_NOTICES),
        odd=await _count_notices(connection, ODD_NOTICES),
        server=await server.read_server(connection),
    )


async def _count_waiting(connection: Connection, query: str, values: Mapping[str, object]) -> WaitingCount:
    return await first_row(connection, WaitingCount, query, values) or WaitingCount()


async def _read_unread(connection: Connection, query: str) -> UnreadAnswers:
    return await first_row(connection, UnreadAnswers, query, {"most": COUNTED}) or UnreadAnswers()


async def _read_line_faults(connection: Connection) -> tuple[tuple[int, LineFault], ...]:
    rows = await _fetch_all(connection, _UNREAD, {"named": NAMED})
    return tuple((service, line_faults.decode(fault)) for service, fault in rows)


async def _name_forgotten(connection: Connection) -> NamedServices:
    count, first = await _fetch_one(connection, _FORGOTTEN, {"most": COUNTED, "named": NAMED})
    return NamedServices(count, tuple(first))


async def _count_unheard(connection: Connection, query: str, now: datetime) -> NoticeCounts:
    values = {"most": COUNTED, "named": NAMED, "tries": len(CANCEL_PAUSES), "ended_since": now - CANCEL_AFTER_END_FOR}
    count, since, first = await _fetch_one(connection, query, values)
    return NoticeCounts(count, since, tuple((int(number), provider, theirs) for number, provider, theirs in first))


async def _read_newest_step(connection: Connection) -> NewestStep | None:
    return await first_row(connection, NewestStep, _STEPPED)


async def _count_notices(connection: Connection, conclusions: Sequence[Conclusion]) -> NoticeCounts:
    values = {"conclusions": [conclusion.value for conclusion in conclusions], "most": COUNTED, "named": NAMED}
    count, since, first = await _fetch_one(connection, _NOTICES, values)
    return NoticeCounts(count, since, tuple((int(order), provider, theirs) for order, provider, theirs in first))


async def _read_providers(connection: Connection, late: Mapping[ProviderId, WaitingCount]) -> tuple[ProviderSeen, ...]:
    cursor = await connection.execute(_PROVIDERS)
    names = [column.name for column in cursor.description or ()]
    return tuple(_make_provider(dict(zip(names, row, strict=True)), late) for row in await cursor.fetchall())


def _make_provider(columns: dict[str, Any], late: Mapping[ProviderId, WaitingCount]) -> ProviderSeen:
    doubt = list_doubts.decode(columns.pop("sync_fault"))
    followed = FollowedList(columns.pop("every"), columns.pop("synced"), doubt)
    is_followed = columns.pop("follows")
    fault = call_faults.decode(columns.pop("fault"))
    provider = convert(columns, ProviderSeen)
    return structs.replace(
        provider,
        unpolled=late.get(provider.id, WaitingCount()),
        followed=followed if is_followed else None,
        fault=fault,
    )


async def _name_services(connection: Connection, query: str) -> NamedServices:
    count, first = await _fetch_one(connection, _NAMED.format(query), {"named": NAMED})
    return NamedServices(count, tuple(first))


def make_poll_parameters(now: datetime) -> dict[str, object]:
    """Returns the parameters of the statements that judge deliveries at providers: the poll intervals by age."""
    return {
        "now": now,
        "long_ago": now - AT_PROVIDER_TOO_LONG,
        "grace": UNPOLLED_GRACE,
        "intervals": UNPOLLED_INTERVALS,
        "ages": [age for age, _ in polling.POLL_STEPS],
        "pauses": [*(pause for _, pause in polling.POLL_STEPS), polling.POLL_LAST],
    }


async def _fetch_all(connection: Connection, query: str, values: Mapping[str, object]) -> list[TupleRow]:
    return await (await connection.execute(query, values)).fetchall()


async def _fetch_one(connection: Connection, query: str, values: Mapping[str, object]) -> TupleRow:
    (row,) = await _fetch_all(connection, query, values)
    return row
