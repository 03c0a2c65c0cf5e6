"""When, not what: the worker's loops. Any number of workers share the work by row locks."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg
import structlog

from opensmm.actions.chores import Chores
from opensmm.actions.dispatch import Dispatching
from opensmm.actions.lane import Rejected
from opensmm.actions.progress import Following
from opensmm.actions.refill_tasks import RefillTasks
from opensmm.base.faults import Unavailable
from opensmm.providers.desk import Desk
from opensmm.store.connection import Line

IDLE_S: Final = 0.1
"""Between looks for deliveries to send while there are none."""
POLL_EVERY_S: Final = 0.25
CANCELS_EVERY_S: Final = 0.25
REFILLS_EVERY_S: Final = 0.5
CHORES_EVERY_S: Final = 2.0
PAUSE_AFTER_FAULT_S: Final = 1.0
IN_FLIGHT: Final = 512
"""Deliveries being sent at a time, over all providers."""
CLAIM: Final = 200
POLL_BATCH: Final = 2000
CLAIM_WITHIN_S: Final = 1.0
FINISH_WITHIN_S: Final = 2.5
"""How long a worker that is told to stop waits for answers that are on their way."""
log = structlog.get_logger()


class Worker:
    """Sends, follows, passes on cancels and refills, and tidies up, until told to stop."""

    def __init__(self, url: str, desk: Desk, timeout_s: float) -> None:
        self._lines = {name: Line(url, application=f"opensmm worker: {name}") for name in _LINES}
        self._desk = desk
        self._dispatching = Dispatching(self._lines["claim"], self._lines["record"], desk, timeout_s)
        self._following = Following(self._lines["poll"], desk)
        self._canceling = Following(self._lines["cancel"], desk)
        self._refills = RefillTasks(self._lines["refill"], desk)
        self._chores = Chores(self._lines["chores"], desk)
        self._sending: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs the loops until ``stop``; then claims nothing more and waits a moment for answers on their way."""
        sending = asyncio.create_task(_every(0, self._send_due, stop))
        loops = [
            sending,
            asyncio.create_task(_every(POLL_EVERY_S, lambda: self._following.step(POLL_BATCH))),
            asyncio.create_task(_every(CANCELS_EVERY_S, lambda: self._canceling.pass_on_cancels(POLL_BATCH))),
            asyncio.create_task(_every(REFILLS_EVERY_S, lambda: self._refills.step(POLL_BATCH))),
            asyncio.create_task(_every(CHORES_EVERY_S, self._chores.step)),
        ]
        await stop.wait()
        # What was claimed and not sent would be unsure: a claim that has begun is seen through.
        await asyncio.wait([sending], timeout=CLAIM_WITHIN_S)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        if self._sending:
            await asyncio.wait(self._sending, timeout=FINISH_WITHIN_S)
        await self._desk.close()
        for line in self._lines.values():
            await line.drop()

    async def _send_due(self) -> None:
        room = 0 if self._desk.empty else IN_FLIGHT - len(self._sending)
        tasks = await self._dispatching.step(min(room, CLAIM)) if room > 0 else []
        for task in tasks:
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        if len(tasks) < CLAIM:
            await asyncio.sleep(IDLE_S)


_LINES: Final = ("claim", "record", "poll", "cancel", "refill", "chores")


async def _every(pause_s: float, step: Callable[[], Awaitable[object]], stop: asyncio.Event | None = None) -> None:
    """Repeats a step; a fault of the moment is logged and followed by a pause, never the end of the loop."""
    while stop is None or not stop.is_set():
        try:
            await step()
        except (Unavailable, Rejected, psycopg.Error) as error:
            log.warning("a step of the worker failed", step=getattr(step, "__qualname__", "?"), error=str(error))
            await asyncio.sleep(PAUSE_AFTER_FAULT_S)
        except Exception:
            log.exception("a step of the worker failed")
            await asyncio.sleep(PAUSE_AFTER_FAULT_S)
        await asyncio.sleep(pause_s)
