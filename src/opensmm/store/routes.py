"""Routes of our services to those of providers."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from opensmm.base.ids import ProviderId, ServiceId
from opensmm.domain.customers import HOUSE
from opensmm.domain.routes import RouteTo
from opensmm.store import catalogue
from opensmm.store.connection import Connection
from opensmm.store.dispatch import NO_ANSWER_YET

_LOCK_SERVICE: Final = "select id from service where id = any(%s) order by id for update"
_ROUTES: Final = (
    "select service_id, provider_id, provider_service from route where service_id = any(%s) order by position"
)
_DROP: Final = """
delete from route where service_id = any(%s)
returning service_id, provider_id, provider_service, cost, agreed, off, quarantined, unread, name, category
"""
_SET: Final = """
insert into route (service_id, position, provider_id, provider_service, cost, agreed, off, quarantined, unread, name,
                   category)
select * from unnest(%s::bigint[], %s::int[], %s::bigint[], %s::text[], %s::numeric[], %s::numeric[], %s::text[],
                     %s::timestamptz[], %s::text[], %s::text[], %s::text[])
"""


# The positions counted in the old order: who stood before them and declined has refused, while what was declined from
# there on could not be sent. Where nobody is left who has not refused, the first is asked once more, and its answer
# ends the order. What the house buys for a refill keeps away from the first, see purchases.
_WHO_WAITS: Final = f"""
with wanted as (
  select * from unnest(%(services)s::bigint[], %(positions)s::int[], %(providers)s::bigint[], %(theirs)s::text[])
    as w (service_id, position, provider_id, provider_service)
)
update delivery d set route = coalesce((
  select min(w.position) from wanted w where w.service_id = d.service_id and not exists (
    select from route r join attempt t using (provider_id, provider_service)
    where r.service_id = d.service_id and r.position < d.route
      and r.provider_id = w.provider_id and r.provider_service = w.provider_service
      and t.order_id = d.order_id and t.run = d.run and t.outcome = 'declined')), 0)
from orders o
where (d.state = 'queued' or d.state = 'held' and {NO_ANSWER_YET})
  and d.route > 0 and d.service_id = any(%(all)s) and o.id = d.order_id
  and o.customer_id is distinct from (select id from customer where name = %(house)s)
"""


async def lock_services(connection: Connection, services: Sequence[ServiceId]) -> list[ServiceId]:
    """Those of the services that exist; they, their routes and the price list are ours until the transaction ends."""
    await catalogue.hold(connection)
    cursor = await connection.execute(_LOCK_SERVICE, [list(services)])
    return [ServiceId(row[0]) for row in await cursor.fetchall()]


async def find(connection: Connection, services: Sequence[ServiceId]) -> dict[ServiceId, list[RouteTo]]:
    """The providers of each service in the order in which they are asked."""
    found: dict[ServiceId, list[RouteTo]] = {service: [] for service in services}
    for service, provider, theirs in await (await connection.execute(_ROUTES, [list(services)])).fetchall():
        found[ServiceId(service)].append(RouteTo(ProviderId(provider), theirs))
    return found


async def set_routes(connection: Connection, wanted: dict[ServiceId, list[RouteTo]]) -> None:
    """Writes the routes of services anew, numbered from 0 without a gap: a try counts along these numbers. What waits
    to be sent, or for a route that is open, goes on with the first that has not refused it.

    One that was there before keeps how it stands by its provider's price list.
    """
    lines = [(service, at, route) for service, find in wanted.items() for at, route in enumerate(find)]
    to = {
        "services": [service for service, _, _ in lines],
        "positions": [at for _, at, _ in lines],
        "providers": [route.provider for _, _, route in lines],
        "theirs": [route.provider_service for _, _, route in lines],
    }
    await connection.execute(_WHO_WAITS, to | {"all": list(wanted), "house": HOUSE})
    cursor = await connection.execute(_DROP, [list(wanted)])
    known = {(row[0], RouteTo(*row[1:3])): row[3:] for row in await cursor.fetchall()}
    stood = [known.get((service, route), (None,) * 7) for service, _, route in lines]
    await connection.execute(_SET, [*to.values(), *([row[at] for row in stood] for at in range(7))])


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


async def costs(connection: Connection, find: Sequence[RouteTo]) -> dict[RouteTo, Decimal]:
    """What 1000 cost at each provider, in the panel's currency, where its price list is known."""
    arrays = [route.provider for route in find], [route.provider_service for route in find]
    found = await (await connection.execute(_COSTS, [*arrays])).fetchall()
    return {RouteTo(ProviderId(provider), theirs): cost for provider, theirs, cost in found}


async def set_cheapest_first(connection: Connection, services: Sequence[ServiceId], cheapest: bool) -> None:
    await connection.execute(_CHEAPEST_FIRST, [cheapest, list(services)])


async def services_by_cost(connection: Connection, provider: ProviderId) -> list[ServiceId]:
    """Services of a provider whose routes stand in the order of their cost."""
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


async def served_by(connection: Connection, provider: ProviderId) -> set[ServiceId]:
    """The services that a provider fulfils, or may be asked to."""
    cursor = await connection.execute(_SERVED, [provider])
    return {ServiceId(row[0]) for row in await cursor.fetchall()}


async def routed_to(connection: Connection, provider: ProviderId) -> list[tuple[str, ServiceId, bool]]:
    """Services that a provider fulfils: its number, ours, and whether nobody else does."""
    cursor = await connection.execute(_ROUTED, [provider])
    return [(row[0], ServiceId(row[1]), row[2]) for row in await cursor.fetchall()]
