"""Syncing with providers' price lists: each list is read outside of any transaction, and taken over in one."""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import structlog
from msgspec import Struct, structs

from opensmm.actions.clock import DatabaseClock
from opensmm.actions.provider_check import CallSettings, read_price_list
from opensmm.actions.references import find_provider
from opensmm.actions.transactions import StatementRejected, write
from opensmm.base.ids import ProviderId, ServiceId
from opensmm.domain.audit import NO_CONTEXT, Actor, ActorKind, AuditAction, AuditEntry, By, Context, diff
from opensmm.domain.catalogue import BelowCost, Service
from opensmm.domain.codes import FieldCode, ListWarning, WarningCode
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.price_sync import (
    DoubtCode,
    JudgedLine,
    ListChange,
    ListDoubt,
    ServiceLine,
    changes_of,
    find_doubt,
    judge_service,
)
from opensmm.domain.pricing import PriceTerms, resale_rate
from opensmm.domain.provider_services import ProviderService, ReadPriceList, UnreadLine
from opensmm.domain.provider_settings import FollowingSettings, check_added, check_following
from opensmm.domain.routes import RouteOff, cheapest_first, routes_changed
from opensmm.domain.service_rules import check_price
from opensmm.providers.client import PanelClient
from opensmm.providers.registry import ProviderRegistry
from opensmm.store import audit, catalogue, provider_services, providers
from opensmm.store import price_sync as rows
from opensmm.store import routes as route_rows
from opensmm.store.connection import Connection, ReconnectingConnection
from opensmm.store.price_sync import FollowingTerms
from opensmm.store.providers import ProviderRow

ACTOR: Final = Actor(ActorKind.WORKER, "sync")
MAX_ERROR: Final = 300
"""Characters that are stored of the database's reason for rejecting a price list."""
JUDGED_A_TURN: Final = 250
"""Services judged before others on the same loop get their turn."""
log = structlog.get_logger()


class ServiceChanges(Struct, frozen=True):
    """A service and its changes by a price list."""

    service: ServiceId
    name: str
    changes: list[ListChange]


class OverwrittenPrice(Struct, frozen=True):
    """A price that the operator had set by hand, and the price that the provider's list makes of it."""

    service: ServiceId
    service_name: str
    before: Decimal
    after: Decimal


class FollowingResult(Struct, frozen=True):
    """The terms on which a provider's price list is followed, and the prices set by hand that they overwrote."""

    terms: FollowingTerms
    overwritten: list[OverwrittenPrice]


class SyncResult(Struct, frozen=True):
    """The changes by a price list. ``reordered``: services whose routes have a new order by cost. ``released``: the
    number of deliveries that were held for want of a route and are queued now."""

    changed: list[ServiceChanges]
    reordered: list[ServiceId]
    released: int


async def take_over(
    connection: Connection,
    provider: ProviderId,
    listed: Sequence[ProviderService],
    *,
    unread: Sequence[UnreadLine] = (),
    asked_at: datetime,
    confirmed: bool = False,
    approved: Collection[ServiceId] = (),
    by: By,
) -> SyncResult:
    """Stores a provider's price list and updates routes, services and prices from it, in one transaction.

    ``asked_at`` is the time at which the list was requested, ``unread`` its lines that were not understood, and
    ``approved`` are services whose costs the operator has approved. Raises OperatorRefusal, with nothing stored:
    PRICE_LIST_OVERTAKEN if a newer list has been taken over, and PRICE_LIST_DOUBTED, with a ``ListDoubt`` as its field
    ``why``, if too much is missing and the operator has not ``confirmed`` it.
    """
    async with connection.transaction():
        await catalogue.lock(connection)
        newest = (await rows.read_terms(connection, provider)).synced
        # Reads of the list may overlap: the one that began later wins.
        if newest is not None and newest > asked_at:
            raise OperatorRefusal(RefusalCode.PRICE_LIST_OVERTAKEN, provider=provider)
        routed = await rows.routed_to(connection, provider)
        services = await route_rows.lock_services(connection, sorted({one.service for one in routed}))
        served = [(one.theirs, one.type) for one in routed if one.off in (None, RouteOff.MOVED)]
        if not confirmed and (why := find_doubt(served, listed, unread)) is not None:
            raise await _build_refusal(connection, provider, why)
        await provider_services.keep(connection, provider, listed, by.now)
        moved = await _reorder_routes(connection, provider, by)
        judged = await _refresh_services(connection, services, by, listed_by=provider, unread=unread, approved=approved)
        released = await rows.queue_held(connection, services, by.now)
        await rows.mark_taken(connection, provider, asked_at)
    return SyncResult(_list_changes(judged), moved, released)


NOTHING_TAKEN: Final = SyncResult([], [], 0)


class PriceListRead(Struct, frozen=True):
    """A provider's price list as it was just read, and its result; or ``refused``, the reason for taking over none of
    it."""

    row: ProviderRow
    price_list: ReadPriceList
    result: SyncResult
    refused: OperatorRefusal | None = None

    @property
    def odd(self) -> tuple[ListWarning, ...]:
        """Returns the warnings on the list and, last, the one that it was not taken over."""
        if self.refused is None:
            return self.price_list.odd
        code = _NOT_FOLLOWED[self.refused.code]
        return (*self.price_list.odd, ListWarning(code, dict(self.refused.fields)))


_NOT_FOLLOWED: Final = {
    RefusalCode.PRICE_LIST_OVERTAKEN: WarningCode.LIST_OVERTAKEN,
    RefusalCode.PRICE_LIST_DOUBTED: WarningCode.LIST_DOUBTED,
}


async def sync_provider(
    connection: Connection, provider: str, calls: CallSettings, *, confirmed: bool = False, by: By
) -> PriceListRead:
    """Reads the price list of a provider, given by its name or id, and takes it over.

    A doubted list is taken over only if ``confirmed``; the doubt is stored. No transaction is open while the provider
    is called. Raises OperatorRefusal if there is no such provider, it cannot be called from here, or does not answer.
    """
    row = await find_provider(connection, provider)
    price_list = await read_price_list(row, calls)
    try:
        result = await take_over(
            connection,
            row.id,
            price_list.services,
            unread=price_list.unread,
            asked_at=by.now,
            confirmed=confirmed,
            by=by,
        )
    except OperatorRefusal as refused:
        if refused.code not in _NOT_FOLLOWED:
            raise
        # Stored for `health` and for the operator, who may confirm the list.
        if isinstance(why := refused.fields.get("why"), ListDoubt):
            await rows.mark_not_taken(connection, row.id, why, by.now)
        return PriceListRead(row, price_list, NOTHING_TAKEN, refused)
    return PriceListRead(row, price_list, result)


async def _build_refusal(connection: Connection, provider: ProviderId, why: ListDoubt) -> OperatorRefusal:
    row = await providers.find(connection, provider)
    name = "" if row is None else row.name
    return OperatorRefusal(RefusalCode.PRICE_LIST_DOUBTED, provider=provider, provider_name=name, why=why)


async def _reorder_routes(connection: Connection, provider: ProviderId, by: By) -> list[ServiceId]:
    services = await route_rows.services_by_cost(connection, provider)
    before = await route_rows.find(connection, services)
    costs = await route_rows.costs(
        connection, sorted({route for routes in before.values() for route in routes}, key=str)
    )
    after = {service: cheapest_first(routes, costs) for service, routes in before.items()}
    moved = {service: routes for service, routes in after.items() if routes != before[service]}
    if moved:
        await route_rows.set_routes(connection, moved)
        entries = [AuditEntry(str(one), routes_changed(before[one], routes)) for one, routes in moved.items()]
        await audit.note(connection, by, AuditAction.ROUTE_BY_COST, entries)
    return list(moved)


async def refresh_services(connection: Connection, services: Sequence[ServiceId], by: By) -> list[JudgedLine]:
    """Updates services from their routes and these routes' costs, in the caller's transaction.

    It is for callers that changed routes or an exchange rate. The services must be locked. Returns those that changed.
    """
    moved = await _refresh_services(connection, services, by)
    await rows.queue_held(connection, services, by.now)
    return moved


async def refresh_provider_services(connection: Connection, provider: ProviderId, by: By) -> list[OverwrittenPrice]:
    """Updates all services that a provider fulfils; locks the catalogue and then these services.

    Returns the prices that were set by hand and that this overwrote.
    """
    routed = await rows.routed_to(connection, provider)
    services = await route_rows.lock_services(connection, sorted({one.service for one in routed}))
    by_list = await rows.find_priced_by_lists(connection, services)
    moved = [one for one in await refresh_services(connection, services, by) if one.service.id not in by_list]
    pairs = [(one.before.service, one.service) for one in moved]
    return [OverwrittenPrice(old.id, old.name, old.rate, new.rate) for old, new in pairs if old.rate != new.rate]


async def _refresh_services(
    connection: Connection,
    services: Sequence[ServiceId],
    by: By,
    *,
    listed_by: ProviderId | None = None,
    unread: Sequence[UnreadLine] = (),
    approved: Collection[ServiceId] = (),
) -> list[JudgedLine]:
    approved_ids, moved = frozenset(approved), list[JudgedLine]()
    why = {line.service: line.why for line in unread}
    for at, line in enumerate(await rows.read_lines(connection, services)):
        judged = judge_service(line, by.now, synced=listed_by, unread=why, approved=line.service.id in approved_ids)
        if judged.moves:
            moved.append(judged)
        # A long list must not keep other tasks of the event loop waiting.
        if at % JUDGED_A_TURN == 0:
            await asyncio.sleep(0)
    await rows.keep(connection, moved)
    context: Context = {} if listed_by is None else {"provider": listed_by}
    await audit.note(
        connection,
        by,
        AuditAction.SERVICE_SYNC,
        [_build_audit_entry(one, one.service, context) for one in moved if changes_of(one)],
    )
    return moved


def _build_audit_entry(judged: JudgedLine, after: Service, context: Context = NO_CONTEXT) -> AuditEntry:
    """Builds the audit entry: the service's fields that changed, and those of each route under its own name."""
    changes = dict(diff(judged.before.service, after))
    for route, standing in zip(judged.before.routes, judged.standings, strict=True):
        name = f"routes.{route.to.provider}:{route.to.provider_service}"
        changes |= {f"{name}.{field}": pair for field, pair in diff(route.standing, standing).items()}
    return AuditEntry(str(judged.service.id), changes, context)


def _list_changes(judged: Sequence[JudgedLine]) -> list[ServiceChanges]:
    services = [ServiceChanges(one.service.id, one.service.name, changes_of(one)) for one in judged]
    return [service for service in services if service.changes]


async def approve(
    connection: Connection,
    services: Sequence[ServiceId],
    *,
    rate: Decimal | None = None,
    margin: Decimal | None = None,
    by: By,
) -> list[Service]:
    """Approves the costs of services in quarantine, which are sold again.

    They keep their rates, unless a new ``rate`` is given for one service, or a ``margin`` in per cent on the cost.
    Raises OperatorRefusal, with nothing written, also for a rate that no price list may have.
    """
    if rate is not None and (margin is not None or len(services) > 1):
        raise OperatorRefusal(RefusalCode.RATE_OR_MARGIN)
    check_added(margin, FieldCode.MARGIN)
    async with connection.transaction():
        locked = await route_rows.lock_services(connection, services)
        lines = await rows.read_lines(connection, locked)
        _check_approval(services, lines)
        judged = [judge_service(line, by.now, approved=True) for line in lines]
        await rows.keep(connection, judged)
        approved = await catalogue.services(connection, locked)
        if rate is not None or margin is not None:
            approved = [structs.replace(one, rate=_choose_rate(one, rate, margin)) for one in approved]
            await catalogue.save_services(connection, approved)
        await rows.queue_held(connection, locked, by.now)
        entries = [_build_audit_entry(one, after) for one, after in zip(judged, approved, strict=True)]
        await audit.note(connection, by, AuditAction.SERVICE_APPROVE, entries)
    return approved


def _check_approval(services: Sequence[ServiceId], lines: Sequence[ServiceLine]) -> None:
    waiting = {
        line.service.id for line in lines if any(route.standing.quarantined is not None for route in line.routes)
    }
    if others := tuple(service for service in services if service not in waiting):
        raise OperatorRefusal(RefusalCode.NOT_IN_QUARANTINE, services=others)


def _choose_rate(service: Service, rate: Decimal | None, margin: Decimal | None) -> Decimal:
    if rate is None:
        if service.cost is None or margin is None or not service.cost:
            raise OperatorRefusal(RefusalCode.COST_UNKNOWN, service=service.id)
        rate = resale_rate(service.cost, PriceTerms(Decimal(1), margin))
    check_price(rate)
    return rate


async def set_following(
    connection: Connection, provider: ProviderId, changes: FollowingSettings, *, confirmed: bool = False, by: By
) -> FollowingResult:
    """Changes some of the terms on which a provider's price list is followed, and updates services at once.

    Returns all terms. They are read under a lock, so that concurrent edits do not undo each other. Raises
    OperatorRefusal, with nothing written, if a setting is invalid, or if prices that were set by hand would be
    overwritten and the operator has not ``confirmed`` it.
    """
    check_following(changes)
    async with connection.transaction():
        await catalogue.lock(connection)
        before = await rows.read_terms(connection, provider)
        terms = structs.replace(before, **changes.given)
        await rows.write_terms(connection, provider, terms)
        entry = AuditEntry(str(provider), diff(before, terms))
        await audit.note(connection, by, AuditAction.PROVIDER_FOLLOW, [entry])
        overwritten = await refresh_provider_services(connection, provider, by)
        if overwritten and not confirmed:
            raise OperatorRefusal(
                RefusalCode.PRICES_SET_BY_HAND, count=len(overwritten), prices=tuple(map(structs.asdict, overwritten))
            )
    return FollowingResult(terms, overwritten)


async def find_overruling_price(
    connection: Connection, service: ServiceId, now: datetime
) -> tuple[ProviderId, Decimal] | None:
    """Returns the provider whose list will change a service's price at its next sync, and that price; None if none."""
    (line,) = await rows.read_lines(connection, [service])
    rate = judge_service(line, now).service.rate
    return None if rate == line.service.rate else (line.routes[0].to.provider, rate)


async def set_below_cost(connection: Connection, treatment: BelowCost, *, by: By) -> None:
    """Sets the treatment of orders for services that cost more than their customers pay."""
    async with connection.transaction():
        before = await rows.set_below_cost(connection, treatment)
        entry = AuditEntry("panel", {"below_cost": (before, treatment)})
        await audit.note(connection, by, AuditAction.PANEL_BELOW_COST, [entry])


class PriceListSync:
    """Reads the price lists of panels when they are due, one at a time."""

    def __init__(self, connection: ReconnectingConnection, registry: ProviderRegistry, clock: DatabaseClock) -> None:
        self._connection = connection
        self._registry = registry
        self._clock = clock

    async def step(self) -> int:
        """Reads the list that is due for the longest time, if any; returns how many were taken over, 0 or 1."""
        panels, now = self._registry.panels, self._clock()
        provider = await write(self._connection, lambda connection: rows.claim_due(connection, panels, now))
        if provider is None:
            return 0
        answers = await self._registry.call_panels([provider], PanelClient.services)
        why = await self._take_over(provider, answers[0][1], now) if answers else ListDoubt(DoubtCode.UNANSWERED)
        if why is None:
            return 1
        log.warning("a price list was not taken over", provider=provider, why=why.code.value, **why.fields)
        await write(self._connection, lambda connection: rows.mark_not_taken(connection, provider, why, now))
        return 0

    async def _take_over(self, provider: ProviderId, listed: ReadPriceList, asked_at: datetime) -> ListDoubt | None:
        try:
            result = await write(
                self._connection,
                lambda connection: take_over(
                    connection,
                    provider,
                    listed.services,
                    unread=listed.unread,
                    asked_at=asked_at,
                    by=By(ACTOR, "", self._clock()),
                ),
            )
        except OperatorRefusal as refused:
            why = refused.fields.get("why")
            return why if isinstance(why, ListDoubt) else None
        except StatementRejected as error:
            return ListDoubt(DoubtCode.NOT_STORED, {"error": str(error)[:MAX_ERROR]})
        if result.changed:
            log.info("a price list moved", provider=provider, services=len(result.changed))
        return None
