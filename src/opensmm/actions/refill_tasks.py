"""Passing refills on to providers and asking after them, a hundred a call."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog

from opensmm.actions.placing import Clock, utc_now
from opensmm.actions.writing import write
from opensmm.base.ids import ProviderId
from opensmm.domain.asks import MAX_IDS
from opensmm.domain.dispatch import Declined
from opensmm.domain.refills import OPEN_REFILLS, RefillStatus
from opensmm.providers.client import NoAnswer, Provider
from opensmm.providers.desk import Desk
from opensmm.store import refilling
from opensmm.store.connection import Line
from opensmm.store.refilling import RefillNews, RefillTask

ASK_AGAIN_S: Final = 2.0
LEASE_S: Final = 60.0
log = structlog.get_logger()


class RefillTasks:
    def __init__(self, line: Line, desk: Desk, clock: Clock = utc_now) -> None:
        self._line = line
        self._desk = desk
        self._clock = clock

    async def step(self, limit: int) -> int:
        """One round over the tasks whose turn it is; returns how many there were."""
        now = self._clock()
        again = now + timedelta(seconds=LEASE_S)
        tasks = await write(self._line, lambda connection: refilling.claim(connection, now, again, limit))
        groups: dict[tuple[ProviderId, bool], list[RefillTask]] = defaultdict(list)
        for task in tasks:
            groups[task.provider, bool(task.provider_refill)].append(task)
        news: list[RefillNews] = []
        for (provider, asked_before), group in groups.items():
            for at in range(0, len(group), MAX_IDS):
                news += await self._call(provider, group[at : at + MAX_IDS], asked_before)
        await write(self._line, lambda connection: refilling.record(connection, news, self._clock()))
        return len(tasks)

    async def _call(self, provider: ProviderId, group: Sequence[RefillTask], asked_before: bool) -> list[RefillNews]:
        contact = self._desk.contact(provider)
        if contact is None:
            return []
        try:
            async with contact.slots:
                call = _ask_after if asked_before else _ask_for
                return await call(contact.provider, group, self._clock())
        except NoAnswer as error:
            log.warning("a provider did not answer", provider=provider, error=str(error))
            return []


async def _ask_for(provider: Provider, group: Sequence[RefillTask], now: datetime) -> list[RefillNews]:
    said = await provider.refills([task.provider_order for task in group])
    soon = now + timedelta(seconds=ASK_AGAIN_S)
    news = []
    for task, answer in zip(group, said, strict=True):
        match answer:
            case Declined():
                news.append(RefillNews(task, RefillStatus.REJECTED, "", None))
            case str():
                news.append(RefillNews(task, RefillStatus.PENDING, answer, soon))
            case None:
                log.warning("a refill was not understood", refill=task.refill, run=task.run)
    return news


async def _ask_after(provider: Provider, group: Sequence[RefillTask], now: datetime) -> list[RefillNews]:
    said = await provider.refill_statuses([task.provider_refill for task in group])
    soon = now + timedelta(seconds=ASK_AGAIN_S)
    return [
        RefillNews(task, status, task.provider_refill, soon if status in OPEN_REFILLS else None)
        for task, status in zip(group, said, strict=True)
        if status is not None
    ]
