"""Requests of customers for refills and their statuses. The worker passes refills on to providers."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from opensmm.actions.clock import DatabaseClock
from opensmm.actions.transactions import read, write
from opensmm.base.ids import CustomerId, OrderId, RefillId
from opensmm.domain.refills import Refill, Refillable, check
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import GetRefillStatus, RequestedIds
from opensmm.store import refills as rows
from opensmm.store.connection import Connection, ReconnectingConnection

_UNKNOWN = Refused(Refusal.REFILL_UNKNOWN)
_OPEN = Refused(Refusal.REFILL_OPEN)


class RefillRequests:
    """Answers refill requests: for each order a refill's id or a refusal."""

    def __init__(self, connection: ReconnectingConnection, clock: DatabaseClock) -> None:
        self._connection = connection
        self._clock = clock

    async def __call__(self, batch: Sequence[tuple[CustomerId, RequestedIds]]) -> list[list[RefillId | Refused]]:
        return await write(self._connection, lambda connection: refill(connection, batch, self._clock()))


async def refill(
    connection: Connection, batch: Sequence[tuple[CustomerId, RequestedIds]], now: datetime
) -> list[list[RefillId | Refused]]:
    """Decides and stores a batch in the caller's transaction. A second request for the same order is refused."""
    order_ids = sorted({number for _, ids in batch for number in ids.numbers if number > 0})
    refillable = await rows.lock_refillable(connection, order_ids)
    granted: dict[OrderId, CustomerId] = {}
    decisions = [[_decide(customer, n, refillable, granted, now) for n in ids.numbers] for customer, ids in batch]
    refill_ids = await rows.add(connection, list(granted.items()), now)
    numbers = dict(zip(granted, refill_ids, strict=True))
    return [[numbers[d] if isinstance(d, int) else d for d in outcomes] for outcomes in decisions]


def _decide(
    customer: CustomerId,
    number: int,
    refillable: Mapping[int, tuple[CustomerId, Refillable]],
    granted: dict[OrderId, CustomerId],
    now: datetime,
) -> OrderId | Refused:
    owner, order = refillable.get(number, (None, None))
    refused = check(order if owner == customer else None, now)
    if refused is not None:
        return refused
    if OrderId(number) in granted:
        return _OPEN
    granted[OrderId(number)] = customer
    return OrderId(number)


class RefillStatuses:
    """Answers refill_status requests, by refill or by order."""

    def __init__(self, connection: ReconnectingConnection) -> None:
        self._connection = connection

    async def __call__(self, batch: Sequence[tuple[CustomerId, GetRefillStatus]]) -> list[list[Refill | Refused]]:
        return await read(self._connection, lambda connection: _read_statuses(connection, batch))


async def _read_statuses(
    connection: Connection, batch: Sequence[tuple[CustomerId, GetRefillStatus]]
) -> list[list[Refill | Refused]]:
    by_id = await rows.views(
        connection, [n for _, request in batch if request.order is None for n in request.refills.numbers]
    )
    orders = [n for _, request in batch if request.order is not None for n in request.order.numbers]
    by_order = await rows.newest(connection, orders) if orders else {}
    return [
        _pick_own(customer, request.refills, by_id)
        if request.order is None
        else _pick_own(customer, request.order, by_order)
        for customer, request in batch
    ]


def _pick_own(
    customer: CustomerId, ids: RequestedIds, refills: Mapping[int, tuple[CustomerId, Refill]]
) -> list[Refill | Refused]:
    entries = [refills.get(number) for number in ids.numbers]
    return [_UNKNOWN if entry is None or entry[0] != customer else entry[1] for entry in entries]
