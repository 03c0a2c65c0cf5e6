"""The statements of following price lists: whose turn it is, how routes and services stand, what may go out again."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct
from psycopg.rows import TupleRow

from opensmm.base.ids import OrderId, ProviderId, ServiceId
from opensmm.domain.catalogue import BelowCost, ServiceType
from opensmm.domain.price_sync import JudgedLine, ListDoubt, ListedRoute, RouteStanding, ServiceLine, SyncRules
from opensmm.domain.pricing import PriceTerms
from opensmm.domain.provider_services import ProviderService
from opensmm.domain.routes import RouteOff, RouteTo
from opensmm.store import catalogue, line_faults, list_doubts
from opensmm.store.connection import Connection
from opensmm.store.dispatch import NO_ANSWER_YET, ROUTE_IS_OPEN

# One at a time, so that lists are not fetched all at once: the one that has waited longest. Those of disabled providers
# too: what waits for one goes out the moment it is enabled, at what is known of its costs then.
_DUE: Final = """
update provider set sync_asked = %(now)s where id = (
  select id from provider
  where id = any(%(known)s) and kind = 'panel' and sync_every_min > 0
    and (sync_asked is null or sync_asked <= %(now)s::timestamptz - make_interval(mins => sync_every_min))
  order by sync_asked nulls first, id limit 1 for update skip locked)
returning id
"""
_TAKEN: Final = """
update provider set synced = %(asked)s, sync_asked = greatest(sync_asked, %(asked)s), sync_fault = '' where id = %(id)s
"""
_NOT_TAKEN: Final = "update provider set sync_fault = %s where id = %s and (synced <= %s) is not false"


async def due(connection: Connection, known: Sequence[ProviderId], now: datetime) -> ProviderId | None:
    """The provider whose price list is to be read now; another worker is not told of it meanwhile."""
    row = await (await connection.execute(_DUE, {"now": now, "known": list(known)})).fetchone()
    return None if row is None else ProviderId(row[0])


async def taken(connection: Connection, provider: ProviderId, asked: datetime) -> None:
    """Whoever asked for a list before this one brings an older one."""
    await connection.execute(_TAKEN, {"asked": asked, "id": provider})


async def not_taken(connection: Connection, provider: ProviderId, why: ListDoubt, asked: datetime) -> None:
    """Keeps why, unless a list that was asked for later has been taken over."""
    await connection.execute(_NOT_TAKEN, [list_doubts.written(why), provider, asked])


_ROUTED: Final = """
select r.service_id, r.provider_service, s.type, r.off from route r join service s on s.id = r.service_id
where r.provider_id = %s order by r.service_id
"""


class RoutedService(Struct, frozen=True):
    """A service that a provider fulfils: ours, its number there, the type it is sold as, why it is not used."""

    service: ServiceId
    theirs: str
    type: ServiceType
    off: RouteOff | None


async def routed_to(connection: Connection, provider: ProviderId) -> list[RoutedService]:
    cursor = await connection.execute(_ROUTED, [provider])
    return [
        RoutedService(ServiceId(row[0]), row[1], ServiceType(row[2]), None if row[3] is None else RouteOff(row[3]))
        for row in await cursor.fetchall()
    ]


_ROUTES: Final = """
select r.service_id, r.provider_id, r.provider_service, r.cost, r.agreed, r.off, r.quarantined,
       p.exchange_rate, p.price_share, p.margin, p.added, p.decimals, o.gone is null, o.provider_service,
       o.name, o.category, o.type, o.rate, o.min, o.max, o.refill, o.cancel, o.dripfeed, r.unread,
       r.name, r.category
from route r join provider p on p.id = r.provider_id
left join offer o on o.provider_id = r.provider_id and o.provider_service = r.provider_service
where r.service_id = any(%s) order by r.service_id, r.position
"""


async def lines(connection: Connection, services: Sequence[ServiceId]) -> list[ServiceLine]:
    """Services with their routes, as they stand; descriptions of offers are left out."""
    routes: dict[ServiceId, list[ListedRoute]] = {}
    cursor = await connection.execute(_ROUTES, [list(services)])
    for row in await cursor.fetchall():
        routes.setdefault(ServiceId(row[0]), []).append(_route(row))
    known = await catalogue.services(connection, services)
    return [ServiceLine(service, tuple(routes.get(service.id, ()))) for service in known]


def _route(row: TupleRow) -> ListedRoute:
    exchange_rate, share, margin, added, decimals, listed, theirs = row[7:14]
    terms = None if margin is None else PriceTerms(exchange_rate, margin, added, decimals)
    offer = None
    if theirs is not None:
        offer = ProviderService(*(theirs, *row[14:16], None if row[16] is None else ServiceType(row[16]), *row[17:23]))
    off = None if row[5] is None else RouteOff(row[5])
    unread = None if row[23] is None else line_faults.read(row[23])
    standing = RouteStanding(row[3], row[4], off, row[6], unread, *row[24:])
    to = RouteTo(ProviderId(row[1]), row[2])
    return ListedRoute(to, SyncRules(exchange_rate, share, terms), offer, offer is not None and listed, standing)


# What a list has set bears its provider: a sync, or an import. Services that have no row of a price were moved in.
_PRICED_BY_LISTS: Final = """
select w.id from unnest(%s::bigint[]) as w (id) cross join lateral (
  select a.action, a.detail ? 'provider' as imported from audit a
  where a.subject = w.id::text and a.action like 'service.%%' and a.detail->'changes' ? 'rate'
  order by a.id desc limit 1) newest
where newest.action = 'service.sync' or newest.action = 'service.save' and newest.imported
"""


async def priced_by_lists(connection: Connection, services: Sequence[ServiceId]) -> set[ServiceId]:
    """Those of the services whose price was last set by following a price list, or by importing one: not by hand."""
    cursor = await connection.execute(_PRICED_BY_LISTS, [list(services)])
    return {ServiceId(row[0]) for row in await cursor.fetchall()}


_KEEP_ROUTES: Final = """
update route r set cost = a.cost, agreed = a.agreed, off = a.off, quarantined = a.quarantined,
  unread = a.unread, name = a.name, category = a.category
from unnest(%s::bigint[], %s::int[], %s::numeric[], %s::numeric[], %s::text[], %s::timestamptz[], %s::text[],
            %s::text[], %s::text[])
  as a (service_id, position, cost, agreed, off, quarantined, unread, name, category)
where r.service_id = a.service_id and r.position = a.position
"""
_KEEP_SERVICES: Final = """
update service s set cost = a.cost, halted = a.halted, version = %s
from unnest(%s::bigint[], %s::numeric[], %s::text[]) as a (id, cost, halted) where s.id = a.id
"""


async def keep(connection: Connection, judged: Sequence[JudgedLine]) -> None:
    """Writes how lines stand. Their services are locked, and with them everybody's view of the price list."""
    routes = [
        (one.service.id, at, standing)
        for one in judged
        for at, (route, standing) in enumerate(zip(one.before.routes, one.standings, strict=True))
        if standing != route.standing
    ]
    if routes:
        each = [standing for _, _, standing in routes]
        arrays = (
            [service for service, _, _ in routes],
            [at for _, at, _ in routes],
            [one.cost for one in each],
            [one.agreed for one in each],
            [one.off for one in each],
            [one.quarantined for one in each],
            [line_faults.written(one.unread) for one in each],
            [one.name for one in each],
            [one.category for one in each],
        )
        await connection.execute(_KEEP_ROUTES, [*arrays])
    edited = [one.service for one in judged if one.edits]
    if edited:
        await catalogue.save_services(connection, edited)
    services = [one.service for one in judged if one.service != one.before.service]
    if services:
        values = [one.id for one in services], [one.cost for one in services], [one.halted for one in services]
        await connection.execute(_KEEP_SERVICES, [await catalogue.bump(connection), *values])


_GO_ON: Final = f"""
with held as materialized (
  select d.order_id, d.run from delivery d
  where d.state = 'held' and d.service_id = any(%(services)s) and d.cancel_asked is null
    and {NO_ANSWER_YET}
    and exists (select from route r where r.service_id = d.service_id and r.position >= d.route and {ROUTE_IS_OPEN})
  order by d.order_id, d.run for update of d skip locked
)
update delivery d set state = 'queued', due = %(now)s, lease_until = null, note = null, noted = null
from held where d.order_id = held.order_id and d.run = held.run returning d.order_id
"""


async def go_on(connection: Connection, services: Sequence[ServiceId], now: datetime) -> int:
    """Queues deliveries again that were held for want of a route at their price, where there is one now."""
    cursor = await connection.execute(_GO_ON, {"services": list(services), "now": now})
    return len(await cursor.fetchall())


class FollowingTerms(Struct, frozen=True):
    """How a provider is followed. ``margin`` is None where prices stay the operator's; ``synced`` is when the list that
    was taken over last had been asked for. ``sync_fault``: why the newest was not taken over, empty where it was."""

    sync_every_min: int
    price_share: int
    margin: Decimal | None
    added: Decimal
    decimals: int
    synced: datetime | None = None
    sync_fault: ListDoubt | str = ""


_FOLLOWING: Final = """
select sync_every_min, price_share, margin, added, decimals, synced, sync_fault from provider where id = %s
"""
_FOLLOW: Final = """
update provider set sync_every_min = %s, price_share = %s, margin = %s, added = %s, decimals = %s where id = %s
"""


async def following(connection: Connection, provider: ProviderId) -> FollowingTerms:
    row = await (await connection.execute(_FOLLOWING, [provider])).fetchone()
    assert row is not None
    return FollowingTerms(*(*row[:6], list_doubts.read(row[6])))


async def follow(connection: Connection, provider: ProviderId, wanted: FollowingTerms) -> None:
    """Writes what the operator sets of it."""
    values = [wanted.sync_every_min, wanted.price_share, wanted.margin, wanted.added, wanted.decimals]
    await connection.execute(_FOLLOW, [*values, provider])


_BELOW_COST_NOW: Final = "select below_cost from panel"
_SET_BELOW_COST: Final = "update panel set below_cost = %s"


async def set_below_cost(connection: Connection, wanted: BelowCost) -> BelowCost:
    """Sets it under a new version of the catalogue; returns what it was."""
    await catalogue.bump(connection)
    row = await (await connection.execute(_BELOW_COST_NOW)).fetchone()
    assert row is not None
    await connection.execute(_SET_BELOW_COST, [wanted])
    return BelowCost(row[0])


_SET_ASIDE: Final = """
select distinct r.service_id from route r where r.quarantined is not null order by 1
"""
BELOW_COST: Final = """
select s.id, s.name, s.cost, s.rate, null from service s
where s.on_sale and s.halted is null and not s.free and s.rate < s.cost
union all
select s.id, s.name, s.cost, p.rate, l.name from service s
join price p on p.service_id = s.id and p.rate < s.cost join price_list l on l.id = p.price_list_id
where s.on_sale and s.halted is null and not s.free
"""
"""What costs more than it is sold at: service, its name, its cost, the rate, and the price list that has that rate."""
_BELOW_COST: Final = f"{BELOW_COST} order by 1, 5 nulls first limit %s"


async def in_quarantine(connection: Connection) -> list[ServiceLine]:
    """Services of which one route at least waits for approval, with all their routes."""
    cursor = await connection.execute(_SET_ASIDE)
    return await lines(connection, [ServiceId(row[0]) for row in await cursor.fetchall()])


class BelowCostService(Struct, frozen=True):
    """A service that costs more than it is sold at. ``price_list`` None: at its own rate."""

    service: ServiceId
    service_name: str
    cost: Decimal
    rate: Decimal
    price_list: str | None


async def below_cost(connection: Connection, limit: int) -> list[BelowCostService]:
    cursor = await connection.execute(_BELOW_COST, [limit])
    return [BelowCostService(*row) for row in await cursor.fetchall()]


_APPROVE: Final = """
update delivery d set ceiling = greatest(d.ceiling, (
  select min(r.cost) from route r where r.service_id = d.service_id and r.off is null))
from delivery was
where d.order_id = %s and d.run = %s and d.ceiling is not null and (was.order_id, was.run) = (d.order_id, d.run)
returning was.ceiling, d.ceiling
"""


async def approve_cost(connection: Connection, order: OrderId, run: int) -> tuple[Decimal, Decimal] | tuple[None, None]:
    """Lets a delivery, whose row is locked, cost what its cheapest route costs at this moment; returns the most it
    could cost before, and may cost from now on."""
    row = await (await connection.execute(_APPROVE, [order, run])).fetchone()
    return (None, None) if row is None else (row[0], row[1])
