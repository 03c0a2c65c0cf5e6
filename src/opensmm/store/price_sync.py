"""Statements of price list sync: the next provider, the standing of routes and services, deliveries to queue again."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct

from opensmm.base.ids import OrderId, ProviderId, ServiceId
from opensmm.domain.audit import AuditAction
from opensmm.domain.catalogue import BelowCost, ServiceType
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.price_sync import JudgedLine, ListDoubt, ListedRoute, RouteStanding, ServiceLine, SyncRules
from opensmm.domain.pricing import PriceTerms
from opensmm.domain.provider_services import ProviderService
from opensmm.domain.providers import PANEL
from opensmm.domain.routes import RouteOff, RouteTo
from opensmm.store import catalogue, line_faults, list_doubts
from opensmm.store.connection import Connection
from opensmm.store.dispatch import HELD_FOR_A_ROUTE, ROUTE_IS_OPEN
from opensmm.store.rows import first_row, records, rows

# One list at a time, the one that has waited longest, so that lists are not fetched all at once. Lists of disabled
# providers too: deliveries that wait for one are sent as soon as it is enabled, at the costs known by then.
_DUE: Final = f"""
update provider set sync_asked = %(now)s where id = (
  select id from provider
  where id = any(%(registered)s) and kind = '{PANEL}' and sync_every_min > 0
    and (sync_asked is null or sync_asked <= %(now)s::timestamptz - make_interval(mins => sync_every_min))
  order by sync_asked nulls first, id limit 1 for update skip locked)
returning id
"""
_TAKEN: Final = """
update provider set synced = %(requested)s, sync_asked = greatest(sync_asked, %(requested)s), sync_fault = ''
where id = %(id)s
"""
_NOT_TAKEN: Final = "update provider set sync_fault = %s where id = %s and (synced <= %s) is not false"


async def claim_due(connection: Connection, registered: Sequence[ProviderId], now: datetime) -> ProviderId | None:
    """Claims the provider whose price list is to be read now, one of ``registered``; None if no list is due."""
    row = await (await connection.execute(_DUE, {"now": now, "registered": list(registered)})).fetchone()
    return None if row is None else ProviderId(row[0])


async def mark_taken(connection: Connection, provider: ProviderId, requested: datetime) -> None:
    """Writes that the list requested at this time was taken over. Lists requested earlier are older."""
    await connection.execute(_TAKEN, {"requested": requested, "id": provider})


async def mark_not_taken(connection: Connection, provider: ProviderId, doubt: ListDoubt, requested: datetime) -> None:
    """Writes why a list was not taken over, unless one requested later has been."""
    await connection.execute(_NOT_TAKEN, [list_doubts.encode(doubt), provider, requested])


_ROUTED: Final = """
select r.service_id as service, r.provider_service as theirs, s.type, r.off
from route r join service s on s.id = r.service_id where r.provider_id = %s order by r.service_id
"""


class RoutedService(Struct, frozen=True):
    """A service of ours with a route to a provider, and the provider's own number of it (``theirs``).

    ``type`` is the type that we sell. ``off`` is why the route is not used, None if it is.
    """

    service: ServiceId
    theirs: str
    type: ServiceType
    off: RouteOff | None


async def routed_to(connection: Connection, provider: ProviderId) -> list[RoutedService]:
    """Returns the services with a route to a provider."""
    return await rows(connection, RoutedService, _ROUTED, [provider])


_LISTED: Final = ("name", "category", "type", "rate", "min", "max", "refill", "cancel", "dripfeed")
"""Columns of a line of a price list. Its description is left out."""
_LINE: Final = ", ".join(f"o.{name} as o_{name}" for name in _LISTED)
_ROUTES: Final = f"""
select r.service_id as service, r.provider_id as provider, r.provider_service,
  -- the route's standing
  r.cost, r.agreed, r.off, r.quarantined, r.unread, r.name, r.category,
  -- the provider's rules
  p.exchange_rate, p.price_share, p.margin, p.added, p.decimals,
  -- its line in the price list
  o.provider_service is not null as has_line, o.gone is null as listed, {_LINE}
from route r join provider p on p.id = r.provider_id
left join offer o on o.provider_id = r.provider_id and o.provider_service = r.provider_service
where r.service_id = any(%s) order by r.service_id, r.position
"""


async def read_lines(connection: Connection, services: Sequence[ServiceId]) -> list[ServiceLine]:
    """Returns services with their routes, without the descriptions of providers' services."""
    routes: dict[ServiceId, list[ListedRoute]] = {}
    for record in await records(connection, _ROUTES, [list(services)]):
        routes.setdefault(ServiceId(record["service"]), []).append(_make_route(record))
    stored = await catalogue.services(connection, services)
    return [ServiceLine(service, tuple(routes.get(service.id, ()))) for service in stored]


def _make_route(record: dict[str, Any]) -> ListedRoute:
    """Returns the route of a record of ``_ROUTES``."""
    unread = None if record["unread"] is None else line_faults.decode(record["unread"])
    return ListedRoute(
        to=msgspec.convert(record, RouteTo),
        rules=SyncRules(record["exchange_rate"], record["price_share"], _terms(record)),
        line=_line(record),
        listed=record["has_line"] and record["listed"],
        standing=msgspec.convert(record | {"unread": unread}, RouteStanding),
    )


def _terms(record: dict[str, Any]) -> PriceTerms | None:
    if record["margin"] is None:
        return None
    terms = {"percent": record["margin"], "fixed": record["added"], "decimals": record["decimals"]}
    return PriceTerms(record["exchange_rate"], **terms)


def _line(record: dict[str, Any]) -> ProviderService | None:
    if not record["has_line"]:
        return None
    line = {name: record[f"o_{name}"] for name in _LISTED}
    return msgspec.convert(line | {"service": record["provider_service"]}, ProviderService)


# Prices that a list has set have its provider in the audit trail: by a sync, or by an import. Services without a row
# about their price came with the data of another panel.
_PRICED_BY_LISTS: Final = f"""
select w.id from unnest(%s::bigint[]) as w (id) cross join lateral (
  select a.action, a.detail ? 'provider' as imported from audit a
  where a.subject = w.id::text and a.action like 'service.%%' and a.detail->'changes' ? 'rate'
  order by a.id desc limit 1) newest
where newest.action = '{AuditAction.SERVICE_SYNC}'
  or newest.action = '{AuditAction.SERVICE_SAVE}' and newest.imported
"""


async def find_priced_by_lists(connection: Connection, services: Sequence[ServiceId]) -> set[ServiceId]:
    """Returns those of ``services`` whose price was last set by a sync or an import, not by hand."""
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
    """Writes the changes of judged lines. The services' rows and the catalogue's version are locked by the caller."""
    await _keep_routes(connection, judged)
    edited = [line.service for line in judged if line.edits]
    if edited:
        await catalogue.save_services(connection, edited)
    changed = [line.service for line in judged if line.service != line.before.service]
    if changed:
        arrays = [one.id for one in changed], [one.cost for one in changed], [one.halted for one in changed]
        await connection.execute(_KEEP_SERVICES, [await catalogue.bump(connection), *arrays])


async def _keep_routes(connection: Connection, judged: Sequence[JudgedLine]) -> None:
    routes = [
        (line.service.id, position, standing)
        for line in judged
        for position, (route, standing) in enumerate(zip(line.before.routes, line.standings, strict=True))
        if standing != route.standing
    ]
    if routes:
        standings = [standing for _, _, standing in routes]
        arrays = (
            [service for service, _, _ in routes],
            [position for _, position, _ in routes],
            [standing.cost for standing in standings],
            [standing.agreed for standing in standings],
            [standing.off for standing in standings],
            [standing.quarantined for standing in standings],
            [line_faults.encode(standing.unread) for standing in standings],
            [standing.name for standing in standings],
            [standing.category for standing in standings],
        )
        await connection.execute(_KEEP_ROUTES, [*arrays])


_GO_ON: Final = f"""
with held as materialized (
  select d.order_id, d.run from delivery d
  where d.state = '{DeliveryState.HELD}' and d.service_id = any(%(services)s) and d.cancel_asked is null
    and {HELD_FOR_A_ROUTE}
    and exists (select from route r where r.service_id = d.service_id and r.position >= d.route and {ROUTE_IS_OPEN})
  order by d.order_id, d.run for update of d skip locked
)
update delivery d set state = '{DeliveryState.QUEUED}', due = %(now)s, lease_until = null, note = null, noted = null
from held where d.order_id = held.order_id and d.run = held.run returning d.order_id
"""


async def queue_held(connection: Connection, services: Sequence[ServiceId], now: datetime) -> int:
    """Queues deliveries again that were held for lack of a route at their price and have one now.

    Returns their number.
    """
    cursor = await connection.execute(_GO_ON, {"services": list(services), "now": now})
    return len(await cursor.fetchall())


class FollowingTerms(Struct, frozen=True):
    """The settings and the state of a provider's price list sync.

    ``margin`` is None if prices do not follow the list. ``synced`` is when the list that was taken over last had been
    requested. ``sync_fault`` is why the newest list was not taken over, empty if it was.
    """

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


async def read_terms(connection: Connection, provider: ProviderId) -> FollowingTerms:
    """Returns the terms of a provider, which exists."""
    terms = await first_row(connection, FollowingTerms, _FOLLOWING, [provider], {"sync_fault": list_doubts.decode})
    assert terms is not None
    return terms


async def write_terms(connection: Connection, provider: ProviderId, terms: FollowingTerms) -> None:
    """Writes the settings of ``terms``; their state is not written."""
    values = [terms.sync_every_min, terms.price_share, terms.margin, terms.added, terms.decimals]
    await connection.execute(_FOLLOW, [*values, provider])


_BELOW_COST_NOW: Final = "select below_cost from panel"
_SET_BELOW_COST: Final = "update panel set below_cost = %s"


async def set_below_cost(connection: Connection, rule: BelowCost) -> BelowCost:
    """Sets the rule for services below cost, under a new catalogue version; returns the rule before."""
    await catalogue.bump(connection)
    row = await (await connection.execute(_BELOW_COST_NOW)).fetchone()
    assert row is not None
    await connection.execute(_SET_BELOW_COST, [rule])
    return BelowCost(row[0])


_SET_ASIDE: Final = """
select distinct r.service_id from route r where r.quarantined is not null order by 1
"""
BELOW_COST: Final = """
select s.id, s.name, s.cost, s.rate, null as price_list from service s
where s.on_sale and s.halted is null and not s.free and s.rate < s.cost
union all
select s.id, s.name, s.cost, p.rate, l.name from service s
join price p on p.service_id = s.id and p.rate < s.cost join price_list l on l.id = p.price_list_id
where s.on_sale and s.halted is null and not s.free
"""
"""Services sold below their cost, once for their own rate (``price_list`` is null) and once for each price list's."""
_BELOW_COST: Final = f"""
select id as service, name as service_name, cost, rate, price_list from ({BELOW_COST}) b
order by id, price_list nulls first limit %s
"""


async def list_quarantined(connection: Connection) -> list[ServiceLine]:
    """Returns the services that have a route in quarantine, with all their routes."""
    cursor = await connection.execute(_SET_ASIDE)
    return await read_lines(connection, [ServiceId(row[0]) for row in await cursor.fetchall()])


class BelowCostService(Struct, frozen=True):
    """A service with a rate below its cost. ``price_list`` has the rate; None if it is the service's own."""

    service: ServiceId
    service_name: str
    cost: Decimal
    rate: Decimal
    price_list: str | None


async def below_cost(connection: Connection, limit: int) -> list[BelowCostService]:
    """Returns the services that are sold below their cost, by id."""
    return await rows(connection, BelowCostService, _BELOW_COST, [limit])


_APPROVE: Final = """
update delivery d set ceiling = greatest(d.ceiling, (
  select min(r.cost) from route r where r.service_id = d.service_id and r.off is null))
from delivery was
where d.order_id = %s and d.run = %s and d.ceiling is not null and (was.order_id, was.run) = (d.order_id, d.run)
returning was.ceiling, d.ceiling
"""


async def approve_cost(connection: Connection, order: OrderId, run: int) -> tuple[Decimal, Decimal] | tuple[None, None]:
    """Raises the ceiling of a delivery, whose row is locked, to the cost of its cheapest route now.

    Returns the ceiling before and after, or (None, None) if the delivery has none.
    """
    row = await (await connection.execute(_APPROVE, [order, run])).fetchone()
    return (None, None) if row is None else (row[0], row[1])
