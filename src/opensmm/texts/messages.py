"""The messages that every catalogue must have."""

from collections.abc import Iterable, Iterator

from opensmm.texts.english_reference import REFERENCE
from opensmm.texts.reference import translate_texts
from opensmm.texts.tables import TABLES
from opensmm.texts.template import Message, Words, make_message


def all_messages() -> Iterator[Message]:
    """Yields the messages in the order of the sources."""
    for name, table in TABLES.items():
        for code, words in table.items():
            if isinstance(words, Words):
                yield from _messages_of(f"{name}.{code}", words)
            elif words:
                yield Message(f"{name}.{code}", words)
    yield from _reference_messages()


def _reference_messages() -> Iterable[Message]:
    messages: dict[Message, None] = {}

    def collect(context: str, text: str) -> str:
        messages[Message(context, text)] = None
        return text

    translate_texts(REFERENCE, collect)
    return messages


def _messages_of(context: str, words: Words) -> Iterator[Message]:
    yield make_message(context, words.says, words.singular)
    if words.none:
        yield Message(f"{context}.none", words.none)
    for name, end in words.more:
        yield make_message(f"{context}.{name}", end)
    if words.do:
        yield make_message(f"{context}.do", words.do)
