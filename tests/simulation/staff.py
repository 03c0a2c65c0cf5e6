"""The panel's processes: API processes with a real Panel each, workers with the real actions of the worker's loops."""

from collections.abc import Callable, Coroutine, Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from tests.simulation.clocks import ProcessClock
from tests.simulation.provider import CALL_WITHIN_S, TAKEN_IN_WITHIN, Caller, Provider
from tests.simulation.running import Lane, Process
from tests.simulation.twin.connection import Line

from opensmm.actions import panel as panels
from opensmm.actions.chores import Chores
from opensmm.actions.dispatch import Dispatching, lease
from opensmm.actions.evidence import Inquiring
from opensmm.actions.progress import Following
from opensmm.actions.refill_tasks import RefillTasks
from opensmm.domain.asks import MAX_IDS
from opensmm.domain.evidence import Patience
from opensmm.providers.desk import Contact, Desk
from opensmm.providers.failures import NoAnswer
from opensmm.providers.limits import Circuit

NewClock = Callable[[Process], ProcessClock]
AT_ONCE = 400
"""More than are ever due: which of those due at the same moment come first is for the database to choose."""
IN_FLIGHT = 40
LOOPS = ("send", "follow", "cancels", "refills", "chores", "evidence")
PATIENCE = Patience(taking_in=TAKEN_IN_WITHIN, skew=timedelta())
"""A scenario lasts for half an hour or little more: with the panel's own patience everything would be tangled."""
REST = lease(CALL_WITHIN_S) + TAKEN_IN_WITHIN


class _Room(nullcontext[None]):
    """Calls wait for nobody here: the world says who goes first."""

    room = AT_ONCE
    sending = 0
    over = False


class SimulatedDesk(Desk):
    """The desk with simulated providers; groups are asked one after the other, and failures left out as there."""

    def __init__(self, providers: Sequence[Provider]) -> None:
        super().__init__(b"", "", CALL_WITHIN_S)
        self._callers = {provider.number: Caller(provider) for provider in providers}

    async def update(self, rows: Any) -> None:
        slots: Any = _Room()
        self._contacts = {row.id: Contact(row, self._callers[row.id], slots, Circuit()) for row in rows}

    async def ask_each(self, items: Sequence[Any], call: Any, heard: Any) -> None:
        for provider, contact in self._contacts.items():
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


class Worker(Process):
    def __init__(self, name: str, line: Callable[[], Any], providers: Sequence[Provider], clock: NewClock) -> None:
        super().__init__(name)
        self._line, self._providers, self._new_clock = line, providers, clock
        self.begin()

    def begin(self) -> None:
        """A process that has just been started knows nothing."""
        desk = SimulatedDesk(self._providers)
        self.desk = desk
        line, clock = self._line, self._new_clock(self)
        self._clock = clock
        self._dispatching = Dispatching(line(), line(), desk, CALL_WITHIN_S, clock)
        self._following = Following(line(), desk, clock)
        self._canceling = Following(line(), desk, clock)
        self._refills = RefillTasks(line(), desk, clock)
        self._chores = Chores(line(), desk, clock, self._dispatching.in_flight)
        self._inquiring = Inquiring(line(), desk, clock, PATIENCE)

    def loop(self, name: str) -> Coroutine[Any, Any, Any]:
        match name:
            case "send":
                return self._dispatching.step(AT_ONCE)
            case "follow":
                return self._following.step(AT_ONCE)
            case "cancels":
                return self._canceling.pass_on_cancels(AT_ONCE)
            case "refills":
                return self._refills.step(AT_ONCE)
            case "evidence":
                return self._inquiring.step(AT_ONCE)
            case _:
                return self._chores.step()

    def start(self, name: str) -> bool:
        """Begins a round of a loop, where the last one is over, it is known what time it is at the database, and there
        is a provider to speak to."""
        if name != "chores" and self._clock.off is None:
            return False
        if self.busy(name) or (name == "send" and (self.desk.empty or len(self.tasks) > IN_FLIGHT)):
            return False
        self.step(self.spawn(self.loop(name), name))
        return True


class Api(Process):
    def __init__(self, name: str, line: Callable[[], Line], clock: NewClock) -> None:
        super().__init__(name)
        self._line, self._new_clock = line, clock
        self.begin()

    def begin(self) -> None:
        def line(url: str, application: str, lock_timeout_ms: int | None, *, keyed: bool) -> Line:
            return self._line()

        with patch.object(panels, "Line", line), patch.object(panels, "Lane", Lane):
            self.panel = panels.Panel("", self._new_clock(self))
        self.spawn(self.panel.look_at_catalogue(), "look")
