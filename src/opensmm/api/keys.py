"""Who is calling: keys by keyed hash, remembered for a moment, and strangers slowed down."""

import time
from collections.abc import Callable
from typing import Final

from opensmm.actions.panel import Panel
from opensmm.api.limits import Limit
from opensmm.domain.callers import Caller, digest

REMEMBERED_S: Final = 0.9
"""How long a key found live is taken to be so for reads; writes look again under the customer's lock."""
MAX_REMEMBERED: Final = 100_000
FAILURES_A_MINUTE: Final = 20
"""Wrong keys that one address may try."""
MAX_KEY: Final = 128
"""Characters in a key; a longer one is nobody's."""


class Door:
    """Lets callers in by their keys. ``per_second`` bounds the requests of one key, 0: as many as it likes."""

    def __init__(
        self, panel: Panel, pepper: bytes, per_second: int = 0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._panel = panel
        self._pepper = pepper
        self._monotonic = monotonic
        self._known: dict[str, tuple[float, Caller]] = {}
        self._guesses = Limit(FAILURES_A_MINUTE, 60.0)
        self._requests = Limit(per_second, 1.0) if per_second else None

    async def caller(self, key: str, address: str) -> Caller | None:
        """The caller behind a key, or None; raises Exceeded where one of the two did too much."""
        if not key:
            return None
        now = self._monotonic()
        known = self._known.get(key)
        if known is not None and known[0] > now:
            caller: Caller | None = known[1]
        else:
            caller = await self._look_up(key, address, now, known_before=known is not None)
        if caller is not None and self._requests is not None:
            self._requests.check(caller.key, now)
            self._requests.count(caller.key, now)
        return caller

    async def _look_up(self, key: str, address: str, now: float, *, known_before: bool) -> Caller | None:
        if not known_before:
            self._guesses.check(address, now)
        caller = await self._panel.caller(digest(self._pepper, key)) if len(key) <= MAX_KEY else None
        if caller is None:
            self._known.pop(key, None)
            self._guesses.count(address, now)
            return None
        if len(self._known) >= MAX_REMEMBERED:
            self._known.clear()
        self._known[key] = (now + REMEMBERED_S, caller)
        return caller
