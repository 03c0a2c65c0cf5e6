"""store.refills and store.refill_tasks, on the model's rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import psycopg
from tests.simulation.model.connection import Connection
from tests.simulation.model.tables import AttemptRow, DeliveryRow, RefillRow, RefillTaskRow, Store

from opensmm.base.ids import CustomerId, OrderId, ProviderId, RefillId, ServiceId
from opensmm.domain.orders import OrderState
from opensmm.domain.refills import OPEN_REFILLS, Refillable
from opensmm.store.refill_tasks import RefillNews, TaskRow

ENDED = ("completed", "rejected", "canceled")


async def lock_refillable(connection: Connection, orders: Sequence[int]) -> dict[int, tuple[CustomerId, Refillable]]:
    store = connection.store
    return {order: _refillable(store, order) for order in orders if order in store.orders}


def _refillable(store: Store, order: int) -> tuple[CustomerId, Refillable]:
    row = store.orders[order]
    service = store.catalogue.services[ServiceId(row.service)]
    refills = store.refills_of.get(order, [])
    open_refill = any(refill.state in OPEN_REFILLS for refill in refills)
    last = max((refill.created for refill in refills), default=None)
    wait_h, days = service.refill_wait_h, service.refill_days
    paid = row.state != "completed" or not row.charge or row.refunded < row.charge
    offered = service.refill and paid and (row.state != "completed" or _taken_by_any(store, order))
    seen = Refillable(OrderState(row.state), offered, wait_h, row.ended, open_refill, last, days)
    return CustomerId(row.customer), seen


def _taken_by_any(store: Store, order: int) -> bool:
    return any(_taken(store, run) for run in store.runs[order])


def _taken(store: Store, run: DeliveryRow) -> AttemptRow | None:
    attempt = store.newest_try(run)
    return attempt if attempt is not None and attempt.outcome == "accepted" else None


async def add(connection: Connection, orders: Sequence[tuple[OrderId, CustomerId]], now: datetime) -> list[RefillId]:
    return [_add(connection.store, order, customer, now) for order, customer in orders]


def _add(store: Store, order: int, customer: int, now: datetime) -> RefillId:
    if any(refill.state in OPEN_REFILLS for refill in store.refills_of.get(order, [])):
        raise psycopg.errors.UniqueViolation("refill_one_open")
    refill = RefillId(next(store.refill_ids))
    store.insert(store.refills, refill, RefillRow(refill, order, customer, now))
    for run in store.runs[order]:
        attempt = _taken(store, run)
        if attempt is not None:
            assert attempt.provider_order is not None
            task = RefillTaskRow(refill, run.run, order, attempt.provider, attempt.provider_order, due=now)
            store.insert(store.refill_tasks, (refill, run.run), task)
    return refill


async def claim(connection: Connection, now: datetime, lease: timedelta, limit: int) -> list[TaskRow]:
    store = connection.store
    due = [row for row in store.tasks_due.values() if row.due is not None and row.due <= now]
    due.sort(key=lambda row: (row.due, row.refill, row.run))
    claimed = [(row, row.polled is not None) for row in due[:limit]]
    for row, _ in claimed:
        store.edit(row)
        pause = lease if row.provider_refill else max(lease, (now - store.refills[row.refill].created) / 4)
        row.due, row.polled = now + pause, now
    return [
        TaskRow(
            RefillId(row.refill), row.run, ProviderId(row.provider), row.provider_order, row.provider_refill,
            store.refills[row.refill].created, asked_before, row.tries,
        )
        for row, asked_before in claimed
    ]  # fmt: skip


async def record(connection: Connection, news: Sequence[RefillNews], polled: datetime | None, now: datetime) -> None:
    store = connection.store
    for report in news:
        row = store.refill_tasks[report.task.refill, report.task.run]
        newest = row.polled is None or polled is None or row.polled <= polled
        is_current = row.provider_refill == report.task.provider_refill
        if row.state not in ENDED and (not row.provider_refill or (is_current and newest)):
            store.edit(row)
            row.state, row.provider_refill = report.state or row.state, report.provider_refill
            row.due, row.tries = report.due, report.tries
    for refill in sorted({report.task.refill for report in news}):
        _sum_up(store, store.refills[refill], now)


def _sum_up(store: Store, refill: RefillRow, now: datetime) -> None:
    if refill.state not in OPEN_REFILLS:
        return
    runs = range(1, store.orders[refill.order].runs + 1)
    states = [task.state for run in runs if (task := store.refill_tasks.get((refill.id, run))) is not None]
    ended = all(state in ENDED for state in states)
    store.edit(refill)
    if ended:
        refill.ended = now
        refill.state = "completed" if "completed" in states else "rejected" if "rejected" in states else "canceled"
    else:
        refill.state = "in_progress" if {"in_progress", "completed"} & set(states) else "pending"
