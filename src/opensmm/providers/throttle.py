"""How much a provider is called: so many calls at a time, so many begun in a second, and none while it fails."""

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Final

from msgspec import Struct

READY: Final = 3
"""Deliveries that stand ready for each call that a provider may have at a time."""
MOST_READY: Final = 256
"""No more of them than are sent until the next ones come: should the worker die, these too are unsure."""
READY_S: Final = 5
"""With a limit on calls a second, no more deliveries are taken on than are sent in this time."""


class ConnectionShare(Struct, frozen=True):
    """A worker's part of limits that hold for all together: which of those alive it is, and how many they are."""

    rank: int = 0
    workers: int = 1

    def calls_at_a_time(self, limit: int) -> int:
        """One at least: a provider that allows fewer calls than there are workers would be left alone by some."""
        return max(1, limit // self.workers + (self.rank < limit % self.workers))

    def calls_per_second(self, limit: int) -> float:
        return limit / self.workers


class Throttle:
    """A provider's turns, first come first served; a context manager. ``taken`` counts those who have or await one,
    ``asking`` those among them who send nothing: these and sends have a bound each, so that neither starves the other.
    """

    def __init__(self, concurrency: int, calls_per_second: float = 0) -> None:
        self._turns = asyncio.Semaphore(concurrency)
        self.concurrency = concurrency
        self._owed = 0
        self._next = 0.0
        self.taken = 0
        self.asking = 0
        self._nobody_calls = asyncio.Event()
        self.allow(concurrency, calls_per_second)

    def allow(self, concurrency: int, calls_per_second: float) -> None:
        """Changes the limits. Calls under way go on; of turns that there are no more, no new one is given."""
        self._owed += max(0, self.concurrency - concurrency)
        for _ in range(concurrency - self.concurrency):
            self._give_back()
        self.concurrency = concurrency
        self._every_s = 1 / calls_per_second if calls_per_second else 0.0
        self._most = concurrency + min(READY * concurrency, MOST_READY)
        if calls_per_second:
            self._most = min(self._most, max(1, int(READY_S * calls_per_second)))

    @property
    def room(self) -> int:
        """How many more to be sent may queue up. None while the next turn is so far off that it would come too late."""
        if self._next - time.monotonic() > READY_S:
            return 0
        return max(0, self._most - self.sending)

    @property
    def sending(self) -> int:
        """How many that are to be sent have a turn, or await one."""
        return self.taken - self.asking

    @property
    def room_to_ask(self) -> int:
        """How many more may ask. They leave half of the next turns to what is to be sent."""
        if self._next - time.monotonic() > READY_S / 2:
            return 0
        return max(0, self._most - self.asking)

    def let_all_through(self) -> None:
        """Whoever waits gets a turn at once, and is to call nobody with it: see ``over``."""
        self._nobody_calls.set()
        self.allow(self.concurrency + self.taken, 0)

    @property
    def over(self) -> bool:
        """Nobody calls any more."""
        return self._nobody_calls.is_set()

    async def __aenter__(self) -> None:
        self.taken += 1
        try:
            await self._turns.acquire()
            while self._owed:
                self._owed -= 1
                await self._turns.acquire()
            try:
                await self._pace()
            except BaseException:
                self._give_back()
                raise
        except BaseException:
            self.taken -= 1
            raise

    async def _pace(self) -> None:
        if self._every_s:
            now = time.monotonic()
            at = max(now, self._next)
            self._next = at + self._every_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(at - now):
                    await self._nobody_calls.wait()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.taken -= 1
        self._give_back()

    def _give_back(self) -> None:
        if self._owed:
            self._owed -= 1
        else:
            self._turns.release()
