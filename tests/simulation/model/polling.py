"""store.progress and store.orders, on the model's rows."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal

from tests.simulation.model.connection import Connection
from tests.simulation.model.tables import AttemptRow, DeliveryRow, OrderRow, Store, write_down

from opensmm.base.ids import CustomerId, OrderId, ProviderId
from opensmm.base.money import Money
from opensmm.domain.cancels import CANCEL_PAUSES, SILENT_FOR, SILENT_PAUSES
from opensmm.domain.dispatch import ACCEPTED_STATES, END_STATES, DeliveryState
from opensmm.domain.order_views import OrderView, status_word
from opensmm.domain.orders import OrderState
from opensmm.domain.polling import PolledDelivery
from opensmm.store.polling import CancelTask, DueDelivery, PolledResult


async def claim(connection: Connection, now: datetime, again: datetime, limit: int) -> list[DueDelivery]:
    store = connection.store
    return _claimed(store, now, again, limit, lambda row: row.quantity > 0)


async def claim_subscriptions(connection: Connection, now: datetime, again: datetime, limit: int) -> list[DueDelivery]:
    return _claimed(connection.store, now, again, limit, lambda row: row.quantity == 0)


def _claimed(
    store: Store, now: datetime, again: datetime, limit: int, which: Callable[[DeliveryRow], bool]
) -> list[DueDelivery]:
    due = [row for row in store.followed.values() if row.due is not None and row.due <= now and which(row)]
    due.sort(key=lambda row: (row.due, row.order, row.run))
    followees = []
    for row in due[:limit]:
        store.edit(row).due = again
        followees.append(_followee(store, row))
    return followees


def _newest_try(store: Store, row: DeliveryRow) -> AttemptRow:
    return store.attempts[row.order, row.run, row.attempt]


def _followee(store: Store, row: DeliveryRow) -> DueDelivery:
    attempt = _newest_try(store, row)
    assert attempt.provider_order is not None
    assert row.sent is not None
    packaged = store.orders[row.order].packaged
    delivery = PolledDelivery(
        DeliveryState(row.state),
        row.quantity,
        packaged,
        row.start_count,
        row.remains,
        row.polled,
        attempt.cost,
        attempt.currency or None,
    )
    provider = ProviderId(attempt.provider)
    return DueDelivery(OrderId(row.order), row.run, row.attempt, provider, attempt.provider_order, row.sent, delivery)


async def record(
    connection: Connection, results: Sequence[PolledResult], polled: datetime
) -> list[tuple[OrderId, int, int, Decimal | None, Decimal]]:
    store = connection.store
    ended = []
    for result in results:
        row = store.deliveries[result.order, result.run]
        if not _counts(row, result, polled):
            continue
        store.edit(row)
        row.state, row.start_count, row.remains = result.state.value, result.start_count, result.remains
        row.due, row.polled = result.due, polled
        write_down(row, result.note, polled)
        attempt = _newest_try(store, row)
        if result.cost is not None and result.cost != attempt.cost:
            store.edit(attempt)
            attempt.cost, attempt.currency = result.cost, result.currency or "USD"
        if row.state in END_STATES:
            rate = store.providers[attempt.provider].exchange_rate
            ended.append((OrderId(row.order), row.run, row.remains or 0, result.cost, rate))
    return ended


def _counts(row: DeliveryRow, result: PolledResult, polled: datetime) -> bool:
    newer = row.polled is None or row.polled < polled
    return newer and row.polled == result.polled and row.attempt == result.attempt and row.state in ACCEPTED_STATES


async def list_cancels(
    connection: Connection, providers: Sequence[ProviderId], ended_since: datetime, now: datetime, limit: int
) -> list[CancelTask]:
    store = connection.store
    tasks = []
    for name in sorted(store.to_cancel):
        row = store.to_cancel[name]
        if row.state not in ACCEPTED_STATES and (row.cancel_asked is None or row.cancel_asked <= ended_since):
            continue
        put_off = row.cancel_again is not None and row.cancel_again > now
        if put_off or row.cancel_tries > len(CANCEL_PAUSES):
            continue
        attempt = store.newest_try(row)
        if attempt is not None and attempt.outcome == "accepted" and attempt.provider in providers:
            assert attempt.provider_order is not None
            order, run = name
            tasks.append(CancelTask(OrderId(order), run, ProviderId(attempt.provider), attempt.provider_order))
    return tasks[:limit]


async def put_off_unclear(connection: Connection, tasks: Sequence[CancelTask], now: datetime) -> None:
    for task in tasks:
        row = connection.store.deliveries[task.order, task.run]
        if row.cancel_passed is None:
            connection.store.edit(row)
            row.cancel_tries += 1
            row.cancel_again = now + CANCEL_PAUSES[min(row.cancel_tries, len(CANCEL_PAUSES)) - 1]


async def put_off_unanswered(connection: Connection, tasks: Sequence[CancelTask], now: datetime) -> None:
    for task in tasks:
        row = connection.store.deliveries[task.order, task.run]
        if row.cancel_passed is None:
            connection.store.edit(row)
            tries = row.cancel_tries
            row.cancel_again = now + CANCEL_PAUSES[min(tries + 1, SILENT_PAUSES) - 1]
            row.cancel_tries = max(tries, min(tries + 1, SILENT_PAUSES))
            if row.cancel_asked is not None and row.cancel_asked <= now - SILENT_FOR:
                row.cancel_tries = len(CANCEL_PAUSES) + 1


async def record_cancels(connection: Connection, answers: Sequence[tuple[CancelTask, bool]], now: datetime) -> None:
    for task, accepted in answers:
        row = connection.store.deliveries[task.order, task.run]
        if row.state != "completed" and row.cancel_passed is None:
            connection.store.edit(row)
            row.cancel_passed = now if accepted else None
            row.cancel_asked = (row.cancel_asked or now) if accepted else None
            row.due = None if row.due is None else now


async def runs(connection: Connection, orders: Sequence[int]) -> dict[int, int]:
    rows = (connection.store.orders[order] for order in orders if order in connection.store.orders)
    return {row.id: row.runs for row in rows}


async def views(
    connection: Connection, orders: Sequence[int], currency: str
) -> dict[int, tuple[CustomerId, OrderView]]:
    rows = (connection.store.orders[order] for order in orders if order in connection.store.orders)
    return {row.id: (CustomerId(row.customer), _view(connection.store, row, currency)) for row in rows}


def _view(store: Store, row: OrderRow, currency: str) -> OrderView:
    runs = store.runs[row.id] if row.state == "open" else []
    state = OrderState(row.state)
    first = DeliveryState(runs[0].state) if runs else None
    left = sum(run.quantity if run.remains is None else run.remains for run in runs)
    return OrderView(
        OrderId(row.id),
        status_word(state, first, row.runs),
        Money(row.charge - row.refunded),
        row.start_count or (runs[0].start_count if runs else 0) or 0,
        left if row.remains is None else row.remains,
        currency,
        runs=row.runs if row.quantity else 0,
    )
