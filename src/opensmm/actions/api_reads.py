"""Reads of the API: callers that wait together share a statement, and each gets only its own rows."""

from collections.abc import Sequence

from msgspec import structs

from opensmm.actions.catalogue import CatalogueCache
from opensmm.actions.transactions import read
from opensmm.base.ids import CustomerId, OrderId
from opensmm.base.money import Money
from opensmm.domain.api_keys import KeyHolder
from opensmm.domain.order_views import ListedOrder, OrderView, Parts
from opensmm.domain.request_refusals import UNKNOWN_ORDER, Refused
from opensmm.domain.requests import RequestedIds
from opensmm.store import api_keys, customers, orders
from opensmm.store.connection import ReconnectingConnection


class StatusReader:
    """Answers status requests: takes (customer, ids), returns one outcome per id."""

    def __init__(self, connection: ReconnectingConnection, catalogue_cache: CatalogueCache) -> None:
        self._connection = connection
        self._catalogue_cache = catalogue_cache

    async def __call__(self, batch: Sequence[tuple[CustomerId, RequestedIds]]) -> list[list[OrderView | Refused]]:
        numbers = [number for _, ids in batch for number in ids.numbers]
        currency = self._catalogue_cache.catalogue.currency
        views = await read(self._connection, lambda connection: orders.views(connection, numbers, currency))
        missing = (None, UNKNOWN_ORDER)
        answers: list[list[OrderView | Refused]] = []
        for customer, ids in batch:
            owned = [views.get(number, missing) for number in ids.numbers]
            answers.append([view if owner == customer else UNKNOWN_ORDER for owner, view in owned])
        return answers


class RunSumReader:
    """Adds up the runs of orders that have many: takes order ids, returns their views."""

    def __init__(self, connection: ReconnectingConnection, catalogue_cache: CatalogueCache) -> None:
        self._connection = connection
        self._catalogue_cache = catalogue_cache

    async def __call__(self, batch: Sequence[Sequence[OrderId]]) -> list[dict[int, OrderView]]:
        order_ids = [order for part in batch for order in part]
        currency = self._catalogue_cache.catalogue.currency
        views = await read(self._connection, lambda connection: orders.sum_runs(connection, order_ids, currency))
        return [{order: views[order] for order in part} for part in batch]


class RunCounter:
    """Counts the runs of orders. An order that does not exist counts as one run."""

    def __init__(self, connection: ReconnectingConnection) -> None:
        self._connection = connection

    async def __call__(self, batch: Sequence[Sequence[int]]) -> list[list[int]]:
        order_ids = [number for numbers in batch for number in numbers]
        counts = await read(self._connection, lambda connection: orders.runs(connection, order_ids))
        return [[counts.get(number, 1) for number in numbers] for numbers in batch]


class ExtendedReader:
    """Adds the fields of an extended status to answers of status. Refusals stay as they are."""

    def __init__(self, connection: ReconnectingConnection) -> None:
        self._connection = connection

    async def __call__(self, batch: Sequence[Sequence[OrderView | Refused]]) -> list[list[OrderView | Refused]]:
        own = [view.order for views in batch for view in views if isinstance(view, OrderView)]
        async with self._connection.turn:
            more = await read(self._connection, lambda connection: orders.read_extended(connection, own))
        return [
            [view if isinstance(view, Refused) else structs.replace(view, more=more[view.order]) for view in views]
            for views in batch
        ]


class PartsReader:
    """Reads the parts of subscriptions and drip-feeds, by order. Orders of other kinds are left out."""

    def __init__(self, connection: ReconnectingConnection) -> None:
        self._connection = connection

    async def __call__(self, batch: Sequence[Sequence[OrderId]]) -> list[dict[OrderId, Parts]]:
        order_ids = [order for some in batch for order in some]
        async with self._connection.turn:
            by_order = await read(self._connection, lambda connection: orders.read_parts(connection, order_ids))
        return [{order: by_order[order] for order in some if order in by_order} for some in batch]


class BalanceReader:
    """Reads the balances of customers, in order."""

    def __init__(self, connection: ReconnectingConnection) -> None:
        self._connection = connection

    async def __call__(self, batch: Sequence[CustomerId]) -> list[Money]:
        return await read(self._connection, lambda connection: customers.balances(connection, batch))


class KeyReader:
    """Looks up keys by their hashes.

    Reads the catalogue first if this process has none yet: otherwise the caller would see an empty price list.
    """

    def __init__(self, connection: ReconnectingConnection, catalogue_cache: CatalogueCache) -> None:
        self._connection = connection
        self._catalogue_cache = catalogue_cache

    async def __call__(self, batch: Sequence[bytes]) -> list[KeyHolder | None]:
        if not self._catalogue_cache.catalogue.version:
            await read(self._connection, self._catalogue_cache.refresh)
        return await read(self._connection, lambda connection: api_keys.find(connection, batch))


async def newest(
    connection: ReconnectingConnection, customer: CustomerId, before: int | None, limit: int, currency: str
) -> list[ListedOrder]:
    """Reads a page of a customer's orders, newest first. ``before``: the order id that the page ends at, exclusive."""
    return await read(
        connection,
        lambda connection: orders.newest(connection, customer, before=before, limit=limit, currency=currency),
    )
