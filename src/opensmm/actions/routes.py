"""Routes: which providers fulfil a service, and in which order they are asked."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from msgspec import Struct

from opensmm.actions import providers
from opensmm.actions.references import find_provider, find_service
from opensmm.base.ids import ProviderId, ServiceId
from opensmm.domain.audit import By
from opensmm.domain.codes import OperatorRefusal, RefusalCode
from opensmm.domain.offers import RouteTo
from opensmm.store import offers
from opensmm.store import providers as provider_rows
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow


class Route(Struct, frozen=True):
    """A provider of a service. ``cost`` is in the panel's currency per 1000; None where it is not known."""

    provider: ProviderId
    provider_name: str
    provider_service: str
    cost: Decimal | None


class ServiceRoutes(Struct, frozen=True):
    service: ServiceId
    routes: tuple[Route, ...]


Change = Callable[[ProviderRow, list[RouteTo]], list[RouteTo]]


async def add_route(
    connection: Connection,
    service: str,
    provider: str,
    provider_service: str,
    *,
    first: bool,
    by_cost: bool | None,
    by: By,
) -> ServiceRoutes:
    """Adds a provider to a service, behind the others or ``first``. Refuses a route that is there."""

    def extend(row: ProviderRow, routes: list[RouteTo]) -> list[RouteTo]:
        added = RouteTo(row.id, provider_service)
        if added in routes:
            raise OperatorRefusal(RefusalCode.ROUTE_EXISTS, provider=row.name, service=provider_service)
        return [added, *routes] if first else [*routes, added]

    return await _change(connection, service, provider, extend, by_cost, by)


async def remove_route(connection: Connection, service: str, provider: str, by: By) -> ServiceRoutes:
    """Removes a provider from a service. What the provider has been sent is still followed."""

    def remove(row: ProviderRow, routes: list[RouteTo]) -> list[RouteTo]:
        _check_routed(row, routes, service)
        return [route for route in routes if route.provider != row.id]

    return await _change(connection, service, provider, remove, None, by)


async def put_first(connection: Connection, service: str, provider: str, by: By) -> ServiceRoutes:
    """Puts a provider before the others of a service. Refuses a provider that does not fulfil it."""

    def sort(row: ProviderRow, routes: list[RouteTo]) -> list[RouteTo]:
        _check_routed(row, routes, service)
        return sorted(routes, key=lambda route: route.provider != row.id)

    return await _change(connection, service, provider, sort, False, by)


def _check_routed(row: ProviderRow, routes: Sequence[RouteTo], service: str) -> None:
    if row.id not in {route.provider for route in routes}:
        raise OperatorRefusal(RefusalCode.NO_ROUTE, provider=row.name, service=service)


async def order_routes(connection: Connection, service: str, *, by_cost: bool, by: By) -> ServiceRoutes:
    """Keeps a service's providers in the order of their costs, or in the order they stand in."""
    return await _change(connection, service, None, None, by_cost, by)


async def list_routes(connection: Connection, service: str) -> ServiceRoutes:
    return await _view(connection, await find_service(connection, service))


async def _change(
    connection: Connection,
    service: str,
    provider: str | None,
    change: Change | None,
    by_cost: bool | None,
    by: By,
) -> ServiceRoutes:
    async with connection.transaction():
        number = await find_service(connection, service)
        await offers.lock_services(connection, [number])
        routes = (await offers.routes(connection, [number]))[number]
        if provider is not None and change is not None:
            routes = change(await find_provider(connection, provider), routes)
        cheapest = await offers.stands_by_cost(connection, number) if by_cost is None else by_cost
        await providers.set_routes(connection, number, routes, by_cost=cheapest, by=by)
        return await _view(connection, number)


async def _view(connection: Connection, service: ServiceId) -> ServiceRoutes:
    routes = (await offers.routes(connection, [service]))[service]
    costs = await offers.costs(connection, routes)
    names = {row.id: row.name for row in await provider_rows.providers(connection)}
    views = [Route(one.provider, names[one.provider], one.provider_service, costs.get(one)) for one in routes]
    return ServiceRoutes(service, tuple(views))
