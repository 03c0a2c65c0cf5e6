"""The providers a worker speaks to, each with a client, its limits, and what is known of how it fares."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

import structlog
from msgspec import Struct, structs

from opensmm.base.ids import ProviderId
from opensmm.domain.codes import ShutCode
from opensmm.domain.providers import AS_DOCUMENTED, MANUAL, SANDBOX, Forms
from opensmm.domain.requests import MAX_IDS
from opensmm.providers.call_failures import NoAnswer
from opensmm.providers.circuit_breaker import CircuitBreaker
from opensmm.providers.client import PanelClient, ProviderClient, close_session
from opensmm.providers.key_encryption import UnreadableKey, open_key
from opensmm.providers.manual import ManualProvider
from opensmm.providers.sandbox import account_of, sandbox_key
from opensmm.providers.throttle import ConnectionShare, Throttle
from opensmm.store.providers import ProviderRow
from opensmm.wire.dialect import Dialect
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

if TYPE_CHECKING:  # the command line imports this module for its names, and need not load an HTTP client for them
    from aiohttp import ClientSession

DIALECTS: Final[dict[str, Dialect]] = {"v1": V1, "v2": V2}
LEAVE_AFTER_S: Final = 10.0
"""A session that is not needed any more is closed this long after the longest call may last."""
log = structlog.get_logger()


class ProviderItem(Protocol):
    """Anything that a provider can be asked about."""

    @property
    def provider(self) -> ProviderId: ...


Item = TypeVar("Item", bound=ProviderItem)
Said = TypeVar("Said")
Call = Callable[[ProviderClient, Sequence[Item]], Awaitable[Sequence[Said]]]
"""Asks a provider about some items; one answer an item, in order."""


class _Panel(Struct, frozen=True):
    """A panel asked for what is its own, not of an order."""

    provider: ProviderId


class _Unopened(Struct, frozen=True):
    """A provider that is not called, and why."""

    row: ProviderRow
    why: ShutCode


class ProviderConnection(Struct, frozen=True):
    row: ProviderRow
    provider: ProviderClient
    throttle: Throttle
    circuit: CircuitBreaker


class ProviderRegistry:
    """Contacts by provider. One whose address, key or limits changed gets a new client; calls under way go on.

    ``private``: providers may be at loopback and private addresses.
    """

    def __init__(self, pepper: bytes, sandbox_url: str, timeout_s: float, *, private: bool = False) -> None:
        self._pepper = pepper
        self._sandbox_url = sandbox_url
        self._timeout_s = timeout_s
        self._private = private
        self._contacts: dict[ProviderId, ProviderConnection] = {}
        self._sessions: dict[ProviderId, ClientSession] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._unopened: dict[ProviderId, _Unopened] = {}
        self._share = ConnectionShare()

    @property
    def empty(self) -> bool:
        """No provider is known yet."""
        return not self._contacts

    @property
    def panels(self) -> list[ProviderId]:
        """Those that have a balance and a price list to tell."""
        return [one for one, contact in self._contacts.items() if isinstance(contact.provider, PanelClient)]

    @property
    def answering(self) -> list[ProviderId]:
        """Those that are not being left alone at this moment."""
        return [one for one, contact in self._contacts.items() if not contact.circuit.is_open]

    @property
    def shut(self) -> dict[ProviderId, ShutCode] | None:
        """Those that cannot be called, and why; None before any was looked at."""
        if self.empty and not self._unopened:
            return None
        return {provider: unopened.why for provider, unopened in self._unopened.items()}

    @property
    def learned(self) -> list[tuple[ProviderRow, Forms]]:
        """Providers that answer in other forms than is kept of them, and those forms."""
        panels = [
            (one.row, one.provider.forms) for one in self._contacts.values() if isinstance(one.provider, PanelClient)
        ]
        return [(row, forms.learned) for row, forms in panels if forms.learned]

    @property
    def complete(self) -> bool:
        """Whether all may be sent as much as they have room for, as far as was looked: none is disabled, rests, takes
        few adds at a time or cannot be called."""
        return not self._unopened and all(_takes_all(contact.row) for contact in self._contacts.values())

    def contact(self, provider: ProviderId) -> ProviderConnection | None:
        return self._contacts.get(provider)

    def rooms(self) -> dict[ProviderId, int]:
        """How many more deliveries may be taken on for each provider that answers; one at most where it is unclear."""
        return {provider: _room(contact) for provider, contact in self._contacts.items()}

    def share(self, share: ConnectionShare) -> None:
        """Takes no more than a share of each provider's limits from now on: other workers have theirs."""
        if share != self._share:
            self._share = share
            for contact in self._contacts.values():
                contact.throttle.allow(*self._limits(contact.row))

    def _limits(self, row: ProviderRow) -> tuple[int, float]:
        return self._share.calls_at_a_time(row.concurrency), self._share.calls_per_second(row.calls_per_second)

    async def update(self, rows: Iterable[ProviderRow]) -> None:
        """Makes clients for providers that are new or have changed, and takes note of how the others have fared."""
        for row in rows:
            known = self._contacts.get(row.id)
            if known is not None and _settings(known.row) == _settings(row):
                self._contacts[row.id] = structs.replace(known, row=row)
                if isinstance(known.provider, PanelClient):
                    known.provider.forms.refresh(row.forms)
            elif (unopened := self._unopened.get(row.id)) is None or unopened.row != row:
                self._meet(row)

    def _meet(self, row: ProviderRow) -> None:
        """A new contact in place of an old one. Without an address or a key there is none, and nothing is sent."""
        self._leave(row.id)
        client = self._client(row)
        if client is not None:
            self._contacts[row.id] = ProviderConnection(row, client, Throttle(*self._limits(row)), CircuitBreaker())

    def _client(self, row: ProviderRow) -> ProviderClient | None:
        if row.kind == MANUAL:
            return ManualProvider()
        if row.kind == SANDBOX:
            session = self._sessions[row.id] = _open_session(row.concurrency, private=True)
            key = sandbox_key(self._pepper, account_of(row.url))
            url = f"{self._sandbox_url.removesuffix('/api/v2')}/api/{row.dialect}"
            return open_client(session, structs.replace(row, url=url), key, self._timeout_s)
        try:
            key = open_key(self._pepper, row, private=self._private)
        except UnreadableKey as error:
            self._unopened[row.id] = _Unopened(row, error.code)
            log.error("a provider cannot be called", provider=row.name, why=error.code.value)
            return None
        session = self._sessions[row.id] = _open_session(row.concurrency, private=self._private)
        return open_client(session, row, key, self._timeout_s)

    def _leave(self, provider: ProviderId) -> None:
        self._contacts.pop(provider, None)
        self._unopened.pop(provider, None)
        session = self._sessions.pop(provider, None)
        if session is not None:
            task = asyncio.create_task(_close_later(session, self._timeout_s + LEAVE_AFTER_S))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def ask_about(self, items: Sequence[Item], call: Call[Item, Said]) -> list[tuple[Item, Said]]:
        """Asks each item's provider, a hundred items a call, all providers at once.

        Items of a provider that is not known here, does not answer, or is being left alone, are left out.
        """
        told: list[tuple[Item, Said]] = []

        async def note(asked: Sequence[Item], said: Sequence[tuple[Item, Said]]) -> None:
            told.extend(said)

        await self.ask_each(items, call, note)
        return told

    async def ask_each(
        self,
        items: Sequence[Item],
        call: Call[Item, Said],
        heard: Callable[[Sequence[Item], Sequence[tuple[Item, Said]]], Awaitable[None]],
    ) -> None:
        """The same; each provider's items and answers are handed over as soon as that one has said all it does. A slow
        one keeps nobody else's news back."""
        groups: dict[ProviderId, list[Item]] = defaultdict(list)
        for item in items:
            groups[item.provider].append(item)

        async def ask_one(provider: ProviderId, group: Sequence[Item]) -> None:
            parts = [group[at : at + MAX_IDS] for at in self._begins(provider, len(group))]
            answers = await asyncio.gather(*(self.ask(provider, part, call) for part in parts))
            await heard(group, [pair for pairs in answers if pairs is not None for pair in pairs])

        done = await asyncio.gather(*(ask_one(*entry) for entry in groups.items()), return_exceptions=True)
        failures = [failed for failed in done if failed is not None]
        for failed in failures[1:]:
            log.warning("what a provider said could not be kept", error=str(failed))
        if failures:
            raise failures[0]

    async def ask_panels(
        self, panels: Iterable[ProviderId], call: Callable[[PanelClient], Awaitable[Said]]
    ) -> list[tuple[ProviderId, Said]]:
        """Asks each of some panels once; those that do not answer are left out."""

        async def ask(provider: ProviderClient, group: Sequence[_Panel]) -> list[Said]:
            assert isinstance(provider, PanelClient)
            return [await call(provider)] * len(group)

        told = await self.ask_about([_Panel(provider) for provider in panels], ask)
        return [(asked.provider, said) for asked, said in told]

    def _begins(self, provider: ProviderId, count: int) -> range:
        """Where calls begin: one call alone where it is to tell whether the provider answers again."""
        contact = self._contacts.get(provider)
        if contact is None or contact.circuit.is_open:
            return range(0)
        calls = min(contact.throttle.room_to_ask, 1) if contact.circuit.is_half_open else contact.throttle.room_to_ask
        return range(0, min(count, calls * MAX_IDS), MAX_IDS)

    async def ask(
        self,
        provider: ProviderId,
        items: Sequence[Item],
        call: Call[Item, Said],
    ) -> list[tuple[Item, Said]] | None:
        """One call, within the provider's limits; None where it is not known or did not answer.

        Whatever a call breaks down with, an address that no name can be made of or a session that was closed meanwhile,
        is its provider's alone: the others of the round have answered. aiohttp cancels those whose session is closed
        while they look a name up, though nobody wants them ended.
        """
        contact = self._contacts.get(provider)
        if contact is None:
            return None
        contact.throttle.asking += 1
        try:
            async with contact.throttle:
                if contact.circuit.is_open or contact.throttle.over:
                    return None
                said = list(zip(items, await call(contact.provider, items), strict=True))
        except (Exception, asyncio.CancelledError) as error:
            if _is_to_end(error):
                raise
            contact.circuit.record_failure()
            # Words that the client did not look through may quote the key.
            words = str(error) if isinstance(error, NoAnswer) else type(error).__name__
            log.warning("a provider did not answer", provider=provider, error=words, sparse=provider)
            return None
        finally:
            contact.throttle.asking -= 1
        contact.circuit.record_success()
        return said

    def let_all_through(self) -> None:
        """Nobody waits for a turn any more: what is to be called is not."""
        for contact in self._contacts.values():
            contact.throttle.let_all_through()

    async def close(self) -> None:
        for task in self._leaving:
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        for session in self._sessions.values():
            await close_session(session)


def _is_to_end(error: BaseException) -> bool:
    """Whether it was this very task that was cancelled, and not something that it waited for."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def open_client(session: "ClientSession", row: ProviderRow, key: str, timeout_s: float) -> PanelClient:
    """A client of a panel, set up as its row says."""
    dialect, agent = DIALECTS[row.dialect], row.user_agent
    return PanelClient(session, row.url, key, dialect, timeout_s, row.name, forms=row.forms, user_agent=agent)


def _settings(row: ProviderRow) -> ProviderRow:
    """What a client is made of: the row without what moves by itself."""
    moves = {"failures": 0, "resting_until": None, "fault": "", "enabled": True, "forms": AS_DOCUMENTED}
    return structs.replace(row, **moves, adds_at_a_time=None)


def _takes_all(row: ProviderRow) -> bool:
    return row.enabled and row.resting_until is None and not row.adds_at_a_time


def _room(contact: ProviderConnection) -> int:
    """The database, which knows of other workers' adds too, may give fewer than this."""
    if contact.circuit.is_open:
        return 0
    room = contact.throttle.room
    if contact.row.adds_at_a_time:
        room = min(room, max(0, contact.row.adds_at_a_time - contact.throttle.sending))
    return min(room, 1) if contact.circuit.is_half_open else room


async def _close_later(session: "ClientSession", after_s: float) -> None:
    try:
        await asyncio.sleep(after_s)
    finally:
        await close_session(session)


def _open_session(concurrency: int, *, private: bool) -> "ClientSession":
    from opensmm.providers.egress import open_session

    return open_session(concurrency, private=private)
