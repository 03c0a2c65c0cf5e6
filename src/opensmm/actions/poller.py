"""Polling deliveries at their providers, a hundred ids a call, and passing cancels on to them."""

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
from opensmm.domain.cancels import CANCEL_AFTER_END_FOR
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
"""Seconds after which deliveries are due again, if the worker that polled them died."""
RECORDED_AT_ONCE: Final = 500
"""Poll results that are written in one transaction."""
CANCEL_AGAIN: Final = timedelta(seconds=10)
"""A provider that did not answer gets no cancels for this time. Each cancel that went unanswered backs off longer."""
MAX_REFUSAL: Final = 500
"""Characters of a provider's refusal that are stored."""
UNDERSTOOD: Final = "understood"
NO_NEWS: Final = "no_news"
NO_ANSWER: Final = "no_answer"
POLLED: Final[Counter[str]] = Counter()
"""Deliveries that this process has polled, by result: the answer was understood, was not, or did not come."""
log = structlog.get_logger()


class StatusPoller:
    """Polls due deliveries at their providers, and passes cancels on."""

    def __init__(self, connection: ReconnectingConnection, registry: ProviderRegistry, clock: DatabaseClock) -> None:
        self._connection = connection
        self._registry = registry
        self._clock = clock
        self._not_before: dict[ProviderId, datetime] = {}
        self._passing_on: set[ProviderId] = set()

    async def step(self, limit: int) -> int:
        """Polls up to ``limit`` due deliveries; returns how many there were."""
        asked_at = self._clock()
        again = asked_at + timedelta(seconds=POLL_LEASE_S)
        claimed = await write(self._connection, lambda connection: rows.claim(connection, asked_at, again, limit))
        await self._registry.call_each(claimed, _request_statuses, partial(self._take_answers, asked_at))
        return len(claimed)

    async def _take_answers(
        self,
        asked_at: datetime,
        claimed: Sequence[DueDelivery],
        answers: Sequence[tuple[DueDelivery, StatusReport | UnreadAnswer]],
    ) -> None:
        now = self._clock()
        understood = sum(1 for _, answer in answers if isinstance(answer, StatusReport))
        POLLED[UNDERSTOOD] += understood
        POLLED[NO_NEWS] += len(answers) - understood
        POLLED[NO_ANSWER] += len(claimed) - len(answers)
        contact = self._registry.connection_to(claimed[0].provider) if claimed else None
        rate = Decimal(1) if contact is None else contact.row.exchange_rate
        results = [build_result(delivery, answer, asked_at, now, rate) for delivery, answer in answers]
        for at in range(0, len(results), RECORDED_AT_ONCE):
            await self._record(results[at : at + RECORDED_AT_ONCE], asked_at)

    async def _record(self, results: Sequence[PolledResult], asked_at: datetime) -> None:
        if not results:
            return
        try:
            await write(self._connection, lambda connection: record(connection, results, asked_at, self._clock()))
        except StatementRejected as error:
            if len(results) == 1:
                result = results[0]
                fields = {"order": result.order, "run": result.run, "attempt": result.attempt}
                log.warning("an answer could not be recorded", **fields, error=str(error))
            else:
                # One bad answer must not hold back the others.
                for result in results:
                    await self._record([result], asked_at)

    async def pass_on_cancels(self, limit: int) -> int:
        """Passes up to ``limit`` cancels on to providers; returns how many answers were clear.

        After a refusal the customer may ask again later. A provider whose calls still run is left out of the rounds
        that begin meanwhile.
        """
        now = self._clock()
        ready = [one for one in self._registry.answering if self._is_ready_for_cancels(one, now)]
        since = now - CANCEL_AFTER_END_FOR
        due = await write(self._connection, lambda connection: rows.list_cancels(connection, ready, since, now, limit))
        tasks = [task for task in due if task.provider not in self._passing_on]
        # Marked before the calls, so that an overlapping round does not send the same cancels.
        self._passing_on.update(task.provider for task in tasks)
        answered, requested = list[CancelTask](), set[CancelTask]()
        await self._registry.call_each(
            tasks, partial(_request_cancels, requested), partial(self._record_cancels, answered, requested)
        )
        return len(answered)

    def _is_ready_for_cancels(self, provider: ProviderId, now: datetime) -> bool:
        return provider not in self._passing_on and self._not_before.get(provider, now) <= now

    async def _record_cancels(
        self,
        answered: list[CancelTask],
        requested: set[CancelTask],
        tasks: Sequence[CancelTask],
        answers: Sequence[tuple[CancelTask, bool | Declined]],
    ) -> None:
        for task, answer in answers:
            if isinstance(answer, Declined):
                fields = {"order": task.order, "run": task.run, "answer": words_of(answer.answer)}
                log.info("a cancel was refused", **fields, sparse=task.provider)
        provider, now = tasks[0].provider, self._clock()
        clear = [(task, answer is True) for task, answer in answers if answer is not False]
        refused = [_build_refusal_notice(task, answer) for task, answer in answers if isinstance(answer, Declined)]
        unclear = [task for task, answer in answers if answer is False]
        # Cancels that there was no room to send stay due as they were.
        silent = sorted(requested.intersection(tasks).difference(task for task, _ in answers), key=_sort_key)
        # A provider that left calls unanswered gets a pause.
        if len(answers) < len(tasks):
            self._not_before[provider] = now + CANCEL_AGAIN
        try:
            await write(
                self._connection, lambda connection: _write_cancels(connection, clear, refused, unclear, silent, now)
            )
        finally:
            self._passing_on.discard(provider)
        answered += [task for task, _ in clear]


def _sort_key(task: CancelTask) -> tuple[OrderId, int]:
    """Returns the key by which every transaction sorts deliveries before it locks several of them."""
    return task.order, task.run


def _build_refusal_notice(task: CancelTask, answer: Declined) -> Notice:
    return Notice(task.order, task.run, Conclusion.CANCEL_REFUSED, {"answer": words_of(answer.answer)[:MAX_REFUSAL]})


async def _write_cancels(
    connection: Connection,
    clear: Sequence[tuple[CancelTask, bool]],
    refused: Sequence[Notice],
    unclear: Sequence[CancelTask],
    silent: Sequence[CancelTask],
    now: datetime,
) -> None:
    """Writes the outcomes of cancels in the caller's transaction.

    A refusal of an order that was refunded here goes on the operator's list: the house pays for it.
    """
    await rows.record_cancels(connection, clear, now)
    await rows.put_off_unclear(connection, unclear, now)
    await rows.put_off_unanswered(connection, silent, now)
    await notices.keep_of_ended(connection, refused, now)


async def _request_statuses(
    provider: ProviderClient, group: Sequence[DueDelivery]
) -> Sequence[StatusReport | UnreadAnswer]:
    return await provider.statuses([delivery.provider_order for delivery in group])


async def _request_cancels(
    requested: set[CancelTask], provider: ProviderClient, group: Sequence[CancelTask]
) -> Sequence[bool | Declined]:
    """Adds the tasks to ``requested``, then calls the provider: they count as requested even if the call fails."""
    requested.update(group)
    return await provider.cancels([task.provider_order for task in group])


def build_result(
    delivery: DueDelivery,
    answer: StatusReport | UnreadAnswer,
    asked_at: datetime,
    now: datetime,
    exchange_rate: Decimal = Decimal(1),
) -> PolledResult:
    """Builds the row of a delivery after a poll. Without news, only the time of the next poll changes.

    ``asked_at`` is the time at which the call began, ``exchange_rate`` the panel's currency per unit of the provider's.
    """
    before = delivery.before
    # Numbers that can be read in two ways are read so that they fit the delivery.
    if isinstance(answer, StatusReport):
        answer = polling.with_clear_charge(before, polling.with_clear_remains(before, answer), exchange_rate)
    report = answer if isinstance(answer, StatusReport) else None
    news = None if report is None else polling.apply_report(before, report, asked_at)
    state = before.state if news is None else news.state
    moving = state in ACCEPTED_STATES
    return PolledResult(
        order=delivery.order,
        run=delivery.run,
        attempt=delivery.attempt,
        state=state,
        start_count=before.start_count if news is None else news.start_count,
        remains=before.remains if news is None else news.remains,
        due=now + polling.poll_again_after(now - delivery.sent) if moving else None,
        cost=None if report is None else polling.cost_of(before, report, news),
        currency="" if report is None else report.currency,
        polled=before.polled,
        unfinished=polling.contradicting_remains(report) if news is not None and report is not None else None,
        unclear_charge="" if report is None else report.unclear_charge,
        note=polling.note_of(before, answer, news),
    )


async def record(connection: Connection, results: Sequence[PolledResult], asked_at: datetime, now: datetime) -> None:
    """Writes poll results in the caller's transaction, and settles the deliveries that ended."""
    ending_orders = sorted({one.order for one in results if one.state not in ACCEPTED_STATES})
    await settlement.lock(connection, ending_orders)
    # Sorted as the writer of cancels sorts them, so that the two cannot deadlock.
    ended = await rows.record(connection, sorted(results, key=lambda one: (one.order, one.run)), asked_at)
    ends = [EndedRun(order, run, remains, cost, rate) for order, run, remains, cost, rate in ended]
    await settlement.end(connection, ends, now)
    # Only the answer that ended a delivery raises notices, and not a repeat of it.
    counted = {(one.order, one.run) for one in ends}
    ending = [result for result in results if (result.order, result.run) in counted]
    odd = [_build_remains_notice(result) for result in ending if result.unfinished is not None]
    odd += [_build_charge_notice(result) for result in ending if result.unclear_charge]
    await notices.keep_of_ended(connection, odd, now)


def _build_charge_notice(result: PolledResult) -> Notice:
    return Notice(result.order, result.run, Conclusion.CHARGE_UNCLEAR, {"words": result.unclear_charge})


def _build_remains_notice(result: PolledResult) -> Notice:
    charge = None if result.cost is None else f"{result.cost:f}"
    fields = {"remains": result.unfinished, "charge": charge, "currency": result.currency}
    return Notice(result.order, result.run, Conclusion.COMPLETED_WITH_REMAINS, fields)
