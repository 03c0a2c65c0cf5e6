"""The forms in which ids are sent to a panel: one in the singular, many as a list, or a form that was learned.

The singular is the first form of both dialects' documentation, and the only one that many scripts read. A panel that
refuses whole lists gets single ids from then on. One that misses a parameter in the singular gets lists of one.
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
    """The id forms of one panel, by action: stored ones, and those learned since."""

    def __init__(self, stored: Forms = AS_DOCUMENTED) -> None:
        self._stored = stored
        self._learned: dict[str, IdForm] = {}
        self._list_readers: set[tuple[str, bool]] = set()

    @property
    def new_forms(self) -> Forms:
        """Learned forms that are not stored yet."""
        return {action: form for action, form in self._learned.items() if self._stored.get(action) is not form}

    def form_of(self, action: str) -> IdForm | None:
        return self._learned.get(action, self._stored.get(action))

    def learn(self, action: str, form: IdForm) -> None:
        self._learned[action] = form

    def refresh(self, stored: Forms) -> None:
        """Takes over the stored forms. A form that has changed there is newer than one learned here."""
        for action in stored.keys() | self._stored.keys():
            if stored.get(action) is not self._stored.get(action):
                self._learned.pop(action, None)
        self._stored = stored

    def reads_lists(self, action: str, *, strangers: bool) -> bool:
        """Returns True if this process has seen that an error for a whole list is about its ids."""
        return (action, False) in self._list_readers or (action, strangers) in self._list_readers

    def note_list_reader(self, action: str, *, strangers: bool) -> None:
        """Notes that the panel reads lists: it refused each id of one as it refused the list.

        Ids that may be strangers' prove nothing about lists of ours.
        """
        self._list_readers.add((action, strangers))


class IdListRequest:
    """A kind of request for ids to one panel. ``send`` sends it for some ids and returns the body of the response.

    ``singular``: the documented form for one id is the singular. ``strangers``: the ids may be other customers'.
    """

    def __init__(
        self,
        forms: KnownForms,
        action: str,
        send: Callable[[RequestedIds], Awaitable[bytes]],
        *,
        singular: bool = True,
        strangers: bool = False,
    ) -> None:
        self._forms = forms
        self._action = action
        self._send = send
        self._singular = singular
        self._strangers = strangers

    async def fetch(self, texts: Sequence[str], read: Callable[[RequestedIds, bytes], list[Read]]) -> list[Read]:
        """Sends the ids in the panel's form; ``read`` decodes a response. Returns one result per id, in order."""
        if len(texts) == 1:
            return [await self._fetch_one(texts[0], read)]
        if self._forms.form_of(self._action) is IdForm.ONE_BY_ONE:
            return [await self._fetch_one(text, read) for text in texts]
        ids = requested_ids(texts, many=True)
        body = await self._send(ids)
        if self._forms.reads_lists(self._action, strangers=self._strangers) or not refuses_list(body):
            return read(ids, body)
        return await self._learn(ids, body, read)

    async def _learn(
        self, ids: RequestedIds, body: bytes, read: Callable[[RequestedIds, bytes], list[Read]]
    ) -> list[Read]:
        """Sends the ids of a refused list one by one. If all are refused, the error did answer the list."""
        bodies = [await self._send(requested_ids([text])) for text in ids.texts]
        if all(map(read_error, bodies)):
            self._forms.note_list_reader(self._action, strangers=self._strangers)
            return read(ids, body)
        self._forms.learn(self._action, IdForm.ONE_BY_ONE)
        return [read(requested_ids([text]), answer)[0] for text, answer in zip(ids.texts, bodies, strict=True)]

    async def _fetch_one(self, text: str, read: Callable[[RequestedIds, bytes], list[Read]]) -> Read:
        """Sends one id. If the panel misses a parameter it may have changed its script, and the other form is tried."""
        form = self._forms.form_of(self._action)
        as_list = form is IdForm.LIST_OF_ONE or (not self._singular and form is not IdForm.ONE_BY_ONE)
        ids = requested_ids([text], many=as_list)
        body = await self._send(ids)
        is_unread = refuses_list if as_list and form is None else misses_parameter
        if is_unread(body):
            # Asked a second time in the other form. That form is learned only if it works.
            other = requested_ids([text], many=not as_list)
            answer = await self._send(other)
            if not read_error(answer):
                self._forms.learn(self._action, IdForm.ONE_BY_ONE if as_list else IdForm.LIST_OF_ONE)
                ids, body = other, answer
        return read(ids, body)[0]


def misses_parameter(body: bytes) -> bool:
    return means_missing_parameter(read_error(body))


def refuses_list(body: bytes) -> bool:
    """Returns True for an error about a whole list that may come from a panel which reads no lists."""
    return misses_parameter(body) or means_unknown_order(read_error(body))


def requested_ids(texts: Sequence[str], *, many: bool = False) -> RequestedIds:
    """Returns a provider's ids, which are texts, as those of a request. Most of them are whole numbers."""
    numbers = tuple(int(text) if text.isascii() and text.isdigit() and len(text) < 19 else MALFORMED for text in texts)
    return RequestedIds(tuple(texts), numbers, many=many)
