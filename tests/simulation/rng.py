"""Dice: all that is left to chance in a scenario comes from the numbers of its events, so that a seed replays."""

from collections.abc import Sequence
from typing import TypeVar

One = TypeVar("One")
_MASK = (1 << 64) - 1


class Rng:
    """Splitmix64 from one number. An event has its own, so that leaving one out changes no other's throws."""

    __slots__ = ("_state",)

    def __init__(self, salt: int) -> None:
        self._state = salt

    def below(self, bound: int) -> int:
        self._state = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = ((self._state ^ (self._state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return (mixed ^ (mixed >> 31)) % bound

    def once_in(self, many: int) -> bool:
        return self.below(many) == 0

    def one_of(self, these: Sequence[One]) -> One:
        return these[self.below(len(these))]
