"""Tables of transitions: the states that a thing may go to next, and sets of states derived from them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

State = TypeVar("State", bound=StrEnum)


def final(table: Mapping[State, frozenset[State]]) -> frozenset[State]:
    """Returns the states with no next state."""
    return frozenset(state for state, after in table.items() if not after)


def passing(table: Mapping[State, frozenset[State]]) -> frozenset[State]:
    """Returns the states with a next state."""
    return frozenset(table) - final(table)


def before(table: Mapping[State, frozenset[State]], *targets: State) -> frozenset[State]:
    """Returns the states from which each of the targets can be reached in one step."""
    return frozenset(state for state, after in table.items() if after.issuperset(targets))
