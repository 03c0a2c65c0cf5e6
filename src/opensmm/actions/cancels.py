"""Cancels by customers: deliveries that no provider has end at once with a refund; others are asked of the provider."""

from collections.abc import Sequence
from datetime import datetime

from opensmm.actions import settlement
from opensmm.actions.clock import DatabaseClock
from opensmm.actions.transactions import write
from opensmm.base.ids import CustomerId, OrderId
from opensmm.domain import cancels
from opensmm.domain.cancels import CancelStep, CancelSubject
from opensmm.domain.request_refusals import UNKNOWN_ORDER, Refused
from opensmm.domain.requests import RequestedIds
from opensmm.domain.settlement import EndedRun
from opensmm.store import cancels as rows
from opensmm.store.connection import Connection, ReconnectingConnection

Request = tuple[CustomerId, RequestedIds]
Answer = Refused | None


class CancelRequests:
    """Answers cancel requests, for each order None or a refusal. None: the cancel is requested now, or was before."""

    def __init__(self, connection: ReconnectingConnection, clock: DatabaseClock) -> None:
        self._connection = connection
        self._clock = clock

    async def __call__(self, batch: Sequence[Request]) -> list[list[Answer]]:
        return await write(self._connection, lambda connection: cancel(connection, batch, self._clock()))


async def cancel(connection: Connection, batch: Sequence[Request], now: datetime) -> list[list[Answer]]:
    """Decides and stores a batch of cancel requests in the caller's transaction."""
    order_ids = sorted({OrderId(number) for _, ids in batch for number in ids.numbers if number > 0})
    await settlement.lock(connection, order_ids)
    subjects = await rows.lock_cancelable(connection, order_ids)
    plan = _Plan()
    answers = [
        [plan.decide(customer, number, subjects.get(number)) for number in ids.numbers] for customer, ids in batch
    ]
    await rows.ask_provider(connection, plan.passed_on, now)
    ended = await rows.end_unsent(connection, plan.ended)
    await settlement.end(connection, [EndedRun(order, run, quantity) for order, run, quantity in ended], now)
    return answers


class _Plan:
    """The changes that a batch of cancels makes. An order that is named twice is decided once."""

    def __init__(self) -> None:
        self.ended: list[tuple[OrderId, int]] = []
        self.passed_on: list[tuple[OrderId, int]] = []
        self._answers: dict[int, Answer] = {}

    def decide(
        self, customer: CustomerId, number: int, subject: tuple[CustomerId, CancelSubject, list[int]] | None
    ) -> Answer:
        if subject is None or subject[0] != customer:
            return UNKNOWN_ORDER
        if number not in self._answers:
            self._answers[number] = self._plan(OrderId(number), subject[1], subject[2])
        return self._answers[number]

    def _plan(self, order: OrderId, cancelable: CancelSubject, runs: list[int]) -> Answer:
        steps = cancels.decide(cancelable)
        if isinstance(steps, Refused):
            return steps
        for run, step in zip(runs, steps, strict=True):
            if step is CancelStep.END:
                self.ended.append((order, run))
            elif step is CancelStep.ASK:
                self.passed_on.append((order, run))
        return None
