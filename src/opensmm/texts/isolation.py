"""Unicode's bidirectional isolates: marks that keep a value from changing the direction of the text around it."""

import re
from enum import Enum
from typing import Final
from unicodedata import bidirectional

FIRST_STRONG: Final = "\u2068"
LEFT_TO_RIGHT: Final = "\u2066"
END: Final = "\u2069"
_CONTROLS: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_PLAIN_NUMBER: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
"""A number that reads the same in both directions. With a sign, a dash or a colon it would not."""
_RIGHT_TO_LEFT_CLASSES: Final = frozenset(("R", "AL", "AN"))
_LEFT_TO_RIGHT_CLASSES: Final = frozenset(("L", "EN"))


class Direction(Enum):
    """The writing direction of a text. ``UNMARKED`` is left to right, for terminals, which do not know the marks."""

    UNMARKED = "unmarked"
    LEFT_TO_RIGHT = "ltr"
    RIGHT_TO_LEFT = "rtl"


_FOREIGN: Final = {
    Direction.LEFT_TO_RIGHT: _RIGHT_TO_LEFT_CLASSES,
    Direction.RIGHT_TO_LEFT: _LEFT_TO_RIGHT_CLASSES,
}


def isolate(value: str, direction: Direction) -> str:
    """Returns a value for a text of the given direction, with marks if it has characters of the other direction.

    Removes control characters of direction from the value, so that it cannot end its own isolate.
    """
    if direction is Direction.UNMARKED:
        return value
    plain = _CONTROLS.sub("", value)
    if _PLAIN_NUMBER.fullmatch(plain) or not any(bidirectional(sign) in _FOREIGN[direction] for sign in plain):
        return plain
    return f"{FIRST_STRONG}{plain}{END}"


def isolate_code(code: str, direction: Direction) -> str:
    """Returns code in backquotes, which always runs left to right."""
    return f"{LEFT_TO_RIGHT}`{code}`{END}" if direction is Direction.RIGHT_TO_LEFT else f"`{code}`"
