"""store.dispatch, on the twin's rows."""

from collections.abc import Sequence
from datetime import datetime

from tests.simulation.twin.connection import Connection
from tests.simulation.twin.tables import AttemptRow, DeliveryRow, Store

from opensmm.base.ids import OrderId, ProviderId, ServiceId
from opensmm.domain.asks import NO_DETAILS
from opensmm.domain.dispatch import DeliveryState
from opensmm.store.dispatch import Claim, Recorded


async def claim(
    connection: Connection,
    now: datetime,
    begin_by: datetime,
    lease_until: datetime,
    limit: int,
    providers: Sequence[ProviderId] | None = None,
) -> list[Claim]:
    store = connection.store
    claimed: list[Claim | None] = []
    for row in _due(store, now):
        if len(claimed) == limit:
            break
        provider, provider_service = _route(store, row)
        wanted = providers is None or provider in providers
        if not provider or (wanted and store.providers[provider].resting_until is None):
            claimed.append(_claim(store, row, provider, provider_service, now, begin_by, lease_until))
    return [one for one in claimed if one is not None]


async def claim_at_each(
    connection: Connection,
    now: datetime,
    begin_by: datetime,
    lease_until: datetime,
    rooms: Sequence[tuple[ProviderId, int]],
    to_try: Sequence[ProviderId] = (),
) -> list[Claim]:
    store = connection.store
    room = {provider: room for provider, room in rooms if store.providers[provider].resting_until is None}
    room |= dict.fromkeys(to_try, 1)
    claimed: list[Claim | None] = []
    for row in _due(store, now):
        provider, provider_service = _route(store, row)
        if room.get(ProviderId(provider), 0):
            room[ProviderId(provider)] -= 1
            claimed.append(_claim(store, row, provider, provider_service, now, begin_by, lease_until))
    return [one for one in claimed if one is not None]


def _due(store: Store, now: datetime) -> list[DeliveryRow]:
    return sorted((row for row in store.queued.values() if row.due is not None and row.due <= now), key=_turn)


def _turn(row: DeliveryRow) -> tuple[datetime | None, int, int]:
    return row.due, row.order, row.run


def _route(store: Store, row: DeliveryRow) -> tuple[int, str]:
    routes = store.sales[row.service].routes
    return routes[row.route] if row.route < len(routes) else (0, "")


def _claim(
    store: Store,
    row: DeliveryRow,
    provider: int,
    provider_service: str,
    now: datetime,
    begin_by: datetime,
    lease_until: datetime,
) -> Claim | None:
    was_due = row.due
    store.edit(row)
    row.state, row.due, row.lease_until = "sending" if provider else "held", None, lease_until
    row.fence, row.attempt, row.sent = row.fence + 1, row.attempt + 1, now
    if not provider:
        return None
    attempt = AttemptRow(row.order, row.run, row.attempt, provider, provider_service, row.fence, now)
    store.insert(store.attempts, (row.order, row.run, row.attempt), attempt)
    order, service = store.orders[row.order], store.catalogue.services[ServiceId(row.service)]
    assert was_due is not None
    return Claim(
        order=OrderId(row.order),
        run=row.run,
        attempt=row.attempt,
        fence=row.fence,
        provider=ProviderId(provider),
        provider_service=provider_service,
        service_type=service.type,
        link=order.link,
        quantity=row.quantity,
        details=NO_DETAILS,
        route=row.route,
        routes=len(store.sales[row.service].routes),
        hold_when_refused=service.hold_when_refused,
        runs=order.runs,
        interval_min=order.interval_min,
        due=was_due,
        begin_by=begin_by,
    )


async def release(connection: Connection, runs: Sequence[tuple[OrderId, int, datetime | None]]) -> None:
    store = connection.store
    for order, run, due in runs:
        waiting = (row for row in store.runs.get(order, ()) if row.run >= run and _may_wait(row))
        row = next(waiting, None)
        if row is not None and (row.run == run or _takes(store, row, run, due)):
            store.edit(row).due = due


def _takes(store: Store, row: DeliveryRow, run: int, due: datetime | None) -> bool:
    """Whether a run stands in the place of an earlier one, which the operator has ended."""
    if due is not None:
        return row.due is None
    return not any(one.attempt for one in store.runs[row.order] if run <= one.run < row.run)


def _may_wait(row: DeliveryRow) -> bool:
    return row.state == "queued"


async def record(
    connection: Connection, told: Sequence[Recorded], now: datetime
) -> list[tuple[OrderId, int, int, DeliveryState]]:
    store = connection.store
    for one in told:
        _record_try(store, one, now)
    rows = [(one, store.deliveries[one.order, one.run]) for one in told]
    changed = [(one, row) for one, row in rows if _is_its_own(one, row)]
    for one, row in changed:
        _record(store, one, row)
    return [(OrderId(row.order), row.run, row.quantity, DeliveryState(row.state)) for _, row in changed]


def _is_its_own(one: Recorded, row: DeliveryRow) -> bool:
    return row.fence == one.fence and row.state in ("sending", "unsure")


def _record_try(store: Store, one: Recorded, now: datetime) -> None:
    attempt = store.attempts[one.order, one.run, one.attempt]
    if attempt.outcome not in ("sending", "unsure"):
        return
    if one.provider_order is not None:
        _bind(store, (attempt.provider, one.provider_order), attempt)
    store.edit(attempt)
    attempt.outcome, attempt.answered = one.outcome.value, now
    attempt.provider_order, attempt.answer = one.provider_order, one.answer


def _bind(store: Store, name: tuple[int, str], attempt: AttemptRow) -> None:
    """The unique index on a provider's order: raises psycopg's UniqueViolation."""
    store.insert(store.provider_orders, name, attempt)


def _record(store: Store, one: Recorded, row: DeliveryRow) -> None:
    store.edit(row)
    canceled = one.state == "queued" and row.cancel_asked is not None
    row.state = "canceled" if canceled else one.state.value
    row.due = None if canceled else one.due
    row.route, row.lease_until = one.route, None
    if row.state == "canceled":
        row.remains = row.quantity


async def recover(connection: Connection, now: datetime) -> int:
    store = connection.store
    late = [row for row in store.sending.values() if row.lease_until is not None and row.lease_until < now]
    for row in late:
        store.edit(row)
        row.state = "unsure"
        attempt = store.attempts[row.order, row.run, row.attempt]
        if attempt.outcome == "sending":
            store.edit(attempt)
            attempt.outcome, attempt.answer = "unsure", "the worker went away while it was sending"
    return len(late)
