"""Who is calling: keys by keyed hash, remembered for a moment, and strangers slowed down."""

import time
from collections.abc import Callable
from typing import Final

from opensmm.actions.panel import Panel
from opensmm.domain.callers import Caller, digest

REMEMBERED_S: Final = 0.9
"""How long a key found live is taken to be so for reads; writes look again under the customer's lock."""
MAX_REMEMBERED: Final = 100_000
FAILURES: Final = 20
FAILURE_WINDOW_S: Final = 60.0
MAX_ADDRESSES: Final = 50_000
MAX_KEY: Final = 128
"""Characters in a key; a longer one is nobody's."""


class TooManyFailures(Exception):
    """This address has tried too many wrong keys; ``retry_after_s`` says when it may go on."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class Door:
    """Lets callers in by their keys."""

    def __init__(self, panel: Panel, pepper: bytes, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._panel = panel
        self._pepper = pepper
        self._monotonic = monotonic
        self._known: dict[str, tuple[float, Caller]] = {}
        self._failures: dict[str, tuple[float, int]] = {}

    async def caller(self, key: str, address: str) -> Caller | None:
        """The caller behind a key, or None; raises TooManyFailures where the address has guessed too often."""
        now = self._monotonic()
        known = self._known.get(key)
        if known is not None and known[0] > now:
            return known[1]
        if known is None:
            self._refuse_guessing(address, now)
        caller = None
        if 0 < len(key) <= MAX_KEY:
            caller = await self._panel.caller(digest(self._pepper, key))
        if caller is None:
            self._known.pop(key, None)
            self._count_failure(address, now)
            return None
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[key] = (now + REMEMBERED_S, caller)
        return caller

    def _refuse_guessing(self, address: str, now: float) -> None:
        since, count = self._failures.get(address, (now, 0))
        if count >= FAILURES and now - since < FAILURE_WINDOW_S:
            raise TooManyFailures(int(FAILURE_WINDOW_S - (now - since)) + 1)

    def _count_failure(self, address: str, now: float) -> None:
        since, count = self._failures.get(address, (now, 0))
        if now - since >= FAILURE_WINDOW_S:
            since, count = now, 0
        if len(self._failures) >= MAX_ADDRESSES:
            self._failures.clear()
        self._failures[address] = (since, count + 1)
