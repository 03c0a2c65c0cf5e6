"""Processes of the panel as coroutines that the world moves, one step at a time, in an order it chooses.

The panel's own actions run here, unchanged, above the model of the store. What they wait for is a pause: the world may
let another go first, let time pass, freeze the process, or kill it and everything it knew.
"""

from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Generic, TypeVar, cast
from unittest.mock import patch

import psycopg
from tests.simulation.model import (
    clocks,
    connection,
    customers,
    dispatch,
    evidence,
    notices,
    order_actions,
    payments,
    placing,
    polling,
    providers,
    refills,
    settlement,
    subscriptions,
)
from tests.simulation.model.connection import Pause

from opensmm.actions import (
    api_reads,
    cancels,
    catalogue,
    clock,
    housekeeping,
    money,
    provider_health,
    refill_tasks,
)
from opensmm.actions import order_actions as intervening
from opensmm.actions import order_placing as placements
from opensmm.actions import poller as following
from opensmm.actions import refills as refilling
from opensmm.actions import sending as dispatching
from opensmm.actions import settlement as ending
from opensmm.actions import subscriptions as watching
from opensmm.actions import unsure as inquiries
from opensmm.actions.transactions import StatementRejected
from opensmm.base.errors import Unavailable

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")
Done = Callable[[Any, Exception | None], None]


class Broken(BaseException):
    """A check failed. Not an Exception: nothing in the panel may take it for a fault of the moment."""

    def __init__(self, check: str, says: str, orders: Sequence[int] = ()) -> None:
        super().__init__(f"{check}: {says}")
        self.check = check
        self.says = says
        self.orders = tuple(orders)


class Task:
    """What a process has begun, and what it waits for."""

    def __init__(self, begun: Awaitable[Any], name: str, done: Done | None = None) -> None:
        self.steps = begun.__await__()
        self.name = name
        self.done = done
        self.pause = Pause("start")
        self.held_until = 0
        """The event before which it does not go on."""

    def ready(self, now: datetime) -> bool:
        pause = self.pause
        if pause.until is not None and pause.until > now:
            return False
        return pause.waits_for is None or not pause.waits_for.taken or pause.waits_for.over


class Process:
    """What dies together: tasks, and whatever the objects they belong to remember."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tasks: list[Task] = []
        self.frozen_until: datetime | None = None
        self.clock_off = timedelta(0)
        """How far the clock on the wall of its machine is ahead."""

    def begin(self) -> None:
        """Starts as a process that knows nothing."""
        raise NotImplementedError

    def spawn(self, begun: Awaitable[Any], name: str, done: Done | None = None) -> Task:
        task = Task(begun, name, done)
        self.tasks.append(task)
        return task

    def busy(self, name: str) -> bool:
        return any(task.name == name for task in self.tasks)

    def step(self, task: Task) -> None:
        """Lets a task run to its next pause, or to its end."""
        result, error = None, None
        try:
            task.pause = next(task.steps)
            return
        except StopIteration as stop:
            result = stop.value
        except (Unavailable, StatementRejected, psycopg.Error) as fault:
            error = fault
        self.tasks.remove(task)
        if task.done is not None:
            task.done(result, error)

    def die(self) -> list[str]:
        """Forgets everything; returns where each task stood."""
        stood = [f"{task.name}:{task.pause.at}" for task in self.tasks]
        for task in self.tasks:
            task.steps.close()
        self.tasks = []
        return stood


class _Entry(Generic[Ask, Answer]):
    def __init__(self, request: Ask) -> None:
        self.request = request
        self.taken = self.over = False
        self.answer: Answer | None = None
        self.error: Exception | None = None


class FakeBatcher(Generic[Ask, Answer]):
    """actions.lane without a loop: whoever of those that wait is let go first runs the batch for all."""

    def __init__(
        self, batch: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer]]], name: str = "", **bounds: Any
    ) -> None:
        self._batch = batch
        self._queue: list[_Entry[Ask, Answer]] = []

    async def submit(self, request: Ask, owner: int = 0, weight: int = 1) -> Answer:
        entry: _Entry[Ask, Answer] = _Entry(request)
        self._queue.append(entry)
        await Pause("lane", waits_for=entry)
        if not entry.taken:
            taken, self._queue = self._queue, []
            for item in taken:
                item.taken = True
            await self._serve(taken)
        if entry.error is not None:
            raise entry.error
        return cast(Answer, entry.answer)

    async def _serve(self, taken: Sequence[_Entry[Ask, Answer]]) -> None:
        try:
            answers = await self._batch([entry.request for entry in taken])
        except StatementRejected as error:
            if len(taken) == 1:
                _finish(taken[0], None, Unavailable(error.outage, words=str(error)))
            else:
                for entry in taken:
                    await self._serve([entry])
        except Exception as error:
            for entry in taken:
                _finish(entry, None, error)
        else:
            for entry, answer in zip(taken, answers, strict=True):
                _finish(entry, answer, None)


def _finish(entry: _Entry[Any, Any], answer: Any, error: Exception | None) -> None:
    entry.answer, entry.error, entry.over = answer, error, True


class _Quiet:
    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *said, **more: None


@contextmanager
def installed(
    spawn: Callable[[Coroutine[Any, Any, Any]], Task],
    now: Callable[[], datetime],
    record: Callable[[Any], Any] | None = None,
) -> Iterator[None]:
    """Puts the model under the panel's actions, and the world in the place of asyncio and the clock.

    ``record`` may put something around each part of the model.
    """

    async def sleep(seconds: float) -> None:
        await Pause("sleep", until=datetime.fromtimestamp(now().timestamp() + seconds, now().tzinfo))

    loop = SimpleNamespace(create_task=spawn, sleep=sleep)
    wall = SimpleNamespace(monotonic=lambda: now().timestamp())
    with ExitStack() as stack:
        for module, names in _REPLACED.items():
            for name, model in names.items():
                part = record(model) if record is not None else model
                stack.enter_context(patch.object(module, name, part))
        stack.enter_context(patch.object(dispatching, "asyncio", loop))
        stack.enter_context(patch.object(dispatching, "time", wall))
        yield


_REPLACED: dict[Any, dict[str, Any]] = {
    dispatching: {
        "rows": dispatch,
        "notices": notices,
        "providers": providers,
        "commit_recovery": placing.commit_recovery,
        "Batcher": FakeBatcher,
        "log": _Quiet(),
    },
    provider_health: {"providers": providers},
    ending: {"rows": settlement, "customers": customers},
    cancels: {"rows": settlement},
    clock: {"clocks": clocks, "log": _Quiet()},
    refilling: {"rows": refills},
    refill_tasks: {"rows": refills, "log": _Quiet()},
    inquiries: {
        "rows": evidence,
        "subscriptions": subscriptions,
        "clocks": clocks,
        "dispatch": dispatch,
        "log": _Quiet(),
    },
    watching: {"rows": subscriptions, "polling": polling, "cancels": settlement, "log": _Quiet()},
    following: {"rows": polling, "notices": notices, "log": _Quiet()},
    placements: {"rows": placing, "db": connection, "commit_recovery": placing.commit_recovery, "Batcher": FakeBatcher},
    housekeeping: {
        "dispatch": dispatch,
        "pruning": customers,
        "providers": providers,
        "manual": providers,
        "log": _Quiet(),
    },
    catalogue: {"catalogue": placing},
    api_reads: {"orders": polling},
    money: {"rows": payments, "customers": customers, "audit": customers},
    intervening: {
        "rows": order_actions,
        "evidence": evidence,
        "dispatch": dispatch,
        "customers": customers,
        "audit": customers,
    },
}
