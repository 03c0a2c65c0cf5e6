"""The form of a code's words, and of a message for translators."""

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


class Message(Struct, frozen=True):
    """A text to translate. ``context`` is its code; ``plural``: the form for many, where a count is in it."""

    context: str
    text: str
    plural: str = ""


def message(context: str, many: str, one: str = "") -> Message:
    """The message of a text, and of its form for one; a text that names the count has plural forms in any case."""
    counted = bool(one) or "{count}" in many
    return Message(context, one or many, many) if counted else Message(context, many)
