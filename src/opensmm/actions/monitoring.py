"""Looking at the panel from outside: its facts, its findings, and the heartbeat of a worker."""

import os
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from msgspec import Struct, structs

from opensmm.actions.clock import DatabaseClock
from opensmm.actions.transactions import read, write
from opensmm.base.ids import ProviderId
from opensmm.domain import monitoring
from opensmm.domain.api_keys import pepper_mark
from opensmm.domain.codes import FindingCode, ShutCode
from opensmm.domain.findings import Finding, Level
from opensmm.domain.monitoring import PanelFacts, ProviderSeen
from opensmm.domain.providers import PANEL, BalanceReading, hours_left
from opensmm.providers.key_encryption import UnreadableKey, open_key
from opensmm.providers.throttle import ConnectionShare
from opensmm.store import monitoring as rows
from opensmm.store import peppers, providers, workers
from opensmm.store.connection import Connection, ReconnectingConnection
from opensmm.store.providers import ProviderRow
from opensmm.store.workers import WorkerRow

FORGET_AFTER: Final = timedelta(minutes=10)
"""How long a worker that died is told of."""


async def look(
    connection: Connection, pepper: bytes | None, now: datetime, *, private: bool
) -> tuple[PanelFacts, list[Finding]]:
    """The facts of this moment and what is to be thought of them. Which providers cannot be called the workers tell;
    where none does, they are tried with ``pepper``, if there is one, and ``private``."""
    facts = await rows.facts(connection, now)
    shut = monitoring.shut_at_workers(facts.workers, now)
    if shut is None and pepper is not None:
        shut = _shut(await providers.providers(connection), pepper, private=private)
    readings = await providers.readings(connection)
    known = [
        _reckoned(structs.replace(one, shut=(shut or {}).get(one.id)), readings.get(one.id, []), now)
        for one in facts.providers
    ]
    facts = structs.replace(facts, providers=tuple(known))
    return facts, [*await _pepper(connection, pepper), *monitoring.judge(facts, now)]


async def _pepper(connection: Connection, pepper: bytes | None) -> list[Finding]:
    mark = (await peppers.marked(connection)).mark
    if mark is None:
        return []
    if pepper is None:
        return [Finding("pepper", Level.WARNING, code=FindingCode.PEPPER_UNREAD)]
    return [] if mark == pepper_mark(pepper) else [Finding("pepper", Level.CRITICAL, code=FindingCode.PEPPER)]


def _shut(known: Sequence[ProviderRow], pepper: bytes, *, private: bool) -> dict[ProviderId, ShutCode]:
    """Panels that cannot be called, and why."""
    found: dict[ProviderId, ShutCode] = {}
    for row in known:
        try:
            if row.kind == PANEL:
                open_key(pepper, row, private=private)
        except UnreadableKey as error:
            found[row.id] = error.code
    return found


def _reckoned(seen: ProviderSeen, readings: list[BalanceReading], now: datetime) -> ProviderSeen:
    balance = readings[-1] if readings else None
    return structs.replace(seen, balance=balance, hours_left=hours_left(readings, now))


class Heartbeat:
    """Says that this process works; one that dies falls silent, and is forgotten by the others after a while."""

    def __init__(self, line: ReconnectingConnection, clock: DatabaseClock) -> None:
        self._line = line
        self._clock = clock
        self._worker = WorkerRow(uuid4(), os.getpid(), socket.gethostname())

    async def beat(self, shut: Mapping[ProviderId, ShutCode] | None) -> ConnectionShare:
        """Looks at the clock, says so and which providers it cannot call, and returns what of the providers' limits
        this worker may take."""
        await self._clock.look(self._line)
        at, off = self._clock.stamp(), self._clock.off

        async def work(connection: Connection) -> ConnectionShare:
            await workers.beat(connection, self._worker, at, off, FORGET_AFTER, shut)
            return ConnectionShare(*await workers.place(connection, self._worker, at, monitoring.ALIVE_WITHIN))

        return await write(self._line, work)

    async def leave(self) -> None:
        await write(self._line, lambda connection: workers.leave(connection, self._worker))


class MetricsSample(Struct, frozen=True):
    at: datetime
    facts: PanelFacts
    findings: list[Finding]


class MetricsSampler:
    """The newest look at the panel, for whoever shows it without asking the database each time."""

    def __init__(self, line: ReconnectingConnection, pepper: bytes, clock: DatabaseClock, *, private: bool) -> None:
        self._line = line
        self._pepper = pepper
        self._clock = clock
        self._private = private
        self.newest: MetricsSample | None = None

    async def step(self) -> None:
        if self._clock.stale:
            await read(self._line, self._clock.read)
        now, pepper, private = self._clock(), self._pepper, self._private
        found = await read(self._line, lambda connection: look(connection, pepper, now, private=private))
        self.newest = MetricsSample(now, *found)
