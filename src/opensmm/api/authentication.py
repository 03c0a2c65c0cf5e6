"""Who is calling: keys by keyed hash, remembered for a moment, and strangers slowed down."""

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

REMEMBERED_S: Final = 0.9
"""How long a key found live is taken to be so for reads; writes look again under the customer's lock."""
MAX_REMEMBERED: Final = 100_000
MAX_REFRESHED: Final = 2_000
"""Keys looked at again in one go; callers of any more wait for a look of their own."""
REFRESHED_AT_ONCE: Final = 250
FAILURES_A_MINUTE: Final = 20
"""Wrong keys that one address, or one /64 of IPv6, may try."""
LOOK_UPS_AT_ONCE: Final = 5
"""Keys not known before that are looked up for one address at a time; more wait, and are refused once it failed."""
MAX_KEY: Final = 128
"""Characters in a key; a longer one is nobody's."""


class CachedKey(Struct):
    """A key found live, and whether it was used since its owner was last looked at."""

    digest: bytes
    caller: KeyHolder
    until: float
    used: bool = False


class Authenticator:
    """Lets callers in by their keys. ``per_second`` bounds the requests of one key, 0: as many as it likes."""

    def __init__(
        self, panel: ApiOperations, pepper: bytes, per_second: int = 0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._panel = panel
        self._pepper = pepper
        self._monotonic = monotonic
        self._known: dict[str, CachedKey] = {}
        self._used: list[CachedKey] = []
        self._guesses = RateLimit(FAILURES_A_MINUTE, 60.0, address_group)
        self._turns: WeakValueDictionary[str, Semaphore] = WeakValueDictionary()
        self._requests = RateLimit(per_second, 1.0) if per_second else None
        self._used_at = monotonic()
        self._looks_up = asyncio.Event()

    @property
    def rested_s(self) -> float:
        """How long no key was in use, as far as the looks at those in use have told."""
        return self._monotonic() - self._used_at

    async def next_look_up(self) -> None:
        """Waits until a key is looked up, as any is that was at rest."""
        self._looks_up.clear()
        await self._looks_up.wait()

    def known(self, key: str) -> KeyHolder | None:
        """The caller behind a key that needs no look; None where it does. Raises RateExceeded where it did too much."""
        known, now = self._known.get(key), self._monotonic()
        if known is None or known.until <= now:
            return None
        if not known.used:
            known.used = True
            self._used.append(known)
        return self._counted(known.caller, now)

    async def look_up(self, key: str, address: str) -> KeyHolder | None:
        """The caller behind a key as the database has it; raises RateExceeded where one of the two did too much."""
        if not key:
            return None
        self._used_at = self._monotonic()
        self._looks_up.set()
        source = network(address)
        if key in self._known:
            return await self._look_up(key, source)
        async with self._turns.setdefault(source, Semaphore(LOOK_UPS_AT_ONCE)):
            self._guesses.check(source, self._monotonic())
            return await self._look_up(key, source)

    async def _look_up(self, key: str, source: str) -> KeyHolder | None:
        now = self._monotonic()
        hashed = digest(self._pepper, key) if len(key) <= MAX_KEY else b""
        caller = await self._panel.caller(hashed) if hashed else None
        if caller is None:
            self._known.pop(key, None)
            self._guesses.count(source, now)
            return None
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[key] = CachedKey(hashed, caller, now + REMEMBERED_S)
        return self._counted(caller, now)

    def _counted(self, caller: KeyHolder, now: float) -> KeyHolder:
        if self._requests is not None:
            self._requests.check(caller.key, now)
            self._requests.count(caller.key, now)
        return caller

    async def refresh(self) -> None:
        """Looks at the keys in use again, together, so that their callers need not wait for it one by one."""
        used, self._used = self._used, []
        if used:
            self._used_at = self._monotonic()
        for known in used:
            known.used = False
        for at in range(0, min(len(used), MAX_REFRESHED), REFRESHED_AT_ONCE):
            some, asked = used[at : at + REFRESHED_AT_ONCE], self._monotonic()
            for known, caller in zip(some, await self._panel.callers([known.digest for known in some]), strict=True):
                if caller is None:
                    known.until = asked
                else:
                    known.caller, known.until = caller, asked + REMEMBERED_S
