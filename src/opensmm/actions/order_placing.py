"""Placing orders: one transaction for a batch of asks from any number of customers.

Plain asks take one statement: they were checked against what this process knows, and the statement keeps those for
which it still holds. All others are decided by the core under their customers' locks. Neither waits for a lock: the
asks of a customer whose row is held are tried again, and nobody else's wait with them.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID, uuid4

import msgspec
import psycopg

from opensmm.actions import commit_recovery
from opensmm.actions.batcher import Batcher
from opensmm.actions.catalogue import CatalogueCache
from opensmm.actions.clock import DatabaseClock
from opensmm.actions.storage import StorageState
from opensmm.actions.transactions import StatementRejected, fault_of
from opensmm.base.error_codes import OutageCode
from opensmm.base.errors import Unavailable
from opensmm.base.ids import CustomerId, KeyId, OrderId
from opensmm.domain import orders, placing
from opensmm.domain.orders import DialectRules, PricedOrder
from opensmm.domain.placing import Buyer, Decision, IdempotencyHit, IdempotencyRecord, OrderRequest, PlacingFacts
from opensmm.domain.refusals import Refused
from opensmm.domain.requests import NO_DETAILS, AddOrder
from opensmm.store import connection as db
from opensmm.store import placing as rows
from opensmm.store.connection import Connection, ReconnectingConnection

Placed = OrderId | Refused

TRIES_S: Final = (0.005, 0.01, 0.02, *(0.04,) * 100)
"""Pauses before an ask of a customer whose row is held is tried again: four seconds of them, then it is refused."""

LINES_A_ROW: Final = 16
"""Lines of an order's own parameters that cost about as much to keep as a row."""

ORDERS_PLACED: Final[Counter[str]] = Counter()
MONEY_PLACED: Final[Counter[str]] = Counter()
"""Orders this process has placed and what they were charged, by currency."""


class OrderPlacer:
    """Two lanes: what is plain is kept at once, what is not, or what somebody else holds a lock on, is decided."""

    def __init__(
        self,
        quick: ReconnectingConnection,
        careful: ReconnectingConnection,
        shelf: CatalogueCache,
        storage: StorageState,
        clock: DatabaseClock,
    ) -> None:
        self._shelf = shelf
        self._clock = clock
        self._keeping: Batcher[OrderRequest, OrderId | None] = Batcher(
            QuickPlacer(quick, shelf, storage, clock), name="keep"
        )
        self._deciding: Batcher[OrderRequest, Placed | None] = Batcher(
            LockedPlacer(careful, shelf, storage, clock), name="decide"
        )

    async def place(self, buyer: Buyer, request: AddOrder, dialect_rules: DialectRules) -> Placed:
        """Places one order, or refuses it; raises Unavailable. A user's ask bears the token of its form."""
        if buyer.user is not None:
            request = placing.of_form(request, buyer.user)
        today = date.min if request.details is NO_DETAILS else self._clock().date()
        draft = orders.draft(request, self._shelf.catalogue, buyer.price_list, dialect_rules, today)
        item = OrderRequest(buyer, request, dialect_rules, draft)
        if isinstance(draft, PricedOrder) and not request.idempotency_key and not draft.service.one_active_per_link:
            kept = await self._keeping.submit(item, buyer.customer, _weight(draft))
            if kept is not None:
                return kept
        return await self._decide(item)

    async def _decide(self, item: OrderRequest) -> Placed:
        weight = _weight(item.draft)
        for pause_s in TRIES_S:
            placed = await self._deciding.submit(item, item.customer, weight)
            if placed is not None:
                return placed
            await asyncio.sleep(pause_s)
        raise Unavailable(OutageCode.ROWS_LOCKED)


def _weight(draft: PricedOrder | Refused) -> int:
    """About the rows that an order writes: each run is one."""
    if isinstance(draft, Refused):
        return 1
    if draft.details is NO_DETAILS:
        return draft.runs
    details = draft.details
    return draft.runs + (len(details.comments) + len(details.usernames) + len(details.groups)) // LINES_A_ROW


class QuickPlacer:
    """Keeps drafts in one statement over a connection of its own; None where the core must look at one."""

    def __init__(
        self, line: ReconnectingConnection, shelf: CatalogueCache, storage: StorageState, clock: DatabaseClock
    ) -> None:
        self._line = line
        self._shelf = shelf
        self._storage = storage
        self._clock = clock

    async def __call__(self, batch: Sequence[OrderRequest]) -> Sequence[OrderId | None]:
        version, at, mark = self._shelf.catalogue.version, self._clock.stamp(), uuid4()
        drafts = [(item.customer, item.draft) for item in batch if isinstance(item.draft, PricedOrder)]
        if any(draft.catalogue_version != version for _, draft in drafts):
            return [None] * len(batch)
        connection = await self._line.get()
        try:
            keys = {KeyId(item.buyer.number) for item in batch}
            kept = await rows.keep(connection, mark, drafts, at, catalogue_version=version, keys=keys)
        except psycopg.Error as error:
            self._storage.failed(error)
            if not db.lost(error):
                return [None] * len(batch)
            recovered = await commit_recovery.recover(self._line, mark, at)
            if recovered is None:
                raise Unavailable(OutageCode.BATCH_NOT_KEPT) from error
            kept = recovered
        except BaseException:
            await self._line.drop()
            raise
        self._storage.kept()
        placed = [draft for (_, draft), order in zip(drafts, kept, strict=True) if order is not None]
        _count(placed, self._shelf)
        return kept


class LockedPlacer:
    """Decides batches under the customers' locks over a connection of its own."""

    def __init__(
        self, line: ReconnectingConnection, shelf: CatalogueCache, storage: StorageState, clock: DatabaseClock
    ) -> None:
        self._line = line
        self._shelf = shelf
        self._storage = storage
        self._clock = clock

    async def __call__(self, batch: Sequence[OrderRequest]) -> list[Placed | None]:
        """One answer per ask, in order; None where another transaction holds the customer's row.

        Raises StatementRejected where nothing was kept and singles may be tried.
        """
        connection = await self._line.get()
        mark, at = uuid4(), self._clock.stamp()
        try:
            locked = await rows.lock(connection, (item.buyer for item in batch))
            free = [item for item in batch if item.customer in locked.funds]
            decisions, ids = await self._within(connection, mark, free, locked, at) if free else ([], [])
            await self._commit(connection, mark, decisions, at)
        except psycopg.Error as error:
            self._storage.failed(error)
            await self._clean_up(connection)
            # A link or an idempotency key that is held is one request's: its customer's others are still tried.
            raise fault_of(error, locked=StatementRejected) from error
        except BaseException:
            await self._line.drop()
            raise
        _count([decision for decision in decisions if isinstance(decision, PricedOrder)], self._shelf)
        answers = iter(_answers(decisions, ids))
        return [next(answers) if item.customer in locked.funds else None for item in batch]

    async def _clean_up(self, connection: Connection) -> None:
        try:
            await db.rollback(connection)
        except psycopg.Error:
            await self._line.drop()

    async def _within(
        self,
        connection: Connection,
        mark: UUID,
        batch: Sequence[OrderRequest],
        locked: rows.LockedCustomers,
        at: datetime | None,
    ) -> tuple[list[Decision], Sequence[OrderId]]:
        if locked.catalogue_version != self._shelf.catalogue.version:
            await self._shelf.refresh(connection)
        today = self._clock().date()
        batch = [_current(item, locked, self._shelf, today) for item in batch]
        facts = PlacingFacts(
            purses=locked.funds,
            barred=locked.barred,
            remembered=await _remembered(connection, batch),
            active_links=await _active_links(connection, batch),
        )
        decisions = placing.place(batch, facts)
        bought = [
            (item, decision)
            for item, decision in zip(batch, decisions, strict=True)
            if isinstance(decision, PricedOrder)
        ]
        if not bought:
            return decisions, []
        drafts = [(item.customer, draft) for item, draft in bought]
        kept = await rows.keep(connection, mark, drafts, at, buyers=[item.buyer for item, _ in bought])
        ids = [order for order in kept if order is not None]
        await _keep_beside(connection, bought, ids, at)
        return decisions, ids

    async def _commit(
        self, connection: Connection, mark: UUID, decisions: Sequence[Decision], at: datetime | None
    ) -> None:
        """A repeat is answered after a COMMIT too.

        The order that it names may be committed here while no synchronous standby has it, or by another process that
        was never told so. The rows' locks are in the log of changes: this COMMIT waits for them, and for all before.
        """
        kept = any(isinstance(decision, PricedOrder) for decision in decisions)
        if not kept and not any(isinstance(decision, IdempotencyHit) for decision in decisions):
            await db.rollback(connection)
            return
        try:
            await db.commit(connection)
        except psycopg.Error as error:
            if not db.lost(error):
                raise
            if not kept or await commit_recovery.recover(self._line, mark, at) is None:
                raise Unavailable(OutageCode.BATCH_NOT_KEPT) from error


def _current(item: OrderRequest, locked: rows.LockedCustomers, shelf: CatalogueCache, today: date) -> OrderRequest:
    """The ask checked again where the price list it was checked against has moved."""
    price_list = locked.funds[item.customer].price_list
    draft = item.draft
    known = (draft.catalogue_version, draft.price_list) if isinstance(draft, PricedOrder) else None
    if known == (shelf.catalogue.version, price_list):
        return item
    fresh = orders.draft(item.request, shelf.catalogue, price_list, item.dialect_rules, today)
    return msgspec.structs.replace(item, draft=fresh)


async def _remembered(
    connection: Connection, batch: Sequence[OrderRequest]
) -> dict[tuple[CustomerId, str], IdempotencyRecord]:
    names = [(item.customer, item.request.idempotency_key) for item in batch if item.request.idempotency_key]
    return await rows.remembered(connection, names) if names else {}


async def _active_links(connection: Connection, batch: Sequence[OrderRequest]) -> frozenset[tuple[CustomerId, str]]:
    names = [
        (item.customer, item.draft.link)
        for item in batch
        if isinstance(item.draft, PricedOrder) and item.draft.service.one_active_per_link
    ]
    return await rows.active_links(connection, names) if names else frozenset()


async def _keep_beside(
    connection: Connection,
    bought: Sequence[tuple[OrderRequest, PricedOrder]],
    ids: Sequence[OrderId],
    at: datetime | None,
) -> None:
    """What only some orders have: an idempotency key, a link held."""
    entries = list(zip(ids, bought, strict=True))
    await rows.hold_links(connection, [(item.customer, order, draft) for order, (item, draft) in entries])
    names = {
        (item.customer, item.request.idempotency_key): IdempotencyRecord(placing.fingerprint(item.request), order)
        for order, (item, _) in entries
        if item.request.idempotency_key
    }
    await rows.remember(connection, names, at)


def _count(placed: Sequence[PricedOrder], shelf: CatalogueCache) -> None:
    currency = shelf.catalogue.currency
    ORDERS_PLACED[currency] += len(placed)
    MONEY_PLACED[currency] += sum(draft.charge for draft in placed)


def _answers(decisions: Sequence[Decision], ids: Sequence[OrderId]) -> list[Placed]:
    answers: list[Placed] = []
    fresh = iter(ids)
    for decision in decisions:
        match decision:
            case PricedOrder():
                answers.append(next(fresh))
            case IdempotencyHit(place=int() as place):
                answers.append(answers[place])
            case IdempotencyHit(order=order):
                assert order is not None
                answers.append(order)
            case Refused():
                answers.append(decision)
    return answers
