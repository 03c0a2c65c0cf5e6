"""The form of a code's words."""

from msgspec import Struct


class Words(Struct, frozen=True):
    """``one`` replaces ``says`` where the field ``count`` is 1, and ``none`` where it is 0.

    ``more``: ends of the sentence, each for a field that may have no value, and then is left out. ``do`` tells the
    operator what to do, if anything.
    """

    says: str
    one: str = ""
    none: str = ""
    do: str = ""
    more: tuple[tuple[str, str], ...] = ()
