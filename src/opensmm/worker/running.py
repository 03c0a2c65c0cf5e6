"""The worker, which repeats the duties of ``LOOPS`` until it stops. Any number of workers share work by row locks."""

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
from opensmm.domain.evidence import DEFAULT_PATIENCE, Patience
from opensmm.providers.registry import ProviderRegistry
from opensmm.store.connection import ReconnectingConnection
from opensmm.worker.loops import HOUSEKEEPING, LOOPS, SEND, Duties, Loop, Pace

SCAN_EVERY_S: Final = 0.1
"""Seconds between scans for due deliveries while there are none."""
IDLE_SCAN_EVERY_S: Final = 0.25
"""Seconds between these scans while the worker is idle."""
SCAN_REST_FACTOR: Final = 3
"""The pause after a scan, in durations of that scan: so a long backlog that no provider takes is read less often."""
MAX_SCAN_PAUSE_S: Final = 5.0
LONG_SCAN_S: Final = 1.0
"""A scan that takes longer is logged."""
SLOW_STEP_S: Final = 1.0
SLOW_STEPS: Final = 16
"""Steps of one loop that may wait for slow providers while later steps serve the others."""
PAUSE_AFTER_FAULT_S: Final = 1.0
IN_FLIGHT: Final = 2048
"""Deliveries being sent at a time, over all providers. Each provider's own limit is lower."""
CLAIM_WITHIN_S: Final = 0.7
"""Seconds that a stopping worker waits for a claim that has begun."""
FINISH_WITHIN_S: Final = 2.0
"""Seconds that a stopping worker spends on each of two waits: for the outcome of a claim whose COMMIT it abandoned, and
for answers on their way."""
LEAVE_WITHIN_S: Final = 0.3
"""Seconds to remove the heartbeat. A worker that fails to do so falls silent, like one that died."""
log = structlog.get_logger()

Step = Callable[[], Awaitable[object]]


class Worker:
    """Repeats every step of ``LOOPS``, and sends due deliveries, until it is told to stop."""

    def __init__(
        self, url: str, registry: ProviderRegistry, timeout_s: float, patience: Patience = DEFAULT_PATIENCE
    ) -> None:
        def connect(name: str) -> ReconnectingConnection:
            return ReconnectingConnection(url, application=f"opensmm worker: {name}")

        # After a step of the clock nothing is concluded from times until each call that began before it has ended, and
        # its provider can no longer be taking the order in.
        clock = DatabaseClock(rest=lease(timeout_s) + patience.taking_in + patience.skew)
        self._duties = Duties(connect, registry, timeout_s, clock, patience)
        self._overlapping = {
            loop.name: OverlappingSteps(loop.name, self._step_of(loop)) for loop in LOOPS if loop.overlaps
        }
        self._last_claim_was_empty = False
        """True if the last round claimed nothing: nothing was due, or there was no room."""

    async def run(self, stop: asyncio.Event) -> None:
        """Runs the loops until ``stop``; then claims nothing more and waits a moment for answers on their way."""
        duties = self._duties
        sending = asyncio.create_task(repeat(0, self._send_due, stop, name=SEND.name))
        loops = [sending, *(asyncio.create_task(self._repeat(loop)) for loop in LOOPS if loop is not SEND)]
        await stop.wait()
        duties.sender.stop()
        # Deliveries claimed and not sent would become unsure, so a claim that has begun is waited for.
        await asyncio.wait([sending], timeout=CLAIM_WITHIN_S)
        steps = [task for overlapping in self._overlapping.values() for task in overlapping.under_way]
        for task in (*loops, *steps):
            task.cancel()
        await asyncio.gather(*loops, *steps, return_exceptions=True)
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
        """Repeats a loop's step. All loops but ``HOUSEKEEPING`` begin once the database's clock has been read.

        ``SEND`` is repeated by ``run``; ``_send_due`` keeps to the same rule.
        """
        if loop is not HOUSEKEEPING:
            await self._duties.clock_known.wait()
        step = self._overlapping[loop.name].step if loop.overlaps else self._step_of(loop)
        await repeat(loop.period_s, step, pace=self._duties.pace if loop.slows else None, name=loop.name)

    def _step_of(self, loop: Loop) -> Step:
        async def step() -> None:
            done = await loop.step(self._duties, loop.bound)
            if loop.wakes:
                self._duties.pace.note(done)

        return step

    async def _send_due(self) -> None:
        duties = self._duties
        may_send = duties.clock_known.is_set() and not duties.registry.empty
        room = IN_FLIGHT - len(duties.sending) if may_send else 0
        # After a round without a claim, a cheap read comes before the next claim.
        if room > 0 and self._last_claim_was_empty and not await duties.sender.is_due():
            room = 0
        claimed = await SEND.step(duties, min(room, SEND.bound)) if room > 0 else 0
        self._last_claim_was_empty = not claimed
        if claimed < SEND.bound:
            least_s = IDLE_SCAN_EVERY_S if duties.pace.is_idle else SCAN_EVERY_S
            await self._wait_for_next_scan(max(least_s, pause_after_scan_s(duties.sender.scan_s)))

    async def _wait_for_next_scan(self, pause_s: float) -> None:
        """Pauses before the next scan of all due deliveries.

        Meanwhile, a provider that takes few adds at a time gets the next one as soon as one is done.
        """
        sender = self._duties.sender
        until = time.monotonic() + pause_s
        while (left_s := until - time.monotonic()) > 0:
            freed = await sender.freed.take(left_s)
            if not freed:
                return
            self._duties.keep_sending(await sender.step_at(freed))


def pause_after_scan_s(scan_s: float) -> float:
    """Returns the seconds to pause after a scan for due deliveries that took ``scan_s``."""
    if scan_s > LONG_SCAN_S:
        log.warning("a look at what is due took long", seconds=round(scan_s, 1), sparse=True)
    return min(max(SCAN_EVERY_S, SCAN_REST_FACTOR * scan_s), MAX_SCAN_PAUSE_S)


class OverlappingSteps:
    """Steps of one loop. The next one begins even if some still wait for a slow provider."""

    def __init__(self, name: str, step: Step) -> None:
        self.under_way: set[asyncio.Task[None]] = set()
        self._name = name
        self._step = step

    async def step(self) -> None:
        # Bounded, so that a provider that never answers does not collect steps without end.
        if len(self.under_way) >= SLOW_STEPS:
            await asyncio.wait(self.under_way, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(_attempt(self._step, self._name))
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
        # Usually it ends within that time, and the loop's pause follows. A slow one goes on beside the next.
        await asyncio.wait([task], timeout=SLOW_STEP_S)


async def repeat(
    pause_s: float, step: Step, stop: asyncio.Event | None = None, pace: Pace | None = None, *, name: str
) -> None:
    """Repeats a step until ``stop`` is set; with a ``pace``, less often while the worker is idle.

    ``name`` is for the log.
    """
    while stop is None or not stop.is_set():
        await _attempt(step, name)
        await asyncio.sleep(pause_s if pace is None else pace.pause_s(pause_s))


async def _attempt(step: Step, name: str) -> None:
    """Takes a step. A fault is logged and followed by a pause, and never ends the loop."""
    try:
        await step()
    except (Unavailable, StatementRejected, psycopg.Error) as error:
        log.warning("a step of the worker failed", step=name, error=str(error), sparse=name)
        await asyncio.sleep(PAUSE_AFTER_FAULT_S)
    except Exception:
        log.exception("a step of the worker failed", sparse=name)
        await asyncio.sleep(PAUSE_AFTER_FAULT_S)
