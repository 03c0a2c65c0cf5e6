"""Routes: the providers of a service, in the order in which they are tried."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from msgspec import Struct

from opensmm.actions import price_sync
from opensmm.actions.references import find_provider, find_service
from opensmm.base.ids import ProviderId, ServiceId
from opensmm.domain.audit import AuditAction, AuditEntry, By
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.provider_services import check_provider_service
from opensmm.domain.providers import PANEL, SANDBOX
from opensmm.domain.routes import RouteTo, cheapest_first, check_routes, routes_changed
from opensmm.store import audit
from opensmm.store import providers as provider_rows
from opensmm.store import routes as route_rows
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow


class RouteView(Struct, frozen=True):
    """A provider of a service. ``cost`` is in the panel's currency per 1000; None if it is not known."""

    provider: ProviderId
    provider_name: str
    provider_service: str
    cost: Decimal | None


class ServiceRoutes(Struct, frozen=True):
    service: ServiceId
    routes: tuple[RouteView, ...]


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
    """Adds a provider to a service, behind the others or ``first``. Refuses a route that exists already."""
    check_provider_service(provider_service)

    def extend(row: ProviderRow, routes: list[RouteTo]) -> list[RouteTo]:
        added = RouteTo(row.id, provider_service)
        if added in routes:
            raise OperatorRefusal(RefusalCode.ROUTE_EXISTS, provider=row.name, service=provider_service)
        return [added, *routes] if first else [*routes, added]

    return await _change_routes(connection, service, provider, extend, by_cost, by)


async def remove_route(connection: Connection, service: str, provider: str, by: By) -> ServiceRoutes:
    """Removes a provider from a service. Orders that the provider has are still polled."""

    def remove(row: ProviderRow, routes: list[RouteTo]) -> list[RouteTo]:
        _check_routed(row, routes, service)
        return [route for route in routes if route.provider != row.id]

    return await _change_routes(connection, service, provider, remove, None, by)


async def put_first(connection: Connection, service: str, provider: str, by: By) -> ServiceRoutes:
    """Puts a provider before the others of a service. Refuses a provider that does not fulfil it."""

    def sort(row: ProviderRow, routes: list[RouteTo]) -> list[RouteTo]:
        _check_routed(row, routes, service)
        return sorted(routes, key=lambda route: route.provider != row.id)

    return await _change_routes(connection, service, provider, sort, False, by)


def _check_routed(row: ProviderRow, routes: Sequence[RouteTo], service: str) -> None:
    if row.id not in {route.provider for route in routes}:
        raise OperatorRefusal(RefusalCode.NO_ROUTE, provider=row.name, service=service)


async def order_routes(connection: Connection, service: str, *, by_cost: bool, by: By) -> ServiceRoutes:
    """Sorts a service's providers by their costs from now on, or keeps them in their present order."""
    return await _change_routes(connection, service, None, None, by_cost, by)


async def list_routes(connection: Connection, service: str) -> ServiceRoutes:
    return await _read_view(connection, await find_service(connection, service))


async def _change_routes(
    connection: Connection,
    service: str,
    provider: str | None,
    change: Change | None,
    by_cost: bool | None,
    by: By,
) -> ServiceRoutes:
    async with connection.transaction():
        number = await find_service(connection, service)
        await route_rows.lock_services(connection, [number])
        routes = (await route_rows.find(connection, [number]))[number]
        if provider is not None and change is not None:
            routes = change(await find_provider(connection, provider), routes)
        cheapest = await route_rows.is_cheapest_first(connection, number) if by_cost is None else by_cost
        await set_routes_in_transaction(connection, number, routes, by_cost=cheapest, by=by)
        return await _read_view(connection, number)


async def route_new_service_in_transaction(
    connection: Connection, service: ServiceId, provider: str | None, provider_service: str | None, *, by: By
) -> bool:
    """Adds the first route of a new service, in the caller's transaction.

    ``provider`` is a name or an id; None: the sandbox, if the panel has one. Otherwise no route is added, and False is
    returned. ``provider_service`` is the provider's own id of the service; for the sandbox and the manual provider it
    is ours. Raises OperatorRefusal if there is no such provider, or if a panel's id of the service is missing.
    """
    if provider_service is not None:
        check_provider_service(provider_service)
        if provider is None:
            raise OperatorRefusal(RefusalCode.ROUTE_NEEDS_PROVIDER)
    row = await _find_first_sandbox(connection) if provider is None else await find_provider(connection, provider)
    if row is None:
        return False
    if provider_service is None and row.kind == PANEL:
        raise OperatorRefusal(RefusalCode.ROUTE_NEEDS_NUMBER, provider=row.name)
    route = RouteTo(row.id, str(service) if provider_service is None else provider_service)
    await set_routes_in_transaction(connection, service, [route], by_cost=False, by=by)
    return True


async def _find_first_sandbox(connection: Connection) -> ProviderRow | None:
    return next((row for row in await provider_rows.providers(connection) if row.kind == SANDBOX), None)


async def set_routes_in_transaction(
    connection: Connection,
    service: ServiceId,
    routes: Sequence[RouteTo],
    *,
    by_cost: bool,
    by: By,
    action: AuditAction = AuditAction.ROUTE_SET,
) -> list[RouteTo]:
    """Writes the routes of a service in the caller's transaction; returns their order: as given or, ``by_cost``, the
    cheapest first.

    ``action`` is the name of the edit in the audit trail.
    """
    check_routes(routes)
    if not await route_rows.lock_services(connection, [service]):
        raise OperatorRefusal(RefusalCode.NO_SUCH_SERVICE, services=[service])
    before = (await route_rows.find(connection, [service]))[service]
    was_by_cost = await route_rows.is_cheapest_first(connection, service)
    order = cheapest_first(routes, await route_rows.costs(connection, routes)) if by_cost else list(routes)
    await route_rows.set_routes(connection, {service: order})
    await route_rows.set_cheapest_first(connection, [service], by_cost)
    await price_sync.refresh_services(connection, [service], by)
    changes = {**routes_changed(before, order), "by_cost": (was_by_cost, by_cost)}
    await audit.note(connection, by, action, [AuditEntry(str(service), changes)])
    return order


async def _read_view(connection: Connection, service: ServiceId) -> ServiceRoutes:
    routes = (await route_rows.find(connection, [service]))[service]
    costs = await route_rows.costs(connection, routes)
    names = {row.id: row.name for row in await provider_rows.providers(connection)}
    views = [RouteView(one.provider, names[one.provider], one.provider_service, costs.get(one)) for one in routes]
    return ServiceRoutes(service, tuple(views))
