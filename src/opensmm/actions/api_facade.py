"""All that the API can do, as one object: the lanes, each over a connection of its own."""

import asyncio
from collections.abc import Awaitable, Coroutine, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeVar
from uuid import uuid4

from msgspec import structs

from opensmm.actions import api_reads
from opensmm.actions.batcher import MOST, Batcher
from opensmm.actions.cancels import CancelRequests
from opensmm.actions.catalogue import CatalogueCache
from opensmm.actions.clock import DatabaseClock
from opensmm.actions.order_placing import OrderPlacer, Placed
from opensmm.actions.refills import RefillRequests, RefillStatuses
from opensmm.actions.storage import StorageState
from opensmm.actions.transactions import read
from opensmm.base.ids import CustomerId, OrderId, RefillId
from opensmm.domain import requests
from opensmm.domain.api_keys import KeyHolder
from opensmm.domain.ledger import BalanceView
from opensmm.domain.order_views import ListedOrder, OrderView, Parts
from opensmm.domain.orders import DialectRules, normalised
from opensmm.domain.placing import Buyer, by_key
from opensmm.domain.refills import Refill
from opensmm.domain.refusals import Refused
from opensmm.domain.subscriptions import MOST_LISTED
from opensmm.store import api_keys
from opensmm.store import placing as marks
from opensmm.store.connection import ReconnectingConnection

Outcome = TypeVar("Outcome")
_UNSUMMED: Final = attrgetter("unsummed")

READ_AT_ONCE: Final = 4 * MOST
"""Runs that are added up in one statement: reading one costs a fraction of what writing one does."""
LOCK_TIMEOUT_MS: Final = 1_000
"""How long a batch of cancels or refills waits for a row before it is taken apart: others' asks stand in it."""


class ApiOperations:
    """The panel as its API sees it. Every method raises Unavailable for a fault of the moment."""

    def __init__(self, url: str, clock: DatabaseClock | None = None) -> None:
        self.shelf = CatalogueCache()
        self._clock = clock = clock or DatabaseClock()
        self._lines: list[ReconnectingConnection] = []
        self._url = url
        self._storage = StorageState()
        self._placing = OrderPlacer(self._line("keep"), self._line("decide"), self.shelf, self._storage, clock)
        self._statuses = Batcher(api_reads.StatusReader(self._line("status"), self.shelf), name="status")
        self._sums = Batcher(api_reads.RunSumReader(self._line("runs"), self.shelf), name="runs", most=READ_AT_ONCE)
        self._runs = Batcher(api_reads.RunCounter(self._line("weights")), name="weights")
        beside = self._line("extended status")
        self._extended = Batcher(api_reads.ExtendedReader(beside), name="extended status")
        self._parts = Batcher(api_reads.PartsReader(beside), name="parts", most=READ_AT_ONCE)
        self._balances = Batcher(api_reads.BalanceReader(self._line("balance")), name="balance")
        self._keys = Batcher(api_reads.KeyReader(self._line("keys"), self.shelf), name="keys")
        self._refills = Batcher(RefillRequests(self._line("refill", LOCK_TIMEOUT_MS), clock), name="refill")
        self._refill_statuses = Batcher(RefillStatuses(self._line("refill status")), name="refill status")
        self._cancels = Batcher(CancelRequests(self._line("cancel", LOCK_TIMEOUT_MS), clock), name="cancel")
        # One list a batch, or some short ones: a list is read by itself, and what was read is answered at once.
        self._lists = Batcher(self._newest, name="orders", most=requests.MAX_IDS)
        self._list_line = self._line("orders")
        self._watch_line = self._line("watch")

    def _line(self, name: str, lock_timeout_ms: int | None = None) -> ReconnectingConnection:
        name = f"opensmm api: {name}"
        self._lines.append(
            ReconnectingConnection(self._url, application=name, lock_timeout_ms=lock_timeout_ms, keyed=True)
        )
        return self._lines[-1]

    async def open(self) -> None:
        """Connects, so that the first requests need not wait. Raises Unavailable if the database does not answer."""
        await self.look_at_catalogue()
        outcomes = await asyncio.gather(*(line.get() for line in self._lines), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def close(self) -> None:
        for line in self._lines:
            await line.close()

    async def look_at_catalogue(self) -> None:
        """Reads what has changed of the price list, and now and then the database's clock."""
        async with self._watch_line.turn:
            await read(self._watch_line, self.shelf.refresh)
            if self._clock.stale:
                await read(self._watch_line, self._clock.read)

    @property
    def takes_orders(self) -> bool:
        """False while the database refuses whatever is written, as on a full disk."""
        return not self._storage.refuses

    async def try_writing(self) -> None:
        """Writes something small: where no order comes any more, only this tells that the database takes them again."""
        await read(self._watch_line, lambda connection: marks.settle(connection, uuid4(), self._clock()))
        self._storage.kept()

    async def callers(self, digests: Sequence[bytes]) -> Sequence[KeyHolder | None]:
        """The callers behind many keys; like the look at the catalogue for one watcher, not for many at a time."""
        async with self._watch_line.turn:
            return await read(self._watch_line, lambda connection: api_keys.find(connection, digests))

    async def caller(self, digest: bytes) -> KeyHolder | None:
        return await self._keys.submit(digest)

    def place(
        self, caller: KeyHolder, request: requests.AddOrder, dialect_rules: DialectRules
    ) -> Coroutine[Any, Any, Placed]:
        """Places one order of a key's, or refuses it."""
        return self.place_by(by_key(caller), request, dialect_rules)

    def place_by(
        self, buyer: Buyer, request: requests.AddOrder, dialect_rules: DialectRules
    ) -> Coroutine[Any, Any, Placed]:
        """Places one order, or refuses it."""
        if request.idempotency_key:
            request = normalised(request, self.shelf.catalogue)
        return self._placing.place(buyer, request, dialect_rules)

    async def statuses(self, caller: KeyHolder, ids: requests.RequestedIds) -> Sequence[OrderView | Refused]:
        views = await self._statuses.submit((caller.customer, ids), caller.customer, len(ids.numbers))
        if not any(map(_UNSUMMED, views)):
            return views
        many = [view for view in views if isinstance(view, OrderView) and view.unsummed]
        return _replaced(views, await self._summed(caller, many))

    async def _summed(self, caller: KeyHolder, views: Sequence[OrderView]) -> dict[int, OrderView]:
        """Views with their runs added up, a part after the other: who asks for much waits, and nobody else."""
        summed: dict[int, OrderView] = {}
        for part, weight in parts([view.unsummed for view in views], MOST):
            orders = [view.order for view in views[part]]
            summed |= await self._sums.submit(orders, caller.customer, weight)
        return summed

    def extended(
        self, caller: KeyHolder, views: Sequence[OrderView | Refused]
    ) -> Awaitable[Sequence[OrderView | Refused]]:
        """The answers of ``statuses`` with what an extended status tells beside."""
        return self._extended.submit(views, caller.customer, len(views))

    async def with_parts(
        self, caller: KeyHolder, views: Sequence[OrderView | Refused]
    ) -> Sequence[OrderView | Refused]:
        """The answers of ``statuses`` with what subscriptions and drip-feeds among them have come to.

        They are read a part after the other: who asks for much waits, and nobody else.
        """
        parents = [view for view in views if isinstance(view, OrderView) and view.runs != 1]
        found: dict[OrderId, Parts] = {}
        for part, weight in parts([view.runs or MOST_LISTED for view in parents], MOST):
            orders = [view.order for view in parents[part]]
            found |= await self._parts.submit(orders, caller.customer, weight)
        told: dict[int, OrderView] = {
            view.order: structs.replace(view, more=found[view.order]) for view in parents if view.order in found
        }
        return _replaced(views, told)

    async def balance(self, caller: KeyHolder) -> BalanceView:
        amount = await self._balances.submit(caller.customer, caller.customer)
        return BalanceView(amount, self.shelf.catalogue.currency)

    async def orders(self, caller: KeyHolder, request: requests.ListOrders) -> Sequence[ListedOrder]:
        lines = await self._lists.submit((caller.customer, request), caller.customer, request.limit)
        many = [line.view for line in lines if line.view.unsummed]
        if not many:
            return lines
        summed = await self._summed(caller, many)
        return [structs.replace(line, view=summed.get(line.view.order, line.view)) for line in lines]

    async def refill(self, caller: KeyHolder, ids: requests.RequestedIds) -> Sequence[RefillId | Refused]:
        return await self._in_parts(self._refills, caller, ids)

    def refill_statuses(
        self, caller: KeyHolder, request: requests.GetRefillStatus
    ) -> Awaitable[Sequence[Refill | Refused]]:
        return self._refill_statuses.submit(
            (caller.customer, request), caller.customer, max(1, len(request.refills.numbers))
        )

    async def cancel(self, caller: KeyHolder, ids: requests.RequestedIds) -> Sequence[Refused | None]:
        return await self._in_parts(self._cancels, caller, ids)

    async def _in_parts(
        self,
        lane: Batcher[tuple[CustomerId, requests.RequestedIds], list[Outcome]],
        caller: KeyHolder,
        ids: requests.RequestedIds,
    ) -> Sequence[Outcome]:
        """Asks that write a row for each run of an order, in transactions of a bounded size, one after the other.

        Where a later one fails the whole ask does, and those before are kept: a repeat goes on from there.
        """
        weights = await self._runs.submit(ids.numbers, caller.customer, len(ids.numbers))
        outcomes: list[Outcome] = []
        for part, weight in parts(weights, MOST):
            some = requests.RequestedIds(ids.texts[part], ids.numbers[part], ids.many)
            outcomes += await lane.submit((caller.customer, some), caller.customer, weight)
        return outcomes

    async def _newest(self, batch: Sequence[tuple[CustomerId, requests.ListOrders]]) -> list[Sequence[ListedOrder]]:
        currency = self.shelf.catalogue.currency
        return [
            await api_reads.newest(self._list_line, customer, request.before, request.limit, currency)
            for customer, request in batch
        ]


def _replaced(views: Sequence[OrderView | Refused], by_order: Mapping[int, OrderView]) -> Sequence[OrderView | Refused]:
    """The answers with some of their views replaced by others of the same orders."""
    return [by_order.get(view.order, view) if isinstance(view, OrderView) else view for view in views]


def parts(weights: Sequence[int], most: int) -> Iterator[tuple[slice, int]]:
    """Slices of what has these weights, each with its weight: at most ``most``, or one item that is heavier."""
    begin = total = 0
    for at, weight in enumerate(weights):
        if at > begin and total + weight > most:
            yield slice(begin, at), total
            begin, total = at, 0
        total += weight
    if weights:
        yield slice(begin, len(weights)), total
