"""store.interventions, on the model's rows: what the operator does to orders that have not ended."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from tests.simulation.model.connection import Connection
from tests.simulation.model.tables import AttemptRow, DeliveryRow, Store

from opensmm.base.ids import CustomerId, OrderId, ProviderId
from opensmm.base.money import Money
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.order_actions import ChosenEnd, LockedRun, OrderSubject
from opensmm.domain.orders import OrderState
from opensmm.store.order_actions import NewestTry


async def lock_subject(connection: Connection, order: OrderId) -> tuple[CustomerId, OrderSubject] | None:
    store = connection.store
    row = store.orders.get(order)
    if row is None:
        return None
    runs = tuple(_run(one, store.newest_try(one)) for one in store.runs[order])
    earned = Money(row.earned)
    return CustomerId(row.customer), OrderSubject(
        order, OrderState(row.state), row.packaged, earned, runs, row.interval_min
    )


def _run(row: DeliveryRow, list_newest_attempts: AttemptRow | None) -> LockedRun:
    outcome = None if list_newest_attempts is None else AttemptOutcome(list_newest_attempts.outcome)
    theirs = None if list_newest_attempts is None else list_newest_attempts.provider_order
    return LockedRun(row.run, DeliveryState(row.state), row.quantity, row.remains, outcome, theirs, row.due)


async def list_newest_attempts(connection: Connection, order: OrderId, runs: Sequence[int]) -> list[NewestTry]:
    store = connection.store
    rows = [(store.deliveries[order, run], store.newest_try(store.deliveries[order, run])) for run in sorted(runs)]
    return [
        NewestTry(row.run, row.attempt, None, None, None)
        if one is None
        else NewestTry(row.run, row.attempt, ProviderId(one.provider), one.cost, _rate(store, one))
        for row, one in rows
    ]


def _rate(store: Store, list_newest_attempts: AttemptRow) -> Decimal | None:
    return None if list_newest_attempts.cost is None else store.providers[list_newest_attempts.provider].exchange_rate


async def end(connection: Connection, order: OrderId, endings: Sequence[ChosenEnd], now: datetime) -> None:
    store = connection.store
    for ending in endings:
        row = store.edit(store.deliveries[order, ending.run])
        newest = store.newest_try(row)
        row.state, row.remains, row.due, row.lease_until = ending.state.value, ending.remains, None, None
        if ending.state is not DeliveryState.COMPLETED and newest is not None and newest.outcome == "accepted":
            row.cancel_asked, row.cancel_passed = now, None
            row.cancel_tries, row.cancel_again = 0, None


async def queue_again(connection: Connection, order: OrderId, run: int, now: datetime) -> None:
    row = connection.store.edit(connection.store.deliveries[order, run])
    row.route = 0 if row.state == "held" else row.route
    row.state, row.due, row.lease_until, row.cancel_asked, row.cancel_passed = "queued", now, None, None, None
    row.note = row.noted = None
