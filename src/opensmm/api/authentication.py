"""Authentication by API key: keyed hashes, a short-lived cache, and a limit on wrong keys per address."""

import asyncio
import time
from asyncio import Semaphore
from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary

from msgspec import Struct

from opensmm.actions.api_facade import ApiOperations
from opensmm.actions.rate_limit import RateLimit, address_group, network
from opensmm.domain.api_keys import KeyHolder, digest

CACHED_S: Final = 0.9
"""Seconds for which a cached key is valid without a look-up. Writes check it again, under the customer's lock."""
MAX_CACHED: Final = 100_000
MAX_REFRESHED: Final = 2_000
"""Keys in one refresh. Any more expire, and their next request looks them up."""
REFRESH_BATCH: Final = 250
"""Keys in one statement of a refresh."""
FAILURES_A_MINUTE: Final = 20
"""Wrong keys that one address, or one /64 of IPv6, may try."""
LOOK_UPS_AT_ONCE: Final = 5
"""Concurrent look-ups of uncached keys for one address. Others wait, and are refused when the address has failed."""
MAX_KEY: Final = 128
"""Characters in a key. No customer has a longer one."""


class CachedKey(Struct):
    """A valid key. ``used``: a request has come with it since the last refresh. ``until`` is monotonic time."""

    digest: bytes
    caller: KeyHolder
    until: float
    used: bool = False


class Authenticator:
    """Finds callers by their keys. ``per_second`` limits the requests of one key; 0 is no limit."""

    def __init__(
        self,
        operations: ApiOperations,
        pepper: bytes,
        per_second: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._operations = operations
        self._pepper = pepper
        self._monotonic = monotonic
        self._cache: dict[str, CachedKey] = {}
        self._in_use: list[CachedKey] = []
        self._wrong_keys = RateLimit(FAILURES_A_MINUTE, 60.0, address_group)
        self._look_ups: WeakValueDictionary[str, Semaphore] = WeakValueDictionary()
        self._request_limit = RateLimit(per_second, 1.0) if per_second else None
        self._used_at = monotonic()
        self._look_up_began = asyncio.Event()

    @property
    def idle_s(self) -> float:
        """Seconds since the last refresh or look-up that showed a key in use."""
        return self._monotonic() - self._used_at

    async def wait_for_look_up(self) -> None:
        """Waits until a key is looked up. The first request after an idle time always looks its key up."""
        self._look_up_began.clear()
        await self._look_up_began.wait()

    def get_cached(self, key: str) -> KeyHolder | None:
        """Returns the caller of a cached key; None if the key must be looked up.

        Raises RateExceeded if the key is over its limit of requests.
        """
        entry, now = self._cache.get(key), self._monotonic()
        if entry is None or entry.until <= now:
            return None
        if not entry.used:
            entry.used = True
            self._in_use.append(entry)
        return self._count_request(entry.caller, now)

    async def look_up(self, key: str, address: str) -> KeyHolder | None:
        """Looks a key up in the database. Returns its caller, or None if the key is wrong.

        Raises RateExceeded if the key is over its limit of requests, or the address over its limit of wrong keys.
        """
        if not key:
            return None
        self._used_at = self._monotonic()
        self._look_up_began.set()
        source = network(address)
        if key in self._cache:  # It was valid a moment ago, so it is no guess.
            return await self._look_up(key, source)
        async with self._look_ups.setdefault(source, Semaphore(LOOK_UPS_AT_ONCE)):
            self._wrong_keys.check(source, self._monotonic())
            return await self._look_up(key, source)

    async def _look_up(self, key: str, source: str) -> KeyHolder | None:
        now = self._monotonic()
        hashed = digest(self._pepper, key) if len(key) <= MAX_KEY else b""
        caller = await self._operations.caller(hashed) if hashed else None
        if caller is None:
            self._cache.pop(key, None)
            self._wrong_keys.count(source, now)
            return None
        if len(self._cache) >= MAX_CACHED:
            self._cache.clear()
        self._cache[key] = CachedKey(hashed, caller, now + CACHED_S)
        return self._count_request(caller, now)

    def _count_request(self, caller: KeyHolder, now: float) -> KeyHolder:
        """Counts a request of the caller's key. Raises RateExceeded if it is over the limit."""
        if self._request_limit is not None:
            self._request_limit.check(caller.key, now)
            self._request_limit.count(caller.key, now)
        return caller

    async def refresh(self) -> None:
        """Looks the keys in use up again, in batches, so that no request has to wait for a look-up of its own."""
        entries, self._in_use = self._in_use, []
        if entries:
            self._used_at = self._monotonic()
        for entry in entries:
            entry.used = False
        for at in range(0, min(len(entries), MAX_REFRESHED), REFRESH_BATCH):
            # The validity counts from before the statement: a key that is disabled meanwhile must not outlive it.
            batch, began = entries[at : at + REFRESH_BATCH], self._monotonic()
            callers = await self._operations.callers([entry.digest for entry in batch])
            for entry, caller in zip(batch, callers, strict=True):
                if caller is None:
                    entry.until = began
                else:
                    entry.caller, entry.until = caller, began + CACHED_S
