"""Following deliveries at their providers: a hundred ids a call, and what the answers change."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final

import structlog

from opensmm.actions import settlement
from opensmm.actions.clock import DatabaseClock
from opensmm.actions.transactions import StatementRejected, write
from opensmm.base.ids import OrderId, ProviderId
from opensmm.domain import polling
from opensmm.domain.call_faults import words_of
from opensmm.domain.cancels import TOLD_AFTER_ITS_END
from opensmm.domain.dispatch import ACCEPTED_STATES, Declined
from opensmm.domain.evidence import Conclusion
from opensmm.domain.polling import StatusReport, UnreadAnswer
from opensmm.domain.settlement import EndedRun
from opensmm.providers.client import ProviderClient
from opensmm.providers.registry import ProviderRegistry
from opensmm.store import notices
from opensmm.store import polling as rows
from opensmm.store.connection import Connection, ReconnectingConnection
from opensmm.store.notices import Notice
from opensmm.store.polling import CancelTask, DueDelivery, PolledResult

POLL_LEASE_S: Final = 30.0
"""After a worker that went away while it asked, deliveries are due again after this."""
TOLD_AT_ONCE: Final = 500
"""Answers that are written in one transaction."""
CANCEL_AGAIN: Final = timedelta(seconds=10)
"""A provider that did not answer is told of no cancellation for so long; each one told in vain waits for longer."""
MOST_WORDS: Final = 500
"""Characters of a provider's refusal that are kept."""
UNDERSTOOD: Final = "understood"
NO_NEWS: Final = "no_news"
NO_ANSWER: Final = "no_answer"
POLLED: Final[Counter[str]] = Counter()
"""Deliveries this process has asked after: the provider's word was understood, told nothing, or did not come."""
log = structlog.get_logger()


class StatusPoller:
    """Asks providers after the deliveries whose turn it is, and passes cancellations on."""

    def __init__(self, line: ReconnectingConnection, registry: ProviderRegistry, clock: DatabaseClock) -> None:
        self._line = line
        self._registry = registry
        self._clock = clock
        self._not_before: dict[ProviderId, datetime] = {}
        self._being_told: set[ProviderId] = set()

    async def step(self, limit: int) -> int:
        """One round; returns how many deliveries were asked after."""
        asked = self._clock()
        again = asked + timedelta(seconds=POLL_LEASE_S)
        claimed = await write(self._line, lambda connection: rows.claim(connection, asked, again, limit))
        await self._registry.ask_each(claimed, _ask_after, partial(self._hear, asked))
        return len(claimed)

    async def _hear(
        self,
        asked: datetime,
        claimed: Sequence[DueDelivery],
        said: Sequence[tuple[DueDelivery, StatusReport | UnreadAnswer]],
    ) -> None:
        now = self._clock()
        understood = sum(1 for _, answer in said if isinstance(answer, StatusReport))
        POLLED[UNDERSTOOD] += understood
        POLLED[NO_NEWS] += len(said) - understood
        POLLED[NO_ANSWER] += len(claimed) - len(said)
        contact = self._registry.contact(claimed[0].provider) if claimed else None
        rate = Decimal(1) if contact is None else contact.row.exchange_rate
        told = [told_of(followee, answer, asked, now, rate) for followee, answer in said]
        for at in range(0, len(told), TOLD_AT_ONCE):
            await self._record(told[at : at + TOLD_AT_ONCE], asked)

    async def _record(self, told: Sequence[PolledResult], asked: datetime) -> None:
        if not told:
            return
        try:
            await write(self._line, lambda connection: record(connection, told, asked, self._clock()))
        except StatementRejected as error:
            if len(told) == 1:
                one = told[0]
                named = {"order": one.order, "run": one.run, "attempt": one.attempt}
                log.warning("an answer could not be recorded", **named, error=str(error))
            else:
                for one in told:
                    await self._record([one], asked)

    async def pass_on_cancels(self, limit: int) -> int:
        """Tells providers what is to be cancelled, and returns how many answers were clear; a refusal lets the customer
        ask again later. One that is still being told is left out of the rounds that begin meanwhile."""
        now = self._clock()
        ready = [one for one in self._registry.answering if self._may_be_told(one, now)]
        since = now - TOLD_AFTER_ITS_END
        found = await write(self._line, lambda connection: rows.cancels(connection, ready, since, now, limit))
        tasks = [task for task in found if task.provider not in self._being_told]
        self._being_told.update(task.provider for task in tasks)
        answered, asked = list[CancelTask](), set[CancelTask]()
        await self._registry.ask_each(tasks, partial(_ask_to_cancel, asked), partial(self._pass_on, answered, asked))
        return len(answered)

    def _may_be_told(self, provider: ProviderId, now: datetime) -> bool:
        return provider not in self._being_told and self._not_before.get(provider, now) <= now

    async def _pass_on(
        self,
        answered: list[CancelTask],
        asked: set[CancelTask],
        tasks: Sequence[CancelTask],
        said: Sequence[tuple[CancelTask, bool | Declined]],
    ) -> None:
        for task, answer in said:
            if isinstance(answer, Declined):
                told = {"order": task.order, "run": task.run, "answer": words_of(answer.answer)}
                log.info("a cancel was refused", **told, sparse=task.provider)
        provider, now = tasks[0].provider, self._clock()
        clear = [(task, answer is True) for task, answer in said if answer is not False]
        refused = [_refused(task, answer) for task, answer in said if isinstance(answer, Declined)]
        unclear = [task for task, answer in said if answer is False]
        # What there was no room to ask of has its turn again as it was.
        silent = sorted(asked.intersection(tasks).difference(task for task, _ in said), key=_place)
        if len(said) < len(tasks):
            self._not_before[provider] = now + CANCEL_AGAIN
        try:
            await write(self._line, lambda connection: _passed(connection, clear, refused, unclear, silent, now))
        finally:
            self._being_told.discard(provider)
        answered += [task for task, _ in clear]


def _place(task: CancelTask) -> tuple[OrderId, int]:
    """By order and run, as whoever locks several of them does."""
    return task.order, task.run


def _refused(task: CancelTask, answer: Declined) -> Notice:
    return Notice(task.order, task.run, Conclusion.CANCEL_REFUSED, {"answer": words_of(answer.answer)[:MOST_WORDS]})


async def _passed(
    connection: Connection,
    clear: Sequence[tuple[CancelTask, bool]],
    refused: Sequence[Notice],
    unclear: Sequence[CancelTask],
    silent: Sequence[CancelTask],
    now: datetime,
) -> None:
    """What was paid back here and goes on there costs the house: the operator is told of that refusal."""
    await rows.passed(connection, clear, now)
    await rows.told_again(connection, unclear, now)
    await rows.told_in_vain(connection, silent, now)
    await notices.keep_of_ended(connection, refused, now)


async def _ask_after(provider: ProviderClient, group: Sequence[DueDelivery]) -> Sequence[StatusReport | UnreadAnswer]:
    return await provider.statuses([followee.provider_order for followee in group])


async def _ask_to_cancel(
    asked: set[CancelTask], provider: ProviderClient, group: Sequence[CancelTask]
) -> Sequence[bool | Declined]:
    """Adds what it asks of to ``asked``, whatever comes of it."""
    asked.update(group)
    return await provider.cancels([task.provider_order for task in group])


def told_of(
    followee: DueDelivery,
    answer: StatusReport | UnreadAnswer,
    asked: datetime,
    now: datetime,
    exchange_rate: Decimal = Decimal(1),
) -> PolledResult:
    """What is written of a delivery after its provider was asked; no news moves nothing but the next time to ask."""
    known = followee.known
    if isinstance(answer, StatusReport):
        answer = polling.with_clear_charge(known, polling.with_clear_remains(known, answer), exchange_rate)
    report = answer if isinstance(answer, StatusReport) else None
    news = None if report is None else polling.apply(known, report, asked)
    state = known.state if news is None else news.state
    moving = state in ACCEPTED_STATES
    return PolledResult(
        order=followee.order,
        run=followee.run,
        attempt=followee.attempt,
        state=state,
        start_count=known.start_count if news is None else news.start_count,
        remains=known.remains if news is None else news.remains,
        due=now + polling.poll_again_after(now - followee.sent) if moving else None,
        cost=None if report is None else polling.cost_of(known, report, news),
        currency="" if report is None else report.currency,
        polled=known.polled,
        unfinished=polling.unfinished(report) if news is not None and report is not None else None,
        unclear_charge="" if report is None else report.unclear_charge,
        note=polling.note_of(known, answer, news),
    )


async def record(connection: Connection, told: Sequence[PolledResult], asked: datetime, now: datetime) -> None:
    """Writes answers inside the caller's transaction and settles the deliveries that ended."""
    ending_orders = sorted({one.order for one in told if one.state not in ACCEPTED_STATES})
    await settlement.lock(connection, ending_orders)
    # In one order with whoever writes that cancels were passed on: neither waits for the other in a circle.
    ended = await rows.record(connection, sorted(told, key=lambda one: (one.order, one.run)), asked)
    ends = [EndedRun(order, run, remains, cost, rate) for order, run, remains, cost, rate in ended]
    await settlement.end(connection, ends, now)
    counted = {(one.order, one.run) for one in ends}
    odd = [_unfinished(one) for one in told if one.unfinished is not None and (one.order, one.run) in counted]
    odd += [_unclear(one) for one in told if one.unclear_charge and (one.order, one.run) in counted]
    await notices.keep_of_ended(connection, odd, now)


def _unclear(told: PolledResult) -> Notice:
    return Notice(told.order, told.run, Conclusion.CHARGE_UNCLEAR, {"words": told.unclear_charge})


def _unfinished(told: PolledResult) -> Notice:
    charge = None if told.cost is None else f"{told.cost:f}"
    said = {"remains": told.unfinished, "charge": charge, "currency": told.currency}
    return Notice(told.order, told.run, Conclusion.COMPLETED_WITH_REMAINS, said)
