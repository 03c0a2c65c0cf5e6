"""Monitoring of the panel: its facts and findings, and the heartbeat of a worker."""

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
from opensmm.domain.api_keys import pepper_mark
from opensmm.domain.codes import FindingCode, ShutCode
from opensmm.domain.findings import Finding, Level
from opensmm.domain.monitoring import judge
from opensmm.domain.panel_facts import ALIVE_WITHIN, PanelFacts, ProviderSeen, shut_at_workers
from opensmm.domain.providers import PANEL, BalanceReading, hours_left
from opensmm.providers.key_encryption import UnreadableKey, open_key
from opensmm.providers.throttle import ConnectionShare
from opensmm.store import monitoring as rows
from opensmm.store import peppers, providers, workers
from opensmm.store.connection import Connection, ReconnectingConnection
from opensmm.store.providers import ProviderRow
from opensmm.store.workers import WorkerRow

FORGET_AFTER: Final = timedelta(minutes=10)
"""Time for which a dead worker stays on the list of workers."""


async def inspect_panel(
    connection: Connection, pepper: bytes | None, now: datetime, *, private: bool
) -> tuple[PanelFacts, list[Finding]]:
    """Returns the panel's facts at this moment and the findings on them.

    The workers report which providers cannot be called. If no worker does, the providers' keys and addresses are
    checked here with ``pepper``, if it is given. ``private`` allows private addresses.
    """
    facts = await rows.facts(connection, now)
    shut = shut_at_workers(facts.workers, now)
    if shut is None and pepper is not None:
        shut = _find_shut(await providers.providers(connection), pepper, private=private)
    readings = await providers.readings(connection)
    measured = [
        _add_balance(structs.replace(provider, shut=(shut or {}).get(provider.id)), readings.get(provider.id, []), now)
        for provider in facts.providers
    ]
    facts = structs.replace(facts, providers=tuple(measured))
    return facts, [*await _check_pepper(connection, pepper), *judge(facts, now)]


async def _check_pepper(connection: Connection, pepper: bytes | None) -> list[Finding]:
    mark = (await peppers.read_mark(connection)).mark
    if mark is None:
        return []
    if pepper is None:
        return [Finding("pepper", Level.WARNING, code=FindingCode.PEPPER_UNREAD)]
    return [] if mark == pepper_mark(pepper) else [Finding("pepper", Level.CRITICAL, code=FindingCode.PEPPER)]


def _find_shut(
    providers_to_check: Sequence[ProviderRow], pepper: bytes, *, private: bool
) -> dict[ProviderId, ShutCode]:
    """Returns the panels that cannot be called, each with the reason."""
    shut: dict[ProviderId, ShutCode] = {}
    for row in providers_to_check:
        try:
            if row.kind == PANEL:
                open_key(pepper, row, private=private)
        except UnreadableKey as error:
            shut[row.id] = error.code
    return shut


def _add_balance(seen: ProviderSeen, readings: list[BalanceReading], now: datetime) -> ProviderSeen:
    balance = readings[-1] if readings else None
    return structs.replace(seen, balance=balance, hours_left=hours_left(readings, now))


class Heartbeat:
    """The heartbeat of this worker's process. The other workers remove it some time after the process has died."""

    def __init__(self, connection: ReconnectingConnection, clock: DatabaseClock) -> None:
        self._connection = connection
        self._clock = clock
        self._worker = WorkerRow(uuid4(), os.getpid(), socket.gethostname())

    async def beat(self, shut: Mapping[ProviderId, ShutCode] | None) -> ConnectionShare:
        """Checks the clock and writes the heartbeat with ``shut``, the providers that this worker cannot call.

        Returns this worker's share of the providers' connection limits.
        """
        await self._clock.look(self._connection)
        at, off = self._clock.overriding_time(), self._clock.off

        async def work(connection: Connection) -> ConnectionShare:
            await workers.beat(connection, self._worker, at, off, FORGET_AFTER, shut)
            return ConnectionShare(*await workers.find_rank(connection, self._worker, at, ALIVE_WITHIN))

        return await write(self._connection, work)

    async def leave(self) -> None:
        await write(self._connection, lambda connection: workers.leave(connection, self._worker))


class MetricsSample(Struct, frozen=True):
    at: datetime
    facts: PanelFacts
    findings: list[Finding]


class MetricsSampler:
    """Keeps the newest sample of the panel, so that showing metrics takes no query."""

    def __init__(
        self, connection: ReconnectingConnection, pepper: bytes, clock: DatabaseClock, *, private: bool
    ) -> None:
        self._connection = connection
        self._pepper = pepper
        self._clock = clock
        self._private = private
        self.newest: MetricsSample | None = None

    async def step(self) -> None:
        if self._clock.stale:
            await read(self._connection, self._clock.read)
        now, pepper, private = self._clock(), self._pepper, self._private
        facts, findings = await read(
            self._connection, lambda connection: inspect_panel(connection, pepper, now, private=private)
        )
        self.newest = MetricsSample(now, facts, findings)
