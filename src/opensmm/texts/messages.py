"""Every message that a catalogue must have."""

from collections.abc import Iterable, Iterator

from opensmm.texts.english_reference import REFERENCE
from opensmm.texts.reference import translated
from opensmm.texts.tables import TABLES
from opensmm.texts.template import Message, Words, message


def messages() -> Iterator[Message]:
    """The messages in the order of the sources."""
    for name, table in TABLES.items():
        for code, words in table.items():
            if isinstance(words, Words):
                yield from _sentences(f"{name}.{code}", words)
            elif words:
                yield Message(f"{name}.{code}", words)
    yield from _of_reference()


def _of_reference() -> Iterable[Message]:
    seen: dict[Message, None] = {}

    def say(context: str, text: str) -> str:
        seen[Message(context, text)] = None
        return text

    translated(REFERENCE, say)
    return seen


def _sentences(context: str, words: Words) -> Iterator[Message]:
    yield message(context, words.says, words.one)
    if words.none:
        yield Message(f"{context}.none", words.none)
    for name, end in words.more:
        yield message(f"{context}.{name}", end)
    if words.do:
        yield message(f"{context}.do", words.do)
