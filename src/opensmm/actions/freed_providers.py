"""Providers that take few adds at a time, as soon as they may be sent the next one."""

import asyncio
import contextlib
from collections.abc import Set

from opensmm.base.ids import ProviderId


class FreedProviders:
    """Those at which an `add` of this process was recorded, until somebody takes them."""

    def __init__(self) -> None:
        self._freed: set[ProviderId] = set()
        self._changed = asyncio.Event()
        self._stopped = False

    def add(self, provider: ProviderId) -> None:
        self._freed.add(provider)
        self._changed.set()

    def stop(self) -> None:
        """Has nobody wait any longer, and hands out none."""
        self._stopped = True
        self._changed.set()

    async def take(self, within_s: float) -> Set[ProviderId]:
        """Waits for the first of them, and takes all there are; none after ``within_s``, or when told to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._changed.wait()
        if self._stopped:
            return frozenset()
        self._changed.clear()
        freed, self._freed = self._freed, set()
        return freed
