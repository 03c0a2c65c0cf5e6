"""Placing orders: one transaction for a batch of requests from any number of customers.

Plain requests take one statement. This process has checked them against its copy of the catalogue, and the statement
stores those for which that check still holds. ``domain.placing`` decides all other requests, under their customers'
locks. Neither way waits for a lock: requests of a customer whose row is locked are retried, without delaying others.
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
from opensmm.domain.request_refusals import Refused
from opensmm.domain.requests import NO_DETAILS, AddOrder
from opensmm.store import connection as db
from opensmm.store import placing as rows
from opensmm.store.connection import Connection, ReconnectingConnection

PlacingOutcome = OrderId | Refused

RETRY_PAUSES_S: Final = (0.005, 0.01, 0.02, *(0.04,) * 100)
"""Pauses before the retries of a request whose customer's row is locked: about four seconds, then it is refused."""

LINES_PER_ROW: Final = 16
"""Lines of an order's own parameters, such as comments, that cost about as much to store as a row."""

ORDERS_PLACED: Final[Counter[str]] = Counter()
MONEY_PLACED: Final[Counter[str]] = Counter()
"""Orders that this process has placed, and their charges, by currency."""


class OrderPlacer:
    """Places orders through two batchers: plain requests go through the quick one, all others through the locked one.

    A request that the quick one cannot store, as its customer's row is locked or a check no longer holds, goes on to
    the locked one. The batchers' names, *keep* and *decide*, are labels of metrics.
    """

    def __init__(
        self,
        quick: ReconnectingConnection,
        locked: ReconnectingConnection,
        catalogue_cache: CatalogueCache,
        storage: StorageState,
        clock: DatabaseClock,
    ) -> None:
        self._catalogue_cache = catalogue_cache
        self._clock = clock
        self._quick_batcher: Batcher[OrderRequest, OrderId | None] = Batcher(
            QuickPlacer(quick, catalogue_cache, storage, clock), name="keep"
        )
        self._locked_batcher: Batcher[OrderRequest, PlacingOutcome | None] = Batcher(
            LockedPlacer(locked, catalogue_cache, storage, clock), name="decide"
        )

    async def place(self, buyer: Buyer, request: AddOrder, dialect_rules: DialectRules) -> PlacingOutcome:
        """Places one order or refuses it. Raises Unavailable.

        A user's request must carry its form's token as its idempotency key; otherwise ``ValueError`` is raised.
        """
        if buyer.user is not None:
            request = placing.with_form_token(request, buyer.user)
        # Only details contain dates, such as an expiry: plain orders need not read the clock.
        today = date.min if request.details is NO_DETAILS else self._clock().date()
        check_result = orders.price_order(
            request, self._catalogue_cache.catalogue, buyer.price_list, dialect_rules, today
        )
        item = OrderRequest(buyer, request, dialect_rules, check_result)
        # A repeat and an exclusive link can only be found under the customer's lock.
        if (
            isinstance(check_result, PricedOrder)
            and not request.idempotency_key
            and not check_result.service.one_active_per_link
        ):
            order = await self._quick_batcher.submit(item, buyer.customer, _weigh(check_result))
            if order is not None:
                return order
        # A refusal goes there too. It may rest on an outdated price list, and an earlier order under the same
        # idempotency key, a revoked key and a suspended customer are answered first.
        return await self._place_locked(item)

    async def _place_locked(self, item: OrderRequest) -> PlacingOutcome:
        weight = _weigh(item.check_result)
        for pause_s in RETRY_PAUSES_S:
            outcome = await self._locked_batcher.submit(item, item.customer, weight)
            if outcome is not None:
                return outcome
            await asyncio.sleep(pause_s)
        raise Unavailable(OutageCode.ROWS_LOCKED)


def _weigh(check_result: PricedOrder | Refused) -> int:
    """Returns about how many rows an order writes: one for each run, and its share of parameters."""
    if isinstance(check_result, Refused):
        return 1
    details = check_result.details
    if details is NO_DETAILS:
        return check_result.runs
    return check_result.runs + (len(details.comments) + len(details.usernames) + len(details.groups)) // LINES_PER_ROW


class QuickPlacer:
    """Stores checked requests in one statement, over a connection of its own."""

    def __init__(
        self,
        connection: ReconnectingConnection,
        catalogue_cache: CatalogueCache,
        storage: StorageState,
        clock: DatabaseClock,
    ) -> None:
        self._connection = connection
        self._catalogue_cache = catalogue_cache
        self._storage = storage
        self._clock = clock

    async def __call__(self, batch: Sequence[OrderRequest]) -> Sequence[OrderId | None]:
        """Returns one order id per request, in order, or None where ``LockedPlacer`` must decide.

        Raises Unavailable if the batch did not commit, and CommitUnknown if that could not be learned.
        """
        version, at, mark = self._catalogue_cache.catalogue.version, self._clock.overriding_time(), uuid4()
        # ``OrderPlacer`` sends only priced orders here, so there is one draft for each request, and one id for each.
        drafts = [(item.customer, item.check_result) for item in batch if isinstance(item.check_result, PricedOrder)]
        # The price of a draft from another version of the catalogue may be outdated.
        if any(draft.catalogue_version != version for _, draft in drafts):
            return [None] * len(batch)
        connection = await self._connection.get()
        try:
            keys = {KeyId(item.buyer.number) for item in batch}
            ids = await rows.keep(connection, mark, drafts, at, catalogue_version=version, keys=keys)
        except psycopg.Error as error:
            self._storage.note_failure(error)
            # The statement failed, so nothing was stored: the locked way finds out which request is at fault.
            if not db.is_connection_error(error):
                return [None] * len(batch)
            recovered = await commit_recovery.recover(self._connection, mark, at)
            if recovered is None:
                raise Unavailable(OutageCode.BATCH_NOT_KEPT) from error
            ids = recovered
        except BaseException:
            await self._connection.drop()
            raise
        self._storage.note_success()
        placed = [draft for (_, draft), order in zip(drafts, ids, strict=True) if order is not None]
        _count_placed(placed, self._catalogue_cache)
        return ids


class LockedPlacer:
    """Decides batches under the customers' locks over a connection of its own."""

    def __init__(
        self,
        connection: ReconnectingConnection,
        catalogue_cache: CatalogueCache,
        storage: StorageState,
        clock: DatabaseClock,
    ) -> None:
        self._connection = connection
        self._catalogue_cache = catalogue_cache
        self._storage = storage
        self._clock = clock

    async def __call__(self, batch: Sequence[OrderRequest]) -> list[PlacingOutcome | None]:
        """Returns one outcome per request, in order, or None if another transaction holds the customer's row.

        Raises StatementRejected if nothing was stored and the requests may be retried one by one.
        """
        connection = await self._connection.get()
        mark, at = uuid4(), self._clock.overriding_time()
        try:
            locked = await rows.lock(connection, (item.buyer for item in batch))
            # Requests of the customers whose rows are ours now. The others' are retried.
            ours = [item for item in batch if item.customer in locked.funds]
            decisions, ids = await self._decide_and_store(connection, mark, ours, locked, at) if ours else ([], [])
            await self._commit(connection, mark, decisions, at)
        except psycopg.Error as error:
            self._storage.note_failure(error)
            await self._roll_back(connection)
            # A locked link or idempotency key concerns one request, not all of its customer's. So it is
            # StatementRejected, not RowsLocked: the batcher then retries one by one, not owner by owner.
            raise fault_of(error, locked=StatementRejected) from error
        except BaseException:
            await self._connection.drop()
            raise
        _count_placed([decision for decision in decisions if isinstance(decision, PricedOrder)], self._catalogue_cache)
        outcomes = iter(_build_outcomes(decisions, ids))
        return [next(outcomes) if item.customer in locked.funds else None for item in batch]

    async def _roll_back(self, connection: Connection) -> None:
        try:
            await db.rollback(connection)
        except psycopg.Error:
            await self._connection.drop()

    async def _decide_and_store(
        self,
        connection: Connection,
        mark: UUID,
        batch: Sequence[OrderRequest],
        locked: rows.LockedCustomers,
        at: datetime | None,
    ) -> tuple[list[Decision], Sequence[OrderId]]:
        # The version was read under the locks: these requests are decided by it, and not by an older copy.
        if locked.catalogue_version != self._catalogue_cache.catalogue.version:
            await self._catalogue_cache.refresh(connection)
        today = self._clock().date()
        batch = [_recheck(item, locked, self._catalogue_cache, today) for item in batch]
        facts = PlacingFacts(
            funds=locked.funds,
            barred=locked.barred,
            records=await _find_remembered(connection, batch),
            active_links=await _find_active_links(connection, batch),
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
        stored = await rows.keep(connection, mark, drafts, at, buyers=[item.buyer for item, _ in bought])
        # Under the locks all that was assumed holds, so none is missing: ``_store_extras`` raises ValueError otherwise.
        ids = [order for order in stored if order is not None]
        await _store_extras(connection, bought, ids, at)
        return decisions, ids

    async def _commit(
        self, connection: Connection, mark: UUID, decisions: Sequence[Decision], at: datetime | None
    ) -> None:
        """Commits if any order was placed or repeated; otherwise rolls back.

        A repeat needs a COMMIT too. The order that it names may be committed here while no synchronous standby has it,
        or by a process that never got the answer to its COMMIT. This transaction's row locks are in the write-ahead
        log, so its COMMIT waits until the standby has them and all that came before.
        """
        has_orders = any(isinstance(decision, PricedOrder) for decision in decisions)
        if not has_orders and not any(isinstance(decision, IdempotencyHit) for decision in decisions):
            await db.rollback(connection)
            return
        try:
            await db.commit(connection)
        except psycopg.Error as error:
            if not db.is_connection_error(error):
                raise
            if not has_orders or await commit_recovery.recover(self._connection, mark, at) is None:
                raise Unavailable(OutageCode.BATCH_NOT_KEPT) from error


def _recheck(
    item: OrderRequest, locked: rows.LockedCustomers, catalogue_cache: CatalogueCache, today: date
) -> OrderRequest:
    """Checks a request again if the catalogue or the price list has changed since; returns it with a fresh result."""
    price_list = locked.funds[item.customer].price_list
    checked = item.check_result
    checked_against = (checked.catalogue_version, checked.price_list) if isinstance(checked, PricedOrder) else None
    if checked_against == (catalogue_cache.catalogue.version, price_list):
        return item
    fresh = orders.price_order(item.request, catalogue_cache.catalogue, price_list, item.dialect_rules, today)
    return msgspec.structs.replace(item, check_result=fresh)


async def _find_remembered(
    connection: Connection, batch: Sequence[OrderRequest]
) -> dict[tuple[CustomerId, str], IdempotencyRecord]:
    names = [(item.customer, item.request.idempotency_key) for item in batch if item.request.idempotency_key]
    return await rows.find_records(connection, names) if names else {}


async def _find_active_links(
    connection: Connection, batch: Sequence[OrderRequest]
) -> frozenset[tuple[CustomerId, str]]:
    names = [
        (item.customer, item.check_result.link)
        for item in batch
        if isinstance(item.check_result, PricedOrder) and item.check_result.service.one_active_per_link
    ]
    return await rows.find_active_links(connection, names) if names else frozenset()


async def _store_extras(
    connection: Connection,
    bought: Sequence[tuple[OrderRequest, PricedOrder]],
    ids: Sequence[OrderId],
    at: datetime | None,
) -> None:
    """Stores what only some orders have: an idempotency key, and a link that no other active order may have."""
    entries = list(zip(ids, bought, strict=True))
    await rows.hold_links(connection, [(item.customer, order, draft) for order, (item, draft) in entries])
    names = {
        (item.customer, item.request.idempotency_key): IdempotencyRecord(placing.fingerprint(item.request), order)
        for order, (item, _) in entries
        if item.request.idempotency_key
    }
    await rows.remember(connection, names, at)


def _count_placed(placed: Sequence[PricedOrder], catalogue_cache: CatalogueCache) -> None:
    currency = catalogue_cache.catalogue.currency
    ORDERS_PLACED[currency] += len(placed)
    MONEY_PLACED[currency] += sum(draft.charge for draft in placed)


def _build_outcomes(decisions: Sequence[Decision], ids: Sequence[OrderId]) -> list[PlacingOutcome]:
    """Builds one outcome per decision. ``ids`` are those of the new orders, in their order."""
    outcomes: list[PlacingOutcome] = []
    fresh = iter(ids)
    for decision in decisions:
        match decision:
            case PricedOrder():
                outcomes.append(next(fresh))
            # It repeats a request of the same batch, which stands before it.
            case IdempotencyHit(index=int() as index):
                outcomes.append(outcomes[index])
            case IdempotencyHit(order=order):
                assert order is not None
                outcomes.append(order)
            case Refused():
                outcomes.append(decision)
    return outcomes
