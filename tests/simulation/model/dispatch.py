"""store.dispatch, on the model's rows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from tests.simulation.model.connection import Connection
from tests.simulation.model.tables import AttemptRow, DeliveryRow, ProviderRow, Store, write_down

from opensmm.base.ids import OrderId, ProviderId, ServiceId, order_key
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.codes import DeliveryNote, EventCode
from opensmm.domain.dispatch import PASSED_OVER_AFTER, DeliveryState
from opensmm.domain.requests import NO_DETAILS
from opensmm.store.dispatch import AttemptResult, DeliveryClaim, InFlight

REFUSED_WAIT_H = 24


async def claim(
    connection: Connection,
    now: datetime,
    at: datetime | None,
    lease: timedelta,
    limit: int,
    providers: Sequence[ProviderId],
    mark: UUID | None = None,
) -> list[DeliveryClaim]:
    store = connection.store
    claimed: list[DeliveryClaim | None] = []
    for row in _due(store, now):
        if len(claimed) == limit:
            break
        route = _route(store, row, now)
        provider = 0 if route is None else store.sales[row.service].routes[route][0]
        if not provider or (provider in providers and _takes_all(store.providers[provider])):
            claimed.append(_claim(store, row, route, at, lease))
    return _marked(store, [one for one in claimed if one is not None], mark)


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
    store = connection.store
    room = {provider: room for provider, room in rooms.items() if store.providers[provider].resting_until is None}
    room |= dict.fromkeys(to_try, 1)
    room = {provider: min(room[provider], _adds_left(store, store.providers[provider], limit)) for provider in room}
    turns = Counter[ProviderId]()
    owners: list[tuple[int, DeliveryRow, int | None]] = []
    for row in _due(store, now)[:among]:
        route = _route(store, row, now)
        provider = ProviderId(0 if route is None else store.sales[row.service].routes[route][0])
        turns[provider] += 1
        if turns[provider] <= (limit if route is None else room.get(provider, 0)):
            owners.append((turns[provider], row, route))
    owners.sort(key=lambda one: (one[0], *_turn(one[1])))
    claimed = [_claim(store, row, route, at, lease) for _, row, route in owners[:limit]]
    taken = sorted((one for one in claimed if one is not None), key=lambda one: (one.due, one.order, one.run))
    return _marked(store, taken, mark)


def _takes_all(provider: ProviderRow) -> bool:
    return provider.resting_until is None and not provider.adds_at_a_time


def _adds_left(store: Store, provider: ProviderRow, limit: int) -> int:
    """How many more adds it takes now; what is being sent counts, whoever sends it."""
    if not provider.adds_at_a_time:
        return limit
    attempts = (store.attempts[row.order, row.run, row.attempt] for row in store.sending.values())
    return provider.adds_at_a_time - sum(attempt.provider == provider.id for attempt in attempts)


def _marked(store: Store, claimed: list[DeliveryClaim], mark: UUID | None) -> list[DeliveryClaim]:
    if claimed and mark is not None:
        store.insert(store.batches, mark, [])
    return claimed


def _due(store: Store, now: datetime) -> list[DeliveryRow]:
    return sorted((row for row in store.queued.values() if row.due is not None and row.due <= now), key=_turn)


def _turn(row: DeliveryRow) -> tuple[datetime | None, int, int]:
    return row.due, row.order, row.run


def _route(store: Store, row: DeliveryRow, now: datetime) -> int | None:
    """The position of the route to be tried; None where none is left."""
    routes = store.sales[row.service].routes
    left = range(row.route, len(routes))
    return next((at for at in left if _is_there(store.providers[routes[at][0]], now)), next(iter(left), None))


def _is_there(provider: ProviderRow, now: datetime) -> bool:
    left_alone = provider.resting_until is not None and provider.resting_until > now
    return not left_alone or provider.failures < PASSED_OVER_AFTER


def _claim(
    store: Store,
    row: DeliveryRow,
    route: int | None,
    at: datetime | None,
    lease: timedelta,
) -> DeliveryClaim | None:
    """``at`` is the time of the database: the simulation's clock tells it."""
    assert at is not None
    was_due = row.due
    store.edit(row)
    row.state, row.due, row.lease_until = "held" if route is None else "sending", None, at + lease
    row.fence, row.attempt, row.sent = row.fence + 1, row.attempt + 1, at
    if route is None:
        row.note = None
        return None
    first_route, row.route = row.route, route
    provider, provider_service = store.sales[row.service].routes[route]
    attempt = AttemptRow(row.order, row.run, row.attempt, provider, provider_service, row.fence, at)
    store.insert(store.attempts, (row.order, row.run, row.attempt), attempt)
    order, service = store.orders[row.order], store.catalogue.services[ServiceId(row.service)]
    assert was_due is not None
    return DeliveryClaim(
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
        first_route=first_route,
        sent=at,
    )


async def schedule_runs(connection: Connection, runs: Sequence[tuple[OrderId, int, datetime | None]]) -> None:
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
    connection: Connection, results: Sequence[AttemptResult], at: datetime | None
) -> list[tuple[OrderId, int, int, DeliveryState]]:
    assert at is not None
    store = connection.store
    for result in results:
        _record_try(store, result, at)
    rows = [(result, store.deliveries[result.order, result.run]) for result in results]
    changed = [(result, row) for result, row in rows if _is_its_own(result, row)]
    for result, row in changed:
        _record(store, result, row)
        write_down(row, result.note, at)
    return [(OrderId(row.order), row.run, row.quantity, DeliveryState(row.state)) for _, row in changed]


def _is_its_own(outcome: AttemptResult, row: DeliveryRow) -> bool:
    return row.fence == outcome.fence and row.state in ("sending", "unsure")


def _record_try(store: Store, outcome: AttemptResult, at: datetime | None) -> None:
    attempt = store.attempts[outcome.order, outcome.run, outcome.attempt]
    if attempt.outcome not in ("sending", "unsure"):
        return
    if outcome.provider_order is not None:
        _bind(store, (attempt.provider, order_key(outcome.provider_order)), attempt)
    store.edit(attempt)
    attempt.outcome, attempt.answered = outcome.outcome.value, at
    attempt.provider_order, attempt.answer = outcome.provider_order, outcome.answer


def _bind(store: Store, name: tuple[int, str], attempt: AttemptRow) -> None:
    """The unique index on a provider's order: raises psycopg's UniqueViolation."""
    store.insert(store.provider_orders, name, attempt)


def _record(store: Store, outcome: AttemptResult, row: DeliveryRow) -> None:
    store.edit(row)
    canceled = outcome.state in ("queued", "held") and row.cancel_asked is not None
    row.state = "canceled" if canceled else outcome.state.value
    row.due = None if canceled else outcome.due
    row.route, row.lease_until = outcome.route, None
    if row.state == "canceled":
        row.remains = row.quantity


async def hold_waiting(connection: Connection, now: datetime, limit: int) -> int:
    store = connection.store
    since = now - timedelta(hours=REFUSED_WAIT_H)
    late = [row for row in store.queued.values() if _waits(store, row, since, now)]
    for row in late:
        store.edit(row)
        row.state, row.due, row.noted = "held", None, now
        row.note = DeliveryNote(EventCode.WAITED_TOO_LONG)
    return len(late)


def _waits(store: Store, row: DeliveryRow, since: datetime, now: datetime) -> bool:
    if row.note is not None:
        return row.noted is not None and row.noted <= since
    route = _route(store, row, now)
    turned_away = route is not None and store.providers[store.sales[row.service].routes[route][0]].refuses is not None
    return turned_away and row.due is not None and row.due <= since


async def recover(connection: Connection, now: datetime, in_flight: InFlight = ()) -> int:
    store = connection.store
    late = [row for row in store.sending.values() if _is_left_behind(row, now, in_flight)]
    for row in late:
        store.edit(row)
        row.state = "unsure"
        attempt = store.attempts[row.order, row.run, row.attempt]
        if attempt.outcome == "sending":
            store.edit(attempt)
            attempt.outcome, attempt.answer = "unsure", CallFault(CallCode.WORKER_GONE)
    return len(late)


def _is_left_behind(row: DeliveryRow, now: datetime, in_flight: InFlight) -> bool:
    over = row.lease_until is not None and row.lease_until < now
    return over and (row.order, row.run, row.fence) not in in_flight
