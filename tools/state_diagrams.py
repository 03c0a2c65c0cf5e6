"""Draws the state machines of docs/architecture.md from the tables that the code decides by: ``make diagrams``."""

from collections.abc import Collection
from enum import StrEnum
from pathlib import Path
from typing import Final

from msgspec import Struct

from opensmm.domain.dispatch import ACCEPTED_STATES, TRANSITIONS, DeliveryState
from opensmm.domain.orders import ORDER_TRANSITIONS, OrderState
from opensmm.domain.refills import REFILL_TRANSITIONS, RefillStatus
from opensmm.domain.subscriptions import NOT_DUE, POST_TRANSITIONS, PostState

PAGE: Final = Path(__file__).parents[1] / "docs" / "architecture.md"


class Machine(Struct, frozen=True):
    """A table of transitions as pairs of a state and its followers, and how it is drawn.

    ``together`` names sets of states with the same followers: each is drawn as one box, with one set of arrows.
    """

    name: str
    begins: Collection[StrEnum]
    transitions: tuple[tuple[StrEnum, Collection[StrEnum]], ...]
    together: tuple[tuple[str, Collection[StrEnum]], ...] = ()


MACHINES: Final = (
    Machine(
        "delivery",
        (DeliveryState.QUEUED,),
        tuple(TRANSITIONS.items()),
        (("at the provider", ACCEPTED_STATES),),
    ),
    Machine("order", (OrderState.OPEN, OrderState.ACTIVE), tuple(ORDER_TRANSITIONS.items())),
    Machine("refill", (RefillStatus.PENDING,), tuple(REFILL_TRANSITIONS.items())),
    Machine(
        "post",
        (PostState.UNTOLD, PostState.UNPAID, PostState.MADE, PostState.TAKEN, *sorted(NOT_DUE)),
        tuple(POST_TRANSITIONS.items()),
    ),
)
"""Every machine that has a table in ``domain``."""


def draw(machine: Machine) -> str:
    """Returns the machine as Mermaid text."""
    lines = ["stateDiagram-v2"]
    boxes = {state: name for name, states in machine.together for state in states}
    for name, states in machine.together:
        lines += [f'    state "{name}" as {_box(name)} {{', *(f"        {state.value}" for state in sorted(states))]
        lines.append("    }")
    lines += [f"    [*] --> {state.value}" for state in machine.begins]
    order = [state for state, _ in machine.transitions]
    for state, followers in machine.transitions:
        box = boxes.get(state, "")
        source = _box(box) if box else state.value
        for follower in sorted(followers, key=order.index):
            if not box or boxes.get(follower) != box:
                lines.append(f"    {source} --> {follower.value}")
        if not followers:
            lines.append(f"    {source} --> [*]")
    return "\n".join(dict.fromkeys(lines))


def _box(name: str) -> str:
    return name.replace(" ", "_")


def redrawn(text: str) -> str:
    """Returns the page's text with every machine drawn anew between its markers; raises ValueError without markers."""
    for machine in MACHINES:
        begin, end = markers(machine.name)
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"no place for the states of {machine.name}: {begin}")
        text = f"{before}{begin}\n\n```mermaid\n{draw(machine)}\n```\n\n{end}{after}"
    return text


def markers(name: str) -> tuple[str, str]:
    """Returns the lines that a machine's drawing stands between."""
    return f"<!-- begin: states of {name}, drawn by `make diagrams` -->", f"<!-- end: states of {name} -->"


if __name__ == "__main__":
    PAGE.write_text(redrawn(PAGE.read_text()))
