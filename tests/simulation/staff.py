"""The panel's processes: API processes with a real Panel each, workers with the real actions of the worker's loops."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from tests.simulation.clocks import ProcessClock
from tests.simulation.model.connection import Line
from tests.simulation.provider import CALL_WITHIN_S, TAKEN_IN_WITHIN, Caller, Provider
from tests.simulation.running import FakeBatcher, Process

from opensmm.actions import api_facade as panels
from opensmm.actions.sending import lease
from opensmm.domain.evidence import Patience
from opensmm.domain.requests import MAX_IDS
from opensmm.providers.call_failures import NoAnswer
from opensmm.providers.circuit_breaker import CircuitBreaker
from opensmm.providers.registry import ProviderConnection, ProviderRegistry
from opensmm.worker.loops import HOUSEKEEPING, LOOPS, SEND, Duties, Pace

NewClock = Callable[[Process], ProcessClock]
AT_ONCE = 400
"""More than are ever due: which of those due at the same moment come first is for the database to choose."""
IN_FLIGHT = 40
NOT_SIMULATED = ("watch", "purchases", "rollups", "balances", "sync")
"""Subscriptions have scenarios of their own; purchases, sums, balances and price lists have no model of the store."""
SIMULATED = {loop.name: loop for loop in LOOPS if loop.name not in NOT_SIMULATED}
PATIENCE = Patience(taking_in=TAKEN_IN_WITHIN, skew=timedelta())
"""A scenario lasts for half an hour or little more: with the panel's own patience everything would be tangled."""
REST = lease(CALL_WITHIN_S) + TAKEN_IN_WITHIN


class _Room(nullcontext[None]):
    """Calls wait for nobody here: the world says who goes first."""

    room = AT_ONCE
    sending = 0
    is_stopped = False


class SimulatedDesk(ProviderRegistry):
    """The desk with simulated providers; groups are asked one after the other, and failures left out as there."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        super().__init__(b"", "", CALL_WITHIN_S)
        self._callers = {provider.number: Caller(provider) for provider in providers}

    async def update(self, rows: Any) -> None:
        slots: Any = _Room()
        self._connections = {
            row.id: ProviderConnection(row, self._callers[row.id], slots, CircuitBreaker()) for row in rows
        }

    async def call_each(self, items: Sequence[Any], call: Any, heard: Any) -> None:
        for provider, contact in self._connections.items():
            group = [item for item in items if item.provider == provider]
            pairs: list[tuple[Any, Any]] = []
            for at in range(0, len(group), MAX_IDS):
                part = group[at : at + MAX_IDS]
                try:
                    pairs += zip(part, await call(contact.provider, part), strict=True)
                except NoAnswer:
                    continue
            if group:
                await heard(group, pairs)


class SimulatedDuties(Duties):
    """Tasks that send are the world's to move: nobody holds them here."""

    def keep_sending(self, tasks: Sequence[Any]) -> None:
        return


class Worker(Process):
    def __init__(self, name: str, line: Callable[[], Any], providers: Sequence[Provider], clock: NewClock) -> None:
        super().__init__(name)
        self._line, self._providers, self._new_clock = line, providers, clock
        self.begin()

    def begin(self) -> None:
        """A process that has just been started knows nothing."""
        registry = SimulatedDesk(self._providers)
        self.registry = registry
        clock: Any = self._new_clock(self)
        self._clock = clock
        self._duties = SimulatedDuties(
            lambda name: self._line(), registry, CALL_WITHIN_S, clock, PATIENCE, Pace(lambda: 0.0), beats=False
        )

    def start(self, name: str) -> bool:
        """Begins a round of a loop, where the last one is over, it is known what time it is at the database, and there
        is a provider to speak to."""
        loop = SIMULATED[name]
        if loop is not HOUSEKEEPING and self._clock.off is None:
            return False
        if self.busy(name) or (loop is SEND and (self.registry.empty or len(self.tasks) > IN_FLIGHT)):
            return False
        self.step(self.spawn(loop.step(self._duties, AT_ONCE), name))
        return True


class Api(Process):
    def __init__(self, name: str, line: Callable[[], Line], clock: NewClock) -> None:
        super().__init__(name)
        self._line, self._new_clock = line, clock
        self.begin()

    def begin(self) -> None:
        def line(url: str, application: str, lock_timeout_ms: int | None, *, keyed: bool) -> Line:
            return self._line()

        with patch.object(panels, "ReconnectingConnection", line), patch.object(panels, "Batcher", FakeBatcher):
            self.panel = panels.ApiOperations("", self._new_clock(self))
        self.spawn(self.panel.refresh_catalogue(), "look")
