"""A worker: repeats the duties of ``LOOPS`` until told to stop. Any number of workers share the work by row locks."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg
import structlog

from opensmm.actions.clock import DatabaseClock
from opensmm.actions.sending import lease
from opensmm.actions.transactions import StatementRejected
from opensmm.base.errors import Unavailable
from opensmm.domain.evidence import PATIENCE, Patience
from opensmm.providers.registry import ProviderRegistry
from opensmm.store.connection import ReconnectingConnection
from opensmm.worker.loops import LOOK_AFTER, LOOPS, SEND, Duties, Loop, Pace

LOOK_S: Final = 0.1
"""Between looks for deliveries to send while there are none."""
IDLE_LOOK_S: Final = 0.25
"""The same while the worker is idle."""
REST_OF_LOOKS: Final = 3
"""Times as long as a look took, before the next: a long backlog that nobody takes is not gone through all the time."""
MOST_REST_S: Final = 5.0
LONG_LOOK_S: Final = 1.0
"""A look that takes longer is logged."""
SLOW_STEP_S: Final = 1.0
SLOW_STEPS: Final = 16
"""Steps of a kind that wait for slow providers while later ones serve the others."""
PAUSE_AFTER_FAULT_S: Final = 1.0
IN_FLIGHT: Final = 2048
"""Deliveries that are not recorded yet, over all providers; each provider's own limit is lower."""
CLAIM_WITHIN_S: Final = 0.7
FINISH_WITHIN_S: Final = 2.0
"""How long a worker that is told to stop waits for answers that are on their way."""
LEAVE_WITHIN_S: Final = 0.3
"""One that cannot take itself off the list in time falls silent like one that died."""
log = structlog.get_logger()

Step = Callable[[], Awaitable[object]]


class Worker:
    """Takes every step of ``LOOPS`` again and again, and sends whatever is due, until told to stop."""

    def __init__(self, url: str, registry: ProviderRegistry, timeout_s: float, patience: Patience = PATIENCE) -> None:
        def connect(name: str) -> ReconnectingConnection:
            return ReconnectingConnection(url, application=f"opensmm worker: {name}")

        clock = DatabaseClock(rest=lease(timeout_s) + patience.taking_in + patience.skew)
        self._duties = Duties(connect, registry, timeout_s, clock, patience)
        self._overlapping = {loop.name: Abreast(loop.name, self._step_of(loop)) for loop in LOOPS if loop.overlaps}
        self._has_nothing_due = False

    async def run(self, stop: asyncio.Event) -> None:
        """Runs the loops until ``stop``; then claims nothing more and waits a moment for answers on their way."""
        duties = self._duties
        sending = asyncio.create_task(every(0, self._send_due, stop, name=SEND.name))
        loops = [sending, *(asyncio.create_task(self._repeat(loop)) for loop in LOOPS if loop is not SEND)]
        await stop.wait()
        duties.sender.stop()
        # What was claimed and not sent would be unsure: a claim that has begun is seen through.
        await asyncio.wait([sending], timeout=CLAIM_WITHIN_S)
        slow = [task for steps in self._overlapping.values() for task in steps.slow]
        for loop in (*loops, *slow):
            loop.cancel()
        await asyncio.gather(*loops, *slow, return_exceptions=True)
        with contextlib.suppress(Unavailable, StatementRejected, TimeoutError):
            async with asyncio.timeout(FINISH_WITHIN_S):
                duties.sending.update(await duties.sender.finish())
        if duties.sending:
            await asyncio.wait(duties.sending, timeout=FINISH_WITHIN_S)
        await duties.registry.close()
        with contextlib.suppress(Unavailable, StatementRejected, TimeoutError):
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await duties.leave()
        await duties.close()

    async def _repeat(self, loop: Loop) -> None:
        """Begins once it is known what time it is at the database; what is sent waits for its providers to be known."""
        if loop is not LOOK_AFTER:
            await self._duties.looked.wait()
        step = self._overlapping[loop.name].step if loop.overlaps else self._step_of(loop)
        await every(loop.period_s, step, pace=self._duties.pace if loop.slows else None, name=loop.name)

    def _step_of(self, loop: Loop) -> Step:
        async def step() -> None:
            done = await loop.step(self._duties, loop.bound)
            if loop.wakes:
                self._duties.pace.note(done)

        return step

    async def _send_due(self) -> None:
        duties = self._duties
        room = 0 if duties.registry.empty else IN_FLIGHT - len(duties.sending)
        if room > 0 and self._has_nothing_due and not await duties.sender.is_due():
            room = 0
        claimed = await SEND.step(duties, min(room, SEND.bound)) if room > 0 else 0
        self._has_nothing_due = not claimed
        if claimed < SEND.bound:
            least_s = IDLE_LOOK_S if duties.pace.is_idle else LOOK_S
            await self._rest(max(least_s, rest_s(duties.sender.looked_s)))

    async def _rest(self, pause_s: float) -> None:
        """Rests between looks at all that is due. A provider that takes few adds at a time is sent the next one as
        soon as one is done, however long the rest."""
        dispatching = self._duties.sender
        until = time.monotonic() + pause_s
        while (left_s := until - time.monotonic()) > 0:
            freed = await dispatching.freed.take(left_s)
            if not freed:
                return
            self._duties.keep_sending(await dispatching.step_at(freed))


def rest_s(looked_s: float) -> float:
    """How long to rest after a look at what is due that took the database so long."""
    if looked_s > LONG_LOOK_S:
        log.warning("a look at what is due took long", seconds=round(looked_s, 1), sparse=True)
    return min(max(LOOK_S, REST_OF_LOOKS * looked_s), MOST_REST_S)


class Abreast:
    """Steps of one kind. One that waits long for a provider is left to itself: the others are not to wait too."""

    def __init__(self, name: str, step: Step) -> None:
        self.slow: set[asyncio.Task[None]] = set()
        self._name = name
        self._step = step

    async def step(self) -> None:
        if len(self.slow) >= SLOW_STEPS:
            await asyncio.wait(self.slow, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(_attempt(self._step, self._name))
        self.slow.add(task)
        task.add_done_callback(self.slow.discard)
        await asyncio.wait([task], timeout=SLOW_STEP_S)


async def every(
    pause_s: float, step: Step, stop: asyncio.Event | None = None, pace: Pace | None = None, *, name: str
) -> None:
    """Repeats a step until told to stop; with a ``pace``, more seldom while the worker is idle. ``name`` is for the
    log."""
    while stop is None or not stop.is_set():
        await _attempt(step, name)
        await asyncio.sleep(pause_s if pace is None else pace.pause_s(pause_s))


async def _attempt(step: Step, name: str) -> None:
    """Takes a step; a fault of the moment is logged and followed by a pause, never the end of the loop."""
    try:
        await step()
    except (Unavailable, StatementRejected, psycopg.Error) as error:
        log.warning("a step of the worker failed", step=name, error=str(error), sparse=name)
        await asyncio.sleep(PAUSE_AFTER_FAULT_S)
    except Exception:
        log.exception("a step of the worker failed", sparse=name)
        await asyncio.sleep(PAUSE_AFTER_FAULT_S)
