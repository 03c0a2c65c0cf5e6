"""store.evidence, on the model's rows."""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import islice

import msgspec
from tests.simulation.model.connection import Connection
from tests.simulation.model.tables import AttemptRow, DeliveryRow, EvidenceRow, Store

from opensmm.base.ids import OrderId, ProviderId, ServiceId, order_key
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.evidence import AttemptKey, Neighbour, SuspectAttempt
from opensmm.domain.provider_charges import ChargeSample
from opensmm.store.evidence import AROUND, ASSUMED_LEASE, MOST_SUSPECTS, SAMPLED_WITHIN, EvidenceNote, OpenAttempt

__all__ = ["MOST_SUSPECTS"]


async def claim(
    connection: Connection, now: datetime, closed_by: datetime, again: datetime, limit: int
) -> list[AttemptKey]:
    store = connection.store
    ripe = [row for row in store.unsure.values() if _is_ripe(store, row, now, closed_by)]
    ripe.sort(key=lambda row: (row.order, row.run))
    for row in ripe[:limit]:
        store.edit(row).due = again
    return [_key(row) for row in ripe[:limit]]


def _is_ripe(store: Store, row: DeliveryRow, now: datetime, closed_by: datetime) -> bool:
    return (row.due is None or row.due <= now) and _closed(store.attempts[_key(row)], row) <= closed_by


def _key(row: DeliveryRow) -> AttemptKey:
    return OrderId(row.order), row.run, row.attempt


def _closed(attempt: AttemptRow, row: DeliveryRow) -> datetime:
    return attempt.answered or row.lease_until or attempt.sent + ASSUMED_LEASE


async def list_doubted(
    connection: Connection, orders: Sequence[OrderId], now: datetime, closed_by: datetime
) -> dict[ProviderId, list[OpenAttempt]]:
    """Every attempt that may own an order unknown to us. The operator of a scenario looks into the providers' books,
    so that none of those it called declined does."""
    store = connection.store
    order_ids = set(orders)
    providers = {row.provider for row in _tries_of(store, order_ids)}
    live = [(store.attempts[_key(row)], row) for row in (*store.unsure.values(), *store.sending.values())]
    attempts = [_open(store, attempt, row, closed_by) for attempt, row in live if attempt.provider in providers]
    attempts.sort(key=lambda one: (one.suspect.sent, one.suspect.key))
    by_provider: dict[ProviderId, list[OpenAttempt]] = {}
    for one in attempts:
        by_provider.setdefault(one.provider, []).append(one)
    return by_provider


def _tries_of(store: Store, orders: set[OrderId]) -> list[AttemptRow]:
    return [
        store.attempts[row.order, row.run, number]
        for order in orders
        for row in store.runs[order]
        for number in range(1, row.attempt + 1)
        if (row.order, row.run, number) in store.attempts
    ]


def _open(store: Store, attempt: AttemptRow, row: DeliveryRow, closed_by: datetime) -> OpenAttempt:
    closed = _closed(attempt, row)
    settling = row.state == attempt.outcome == "unsure" and closed <= closed_by
    details = json.dumps([attempt.provider_service, store.orders[row.order].link, None])
    return OpenAttempt(
        SuspectAttempt(
            _key(row), attempt.sent, closed, row.quantity, (row.quantity, details), settling, attempt.provider_service
        ),
        ProviderId(attempt.provider),
        DeliveryState(row.state),
        row.fence,
        row.route,
        len(store.sales[row.service].routes),
        store.catalogue.services[ServiceId(row.service)].hold_when_refused,
        _not_bought(store, row, attempt.provider),
        attempt.answer,
    )


def _not_bought(store: Store, row: DeliveryRow, provider: int) -> int:
    evidence = [one for at in range(1, row.attempt + 1) for one in store.evidence_of.get((row.order, row.run, at), ())]
    return sum(one.provider == provider and one.conclusion == "not_bought" for one in evidence)


async def neighbours(
    connection: Connection, provider: ProviderId, around: Sequence[tuple[datetime, datetime]]
) -> list[Neighbour]:
    accepted = connection.store.accepted.get(provider, [])
    answered = [row.answered for row in accepted if row.answered is not None]
    nearby: set[Neighbour] = set()
    for before, after in around:
        upto = bisect_left(answered, before)
        nearby.update(map(_neighbour, accepted[max(0, upto - AROUND) : upto]))
        later = (row for row in accepted[bisect_right(answered, after) :] if row.sent > after)
        nearby.update(map(_neighbour, islice(later, AROUND)))
    return list(nearby)


def _neighbour(row: AttemptRow) -> Neighbour:
    assert row.answered is not None
    assert row.provider_order is not None
    return Neighbour(row.sent, row.answered, row.provider_order)


async def charge_samples(
    connection: Connection, provider: ProviderId, around: Sequence[tuple[str, datetime, datetime]]
) -> list[ChargeSample]:
    store = connection.store
    accepted = store.accepted.get(provider, [])
    answered = [row.answered for row in accepted if row.answered is not None]
    attempts: dict[tuple[int, int], AttemptRow] = {}
    for service, before, after in around:
        upto = bisect_left(answered, before)
        later = (row for row in accepted[bisect_right(answered, after) :] if row.sent > after)
        near = [*accepted[max(0, upto - SAMPLED_WITHIN) : upto], *islice(later, SAMPLED_WITHIN)]
        attempts.update({(row.order, row.run): row for row in near if row.provider_service == service})
    return [
        ChargeSample(row.provider_service, delivery.quantity, row.cost, row.currency, row.sent, row.answered)
        for key, row in attempts.items()
        if row.cost is not None and row.answered and (delivery := store.deliveries[key]).state == "completed"
    ]


async def find_known(connection: Connection, provider: ProviderId, numbers: Sequence[int]) -> frozenset[int]:
    store = connection.store
    return frozenset(number for number in numbers if (provider, order_key(str(number))) in store.provider_orders)


async def keep(connection: Connection, notes: Sequence[EvidenceNote], now: datetime) -> None:
    store = connection.store
    for note in notes:
        detail = msgspec.to_builtins(note.detail, str_keys=True)
        row = EvidenceRow(note.attempt, note.provider, note.kind.value, note.conclusion.value, detail, now)
        last = store.evidence_of.get(note.attempt)
        if not last or _said(last[-1]) != _said(row):
            store.insert(store.evidence, len(store.evidence) + 1, row)


def _said(row: EvidenceRow) -> tuple[object, ...]:
    return row.kind, row.conclusion, row.detail


async def lock_unsure(connection: Connection, attempts: Sequence[AttemptKey]) -> set[AttemptKey]:
    deliveries = connection.store.deliveries
    rows = [deliveries[order, run] for order, run, _ in attempts]
    return {_key(row) for row in rows if row.state == "unsure"}.intersection(attempts)


async def schedule_check(connection: Connection, when: Sequence[tuple[AttemptKey, datetime]]) -> None:
    for key, due in when:
        row = connection.store.deliveries[key[:2]]
        if row.state == "unsure" and _key(row) == key:
            connection.store.edit(row).due = due
