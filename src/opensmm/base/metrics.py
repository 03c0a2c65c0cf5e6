"""Counters and histograms of this process, for metrics.

They are whole numbers that one thread changes and another reads, so counting needs no lock. Labels, sums and conversion
to seconds are left to the reader.
"""

from bisect import bisect_left
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
"""Nanoseconds, the unit of measured durations."""


class Histogram:
    """Counts of observed values by range: each up to and including an edge, the last one above all edges.

    ``edges`` must ascend. ``total`` is the sum of all values.
    """

    __slots__ = ("counts", "edges", "total")

    def __init__(self, edges: tuple[int, ...]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        self.total = 0

    def observe(self, value: int) -> None:
        self.counts[bisect_left(self.edges, value)] += 1
        self.total += value


class Histograms(dict[Key, Histogram], Generic[Key]):
    """Histograms by key, each created on first use."""

    def __init__(self, edges: tuple[int, ...]) -> None:
        super().__init__()
        self._edges = edges

    def __missing__(self, key: Key) -> Histogram:
        histogram = self[key] = Histogram(self._edges)
        return histogram
