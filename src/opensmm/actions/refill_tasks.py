"""Passing refills on to providers and polling their statuses, a hundred a call."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog

from opensmm.actions.clock import DatabaseClock
from opensmm.actions.transactions import write
from opensmm.domain.call_faults import words_of
from opensmm.domain.codes import DeliveryNote, EventCode
from opensmm.domain.dispatch import Declined
from opensmm.domain.polling import UnreadAnswer, poll_again_after
from opensmm.domain.refills import OPEN_REFILLS, RETRY_PAUSES, UNCLEAR, RefillStatus
from opensmm.domain.request_errors import means_requested_recently
from opensmm.providers.client import ProviderClient
from opensmm.providers.registry import ProviderRegistry
from opensmm.store import refill_tasks as rows
from opensmm.store.connection import ReconnectingConnection
from opensmm.store.refill_tasks import RefillNews, TaskRow

LEASE: Final = timedelta(minutes=3)
"""Time after which a task without an answer is due again. No call lasts as long."""
log = structlog.get_logger()


class RefillSender:
    """Requests due refills from their providers, and polls those that have begun."""

    def __init__(self, connection: ReconnectingConnection, registry: ProviderRegistry, clock: DatabaseClock) -> None:
        self._connection = connection
        self._registry = registry
        self._clock = clock

    async def step(self, limit: int) -> int:
        """Handles up to ``limit`` due tasks; returns how many there were."""
        now = self._clock()
        tasks = await write(self._connection, lambda connection: rows.claim(connection, now, LEASE, limit))
        fresh = [task for task in tasks if not task.provider_refill]
        started = [task for task in tasks if task.provider_refill]
        await self._registry.call_each(fresh, _request_refills, partial(self._record_new, now))
        await self._registry.call_each(started, _request_statuses, partial(self._record_started, now))
        return len(tasks)

    async def _record_new(
        self,
        asked_at: datetime,
        tasks: Sequence[TaskRow],
        answers: Sequence[tuple[TaskRow, str | Declined | UnreadAnswer]],
    ) -> None:
        now = self._clock()
        await self._record([_interpret_request(task, answer, now) for task, answer in answers], asked_at, now)

    async def _record_started(
        self,
        asked_at: datetime,
        tasks: Sequence[TaskRow],
        answers: Sequence[tuple[TaskRow, RefillStatus | UnreadAnswer]],
    ) -> None:
        now = self._clock()
        await self._record([_interpret_status(task, status, now) for task, status in answers], asked_at, now)

    async def _record(self, news: Sequence[RefillNews], asked_at: datetime, now: datetime) -> None:
        await write(self._connection, lambda connection: rows.record(connection, news, asked_at, now))


async def _request_refills(
    provider: ProviderClient, group: Sequence[TaskRow]
) -> Sequence[str | Declined | UnreadAnswer]:
    return await provider.refills([task.provider_order for task in group])


async def _request_statuses(
    provider: ProviderClient, group: Sequence[TaskRow]
) -> Sequence[RefillStatus | UnreadAnswer]:
    return await provider.refill_statuses([task.provider_refill for task in group])


def _interpret_request(task: TaskRow, answer: str | Declined | UnreadAnswer, now: datetime) -> RefillNews:
    match answer:
        case Declined() if task.again and means_requested_recently(words_of(answer.answer)):
            # The provider began a refill whose id we did not get: request it again until it names the id, or refuses
            # for another reason.
            return RefillNews(task, RefillStatus.PENDING, "", _choose_next_poll(task, now))
        case Declined():
            return RefillNews(task, RefillStatus.REJECTED, "", None)
        case str():
            return RefillNews(task, RefillStatus.PENDING, answer, _choose_next_poll(task, now))
        case UnreadAnswer():
            log.warning("a refill was not understood", refill=task.refill, run=task.run, sparse=task.provider)
            note = _build_note(task, answer)
            if task.tries >= len(RETRY_PAUSES):
                return RefillNews(task, UNCLEAR, "", None, task.tries + 1, note)
            pause = RETRY_PAUSES[task.tries]
            return RefillNews(task, RefillStatus.PENDING, "", now + pause, task.tries + 1, note)


def _interpret_status(task: TaskRow, answer: RefillStatus | UnreadAnswer, now: datetime) -> RefillNews:
    if isinstance(answer, UnreadAnswer):
        log.warning("a refill's status was not understood", refill=task.refill, run=task.run, sparse=task.provider)
        due = max(now + LEASE, _choose_next_poll(task, now))
        return RefillNews(task, None, task.provider_refill, due, note=_build_note(task, answer))
    return RefillNews(
        task, answer, task.provider_refill, _choose_next_poll(task, now) if answer in OPEN_REFILLS else None
    )


def _build_note(task: TaskRow, answer: UnreadAnswer) -> DeliveryNote:
    code = EventCode.REFILL_LOOK_UP_FAILED if answer.failed else EventCode.REFILL_NOT_UNDERSTOOD
    return DeliveryNote(code, {"refill": task.refill, "words": answer.words})


def _choose_next_poll(task: TaskRow, now: datetime) -> datetime:
    """Returns the time of the next poll. Refills take days: like orders, they are polled less often as they age."""
    return now + poll_again_after(now - task.since)
