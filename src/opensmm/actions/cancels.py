"""Cancelling: what no provider has ends at once with its money back; what may be at a provider is asked for."""

from collections.abc import Sequence
from datetime import datetime

from opensmm.actions import settlement
from opensmm.actions.clock import DatabaseClock
from opensmm.actions.transactions import write
from opensmm.base.ids import CustomerId, OrderId
from opensmm.domain import cancels
from opensmm.domain.cancels import CancelStep, CancelSubject
from opensmm.domain.refusals import UNKNOWN_ORDER, Refused
from opensmm.domain.requests import RequestedIds
from opensmm.domain.settlement import EndedRun
from opensmm.store import cancels as rows
from opensmm.store.connection import Connection, ReconnectingConnection

Ask = tuple[CustomerId, RequestedIds]
Answer = Refused | None


class CancelRequests:
    """Answers cancel asks: None where cancelling was asked for, or is already."""

    def __init__(self, line: ReconnectingConnection, clock: DatabaseClock) -> None:
        self._line = line
        self._clock = clock

    async def __call__(self, batch: Sequence[Ask]) -> list[list[Answer]]:
        return await write(self._line, lambda connection: cancel(connection, batch, self._clock()))


async def cancel(connection: Connection, batch: Sequence[Ask], now: datetime) -> list[list[Answer]]:
    """Decides and keeps a batch of asks inside the caller's transaction."""
    wanted = sorted({OrderId(number) for _, ids in batch for number in ids.numbers if number > 0})
    await settlement.lock(connection, wanted)
    found = await rows.cancelable(connection, wanted)
    plan = _Plan()
    answers = [[plan.decide(customer, number, found.get(number)) for number in ids.numbers] for customer, ids in batch]
    await rows.ask_provider(connection, plan.asked, now)
    ended = await rows.end_unsent(connection, plan.ended)
    await settlement.end(connection, [EndedRun(order, run, quantity) for order, run, quantity in ended], now)
    return answers


class _Plan:
    """What a batch does to the rows; an order asked for twice is dealt with once."""

    def __init__(self) -> None:
        self.ended: list[tuple[OrderId, int]] = []
        self.asked: list[tuple[OrderId, int]] = []
        self._answers: dict[int, Answer] = {}

    def decide(
        self, customer: CustomerId, number: int, found: tuple[CustomerId, CancelSubject, list[int]] | None
    ) -> Answer:
        if found is None or found[0] != customer:
            return UNKNOWN_ORDER
        if number not in self._answers:
            self._answers[number] = self._plan(OrderId(number), found[1], found[2])
        return self._answers[number]

    def _plan(self, order: OrderId, cancelable: CancelSubject, runs: list[int]) -> Answer:
        steps = cancels.decide(cancelable)
        if isinstance(steps, Refused):
            return steps
        for run, step in zip(runs, steps, strict=True):
            if step is CancelStep.END:
                self.ended.append((order, run))
            elif step is CancelStep.ASK:
                self.asked.append((order, run))
        return None
