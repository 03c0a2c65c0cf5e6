"""Placing orders: one transaction for a batch of asks from any number of customers."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import msgspec
import psycopg

from opensmm.actions.catalogue import Shelf
from opensmm.actions.lane import Rejected
from opensmm.base.faults import Unavailable, Unsettled
from opensmm.base.ids import CustomerId, OrderId
from opensmm.domain import orders
from opensmm.domain.asks import Add
from opensmm.domain.callers import Caller
from opensmm.domain.orders import Decision, Draft, Habits, Placement, PlacingFacts, Remembered, Repeat
from opensmm.domain.refusals import Refused
from opensmm.store import connection as db
from opensmm.store import placing
from opensmm.store.connection import Connection, Line

SETTLE_WITHIN_S: Final = 5.0
"""How long the outcome of an unanswered COMMIT is looked for before the callers are told to try later."""

Clock = Callable[[], datetime]
Placed = OrderId | Refused


def utc_now() -> datetime:
    return datetime.now(UTC)


def prepare(caller: Caller, ask: Add, habits: Habits, shelf: Shelf, now: datetime) -> Placement:
    """An ask, checked against the price list as this process knows it, ready for a batch."""
    draft = orders.draft(ask, shelf.catalogue, caller.price_list, habits, now.date())
    return Placement(caller.customer, caller.key, ask, habits, draft)


class Placing:
    """Places batches over one connection of its own."""

    def __init__(self, line: Line, shelf: Shelf, clock: Clock = utc_now) -> None:
        self._line = line
        self._shelf = shelf
        self._clock = clock

    async def __call__(self, batch: Sequence[Placement]) -> list[Placed]:
        """One answer per ask, in order. Raises Rejected where nothing was kept and singles may be tried."""
        connection = await self._line.get()
        mark = uuid4()
        now = self._clock()
        try:
            kept = await self._within(connection, mark, batch, now)
        except psycopg.Error as error:
            await self._clean_up(connection)
            if db.lost(error):
                raise Unavailable(f"the database went away: {error}") from error
            raise Rejected(str(error)) from error
        except BaseException:
            await self._line.drop()
            raise
        return kept

    async def _clean_up(self, connection: Connection) -> None:
        try:
            await db.rollback(connection)
        except psycopg.Error:
            await self._line.drop()

    async def _within(
        self, connection: Connection, mark: UUID, batch: Sequence[Placement], now: datetime
    ) -> list[Placed]:
        locked = await placing.lock(connection, (item.customer for item in batch), (item.key for item in batch))
        if locked.catalogue_version != self._shelf.catalogue.version:
            await self._shelf.refresh(connection)
        batch = [_current(item, locked, self._shelf, now) for item in batch]
        facts = PlacingFacts(
            purses=locked.purses,
            revoked=locked.revoked,
            remembered=await _remembered(connection, batch),
            active_links=await _active_links(connection, batch),
        )
        decisions = orders.place(batch, facts)
        bought = [
            (item.customer, decision, item.ask)
            for item, decision in zip(batch, decisions, strict=True)
            if isinstance(decision, Draft)
        ]
        if not bought:
            await db.rollback(connection)
            return _answers(decisions, [])
        ids = await placing.keep(connection, mark, [(customer, draft) for customer, draft, _ in bought], now)
        await _keep_beside(connection, bought, ids, now)
        await self._commit(connection, mark, now)
        return _answers(decisions, ids)

    async def _commit(self, connection: Connection, mark: UUID, now: datetime) -> None:
        try:
            await db.commit(connection)
        except psycopg.Error as error:
            if not db.lost(error):
                raise
            await self._settle(mark, now)

    async def _settle(self, mark: UUID, now: datetime) -> None:
        """Learns whether the batch was kept; returns where it was, raises Unavailable where it was not."""
        try:
            async with asyncio.timeout(SETTLE_WITHIN_S):
                kept = await self._ask_until_answered(mark, now)
        except TimeoutError as error:
            raise Unsettled("the outcome of a commit could not be learned in time") from error
        if not kept:
            raise Unavailable("the database went away before the batch was kept")

    async def _ask_until_answered(self, mark: UUID, now: datetime) -> bool:
        while True:
            await self._line.drop()
            try:
                return await placing.was_kept(await self._line.get(), mark, now)
            except (psycopg.Error, Unavailable):
                await asyncio.sleep(db.PAUSE_AFTER_FAILURE_S)


def _current(item: Placement, locked: placing.Locked, shelf: Shelf, now: datetime) -> Placement:
    """The ask checked again where the price list it was checked against has moved."""
    price_list = locked.purses[item.customer].price_list
    draft = item.draft
    if isinstance(draft, Draft):
        if draft.catalogue_version == shelf.catalogue.version and draft.price_list == price_list:
            return item
    fresh = orders.draft(item.ask, shelf.catalogue, price_list, item.habits, now.date())
    return msgspec.structs.replace(item, draft=fresh)


async def _remembered(connection: Connection, batch: Sequence[Placement]) -> dict[tuple[CustomerId, str], Remembered]:
    names = [(item.customer, item.ask.idempotency_key) for item in batch if item.ask.idempotency_key]
    return await placing.remembered(connection, names) if names else {}


async def _active_links(connection: Connection, batch: Sequence[Placement]) -> frozenset[tuple[CustomerId, str]]:
    names = [
        (item.customer, item.draft.link)
        for item in batch
        if isinstance(item.draft, Draft) and item.draft.service.one_active_per_link
    ]
    return await placing.active_links(connection, names) if names else frozenset()


async def _keep_beside(
    connection: Connection,
    bought: Sequence[tuple[CustomerId, Draft, Add]],
    ids: Sequence[OrderId],
    now: datetime,
) -> None:
    """What only some orders have: parameters of their type, an idempotency key, a link held."""
    entries = list(zip(ids, bought, strict=True))
    await placing.keep_details(connection, [(order, draft) for order, (_, draft, _) in entries])
    await placing.hold_links(connection, [(customer, order, draft) for order, (customer, draft, _) in entries])
    names = {
        (customer, ask.idempotency_key): Remembered(orders.fingerprint(ask), order)
        for order, (customer, _, ask) in entries
        if ask.idempotency_key
    }
    await placing.remember(connection, names, now)


def _answers(decisions: Sequence[Decision], ids: Sequence[OrderId]) -> list[Placed]:
    answers: list[Placed] = []
    fresh = iter(ids)
    for decision in decisions:
        match decision:
            case Draft():
                answers.append(next(fresh))
            case Repeat(place=int() as place):
                answers.append(answers[place])
            case Repeat(order=order):
                assert order is not None
                answers.append(order)
            case Refused():
                answers.append(decision)
    return answers
