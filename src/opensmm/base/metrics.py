"""Counts of what happened in this process, for those who look at it from outside.

They are whole numbers that one thread changes and another reads: counting costs no lock, and nothing is labelled,
summed up or turned into seconds before somebody asks.
"""

from bisect import bisect_left
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
"""Nanoseconds, in which durations are counted."""


class Histogram:
    """How many values lie up to each edge but above the one before; the last count is of those above them all."""

    __slots__ = ("counts", "edges", "total")

    def __init__(self, edges: tuple[int, ...]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.total = 0

    def observe(self, value: int) -> None:
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value


class Histograms(dict[Key, Histogram], Generic[Key]):
    """One histogram a key, made when it is first asked for."""

    def __init__(self, edges: tuple[int, ...]) -> None:
        super().__init__()
        self._edges = edges

    def __missing__(self, key: Key) -> Histogram:
        histogram = self[key] = Histogram(self._edges)
        return histogram
