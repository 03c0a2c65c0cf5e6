"""Providers that take few adds at a time and are free for the next one."""

import asyncio
import contextlib
from collections.abc import Set

from opensmm.base.ids import ProviderId


class FreedProviders:
    """Providers for which this process has just recorded an `add`. They wait here until ``take`` returns them."""

    def __init__(self) -> None:
        self._freed: set[ProviderId] = set()
        self._changed = asyncio.Event()
        self._stopped = False

    def add(self, provider: ProviderId) -> None:
        self._freed.add(provider)
        self._changed.set()

    def stop(self) -> None:
        """Ends all waits; from now on ``take`` returns none."""
        self._stopped = True
        self._changed.set()

    async def take(self, within_s: float) -> Set[ProviderId]:
        """Waits for a provider and takes all there are. Returns none after ``within_s`` seconds, or when stopped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        if self._stopped:
            return frozenset()
        self._changed.clear()
        freed, self._freed = self._freed, set()
        return freed
