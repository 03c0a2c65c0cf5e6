"""What a worker does, and how often: ``LOOPS`` has a row for each of its duties."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Struct

from opensmm.actions.clock import DatabaseClock
from opensmm.actions.housekeeping import Housekeeper
from opensmm.actions.monitoring import Heartbeat
from opensmm.actions.poller import StatusPoller
from opensmm.actions.price_sync import PriceListSync
from opensmm.actions.provider_balances import BalancePoller
from opensmm.actions.purchases import PurchaseCloser
from opensmm.actions.refill_tasks import RefillSender
from opensmm.actions.rollups import RollupUpdater
from opensmm.actions.sending import DeliverySender
from opensmm.actions.subscriptions import SubscriptionWatcher
from opensmm.actions.unsure import UnsureResolver
from opensmm.domain.evidence import PATIENCE, Patience
from opensmm.providers.registry import ProviderRegistry
from opensmm.store.connection import ReconnectingConnection

QUIET_S: Final = 30.0
"""After so long without anything to send, to ask after or to pass on a worker counts as idle."""
IDLE_STRETCH: Final = 4
"""Times as long as else an idle worker's loops pause. Looks at the providers are as frequent as ever."""
CONNECTIONS: Final = ("claim", "record", "poll", "watch", "cancel", "refill", "evidence", "chores", "balances", "sync")


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


class Duties:
    """The use cases that a worker steps through, each over the connection named for it.

    ``looked`` is set once the worker knows what time it is at the database. ``sending`` holds what is under way.
    Without ``beats`` the worker is not on the list of those that live.
    """

    def __init__(
        self,
        connect: Callable[[str], ReconnectingConnection],
        registry: ProviderRegistry,
        timeout_s: float,
        clock: DatabaseClock,
        patience: Patience = PATIENCE,
        pace: Pace | None = None,
        *,
        beats: bool = True,
    ) -> None:
        self.lines = {name: connect(name) for name in CONNECTIONS}
        self.registry = registry
        self.pace = pace or Pace()
        self.looked = asyncio.Event()
        self.sending: set[asyncio.Task[None]] = set()
        self._rounds = 0
        lines = self.lines
        self.sender = DeliverySender(lines["claim"], lines["record"], registry, timeout_s, clock)
        self.poller = StatusPoller(lines["poll"], registry, clock)
        self.cancel_poller = StatusPoller(lines["cancel"], registry, clock)
        self.subscription_watcher = SubscriptionWatcher(lines["watch"], registry, clock)
        self.refills = RefillSender(lines["refill"], registry, clock)
        self.purchases = PurchaseCloser(lines["refill"], clock)
        self.unsure_resolver = UnsureResolver(lines["evidence"], registry, clock, patience)
        self.housekeeper = Housekeeper(lines["chores"], registry, clock, self.sender.in_flight)
        self.balances = BalancePoller(lines["balances"], registry, clock)
        self.rollups = RollupUpdater(lines["balances"])
        self.price_sync = PriceListSync(lines["sync"], registry, clock)
        self.heartbeat = Heartbeat(lines["chores"], clock) if beats else None

    async def send(self, limit: int) -> int:
        """Claims deliveries that are due and begins to send them; returns how many."""
        tasks = await self.sender.step(limit)
        self.keep_sending(tasks)
        return len(tasks)

    def keep_sending(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Holds tasks until they end."""
        self.pace.note(len(tasks))
        for task in tasks:
            self.sending.add(task)
            task.add_done_callback(self.sending.discard)

    async def look_after(self) -> int:
        """Tells that this worker lives, knows the providers as they are now, and tidies up."""
        if self.heartbeat is not None:
            self.registry.share(await self.heartbeat.beat(self.registry.shut))
            self.looked.set()
        self._rounds += 1
        await self.housekeeper.step(tidy=not self.pace.is_idle or self._rounds % IDLE_STRETCH == 0)
        return 0

    async def conclude_purchases(self, limit: int) -> int:
        await self.purchases.step(limit)
        return 0

    async def leave(self) -> None:
        """Takes this worker off the list of those that live."""
        if self.heartbeat is not None:
            await self.heartbeat.leave()

    async def close(self) -> None:
        """Closes the connections."""
        for line in self.lines.values():
            await line.close()


class Loop(Struct, frozen=True):
    """A duty of the worker: a step that is repeated ``period_s`` seconds after it ended.

    A step takes at most ``bound`` items (0: it bounds itself) and returns how many it found. Where ``wakes``, finding
    any keeps the worker from being idle. Where ``slows``, an idle worker pauses longer. Where ``overlaps``, the next
    step begins though one still waits for a slow provider.
    """

    name: str
    period_s: float
    step: Callable[[Duties, int], Awaitable[int]]
    bound: int = 0
    wakes: bool = False
    slows: bool = False
    overlaps: bool = False


SEND: Final = Loop("send", 0, lambda duties, most: duties.send(most), bound=200, wakes=True)
"""The worker takes this step whenever something is due and there is room: see ``WorkerRow``."""
LOOK_AFTER: Final = Loop("chores", 2.0, lambda duties, _: duties.look_after())
"""Begins first: the others wait until it has looked what time it is at the database."""
LOOPS: Final = (
    SEND,
    Loop("follow", 0.25, lambda duties, most: duties.poller.step(most), 2000, wakes=True, slows=True, overlaps=True),
    Loop(
        "watch",
        0.5,
        lambda duties, most: duties.subscription_watcher.step(most),
        200,
        wakes=True,
        slows=True,
        overlaps=True,
    ),
    Loop(
        "cancels",
        0.25,
        lambda duties, most: duties.cancel_poller.pass_on_cancels(most),
        2000,
        wakes=True,
        slows=True,
        overlaps=True,
    ),
    Loop("refills", 0.5, lambda duties, most: duties.refills.step(most), 2000, slows=True),
    Loop("purchases", 0.5, lambda duties, most: duties.conclude_purchases(most), 2000, slows=True),
    LOOK_AFTER,
    Loop("evidence", 1.0, lambda duties, most: duties.unsure_resolver.step(most), 100, slows=True),
    Loop("rollups", 5.0, lambda duties, _: duties.rollups.step(), slows=True),
    Loop("balances", 15.0, lambda duties, _: duties.balances.step()),
    Loop("sync", 15.0, lambda duties, _: duties.price_sync.step()),
)
"""Every duty, once. The last two look which provider's turn it is; a look of *sync* reads one price list."""
