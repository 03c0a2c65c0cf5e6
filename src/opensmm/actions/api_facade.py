"""All operations of the API as one object, with a batcher and a database connection for each."""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar
from uuid import uuid4

from msgspec import structs

from opensmm.actions import api_reads
from opensmm.actions.batcher import MAX_WEIGHT, Batcher
from opensmm.actions.cancels import CancelRequests
from opensmm.actions.catalogue import CatalogueCache
from opensmm.actions.clock import DatabaseClock
from opensmm.actions.order_placing import OrderPlacer, PlacingOutcome
from opensmm.actions.refills import RefillRequests, RefillStatuses
from opensmm.actions.storage import StorageState
from opensmm.actions.transactions import read
from opensmm.base.ids import CustomerId, OrderId, RefillId
from opensmm.domain import requests
from opensmm.domain.api_keys import KeyHolder
from opensmm.domain.ledger import BalanceView
from opensmm.domain.order_views import ListedOrder, OrderView, Parts
from opensmm.domain.orders import DialectRules, normalise
from opensmm.domain.placing import Buyer, buyer_of_key
from opensmm.domain.refills import Refill
from opensmm.domain.request_refusals import Refused
from opensmm.domain.subscriptions import MOST_LISTED
from opensmm.store import api_keys
from opensmm.store import placing as marks
from opensmm.store.connection import ReconnectingConnection

Outcome = TypeVar("Outcome")
_UNSUMMED: Final = attrgetter("unsummed")

MAX_RUNS_READ: Final = 4 * MAX_WEIGHT
"""Runs that are added up in one statement. Reading a run costs a fraction of writing one."""
LOCK_TIMEOUT_MS: Final = 1_000
"""Milliseconds that a batch of cancels or refills waits for a locked row before its customers run apart."""


class ApiOperations:
    """The panel's operations for its API. Every method raises Unavailable for a temporary fault."""

    def __init__(self, url: str, clock: DatabaseClock | None = None) -> None:
        self.catalogue_cache = CatalogueCache()
        self._clock = clock = clock or DatabaseClock()
        self._connections: list[ReconnectingConnection] = []
        self._url = url
        self._storage = StorageState()
        self._placing = OrderPlacer(
            self._connect("keep"), self._connect("decide"), self.catalogue_cache, self._storage, clock
        )
        self._statuses = Batcher(api_reads.StatusReader(self._connect("status"), self.catalogue_cache), name="status")
        self._sums = Batcher(
            api_reads.RunSumReader(self._connect("runs"), self.catalogue_cache), name="runs", max_weight=MAX_RUNS_READ
        )
        self._runs = Batcher(api_reads.RunCounter(self._connect("weights")), name="weights")
        extended = self._connect("extended status")
        self._extended = Batcher(api_reads.ExtendedReader(extended), name="extended status")
        self._parts = Batcher(api_reads.PartsReader(extended), name="parts", max_weight=MAX_RUNS_READ)
        self._balances = Batcher(api_reads.BalanceReader(self._connect("balance")), name="balance")
        self._keys = Batcher(api_reads.KeyReader(self._connect("keys"), self.catalogue_cache), name="keys")
        self._refills = Batcher(RefillRequests(self._connect("refill", LOCK_TIMEOUT_MS), clock), name="refill")
        self._refill_statuses = Batcher(RefillStatuses(self._connect("refill status")), name="refill status")
        self._cancels = Batcher(CancelRequests(self._connect("cancel", LOCK_TIMEOUT_MS), clock), name="cancel")
        # A batch is one long list or a few short ones: each is read by a statement of its own.
        self._lists = Batcher(self._read_newest, name="orders", max_weight=requests.MAX_IDS)
        self._list_connection = self._connect("orders")
        self._watch_connection = self._connect("watch")

    def _connect(self, name: str, lock_timeout_ms: int | None = None) -> ReconnectingConnection:
        name = f"opensmm api: {name}"
        self._connections.append(
            ReconnectingConnection(self._url, application=name, lock_timeout_ms=lock_timeout_ms, keyed=True)
        )
        return self._connections[-1]

    async def open(self) -> None:
        """Reads the catalogue and opens all connections, so that the first requests need not wait for them.

        Raises Unavailable if the database does not answer.
        """
        await self.refresh_catalogue()
        outcomes = await asyncio.gather(*(one.get() for one in self._connections), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()

    async def refresh_catalogue(self) -> None:
        """Reads what has changed in the catalogue and, if the last reading is old, the database's clock."""
        async with self._watch_connection.turn:
            await read(self._watch_connection, self.catalogue_cache.refresh)
            if self._clock.stale:
                await read(self._watch_connection, self._clock.read)

    @property
    def takes_orders(self) -> bool:
        """False while the database refuses all writes, as on a full disk."""
        return not self._storage.refuses

    async def try_writing(self) -> None:
        """Writes one small row. If no orders come any more, only this shows that the database takes writes again."""
        await read(self._watch_connection, lambda connection: marks.recover_batch(connection, uuid4(), self._clock()))
        self._storage.note_success()

    async def callers(self, digests: Sequence[bytes]) -> Sequence[KeyHolder | None]:
        """Finds the holders of many keys, by the keys' hashes. For one watcher, not for many callers at a time."""
        async with self._watch_connection.turn:
            return await read(self._watch_connection, lambda connection: api_keys.find(connection, digests))

    async def caller(self, digest: bytes) -> KeyHolder | None:
        return await self._keys.submit(digest)

    def place(
        self, caller: KeyHolder, request: requests.AddOrder, dialect_rules: DialectRules
    ) -> Coroutine[Any, Any, PlacingOutcome]:
        """Places one order for the holder of a key, or refuses it."""
        return self.place_by(buyer_of_key(caller), request, dialect_rules)

    def place_by(
        self, buyer: Buyer, request: requests.AddOrder, dialect_rules: DialectRules
    ) -> Coroutine[Any, Any, PlacingOutcome]:
        """Places one order, or refuses it."""
        if request.idempotency_key:
            request = normalise(request, self.catalogue_cache.catalogue)
        return self._placing.place(buyer, request, dialect_rules)

    async def statuses(self, caller: KeyHolder, ids: requests.RequestedIds) -> Sequence[OrderView | Refused]:
        views = await self._statuses.submit((caller.customer, ids), caller.customer, len(ids.numbers))
        if not any(map(_UNSUMMED, views)):
            return views
        many = [view for view in views if isinstance(view, OrderView) and view.unsummed]
        return _replace_views(views, await self._add_up_runs(caller, many))

    async def _add_up_runs(self, caller: KeyHolder, views: Sequence[OrderView]) -> dict[int, OrderView]:
        """Returns views with their runs added up, by order id.

        They are read in parts, one after the other, so that only a caller with many runs waits for them.
        """
        summed: dict[int, OrderView] = {}
        for part, weight in parts([view.unsummed for view in views], MAX_WEIGHT):
            orders = [view.order for view in views[part]]
            summed |= await self._sums.submit(orders, caller.customer, weight)
        return summed

    def extended(
        self, caller: KeyHolder, views: Sequence[OrderView | Refused]
    ) -> Awaitable[Sequence[OrderView | Refused]]:
        """Adds the fields of an extended status to the answers of ``statuses``."""
        return self._extended.submit(views, caller.customer, len(views))

    async def with_parts(
        self, caller: KeyHolder, views: Sequence[OrderView | Refused]
    ) -> Sequence[OrderView | Refused]:
        """Adds to the answers of ``statuses`` the parts of subscriptions and drip-feeds: their posts' orders and runs.

        They are read in portions, one after the other, so that only a caller with many parts waits for them.
        """
        parents = [view for view in views if isinstance(view, OrderView) and view.runs != 1]
        by_order: dict[OrderId, Parts] = {}
        for part, weight in parts([view.runs or MOST_LISTED for view in parents], MAX_WEIGHT):
            orders = [view.order for view in parents[part]]
            by_order |= await self._parts.submit(orders, caller.customer, weight)
        completed: dict[int, OrderView] = {
            view.order: structs.replace(view, more=by_order[view.order]) for view in parents if view.order in by_order
        }
        return _replace_views(views, completed)

    async def balance(self, caller: KeyHolder) -> BalanceView:
        amount = await self._balances.submit(caller.customer, caller.customer)
        return BalanceView(amount, self.catalogue_cache.catalogue.currency)

    async def orders(self, caller: KeyHolder, request: requests.ListOrders) -> Sequence[ListedOrder]:
        listed = await self._lists.submit((caller.customer, request), caller.customer, request.limit)
        many = [order.view for order in listed if order.view.unsummed]
        if not many:
            return listed
        summed = await self._add_up_runs(caller, many)
        return [structs.replace(order, view=summed.get(order.view.order, order.view)) for order in listed]

    async def refill(self, caller: KeyHolder, ids: requests.RequestedIds) -> Sequence[RefillId | Refused]:
        return await self._submit_parts(self._refills, caller, ids)

    def refill_statuses(
        self, caller: KeyHolder, request: requests.GetRefillStatus
    ) -> Awaitable[Sequence[Refill | Refused]]:
        return self._refill_statuses.submit(
            (caller.customer, request), caller.customer, max(1, len(request.refills.numbers))
        )

    async def cancel(self, caller: KeyHolder, ids: requests.RequestedIds) -> Sequence[Refused | None]:
        return await self._submit_parts(self._cancels, caller, ids)

    async def _submit_parts(
        self,
        batcher: Batcher[tuple[CustomerId, requests.RequestedIds], list[Outcome]],
        caller: KeyHolder,
        ids: requests.RequestedIds,
    ) -> Sequence[Outcome]:
        """Splits a request that writes a row for each run into transactions of a bounded size, one after the other.

        If a later part fails, the whole request does, but the parts before it stay committed: a retry goes on there.
        """
        weights = await self._runs.submit(ids.numbers, caller.customer, len(ids.numbers))
        outcomes: list[Outcome] = []
        for part, weight in parts(weights, MAX_WEIGHT):
            some = requests.RequestedIds(ids.texts[part], ids.numbers[part], ids.many)
            outcomes += await batcher.submit((caller.customer, some), caller.customer, weight)
        return outcomes

    async def _read_newest(
        self, batch: Sequence[tuple[CustomerId, requests.ListOrders]]
    ) -> list[Sequence[ListedOrder]]:
        currency = self.catalogue_cache.catalogue.currency
        return [
            await api_reads.newest(self._list_connection, customer, request.before, request.limit, currency)
            for customer, request in batch
        ]


def _replace_views(
    views: Sequence[OrderView | Refused], by_order: Mapping[int, OrderView]
) -> Sequence[OrderView | Refused]:
    """Returns the answers with some views replaced by others of the same orders."""
    return [by_order.get(view.order, view) if isinstance(view, OrderView) else view for view in views]


def parts(weights: Sequence[int], most: int) -> Iterator[tuple[slice, int]]:
    """Yields slices of a sequence whose items have these weights, each slice with its weight.

    A slice weighs at most ``most``, or is one heavier item.
    """
    begin = total = 0
    for at, weight in enumerate(weights):
        if at > begin and total + weight > most:
            yield slice(begin, at), total
            begin, total = at, 0
        total += weight
    if weights:
        yield slice(begin, len(weights)), total
