"""The providers a worker speaks to, each with a client and a bound on how many calls it gets at once."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol, TypeVar

import structlog
from aiohttp import ClientSession
from msgspec import Struct, structs

from opensmm.base.ids import ProviderId
from opensmm.domain.asks import MAX_IDS
from opensmm.providers.client import Client, NoAnswer, Provider, close_session, open_session
from opensmm.providers.sandbox import sandbox_key
from opensmm.store.dispatch import ProviderRow
from opensmm.wire.v2 import V2

CONCURRENCY: Final = 64
"""Calls to one provider at a time."""
log = structlog.get_logger()


class AtProvider(Protocol):
    """Anything that a provider can be asked about."""

    @property
    def provider(self) -> ProviderId: ...


Item = TypeVar("Item", bound=AtProvider)
Said = TypeVar("Said")


class Contact(Struct, frozen=True):
    row: ProviderRow
    provider: Provider
    slots: asyncio.Semaphore


class Desk:
    """Contacts by provider. A provider whose address changed gets a new client."""

    def __init__(self, pepper: bytes, sandbox_url: str, timeout_s: float) -> None:
        self._pepper = pepper
        self._sandbox_url = sandbox_url
        self._timeout_s = timeout_s
        self._contacts: dict[ProviderId, Contact] = {}
        self._sessions: dict[ProviderId, ClientSession] = {}

    @property
    def empty(self) -> bool:
        """No provider is known yet."""
        return not self._contacts

    def contact(self, provider: ProviderId) -> Contact | None:
        return self._contacts.get(provider)

    async def update(self, rows: Iterable[ProviderRow]) -> None:
        """Makes clients for providers that are new, and takes note of how the others have fared."""
        for row in rows:
            known = self._contacts.get(row.id)
            if known is not None:
                self._contacts[row.id] = structs.replace(known, row=row)
            elif row.kind == "sandbox":
                self._sessions[row.id] = open_session(CONCURRENCY)
                key = sandbox_key(self._pepper)
                client = Client(self._sessions[row.id], self._sandbox_url, key, V2, self._timeout_s)
                self._contacts[row.id] = Contact(row, client, asyncio.Semaphore(CONCURRENCY))

    async def ask_about(
        self, items: Sequence[Item], call: Callable[[Provider, Sequence[Item]], Awaitable[Sequence[Said]]]
    ) -> list[tuple[Item, Said]]:
        """Asks each item's provider, a hundred items a call, all providers at once.

        Items of a provider that is not known here, or does not answer, are left out.
        """
        groups: dict[ProviderId, list[Item]] = defaultdict(list)
        for item in items:
            groups[item.provider].append(item)
        answers = await asyncio.gather(
            *(
                self._call(provider, group[at : at + MAX_IDS], call)
                for provider, group in groups.items()
                for at in range(0, len(group), MAX_IDS)
            )
        )
        return [pair for pairs in answers for pair in pairs]

    async def _call(
        self,
        provider: ProviderId,
        items: Sequence[Item],
        call: Callable[[Provider, Sequence[Item]], Awaitable[Sequence[Said]]],
    ) -> list[tuple[Item, Said]]:
        contact = self._contacts.get(provider)
        if contact is None:
            return []
        try:
            async with contact.slots:
                return list(zip(items, await call(contact.provider, items), strict=True))
        except NoAnswer as error:
            log.warning("a provider did not answer", provider=provider, error=str(error))
            return []

    async def close(self) -> None:
        for session in self._sessions.values():
            await close_session(session)
