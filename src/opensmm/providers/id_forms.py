"""In which form a panel is asked after ids: one in the singular, many in a list, or whatever it turned out to know.

The singular stands first on both pages, and is all that many scripts read. A panel that turns a whole list down is
asked one by one from then on, one that misses a parameter in the singular is asked with a list of one.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from opensmm.base.ids import MALFORMED
from opensmm.domain.providers import AS_DOCUMENTED, Forms, IdForm
from opensmm.domain.request_errors import means_missing_parameter, means_unknown_order
from opensmm.domain.requests import RequestedIds
from opensmm.wire.provider_answers import read_error

Read = TypeVar("Read")


class KnownForms:
    """What one panel turned out to know: as it is kept, and what was learned since."""

    def __init__(self, kept: Forms = AS_DOCUMENTED) -> None:
        self._kept = kept
        self._learned: dict[str, IdForm] = {}
        self._list_readers: set[tuple[str, bool]] = set()

    @property
    def learned(self) -> Forms:
        """What is not kept yet."""
        return {action: form for action, form in self._learned.items() if self._kept.get(action) is not form}

    def form(self, action: str) -> IdForm | None:
        return self._learned.get(action, self._kept.get(action))

    def learn(self, action: str, form: IdForm) -> None:
        self._learned[action] = form

    def refresh(self, kept: Forms) -> None:
        """Takes over what is kept by now. Where that has changed, it is newer than what was learned here."""
        for action in kept.keys() | self._kept.keys():
            if kept.get(action) is not self._kept.get(action):
                self._learned.pop(action, None)
        self._kept = kept

    def reads_lists(self, action: str, *, strangers: bool) -> bool:
        """Whether an error for a whole list is about its ids, as far as this process has seen."""
        return (action, False) in self._list_readers or (action, strangers) in self._list_readers

    def note_list_reader(self, action: str, *, strangers: bool) -> None:
        """Each id of a list was turned down as the list was. Of ids that may be strangers' it says nothing of ours."""
        self._list_readers.add((action, strangers))


class IdListRequest:
    """Asks one panel after ids of one kind. ``send`` writes the ask for some ids and returns the answer.

    ``singular``: one id is asked for in the singular. ``strangers``: the ids may be somebody else's.
    """

    def __init__(
        self,
        known: KnownForms,
        action: str,
        send: Callable[[RequestedIds], Awaitable[bytes]],
        *,
        singular: bool = True,
        strangers: bool = False,
    ) -> None:
        self._known = known
        self._action = action
        self._send = send
        self._singular = singular
        self._strangers = strangers

    async def ask(self, texts: Sequence[str], read: Callable[[RequestedIds, bytes], list[Read]]) -> list[Read]:
        """One answer per id, in their order."""
        if len(texts) == 1:
            return [await self._ask_one(texts[0], read)]
        if self._known.form(self._action) is IdForm.ONE_BY_ONE:
            return [await self._ask_one(text, read) for text in texts]
        ids = ids_of(texts, many=True)
        body = await self._send(ids)
        if self._known.reads_lists(self._action, strangers=self._strangers) or not turns_list_down(body):
            return read(ids, body)
        return await self._learn(ids, body, read)

    async def _learn(
        self, ids: RequestedIds, body: bytes, read: Callable[[RequestedIds, bytes], list[Read]]
    ) -> list[Read]:
        """Tries one by one what was turned down as a list; where each of them is too, the list was answered."""
        bodies = [await self._send(ids_of([text])) for text in ids.texts]
        if all(map(read_error, bodies)):
            self._known.note_list_reader(self._action, strangers=self._strangers)
            return read(ids, body)
        self._known.learn(self._action, IdForm.ONE_BY_ONE)
        return [read(ids_of([text]), one)[0] for text, one in zip(ids.texts, bodies, strict=True)]

    async def _ask_one(self, text: str, read: Callable[[RequestedIds, bytes], list[Read]]) -> Read:
        """What is known of the panel is doubted where it misses a parameter: it may have changed its script."""
        form = self._known.form(self._action)
        as_list = form is IdForm.LIST_OF_ONE or (not self._singular and form is not IdForm.ONE_BY_ONE)
        ids = ids_of([text], many=as_list)
        body = await self._send(ids)
        unheard = turns_list_down if as_list and form is None else misses_parameter
        if unheard(body):
            other = ids_of([text], many=not as_list)
            answer = await self._send(other)
            if not read_error(answer):
                self._known.learn(self._action, IdForm.ONE_BY_ONE if as_list else IdForm.LIST_OF_ONE)
                ids, body = other, answer
        return read(ids, body)[0]


def misses_parameter(body: bytes) -> bool:
    return means_missing_parameter(read_error(body))


def turns_list_down(body: bytes) -> bool:
    """Whether an answer is an error for a list as a whole that a panel may give which reads none."""
    return misses_parameter(body) or means_unknown_order(read_error(body))


def ids_of(texts: Sequence[str], *, many: bool = False) -> RequestedIds:
    """A provider's ids are its own texts; most are whole numbers."""
    numbers = tuple(int(text) if text.isascii() and text.isdigit() and len(text) < 19 else MALFORMED for text in texts)
    return RequestedIds(tuple(texts), numbers, many=many)
