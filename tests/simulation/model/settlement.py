"""store.endings and store.cancels, on the model's rows."""

from collections.abc import Sequence
from datetime import datetime

from tests.simulation.model.connection import Connection
from tests.simulation.model.tables import LIVE, DeliveryRow, OrderRow, Store

from opensmm.base.ids import CustomerId, OrderId, ServiceId
from opensmm.domain.cancels import CancelSubject, DeliveryPart
from opensmm.domain.dispatch import END_STATES, DeliveryState
from opensmm.domain.orders import OrderState
from opensmm.domain.settlement import OrderAtEnd, Settlement


async def owners(connection: Connection, orders: Sequence[OrderId]) -> list[CustomerId]:
    store = connection.store
    return sorted({CustomerId(store.orders[order].customer) for order in orders if order in store.orders})


async def lock(connection: Connection, orders: Sequence[int]) -> None:
    """A transaction of the model has everything to itself."""


async def list_live(connection: Connection, orders: Sequence[OrderId]) -> list[OrderAtEnd]:
    rows = (connection.store.orders[order] for order in sorted(orders))
    return [_sold(connection.store, row) for row in rows if row.state in LIVE]


def _sold(store: Store, row: OrderRow) -> OrderAtEnd:
    runs = store.runs[row.id]
    return OrderAtEnd(
        order=OrderId(row.id),
        customer=CustomerId(row.customer),
        rate=row.rate,
        packaged=row.packaged,
        quantity=row.quantity,
        runs=row.runs,
        runs_open=sum(1 for run in runs if run.state not in END_STATES),
        remains=sum(run.remains or 0 for run in runs if run.state in END_STATES),
        called_off=row.quantity == 0 and all(run.state == "canceled" for run in runs),
    )


async def end(connection: Connection, settlements: Sequence[Settlement], now: datetime) -> None:
    store = connection.store
    for settlement in settlements:
        row = store.edit(store.orders[settlement.order])
        row.earned += settlement.earned
        row.refunded += settlement.refunded
        row.start_count = store.deliveries[settlement.order, 1].start_count
        if settlement.end is not None:
            row.state, row.remains, row.ended = settlement.end.state.value, settlement.end.remains, now
            _free_link(store, settlement.order)


def _free_link(store: Store, order: int) -> None:
    if order in store.links_of:
        store.delete(store.active_links, store.links_of[order])
        store.delete(store.links_of, order)


async def lock_cancelable(
    connection: Connection, orders: Sequence[int]
) -> dict[int, tuple[CustomerId, CancelSubject, list[int]]]:
    store = connection.store
    return {order: _cancelable(store, store.orders[order]) for order in orders if order in store.orders}


def _cancelable(store: Store, row: OrderRow) -> tuple[CustomerId, CancelSubject, list[int]]:
    runs = store.runs[row.id]
    offered = store.catalogue.services[ServiceId(row.service)].cancel
    subject = CancelSubject(OrderState(row.state), offered, [_part(store, run) for run in runs])
    return CustomerId(row.customer), subject, [run.run for run in runs]


def _part(store: Store, run: DeliveryRow) -> DeliveryPart:
    newest = store.newest_try(run)
    return DeliveryPart(DeliveryState(run.state), newest is not None and newest.outcome == "accepted")


async def end_unsent(
    connection: Connection, deliveries: Sequence[tuple[OrderId, int]]
) -> list[tuple[OrderId, int, int]]:
    rows = [connection.store.edit(connection.store.deliveries[name]) for name in deliveries]
    for row in rows:
        row.state, row.remains, row.due, row.lease_until = "canceled", row.quantity, None, None
    return [(OrderId(row.order), row.run, row.quantity) for row in rows]


async def ask_provider(connection: Connection, deliveries: Sequence[tuple[OrderId, int]], now: datetime) -> None:
    for name in deliveries:
        row = connection.store.deliveries[name]
        if row.cancel_asked is None or row.cancel_passed is not None:
            connection.store.edit(row)
            row.cancel_asked, row.cancel_passed = row.cancel_asked or now, None
            row.cancel_tries, row.cancel_again = 0, None
