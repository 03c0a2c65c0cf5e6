"""Routes of our services to providers' services."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from opensmm.base.ids import ProviderId, ServiceId
from opensmm.domain.customers import HOUSE
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.routes import RouteTo
from opensmm.store import catalogue
from opensmm.store.connection import Connection
from opensmm.store.dispatch import HELD_FOR_A_ROUTE
from opensmm.store.rows import records

_LOCK_SERVICE: Final = "select id from service where id = any(%s) order by id for update"
_ROUTES: Final = (
    "select service_id, provider_id, provider_service from route where service_id = any(%s) order by position"
)
_STANDING: Final = {
    "cost": "numeric",
    "agreed": "numeric",
    "off": "text",
    "quarantined": "timestamptz",
    "unread": "text",
    "name": "text",
    "category": "text",
}
"""Columns of a route that its provider's price list sets, and their types."""
_DROP: Final = f"""
delete from route where service_id = any(%s)
returning service_id, provider_id as provider, provider_service, {", ".join(_STANDING)}
"""
_SET: Final = f"""
insert into route (service_id, position, provider_id, provider_service, {", ".join(_STANDING)})
select * from unnest(%s::bigint[], %s::int[], %s::bigint[], %s::text[],
                     {", ".join(f"%s::{kind}[]" for kind in _STANDING.values())})
"""


# A waiting delivery's position counts along the old order: providers before it that declined have refused, while what
# was declined from there on could not be sent. If every provider has refused, the first gets the order once more, and
# its answer ends it. Purchases of the house keep their route, which skips the order's own provider.
_MOVE_WAITING: Final = f"""
-- The new routes.
with wanted as (
  select * from unnest(%(services)s::bigint[], %(positions)s::int[], %(providers)s::bigint[], %(theirs)s::text[])
    as w (service_id, position, provider_id, provider_service)
)
-- Each waiting delivery goes on with the first of them that has not refused it.
update delivery d set route = coalesce((
  select min(w.position) from wanted w where w.service_id = d.service_id and not exists (
    select from route r join attempt t using (provider_id, provider_service)
    where r.service_id = d.service_id and r.position < d.route
      and r.provider_id = w.provider_id and r.provider_service = w.provider_service
      and t.order_id = d.order_id and t.run = d.run and t.outcome = '{AttemptOutcome.NOT_BOUGHT}')), 0)
from orders o
where (d.state = '{DeliveryState.QUEUED}' or d.state = '{DeliveryState.HELD}' and {HELD_FOR_A_ROUTE})
  and d.route > 0 and d.service_id = any(%(all)s) and o.id = d.order_id
  and o.customer_id is distinct from (select id from customer where name = %(house)s)
"""


async def lock_services(connection: Connection, services: Sequence[ServiceId]) -> list[ServiceId]:
    """Locks the price list and those of ``services`` that exist, with their routes; returns them."""
    await catalogue.lock(connection)
    cursor = await connection.execute(_LOCK_SERVICE, [list(services)])
    return [ServiceId(row[0]) for row in await cursor.fetchall()]


async def find(connection: Connection, services: Sequence[ServiceId]) -> dict[ServiceId, list[RouteTo]]:
    """Returns the routes of each service, in the order in which they are tried."""
    routes: dict[ServiceId, list[RouteTo]] = {service: [] for service in services}
    for service, provider, theirs in await (await connection.execute(_ROUTES, [list(services)])).fetchall():
        routes[ServiceId(service)].append(RouteTo(ProviderId(provider), theirs))
    return routes


async def set_routes(connection: Connection, routes: dict[ServiceId, list[RouteTo]]) -> None:
    """Replaces the routes of services by ``routes``, numbered from 0 without a gap, as deliveries count along them.

    Deliveries that wait to be sent, or for an open route, go on with the first that has not refused them. A route that
    was there before keeps its standing by the provider's price list.
    """
    lines = [(service, position, route) for service, to in routes.items() for position, route in enumerate(to)]
    columns = {
        "services": [service for service, _, _ in lines],
        "positions": [position for _, position, _ in lines],
        "providers": [route.provider for _, _, route in lines],
        "theirs": [route.provider_service for _, _, route in lines],
    }
    await connection.execute(_MOVE_WAITING, columns | {"all": list(routes), "house": HOUSE})
    dropped = await records(connection, _DROP, [list(routes)])
    before = {(record["service_id"], msgspec.convert(record, RouteTo)): record for record in dropped}
    standings = [before.get((service, route), {}) for service, _, route in lines]
    arrays = [[standing.get(name) for standing in standings] for name in _STANDING]
    await connection.execute(_SET, [*columns.values(), *arrays])


_COSTS: Final = """
select o.provider_id, o.provider_service, o.rate * p.exchange_rate
from offer o join provider p on p.id = o.provider_id
join unnest(%s::bigint[], %s::text[]) as w (provider_id, provider_service) using (provider_id, provider_service)
where o.gone is null group by 1, 2, 3
"""
_CHEAPEST_FIRST: Final = "update service set cheapest_first = %s where id = any(%s)"
_BY_COST: Final = """
select distinct s.id from service s join route r on r.service_id = s.id where s.cheapest_first and r.provider_id = %s
"""


async def costs(connection: Connection, routes: Sequence[RouteTo]) -> dict[RouteTo, Decimal]:
    """Returns the cost of 1000 by route, in the panel's currency, for routes that a price list has."""
    arrays = [route.provider for route in routes], [route.provider_service for route in routes]
    listed = await (await connection.execute(_COSTS, [*arrays])).fetchall()
    return {RouteTo(ProviderId(provider), theirs): cost for provider, theirs, cost in listed}


async def set_cheapest_first(connection: Connection, services: Sequence[ServiceId], cheapest: bool) -> None:
    """Sets if routes of services are sorted by their cost. It does not sort them."""
    await connection.execute(_CHEAPEST_FIRST, [cheapest, list(services)])


async def services_by_cost(connection: Connection, provider: ProviderId) -> list[ServiceId]:
    """Returns the services with a route to a provider whose routes are sorted by their cost."""
    cursor = await connection.execute(_BY_COST, [provider])
    return sorted(ServiceId(row[0]) for row in await cursor.fetchall())


_STANDS_BY_COST: Final = "select cheapest_first from service where id = %s"


async def is_cheapest_first(connection: Connection, service: ServiceId) -> bool:
    row = await (await connection.execute(_STANDS_BY_COST, [service])).fetchone()
    return row is not None and bool(row[0])


_ROUTED: Final = """
select r.provider_service, r.service_id, not exists (
  select from route o where o.service_id = r.service_id and o.provider_id <> r.provider_id)
from route r where r.provider_id = %s order by r.service_id
"""
_SERVED: Final = "select service_id from route where provider_id = %s"


async def list_served(connection: Connection, provider: ProviderId) -> set[ServiceId]:
    """Returns the services with a route to a provider."""
    cursor = await connection.execute(_SERVED, [provider])
    return {ServiceId(row[0]) for row in await cursor.fetchall()}


async def routed_to(connection: Connection, provider: ProviderId) -> list[tuple[str, ServiceId, bool]]:
    """Returns the services with a route to a provider: its own number, ours, and True if there is no other provider."""
    cursor = await connection.execute(_ROUTED, [provider])
    return [(row[0], ServiceId(row[1]), row[2]) for row in await cursor.fetchall()]
