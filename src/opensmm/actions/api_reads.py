"""Reads of the API: callers that wait together share a statement, and each sees only its own."""

from collections.abc import Sequence

from msgspec import structs

from opensmm.actions.catalogue import CatalogueCache
from opensmm.actions.transactions import read
from opensmm.base.ids import CustomerId, OrderId
from opensmm.base.money import Money
from opensmm.domain.api_keys import KeyHolder
from opensmm.domain.order_views import ListedOrder, OrderView, Parts
from opensmm.domain.refusals import UNKNOWN_ORDER, Refused
from opensmm.domain.requests import RequestedIds
from opensmm.store import api_keys, customers, orders, subscriptions
from opensmm.store.connection import ReconnectingConnection


class StatusReader:
    """Answers status asks: (customer, ids) in, one outcome per id out."""

    def __init__(self, line: ReconnectingConnection, shelf: CatalogueCache) -> None:
        self._line = line
        self._shelf = shelf

    async def __call__(self, batch: Sequence[tuple[CustomerId, RequestedIds]]) -> list[list[OrderView | Refused]]:
        wanted = [number for _, ids in batch for number in ids.numbers]
        currency = self._shelf.catalogue.currency
        found = await read(self._line, lambda connection: orders.views(connection, wanted, currency))
        missing = (None, UNKNOWN_ORDER)
        answers: list[list[OrderView | Refused]] = []
        for customer, ids in batch:
            owned = [found.get(number, missing) for number in ids.numbers]
            answers.append([view if owner == customer else UNKNOWN_ORDER for owner, view in owned])
        return answers


class RunSumReader:
    """Adds up the runs of orders that have many: orders in, their views out."""

    def __init__(self, line: ReconnectingConnection, shelf: CatalogueCache) -> None:
        self._line = line
        self._shelf = shelf

    async def __call__(self, batch: Sequence[Sequence[OrderId]]) -> list[dict[int, OrderView]]:
        wanted = [order for part in batch for order in part]
        currency = self._shelf.catalogue.currency
        found = await read(self._line, lambda connection: orders.summed(connection, wanted, currency))
        return [{order: found[order] for order in part} for part in batch]


class RunCounter:
    """Tells how many runs orders have, one for those that do not exist."""

    def __init__(self, line: ReconnectingConnection) -> None:
        self._line = line

    async def __call__(self, batch: Sequence[Sequence[int]]) -> list[list[int]]:
        wanted = [number for numbers in batch for number in numbers]
        found = await read(self._line, lambda connection: orders.runs(connection, wanted))
        return [[found.get(number, 1) for number in numbers] for numbers in batch]


class ExtendedReader:
    """Adds to answers of status what an extended one tells beside; what was refused stays so."""

    def __init__(self, line: ReconnectingConnection) -> None:
        self._line = line

    async def __call__(self, batch: Sequence[Sequence[OrderView | Refused]]) -> list[list[OrderView | Refused]]:
        own = [view.order for views in batch for view in views if isinstance(view, OrderView)]
        async with self._line.turn:
            more = await read(self._line, lambda connection: subscriptions.more(connection, own))
        return [
            [view if isinstance(view, Refused) else structs.replace(view, more=more[view.order]) for view in views]
            for views in batch
        ]


class PartsReader:
    """Tells what subscriptions and drip-feeds have come to; what is neither is left out."""

    def __init__(self, line: ReconnectingConnection) -> None:
        self._line = line

    async def __call__(self, batch: Sequence[Sequence[OrderId]]) -> list[dict[OrderId, Parts]]:
        wanted = [order for some in batch for order in some]
        async with self._line.turn:
            found = await read(self._line, lambda connection: subscriptions.parts(connection, wanted))
        return [{order: found[order] for order in some if order in found} for some in batch]


class BalanceReader:
    """Tells the balances of customers, in order."""

    def __init__(self, line: ReconnectingConnection) -> None:
        self._line = line

    async def __call__(self, batch: Sequence[CustomerId]) -> list[Money]:
        return await read(self._line, lambda connection: customers.balances(connection, batch))


class KeyReader:
    """Looks keys up by their hashes. Nobody is let in while no price list is known: an empty one would be believed."""

    def __init__(self, line: ReconnectingConnection, shelf: CatalogueCache) -> None:
        self._line = line
        self._shelf = shelf

    async def __call__(self, batch: Sequence[bytes]) -> list[KeyHolder | None]:
        if not self._shelf.catalogue.version:
            await read(self._line, self._shelf.refresh)
        return await read(self._line, lambda connection: api_keys.find(connection, batch))


async def newest(
    line: ReconnectingConnection, customer: CustomerId, before: int | None, limit: int, currency: str
) -> list[ListedOrder]:
    """A page of the customer's orders, newest first."""
    return await read(
        line,
        lambda connection: orders.newest(connection, customer, before=before, limit=limit, currency=currency),
    )
