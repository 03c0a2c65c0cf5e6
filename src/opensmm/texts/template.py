"""The structure of a code's texts, and of a message for translators."""

from msgspec import Struct


class Words(Struct, frozen=True):
    """The texts of one code. ``singular`` replaces ``says`` if the field ``count`` is 1, and ``none`` if it is 0.

    ``more`` has ends of the sentence, by field: an end is left out if its field has no value. ``do`` is advice for the
    operator, empty if there is none.
    """

    says: str
    singular: str = ""
    none: str = ""
    do: str = ""
    more: tuple[tuple[str, str], ...] = ()


class Message(Struct, frozen=True):
    """A text to translate. ``context`` is its code; ``plural`` is the form for many, of a text with a count."""

    context: str
    text: str
    plural: str = ""


def make_message(context: str, many: str, singular: str = "") -> Message:
    """Makes the message of a text and its singular. A text with ``{count}`` has plural forms in any case."""
    counted = bool(singular) or "{count}" in many
    return Message(context, singular or many, many) if counted else Message(context, many)
