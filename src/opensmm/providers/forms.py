"""In which form a panel is asked after ids: one in the singular, many in a list, or whatever it turned out to know.

The singular stands first on both pages, and is all that many scripts read. A panel that turns a whole list down is
asked one by one from then on, one that misses a parameter in the singular is asked with a list of one.
"""

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import Final, TypeVar

from opensmm.base.ids import MALFORMED
from opensmm.domain.asks import Ids
from opensmm.domain.provider_errors import means_missing_parameter, means_unknown_order
from opensmm.wire.answers import read_error

Read = TypeVar("Read")


class Form(Enum):
    """``LISTS``: it is known to read lists, so that an error for a whole one is about its ids."""

    LISTS = "lists"
    ONE_BY_ONE = "one by one"
    LIST_OF_ONE = "list of one"


FORMS: Final[dict[tuple[str, type], Form]] = {}
"""What panels turned out to know, by address and type of the ask; learned anew by each process."""


class Asking:
    """Asks one panel after ids of one kind. ``send`` writes the ask for some ids and returns the answer."""

    def __init__(self, url: str, kind: type, send: Callable[[Ids], Awaitable[bytes]], *, singular: bool = True) -> None:
        self._key = url, kind
        self._send = send
        self._singular = singular

    async def ask(self, texts: Sequence[str], read: Callable[[Ids, bytes], list[Read]]) -> list[Read]:
        """One answer per id, in their order."""
        if len(texts) == 1:
            return [await self._ask_one(texts[0], read)]
        if FORMS.get(self._key) is Form.ONE_BY_ONE:
            return [await self._ask_one(text, read) for text in texts]
        ids = ids_of(texts, many=True)
        body = await self._send(ids)
        if FORMS.get(self._key) is Form.LISTS or not turns_list_down(body):
            return read(ids, body)
        return await self._learn(ids, body, read)

    async def _learn(self, ids: Ids, body: bytes, read: Callable[[Ids, bytes], list[Read]]) -> list[Read]:
        """Tries one by one what was turned down as a list; where each of them is too, the list was answered."""
        bodies = [await self._send(ids_of([text])) for text in ids.texts]
        if all(map(read_error, bodies)):
            FORMS[self._key] = Form.LISTS
            return read(ids, body)
        FORMS[self._key] = Form.ONE_BY_ONE
        return [read(ids_of([text]), one)[0] for text, one in zip(ids.texts, bodies, strict=True)]

    async def _ask_one(self, text: str, read: Callable[[Ids, bytes], list[Read]]) -> Read:
        form = FORMS.get(self._key)
        as_list = form is Form.LIST_OF_ONE or (not self._singular and form is not Form.ONE_BY_ONE)
        ids = ids_of([text], many=as_list)
        body = await self._send(ids)
        if form in (None, Form.LISTS) and self._misses(body, as_list=as_list):
            other = ids_of([text], many=not as_list)
            answer = await self._send(other)
            if not read_error(answer):
                FORMS[self._key] = Form.ONE_BY_ONE if as_list else Form.LIST_OF_ONE
                ids, body = other, answer
        return read(ids, body)[0]

    def _misses(self, body: bytes, *, as_list: bool) -> bool:
        return turns_list_down(body) if as_list else means_missing_parameter(read_error(body))


def turns_list_down(body: bytes) -> bool:
    """Whether an answer is an error for a list as a whole that a panel may give which reads none."""
    words = read_error(body)
    return means_missing_parameter(words) or means_unknown_order(words)


def ids_of(texts: Sequence[str], *, many: bool = False) -> Ids:
    """A provider's ids are its own texts; most are whole numbers."""
    numbers = tuple(int(text) if text.isascii() and text.isdigit() and len(text) < 19 else MALFORMED for text in texts)
    return Ids(tuple(texts), numbers, many=many)
