"""Counting what somebody does within a span of time."""

from math import ceil
from typing import Final

MAX_NAMES: Final = 50_000
"""Names counted at a time; beyond it all counts begin anew."""


class Exceeded(Exception):
    """Too much within the span; ``retry_after_s`` says when to go on."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class Limit:
    """At most ``most`` counts of one name in a span of ``span_s``, which begins with the first of them."""

    def __init__(self, most: int, span_s: float) -> None:
        self._most = most
        self._span_s = span_s
        self._counts: dict[object, tuple[float, int]] = {}

    def check(self, name: object, now: float) -> None:
        """Raises Exceeded where the name has used its counts up; counts nothing."""
        since, count = self._counts.get(name, (now, 0))
        if count >= self._most and now - since < self._span_s:
            raise Exceeded(max(1, ceil(self._span_s - (now - since))))

    def count(self, name: object, now: float) -> None:
        since, count = self._counts.get(name, (now, 0))
        if now - since >= self._span_s:
            since, count = now, 0
        if len(self._counts) >= MAX_NAMES:
            self._counts.clear()
        self._counts[name] = (since, count + 1)
