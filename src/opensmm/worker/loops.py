"""The worker's duties and how often it repeats them: ``LOOPS`` has a row for each."""

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
from opensmm.domain.evidence import DEFAULT_PATIENCE, Patience
from opensmm.providers.registry import ProviderRegistry
from opensmm.store.connection import ReconnectingConnection

QUIET_S: Final = 30.0
"""Seconds without anything to send, poll or pass on, after which a worker counts as idle."""
IDLE_STRETCH: Final = 4
"""The factor by which an idle worker's loops pause longer. Those that call providers rarely keep their pauses."""
CONNECTIONS: Final = ("claim", "record", "poll", "watch", "cancel", "refill", "evidence", "chores", "balances", "sync")
"""Names of the worker's connections, as PostgreSQL shows them. *chores* is that of housekeeping."""


class Pace:
    """The pauses of loops, which grow when there has been nothing to do for a while."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._busy_at = monotonic()

    def note(self, done: int) -> int:
        """Notes how many items a step had to do, and returns that number."""
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

    ``clock_known`` is set once the worker has read the database's clock. ``sending`` holds the tasks under way. Without
    ``beats`` the worker writes no heartbeat.
    """

    def __init__(
        self,
        connect: Callable[[str], ReconnectingConnection],
        registry: ProviderRegistry,
        timeout_s: float,
        clock: DatabaseClock,
        patience: Patience = DEFAULT_PATIENCE,
        pace: Pace | None = None,
        *,
        beats: bool = True,
    ) -> None:
        self.connections = {name: connect(name) for name in CONNECTIONS}
        self.registry = registry
        self.pace = pace or Pace()
        self.clock_known = asyncio.Event()
        self.sending: set[asyncio.Task[None]] = set()
        self._rounds = 0
        connections = self.connections
        self.sender = DeliverySender(connections["claim"], connections["record"], registry, timeout_s, clock)
        self.poller = StatusPoller(connections["poll"], registry, clock)
        self.cancel_poller = StatusPoller(connections["cancel"], registry, clock)
        self.subscription_watcher = SubscriptionWatcher(connections["watch"], registry, clock)
        self.refills = RefillSender(connections["refill"], registry, clock)
        self.purchases = PurchaseCloser(connections["refill"], clock)
        self.unsure_resolver = UnsureResolver(connections["evidence"], registry, clock, patience)
        self.housekeeper = Housekeeper(connections["chores"], registry, clock, self.sender.in_flight)
        self.balances = BalancePoller(connections["balances"], registry, clock)
        self.rollups = RollupUpdater(connections["balances"])
        self.price_sync = PriceListSync(connections["sync"], registry, clock)
        self.heartbeat = Heartbeat(connections["chores"], clock) if beats else None

    async def send(self, limit: int) -> int:
        """Claims due deliveries and begins to send them; returns how many there were."""
        tasks = await self.sender.step(limit)
        self.keep_sending(tasks)
        return len(tasks)

    def keep_sending(self, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Holds tasks until they end."""
        self.pace.note(len(tasks))
        for task in tasks:
            self.sending.add(task)
            task.add_done_callback(self.sending.discard)

    async def keep_house(self) -> int:
        """Writes the heartbeat and reads the providers; does the rest, less often while the worker is idle."""
        if self.heartbeat is not None:
            self.registry.share(await self.heartbeat.beat(self.registry.uncallable))
            self.clock_known.set()
        self._rounds += 1
        await self.housekeeper.step(tidy=not self.pace.is_idle or self._rounds % IDLE_STRETCH == 0)
        return 0

    async def close_purchases(self, limit: int) -> int:
        await self.purchases.step(limit)
        return 0

    async def leave(self) -> None:
        """Removes this worker's heartbeat."""
        if self.heartbeat is not None:
            await self.heartbeat.leave()

    async def close(self) -> None:
        """Closes the connections."""
        for connection in self.connections.values():
            await connection.close()


class Loop(Struct, frozen=True):
    """A duty of the worker: a step that is repeated ``period_s`` seconds after it ended.

    A step takes at most ``bound`` items (0: it bounds itself) and returns how many there were. If ``wakes``, a step
    with items keeps the worker from being idle. If ``slows``, an idle worker pauses longer. If ``overlaps``, the next
    step begins even if one still waits for a slow provider.
    """

    name: str
    period_s: float
    step: Callable[[Duties, int], Awaitable[int]]
    bound: int = 0
    wakes: bool = False
    slows: bool = False
    overlaps: bool = False


SEND: Final = Loop("send", 0, lambda duties, most: duties.send(most), bound=200, wakes=True)
"""The worker takes this step whenever a delivery is due and there is room: see ``running.Worker``."""
HOUSEKEEPING: Final = Loop("chores", 2.0, lambda duties, _: duties.keep_house())
"""Begins first: all others wait until it has read the database's clock."""
LOOPS: Final = (
    SEND,
    # It polls orders; price lists are followed by *sync*. Names of loops are labels of metrics, and stay.
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
    Loop("purchases", 0.5, lambda duties, most: duties.close_purchases(most), 2000, slows=True),
    HOUSEKEEPING,
    Loop("evidence", 1.0, lambda duties, most: duties.unsure_resolver.step(most), 100, slows=True),
    Loop("rollups", 5.0, lambda duties, _: duties.rollups.step(), slows=True),
    Loop("balances", 15.0, lambda duties, _: duties.balances.step()),
    Loop("sync", 15.0, lambda duties, _: duties.price_sync.step()),
)
"""Every duty, once. The steps of the last two find out which providers are due; one of *sync* reads one price list."""
