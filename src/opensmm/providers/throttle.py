"""Rate limits of calls to a provider: concurrent calls, and calls begun in a second."""

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Final

from msgspec import Struct

QUEUED_PER_CALL: Final = 3
"""Deliveries in the queue for each concurrent call."""
MAX_QUEUED: Final = 256
"""Deliveries in the queue of one provider: enough until the next claim. If the worker dies they are unsure too."""
QUEUED_S: Final = 5
"""Seconds of work in the queue, at most, for a provider with a limit of calls a second."""


class ConnectionShare(Struct, frozen=True):
    """A worker's share of limits that hold for all workers: its rank among the live ones, and their number."""

    rank: int = 0
    workers: int = 1

    def calls_at_a_time(self, limit: int) -> int:
        """Returns the worker's share of concurrent calls, at least one: with none it would never call the provider."""
        return max(1, limit // self.workers + (self.rank < limit % self.workers))

    def calls_per_second(self, limit: int) -> float:
        return limit / self.workers


class Throttle:
    """The turns to call a provider, first come, first served; an asynchronous context manager.

    ``taken`` counts the calls that have a turn or wait for one; ``polling``, those of them that send no order. Polls
    and sends have a bound each, so that neither starves the other.
    """

    def __init__(self, concurrency: int, calls_per_second: float = 0) -> None:
        self._turns = asyncio.Semaphore(concurrency)
        self.concurrency = concurrency
        self._surplus = 0
        self._next_at = 0.0
        self.taken = 0
        self.polling = 0
        self._stopped = asyncio.Event()
        self.allow(concurrency, calls_per_second)

    def allow(self, concurrency: int, calls_per_second: float) -> None:
        """Changes the limits. Calls in flight go on; surplus turns are withdrawn as they end."""
        # A semaphore cannot shrink. Surplus turns are kept back when they are returned, or taken by the next waiter.
        self._surplus += max(0, self.concurrency - concurrency)
        for _ in range(concurrency - self.concurrency):
            self._return_turn()
        self.concurrency = concurrency
        self._interval_s = 1 / calls_per_second if calls_per_second else 0.0
        self._max_queued = concurrency + min(QUEUED_PER_CALL * concurrency, MAX_QUEUED)
        if calls_per_second:
            self._max_queued = min(self._max_queued, max(1, int(QUEUED_S * calls_per_second)))

    @property
    def room(self) -> int:
        """Deliveries that may still queue up. 0 while the next turn is further off than a queue may last."""
        if self._next_at - time.monotonic() > QUEUED_S:
            return 0
        return max(0, self._max_queued - self.sending)

    @property
    def sending(self) -> int:
        """Sends that have a turn or wait for one."""
        return self.taken - self.polling

    @property
    def room_to_poll(self) -> int:
        """Polls that may still queue up. Half of the paced turns are left to sends."""
        if self._next_at - time.monotonic() > QUEUED_S / 2:
            return 0
        return max(0, self._max_queued - self.polling)

    def release_waiters(self) -> None:
        """Ends all waits for a turn. The calls that get one then must not be made; see ``is_stopped``."""
        self._stopped.set()
        self.allow(self.concurrency + self.taken, 0)

    @property
    def is_stopped(self) -> bool:
        """True if no call may be made any more."""
        return self._stopped.is_set()

    async def __aenter__(self) -> None:
        self.taken += 1
        try:
            await self._turns.acquire()
            while self._surplus:
                self._surplus -= 1
                await self._turns.acquire()
            try:
                await self._pace()
            except BaseException:
                self._return_turn()
                raise
        except BaseException:
            self.taken -= 1
            raise

    async def _pace(self) -> None:
        if self._interval_s:
            now = time.monotonic()
            at = max(now, self._next_at)
            self._next_at = at + self._interval_s
            # A sleep that the end of all waits cuts short.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(at - now):
                    await self._stopped.wait()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.taken -= 1
        self._return_turn()

    def _return_turn(self) -> None:
        if self._surplus:
            self._surplus -= 1
        else:
            self._turns.release()
