"""Following providers' price lists: each list is read outside of any transaction, and taken over in one."""

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
from opensmm.domain.codes import FieldCode, ListWarning, OperatorRefusal, RefusalCode, WarningCode
from opensmm.domain.price_sync import (
    DoubtCode,
    JudgedLine,
    ListChange,
    ListDoubt,
    ServiceLine,
    changes_of,
    doubt,
    judge,
)
from opensmm.domain.pricing import PriceTerms, resale_rate
from opensmm.domain.provider_services import ProviderService, ReadPriceList, UnreadLine
from opensmm.domain.provider_settings import FollowingSettings, check_added, check_following
from opensmm.domain.routes import RouteOff, cheapest_first, routes_changed
from opensmm.providers.client import PanelClient
from opensmm.providers.registry import ProviderRegistry
from opensmm.store import audit, catalogue, provider_services, providers
from opensmm.store import price_sync as rows
from opensmm.store import routes as route_rows
from opensmm.store.connection import Connection, ReconnectingConnection
from opensmm.store.price_sync import FollowingTerms
from opensmm.store.providers import ProviderRow

ACTOR: Final = Actor(ActorKind.WORKER, "sync")
MOST_ERROR: Final = 300
"""Characters that are kept of why the database rejected a price list."""
CHUNK: Final = 250
"""Services judged before others on the same loop get their turn."""
log = structlog.get_logger()


class ServiceChanges(Struct, frozen=True):
    """What changed of a service."""

    service: ServiceId
    name: str
    changes: list[ListChange]


class OverwrittenPrice(Struct, frozen=True):
    """A price that the operator had set by hand, and what it becomes by the provider's list."""

    service: ServiceId
    service_name: str
    before: Decimal
    after: Decimal


class FollowingResult(Struct, frozen=True):
    """How a provider's price list is followed, and the prices set by hand that were overwritten by it."""

    following: FollowingTerms
    overwritten: list[OverwrittenPrice]


class SyncResult(Struct, frozen=True):
    """What came of a price list. ``reordered`` are services whose routes stand in another order by their cost;
    ``released`` counts deliveries that were held for want of a route, and go out now."""

    news: list[ServiceChanges]
    reordered: list[ServiceId]
    released: int


async def take(
    connection: Connection,
    provider: ProviderId,
    told: Sequence[ProviderService],
    *,
    unread: Sequence[UnreadLine] = (),
    asked: datetime,
    confirmed: bool = False,
    agreed: Collection[ServiceId] = (),
    by: By,
) -> SyncResult:
    """Keeps a provider's price list as it was when ``asked`` for, and has routes, services and prices follow it, in one
    transaction.

    Raises OperatorRefusal, with nothing kept: PRICE_LIST_OVERTAKEN where a newer one has been taken over, and
    PRICE_LIST_DOUBTED, with a ``ListDoubt`` as its field ``why``, where too much is missing and nobody has
    ``confirmed`` it. ``agreed``: services whose costs the operator has looked at.
    """
    async with connection.transaction():
        await catalogue.hold(connection)
        newest = (await rows.following(connection, provider)).synced
        if newest is not None and newest > asked:
            raise OperatorRefusal(RefusalCode.PRICE_LIST_OVERTAKEN, provider=provider)
        routed = await rows.routed_to(connection, provider)
        services = await route_rows.lock_services(connection, sorted({one.service for one in routed}))
        served = [(one.theirs, one.type) for one in routed if one.off in (None, RouteOff.MOVED)]
        if not confirmed and (why := doubt(served, told, unread)) is not None:
            raise await _doubted(connection, provider, why)
        await provider_services.keep(connection, provider, told, by.now)
        moved = await _reorder(connection, provider, by)
        judged = await _follow(connection, services, by, heard=provider, unread=unread, agreed=agreed)
        released = await rows.go_on(connection, services, by.now)
        await rows.taken(connection, provider, asked)
    return SyncResult(_news(judged), moved, released)


NOTHING_TAKEN: Final = SyncResult([], [], 0)


class PriceListRead(Struct, frozen=True):
    """A provider's price list as it was just read. ``taken`` is what followed from it, and ``refused`` why nothing
    did."""

    row: ProviderRow
    offered: ReadPriceList
    taken: SyncResult
    refused: OperatorRefusal | None = None

    @property
    def odd(self) -> tuple[ListWarning, ...]:
        """Oddities of the list, and of its not being followed."""
        if self.refused is None:
            return self.offered.odd
        code = _NOT_FOLLOWED[self.refused.code]
        return (*self.offered.odd, ListWarning(code, dict(self.refused.fields)))


_NOT_FOLLOWED: Final = {
    RefusalCode.PRICE_LIST_OVERTAKEN: WarningCode.LIST_OVERTAKEN,
    RefusalCode.PRICE_LIST_DOUBTED: WarningCode.LIST_DOUBTED,
}


async def sync_provider(
    connection: Connection, provider: str, calls: CallSettings, *, confirmed: bool = False, by: By
) -> PriceListRead:
    """Reads the price list of a provider, by its name or id, and has services follow it.

    A list that is doubted is followed only where it is ``confirmed``; why it is doubted is stored. The connection is in
    no transaction while the provider is asked. Raises OperatorRefusal where there is no such provider, it cannot be
    called from here, or it does not answer.
    """
    row = await find_provider(connection, provider)
    offered = await read_price_list(row, calls)
    try:
        taken = await take(
            connection, row.id, offered.offers, unread=offered.unread, asked=by.now, confirmed=confirmed, by=by
        )
    except OperatorRefusal as refused:
        if refused.code not in _NOT_FOLLOWED:
            raise
        if isinstance(why := refused.fields.get("why"), ListDoubt):
            await rows.not_taken(connection, row.id, why, by.now)
        return PriceListRead(row, offered, NOTHING_TAKEN, refused)
    return PriceListRead(row, offered, taken)


async def _doubted(connection: Connection, provider: ProviderId, why: ListDoubt) -> OperatorRefusal:
    row = await providers.find(connection, provider)
    name = "" if row is None else row.name
    return OperatorRefusal(RefusalCode.PRICE_LIST_DOUBTED, provider=provider, provider_name=name, why=why)


async def _reorder(connection: Connection, provider: ProviderId, by: By) -> list[ServiceId]:
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


async def follow(connection: Connection, services: Sequence[ServiceId], by: By) -> list[JudgedLine]:
    """Has services stand as their routes, and what is known of these, have it, inside the caller's transaction.

    For whoever changed routes, or what a provider's prices are worth here; the services are locked. Returns those that
    stand otherwise by it.
    """
    moved = await _follow(connection, services, by)
    await rows.go_on(connection, services, by.now)
    return moved


async def follow_all(connection: Connection, provider: ProviderId, by: By) -> list[OverwrittenPrice]:
    """The same for all that a provider fulfils, which are locked here, and the price list before. Returns the prices
    that were set by hand and are others now."""
    routed = await rows.routed_to(connection, provider)
    services = await route_rows.lock_services(connection, sorted({one.service for one in routed}))
    by_list = await rows.priced_by_lists(connection, services)
    moved = [one for one in await follow(connection, services, by) if one.service.id not in by_list]
    pairs = [(one.before.service, one.service) for one in moved]
    return [OverwrittenPrice(was.id, was.name, was.rate, is_.rate) for was, is_ in pairs if was.rate != is_.rate]


async def _follow(
    connection: Connection,
    services: Sequence[ServiceId],
    by: By,
    *,
    heard: ProviderId | None = None,
    unread: Sequence[UnreadLine] = (),
    agreed: Collection[ServiceId] = (),
) -> list[JudgedLine]:
    approved, moved = frozenset(agreed), list[JudgedLine]()
    why = {line.service: line.why for line in unread}
    for at, line in enumerate(await rows.lines(connection, services)):
        judged = judge(line, by.now, synced=heard, unread=why, approved=line.service.id in approved)
        if judged.moves:
            moved.append(judged)
        if at % CHUNK == 0:
            await asyncio.sleep(0)
    await rows.keep(connection, moved)
    context: Context = {} if heard is None else {"provider": heard}
    await audit.note(
        connection,
        by,
        AuditAction.SERVICE_SYNC,
        [_entry(one, one.service, context) for one in moved if changes_of(one)],
    )
    return moved


def _entry(judged: JudgedLine, after: Service, context: Context = NO_CONTEXT) -> AuditEntry:
    """The service's fields that changed, and each route's, under the name of the provider's service."""
    changes = dict(diff(judged.before.service, after))
    for route, standing in zip(judged.before.routes, judged.standings, strict=True):
        name = f"routes.{route.to.provider}:{route.to.provider_service}"
        changes |= {f"{name}.{field}": pair for field, pair in diff(route.standing, standing).items()}
    return AuditEntry(str(judged.service.id), changes, context)


def _news(judged: Sequence[JudgedLine]) -> list[ServiceChanges]:
    told = [ServiceChanges(one.service.id, one.service.name, changes_of(one)) for one in judged]
    return [one for one in told if one.changes]


async def approve(
    connection: Connection,
    services: Sequence[ServiceId],
    *,
    rate: Decimal | None = None,
    margin: Decimal | None = None,
    by: By,
) -> list[Service]:
    """Agrees to the costs of services in quarantine, which are sold again; at another rate, or at their cost with a
    margin in per cent, where one is given. Raises OperatorRefusal, with nothing written."""
    if rate is not None and (margin is not None or len(services) > 1):
        raise OperatorRefusal(RefusalCode.RATE_OR_MARGIN)
    check_added(margin, FieldCode.MARGIN)
    async with connection.transaction():
        locked = await route_rows.lock_services(connection, services)
        lines = await rows.lines(connection, locked)
        _check_approval(services, lines)
        judged = [judge(line, by.now, approved=True) for line in lines]
        await rows.keep(connection, judged)
        approved = await catalogue.services(connection, locked)
        if rate is not None or margin is not None:
            approved = [structs.replace(one, rate=_new_rate(one, rate, margin)) for one in approved]
            await catalogue.save_services(connection, approved)
        await rows.go_on(connection, locked, by.now)
        entries = [_entry(one, after) for one, after in zip(judged, approved, strict=True)]
        await audit.note(connection, by, AuditAction.SERVICE_APPROVE, entries)
    return approved


def _check_approval(wanted: Sequence[ServiceId], lines: Sequence[ServiceLine]) -> None:
    waiting = {
        line.service.id for line in lines if any(route.standing.quarantined is not None for route in line.routes)
    }
    if calm := tuple(one for one in wanted if one not in waiting):
        raise OperatorRefusal(RefusalCode.NOT_IN_QUARANTINE, services=calm)


def _new_rate(service: Service, rate: Decimal | None, margin: Decimal | None) -> Decimal:
    if rate is not None:
        return rate
    if service.cost is None or margin is None or not service.cost:
        raise OperatorRefusal(RefusalCode.COST_UNKNOWN, service=service.id)
    return resale_rate(service.cost, PriceTerms(Decimal(1), margin))


async def set_following(
    connection: Connection, provider: ProviderId, changes: FollowingSettings, *, confirmed: bool = False, by: By
) -> FollowingResult:
    """Changes some of how a provider's price list is followed, and returns all of it; what follows from it holds at
    once. The rest is read while nobody else edits it, so that of two edits neither undoes the other.

    Raises OperatorRefusal, with nothing written, where a setting will not do, or prices that were set by hand would be
    overwritten and nobody has ``confirmed`` it.
    """
    check_following(changes)
    async with connection.transaction():
        await catalogue.hold(connection)
        before = await rows.following(connection, provider)
        wanted = structs.replace(before, **changes.given)
        await rows.follow(connection, provider, wanted)
        entry = AuditEntry(str(provider), diff(before, wanted))
        await audit.note(connection, by, AuditAction.PROVIDER_FOLLOW, [entry])
        overwritten = await follow_all(connection, provider, by)
        if overwritten and not confirmed:
            raise OperatorRefusal(
                RefusalCode.PRICES_SET_BY_HAND, count=len(overwritten), prices=tuple(map(structs.asdict, overwritten))
            )
    return FollowingResult(wanted, overwritten)


async def overruling(connection: Connection, service: ServiceId, now: datetime) -> tuple[ProviderId, Decimal] | None:
    """The provider whose list will give a service another price than it has, and that price."""
    (line,) = await rows.lines(connection, [service])
    rate = judge(line, now).service.rate
    return None if rate == line.service.rate else (line.routes[0].to.provider, rate)


async def set_below_cost(connection: Connection, wanted: BelowCost, *, by: By) -> None:
    """Says what becomes of orders for what costs more than its customer pays."""
    async with connection.transaction():
        before = await rows.set_below_cost(connection, wanted)
        entry = AuditEntry("panel", {"below_cost": (before, wanted)})
        await audit.note(connection, by, AuditAction.PANEL_BELOW_COST, [entry])


class PriceListSync:
    """Reads the price lists of live panels, one at a time, when their turn has come."""

    def __init__(self, line: ReconnectingConnection, registry: ProviderRegistry, clock: DatabaseClock) -> None:
        self._line = line
        self._registry = registry
        self._clock = clock

    async def step(self) -> int:
        """Reads the list that has waited longest, if its time has come; returns how many were taken over."""
        known, now = self._registry.panels, self._clock()
        provider = await write(self._line, lambda connection: rows.due(connection, known, now))
        if provider is None:
            return 0
        said = await self._registry.ask_panels([provider], PanelClient.services)
        why = await self._take(provider, said[0][1], now) if said else ListDoubt(DoubtCode.UNANSWERED)
        if why is None:
            return 1
        log.warning("a price list was not taken over", provider=provider, why=why.code.value, **why.fields)
        await write(self._line, lambda connection: rows.not_taken(connection, provider, why, now))
        return 0

    async def _take(self, provider: ProviderId, told: ReadPriceList, asked: datetime) -> ListDoubt | None:
        try:
            taken = await write(
                self._line,
                lambda connection: take(
                    connection, provider, told.offers, unread=told.unread, asked=asked, by=By(ACTOR, "", self._clock())
                ),
            )
        except OperatorRefusal as refused:
            why = refused.fields.get("why")
            return why if isinstance(why, ListDoubt) else None
        except StatementRejected as error:
            return ListDoubt(DoubtCode.NOT_STORED, {"error": str(error)[:MOST_ERROR]})
        if taken.news:
            log.info("a price list moved", provider=provider, services=len(taken.news))
        return None
