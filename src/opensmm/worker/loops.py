"""When, not what: the worker's loops. Any number of workers share the work by row locks."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import psycopg
import structlog

from opensmm.actions.balances import Balances
from opensmm.actions.chores import Chores
from opensmm.actions.clock import Clock
from opensmm.actions.dispatch import Dispatching, lease
from opensmm.actions.evidence import Inquiring
from opensmm.actions.health import Heartbeat
from opensmm.actions.lane import Rejected
from opensmm.actions.posts import Watching
from opensmm.actions.progress import Following
from opensmm.actions.purchases import Purchases
from opensmm.actions.refill_tasks import RefillTasks
from opensmm.actions.sync import Syncing
from opensmm.base.faults import Unavailable
from opensmm.domain.evidence import PATIENCE, Patience
from opensmm.providers.desk import Desk
from opensmm.store.connection import Line

LOOK_S: Final = 0.1
"""Between looks for deliveries to send while there are none."""
REST_OF_LOOKS: Final = 3
"""Times as long as a look took, before the next: a long backlog that nobody takes is not gone through all the time."""
MOST_REST_S: Final = 5.0
LONG_LOOK_S: Final = 1.0
"""A look that takes longer is logged."""
POLL_EVERY_S: Final = 0.25
WATCH_EVERY_S: Final = 0.5
CANCELS_EVERY_S: Final = 0.25
REFILLS_EVERY_S: Final = 0.5
CHORES_EVERY_S: Final = 2.0
EVIDENCE_EVERY_S: Final = 1.0
BALANCES_EVERY_S: Final = 15.0
"""Between looks for providers whose balance is to be asked for."""
SYNC_EVERY_S: Final = 15.0
"""Between looks for a provider whose price list is to be read; each look reads one."""
SLOW_STEP_S: Final = 1.0
SLOW_STEPS: Final = 16
"""Steps of a kind that wait for slow providers while later ones serve the others."""
QUIET_S: Final = 30.0
"""After so long without anything to send, to ask after or to pass on a worker counts as idle."""
IDLE_STRETCH: Final = 4
"""Times as long as else an idle worker's loops pause. Looks at the providers are as frequent as ever."""
IDLE_LOOK_S: Final = 0.25
"""Between looks for deliveries to send while a worker is idle."""
PAUSE_AFTER_FAULT_S: Final = 1.0
IN_FLIGHT: Final = 2048
"""Deliveries that are not recorded yet, over all providers; each provider's own limit is lower."""
CLAIM: Final = 200
POLL_BATCH: Final = 2000
WATCH_BATCH: Final = 200
EVIDENCE_BATCH: Final = 100
CLAIM_WITHIN_S: Final = 0.7
FINISH_WITHIN_S: Final = 2.0
"""How long a worker that is told to stop waits for answers that are on their way."""
LEAVE_WITHIN_S: Final = 0.3
"""One that cannot take itself off the list in time falls silent like one that died."""
log = structlog.get_logger()


class Worker:
    """Sends, follows, passes on cancels and refills, settles what is unsure, and tidies up, until told to stop."""

    def __init__(self, url: str, desk: Desk, timeout_s: float, patience: Patience = PATIENCE) -> None:
        self._lines = {name: Line(url, application=f"opensmm worker: {name}") for name in _LINES}
        self._desk = desk
        clock = Clock(rest=lease(timeout_s) + patience.taking_in + patience.skew)
        self._dispatching = Dispatching(self._lines["claim"], self._lines["record"], desk, timeout_s, clock)
        self._following = Following(self._lines["poll"], desk, clock)
        self._canceling = Following(self._lines["cancel"], desk, clock)
        self._watching = Watching(self._lines["watch"], desk, clock)
        self._refills = RefillTasks(self._lines["refill"], desk, clock)
        self._purchases = Purchases(self._lines["refill"], clock)
        self._inquiring = Inquiring(self._lines["evidence"], desk, clock, patience)
        self._chores = Chores(self._lines["chores"], desk, clock, self._dispatching.in_flight)
        self._balances = Balances(self._lines["balances"], desk, clock)
        self._syncing = Syncing(self._lines["sync"], desk, clock)
        self._heartbeat = Heartbeat(self._lines["chores"], clock)
        self._looked = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._pace = Pace()
        self._rounds = 0
        self._has_nothing_due = False
        self._follows, self._watches, self._cancels = map(Abreast, (self._follow, self._watch, self._cancel))

    async def run(self, stop: asyncio.Event) -> None:
        """Runs the loops until ``stop``; then claims nothing more and waits a moment for answers on their way."""
        sending = asyncio.create_task(every(0, self._send_due, stop))
        loops = [
            sending,
            asyncio.create_task(self._repeat(POLL_EVERY_S, self._follows.step, self._pace)),
            asyncio.create_task(self._repeat(WATCH_EVERY_S, self._watches.step, self._pace)),
            asyncio.create_task(self._repeat(CANCELS_EVERY_S, self._cancels.step, self._pace)),
            asyncio.create_task(self._repeat(REFILLS_EVERY_S, self._refill, self._pace)),
            asyncio.create_task(
                self._repeat(EVIDENCE_EVERY_S, lambda: self._inquiring.step(EVIDENCE_BATCH), self._pace)
            ),
            asyncio.create_task(every(CHORES_EVERY_S, self._look_after)),
            asyncio.create_task(self._repeat(BALANCES_EVERY_S, self._balances.step)),
            asyncio.create_task(self._repeat(SYNC_EVERY_S, self._syncing.step)),
        ]
        await stop.wait()
        self._dispatching.stop()
        # What was claimed and not sent would be unsure: a claim that has begun is seen through.
        await asyncio.wait([sending], timeout=CLAIM_WITHIN_S)
        slow = [task for steps in (self._follows, self._watches, self._cancels) for task in steps.slow]
        for loop in (*loops, *slow):
            loop.cancel()
        await asyncio.gather(*loops, *slow, return_exceptions=True)
        with contextlib.suppress(Unavailable, Rejected, TimeoutError):
            async with asyncio.timeout(FINISH_WITHIN_S):
                self._sending.update(await self._dispatching.finish())
        if self._sending:
            await asyncio.wait(self._sending, timeout=FINISH_WITHIN_S)
        await self._desk.close()
        with contextlib.suppress(Unavailable, Rejected, TimeoutError):
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await self._heartbeat.leave()
        for line in self._lines.values():
            await line.close()

    async def _repeat(self, pause_s: float, step: Callable[[], Awaitable[object]], pace: "Pace | None" = None) -> None:
        """Begins once it is known what time it is at the database; what is sent waits for its providers to be known."""
        await self._looked.wait()
        await every(pause_s, step, pace=pace)

    async def _follow(self) -> int:
        return self._pace.note(await self._following.step(POLL_BATCH))

    async def _watch(self) -> int:
        return self._pace.note(await self._watching.step(WATCH_BATCH))

    async def _cancel(self) -> int:
        return self._pace.note(await self._canceling.pass_on_cancels(POLL_BATCH))

    async def _refill(self) -> None:
        await self._refills.step(POLL_BATCH)
        await self._purchases.step(POLL_BATCH)

    async def _look_after(self) -> None:
        self._desk.share(await self._heartbeat.beat(self._desk.shut))
        self._looked.set()
        self._rounds += 1
        await self._chores.step(tidy=not self._pace.is_idle or self._rounds % IDLE_STRETCH == 0)

    async def _send_due(self) -> None:
        room = 0 if self._desk.empty else IN_FLIGHT - len(self._sending)
        if room > 0 and self._has_nothing_due and not await self._dispatching.is_due():
            room = 0
        tasks = await self._dispatching.step(min(room, CLAIM)) if room > 0 else []
        self._has_nothing_due = not tasks
        self._keep_sending(tasks)
        if len(tasks) < CLAIM:
            least_s = IDLE_LOOK_S if self._pace.is_idle else LOOK_S
            await self._rest(max(least_s, rest_s(self._dispatching.looked_s)))

    async def _rest(self, pause_s: float) -> None:
        """Rests between looks at all that is due. A provider that takes few adds at a time is sent the next one as
        soon as one is done, however long the rest."""
        until = time.monotonic() + pause_s
        while (left_s := until - time.monotonic()) > 0:
            freed = await self._dispatching.freed.take(left_s)
            if not freed:
                return
            self._keep_sending(await self._dispatching.step_at(freed))

    def _keep_sending(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        self._pace.note(len(tasks))
        for task in tasks:
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)


def rest_s(looked_s: float) -> float:
    """How long to rest after a look at what is due that took the database so long."""
    if looked_s > LONG_LOOK_S:
        log.warning("a look at what is due took long", seconds=round(looked_s, 1), sparse=True)
    return min(max(LOOK_S, REST_OF_LOOKS * looked_s), MOST_REST_S)


class Pace:
    """How long loops pause: longer once there has been nothing to do for a while."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._busy_at = monotonic()

    def note(self, done: int) -> int:
        """Tells of so much that was found to do, and hands it on."""
        if done:
            self._busy_at = self._monotonic()
        return done

    @property
    def is_idle(self) -> bool:
        return self._monotonic() - self._busy_at > QUIET_S

    def pause_s(self, usual_s: float) -> float:
        return usual_s * IDLE_STRETCH if self.is_idle else usual_s


class Abreast:
    """Steps of one kind. One that waits long for a provider is left to itself: the others are not to wait too."""

    def __init__(self, step: Callable[[], Awaitable[object]]) -> None:
        self.slow: set[asyncio.Task[None]] = set()
        self._step = step

    async def step(self) -> None:
        if len(self.slow) >= SLOW_STEPS:
            await asyncio.wait(self.slow, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(_attempt(self._step))
        self.slow.add(task)
        task.add_done_callback(self.slow.discard)
        await asyncio.wait([task], timeout=SLOW_STEP_S)


_LINES: Final = ("claim", "record", "poll", "watch", "cancel", "refill", "evidence", "chores", "balances", "sync")


async def every(
    pause_s: float,
    step: Callable[[], Awaitable[object]],
    stop: asyncio.Event | None = None,
    pace: Pace | None = None,
) -> None:
    """Repeats a step until told to stop; with a ``pace``, more seldom while the worker is idle."""
    while stop is None or not stop.is_set():
        await _attempt(step)
        await asyncio.sleep(pause_s if pace is None else pace.pause_s(pause_s))


async def _attempt(step: Callable[[], Awaitable[object]]) -> None:
    """Takes a step; a fault of the moment is logged and followed by a pause, never the end of the loop."""
    name = getattr(step, "__qualname__", "?")
    try:
        await step()
    except (Unavailable, Rejected, psycopg.Error) as error:
        log.warning("a step of the worker failed", step=name, error=str(error), sparse=name)
        await asyncio.sleep(PAUSE_AFTER_FAULT_S)
    except Exception:
        log.exception("a step of the worker failed", sparse=name)
        await asyncio.sleep(PAUSE_AFTER_FAULT_S)
