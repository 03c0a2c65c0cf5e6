"""The providers that a worker calls, each with its client, its throttle and its circuit breaker."""

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

if TYPE_CHECKING:  # The command line imports this module for its names, and must not load an HTTP client for them.
    from aiohttp import ClientSession

DIALECTS: Final[dict[str, Dialect]] = {"v1": V1, "v2": V2}
CLOSE_AFTER_S: Final = 10.0
"""Seconds until an unused session is closed, beyond the timeout of its last call."""
log = structlog.get_logger()


class ProviderItem(Protocol):
    """An item that calls to its provider are about."""

    @property
    def provider(self) -> ProviderId: ...


Item = TypeVar("Item", bound=ProviderItem)
Result = TypeVar("Result")
Call = Callable[[ProviderClient, Sequence[Item]], Awaitable[Sequence[Result]]]
"""A function that calls a provider about some items, and returns one result per item, in order."""


class _PanelItem(Struct, frozen=True):
    """A panel itself, as the item of calls that are about no order."""

    provider: ProviderId


class _UncallableProvider(Struct, frozen=True):
    """A provider that cannot be called, and why."""

    row: ProviderRow
    why: ShutCode


class ProviderConnection(Struct, frozen=True):
    """A provider as its row says, with all that calls to it need."""

    row: ProviderRow
    provider: ProviderClient
    throttle: Throttle
    circuit: CircuitBreaker


class ProviderRegistry:
    """Connections by provider. A provider whose settings have changed gets a new client; calls in flight go on.

    ``private``: providers may be at loopback and private addresses. ``timeout_s`` is that of one call.
    """

    def __init__(self, pepper: bytes, sandbox_url: str, timeout_s: float, *, private: bool = False) -> None:
        self._pepper = pepper
        self._sandbox_url = sandbox_url
        self._timeout_s = timeout_s
        self._private = private
        self._connections: dict[ProviderId, ProviderConnection] = {}
        self._sessions: dict[ProviderId, ClientSession] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._uncallable: dict[ProviderId, _UncallableProvider] = {}
        self._share = ConnectionShare()

    @property
    def empty(self) -> bool:
        """True if no provider can be called."""
        return not self._connections

    @property
    def panels(self) -> list[ProviderId]:
        """The providers that are panels: they have a balance and a price list."""
        return [
            number for number, connection in self._connections.items() if isinstance(connection.provider, PanelClient)
        ]

    @property
    def answering(self) -> list[ProviderId]:
        """The providers that are not paused: their circuit is not open."""
        return [number for number, connection in self._connections.items() if not connection.circuit.is_open]

    @property
    def uncallable(self) -> dict[ProviderId, ShutCode] | None:
        """The providers that cannot be called, and why. None before the first update."""
        if self.empty and not self._uncallable:
            return None
        return {provider: uncallable.why for provider, uncallable in self._uncallable.items()}

    @property
    def new_forms(self) -> list[tuple[ProviderRow, Forms]]:
        """The panels whose id forms differ from the stored ones, with the new forms."""
        connections = self._connections.values()
        panels = [(each.row, each.provider.forms) for each in connections if isinstance(each.provider, PanelClient)]
        return [(row, forms.new_forms) for row, forms in panels if forms.new_forms]

    @property
    def takes_all(self) -> bool:
        """True if every provider may be sent as much as it has room for, by its row as last read.

        None is disabled, paused, limited to some adds at a time, or impossible to call.
        """
        return not self._uncallable and all(_is_unlimited(connection.row) for connection in self._connections.values())

    def connection_to(self, provider: ProviderId) -> ProviderConnection | None:
        return self._connections.get(provider)

    def claimable_counts(self) -> dict[ProviderId, int]:
        """Returns how many more deliveries may be claimed for each provider: one at most at a half-open circuit."""
        return {provider: _free_room(connection) for provider, connection in self._connections.items()}

    def share(self, share: ConnectionShare) -> None:
        """Reduces each provider's limits to this worker's share."""
        if share != self._share:
            self._share = share
            for connection in self._connections.values():
                connection.throttle.allow(*self._limits(connection.row))

    def _limits(self, row: ProviderRow) -> tuple[int, float]:
        return self._share.calls_at_a_time(row.concurrency), self._share.calls_per_second(row.calls_per_second)

    async def update(self, rows: Iterable[ProviderRow]) -> None:
        """Makes clients for providers that are new or have changed, and takes the others' rows over."""
        for row in rows:
            connection = self._connections.get(row.id)
            if connection is not None and _without_state(connection.row) == _without_state(row):
                self._connections[row.id] = structs.replace(connection, row=row)
                if isinstance(connection.provider, PanelClient):
                    connection.provider.forms.refresh(row.forms)
            elif (uncallable := self._uncallable.get(row.id)) is None or uncallable.row != row:
                self._connect(row)

    def _connect(self, row: ProviderRow) -> None:
        """Replaces the connection to a provider. One that cannot be called gets none, and nothing is sent to it."""
        self._disconnect(row.id)
        client = self._make_client(row)
        if client is not None:
            self._connections[row.id] = ProviderConnection(row, client, Throttle(*self._limits(row)), CircuitBreaker())

    def _make_client(self, row: ProviderRow) -> ProviderClient | None:
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
            self._uncallable[row.id] = _UncallableProvider(row, error.code)
            log.error("a provider cannot be called", provider=row.name, why=error.code.value)
            return None
        session = self._sessions[row.id] = _open_session(row.concurrency, private=self._private)
        return open_client(session, row, key, self._timeout_s)

    def _disconnect(self, provider: ProviderId) -> None:
        self._connections.pop(provider, None)
        self._uncallable.pop(provider, None)
        session = self._sessions.pop(provider, None)
        if session is not None:
            task = asyncio.create_task(_close_later(session, self._timeout_s + CLOSE_AFTER_S))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def call_about(self, items: Sequence[Item], call: Call[Item, Result]) -> list[tuple[Item, Result]]:
        """Calls the providers of the items, all at once, with at most ``MAX_IDS`` items a call.

        Returns the items with their results. Items of a provider that is unknown here, paused or without a response are
        left out.
        """
        results: list[tuple[Item, Result]] = []

        async def collect(group: Sequence[Item], pairs: Sequence[tuple[Item, Result]]) -> None:
            results.extend(pairs)

        await self.call_each(items, call, collect)
        return results

    async def call_each(
        self,
        items: Sequence[Item],
        call: Call[Item, Result],
        keep: Callable[[Sequence[Item], Sequence[tuple[Item, Result]]], Awaitable[None]],
    ) -> None:
        """Calls the providers of the items in the same way, and ``keep`` with each provider's items and results.

        ``keep`` runs as soon as that provider has answered, so that a slow one delays no other. Raises the first of its
        errors when all are done, and logs the others.
        """
        groups: dict[ProviderId, list[Item]] = defaultdict(list)
        for item in items:
            groups[item.provider].append(item)

        async def call_group(provider: ProviderId, group: Sequence[Item]) -> None:
            parts = [group[at : at + MAX_IDS] for at in self._call_starts(provider, len(group))]
            answers = await asyncio.gather(*(self.call_one(provider, part, call) for part in parts))
            await keep(group, [pair for pairs in answers if pairs is not None for pair in pairs])

        outcomes = await asyncio.gather(*(call_group(*entry) for entry in groups.items()), return_exceptions=True)
        errors = [error for error in outcomes if error is not None]
        for error in errors[1:]:
            log.warning("what a provider said could not be kept", error=str(error))
        if errors:
            raise errors[0]

    async def call_panels(
        self, panels: Iterable[ProviderId], call: Callable[[PanelClient], Awaitable[Result]]
    ) -> list[tuple[ProviderId, Result]]:
        """Calls each of the panels once. Those without a response are left out of the results."""

        async def call_panel(provider: ProviderClient, group: Sequence[_PanelItem]) -> list[Result]:
            assert isinstance(provider, PanelClient)
            return [await call(provider)] * len(group)

        results = await self.call_about([_PanelItem(provider) for provider in panels], call_panel)
        return [(panel.provider, result) for panel, result in results]

    def _call_starts(self, provider: ProviderId, count: int) -> range:
        """Returns the index of each call's first item. A half-open circuit lets a single call try."""
        connection = self._connections.get(provider)
        if connection is None or connection.circuit.is_open:
            return range(0)
        room = connection.throttle.room_to_poll
        calls = min(room, 1) if connection.circuit.is_half_open else room
        return range(0, min(count, calls * MAX_IDS), MAX_IDS)

    async def call_one(
        self,
        provider: ProviderId,
        items: Sequence[Item],
        call: Call[Item, Result],
    ) -> list[tuple[Item, Result]] | None:
        """Makes one call, within the provider's limits. Returns None if the provider is unknown, paused or fails.

        Any error counts as a failure of this provider alone, so that it does not end the calls to others: a malformed
        host name, for instance, or a session that was closed meanwhile. aiohttp cancels calls whose session closes
        during a name look-up, though nobody has cancelled their task.
        """
        connection = self._connections.get(provider)
        if connection is None:
            return None
        connection.throttle.polling += 1
        try:
            async with connection.throttle:
                # Both may have changed during the wait for the turn.
                if connection.circuit.is_open or connection.throttle.is_stopped:
                    return None
                results = list(zip(items, await call(connection.provider, items), strict=True))
        except (Exception, asyncio.CancelledError) as error:
            if _is_own_cancel(error):
                raise
            connection.circuit.record_failure()
            # Only NoAnswer's text is redacted; others may quote the key.
            words = str(error) if isinstance(error, NoAnswer) else type(error).__name__
            log.warning("a provider did not answer", provider=provider, error=words, sparse=provider)
            return None
        finally:
            connection.throttle.polling -= 1
        connection.circuit.record_success()
        return results

    def release_waiters(self) -> None:
        """Ends all waits for a turn; the calls that waited are not made."""
        for connection in self._connections.values():
            connection.throttle.release_waiters()

    async def close(self) -> None:
        for task in self._closing:
            task.cancel()
        await asyncio.gather(*self._closing, return_exceptions=True)
        for session in self._sessions.values():
            await close_session(session)


def _is_own_cancel(error: BaseException) -> bool:
    """Returns True if this very task was cancelled, and not something that it waited for."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def open_client(session: "ClientSession", row: ProviderRow, key: str, timeout_s: float) -> PanelClient:
    """Makes the client of a panel from its row."""
    dialect, agent = DIALECTS[row.dialect], row.user_agent
    return PanelClient(session, row.url, key, dialect, timeout_s, row.name, forms=row.forms, user_agent=agent)


def _without_state(row: ProviderRow) -> ProviderRow:
    """Returns the row with neutral values for the columns that need no new client."""
    neutral = {"failures": 0, "resting_until": None, "fault": "", "enabled": True, "forms": AS_DOCUMENTED}
    return structs.replace(row, **neutral, adds_at_a_time=None)


def _is_unlimited(row: ProviderRow) -> bool:
    return row.enabled and row.resting_until is None and not row.adds_at_a_time


def _free_room(connection: ProviderConnection) -> int:
    """Returns how many deliveries may be claimed. The database, which counts other workers' too, may give fewer."""
    if connection.circuit.is_open:
        return 0
    room = connection.throttle.room
    if connection.row.adds_at_a_time:
        room = min(room, max(0, connection.row.adds_at_a_time - connection.throttle.sending))
    return min(room, 1) if connection.circuit.is_half_open else room


async def _close_later(session: "ClientSession", after_s: float) -> None:
    """Closes a session when its last calls have ended, for which closing it now would mean an unsure outcome."""
    try:
        await asyncio.sleep(after_s)
    finally:
        await close_session(session)


def _open_session(concurrency: int, *, private: bool) -> "ClientSession":
    from opensmm.providers.egress import open_session

    return open_session(concurrency, private=private)
