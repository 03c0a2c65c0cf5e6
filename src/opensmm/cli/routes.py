"""``route``: which providers fulfil a service, and in which order they are asked."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from opensmm.actions import providers
from opensmm.base.faults import Fault
from opensmm.base.ids import ProviderId, ServiceId
from opensmm.cli.frame import MISUSED, Data, Json, answer, by, fail, out, standing, with_database
from opensmm.config import Config
from opensmm.domain.offers import RouteTo
from opensmm.store import offers
from opensmm.store import providers as rows
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow

route_verbs: Final = typer.Typer(help="Who fulfils which service.", no_args_is_help=True)

MAX_ID_CHARS: Final = 64
Service = Annotated[int, typer.Argument(metavar="SERVICE", help="The service's id.")]
Who = Annotated[str, typer.Argument(metavar="PROVIDER", help="Its name or its id.")]
ByCost = Annotated[
    bool | None, typer.Option("--by-cost/--as-listed", help="Keep the cheapest first, or the order they stand in.")
]
Change = Callable[[list[RouteTo], ProviderRow], list[RouteTo]]


@route_verbs.command("add")
def add(
    service: Service,
    provider: Who,
    theirs: Annotated[str, typer.Argument(metavar="THEIR_SERVICE", help="The provider's own id of it.")],
    first: Annotated[bool, typer.Option("--first", help="Ask this provider first.")] = False,
    by_cost: ByCost = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Have one more provider fulfil a service: it is asked when those before it have refused, which must be proved."""
    check_theirs(theirs)

    def change(routes: list[RouteTo], row: ProviderRow) -> list[RouteTo]:
        wanted = RouteTo(row.id, theirs)
        if wanted in routes:
            raise Fault(f"{row.name} fulfils service {service} with its {theirs} already")
        return [wanted, *routes] if first else [*routes, wanted]

    _answer(service, _changed(standing(data), service, provider, change, by_cost), json=json)


def check_theirs(theirs: str) -> None:
    if not (theirs.isascii() and theirs.isprintable() and 0 < len(theirs) <= MAX_ID_CHARS):
        fail(f"a service of theirs is named by 1 to {MAX_ID_CHARS} visible ASCII characters", MISUSED)


@route_verbs.command("remove")
def remove(service: Service, provider: Who, data: Data = None, json: Json = False) -> None:
    """Have a provider fulfil a service no more. What it has is followed."""

    def change(routes: list[RouteTo], row: ProviderRow) -> list[RouteTo]:
        kept = [route for route in routes if route.provider != row.id]
        if len(kept) == len(routes):
            raise Fault(f"{row.name} does not fulfil service {service}")
        return kept

    _answer(service, _changed(standing(data), service, provider, change, None), json=json)


@route_verbs.command("first")
def put_first(service: Service, provider: Who, data: Data = None, json: Json = False) -> None:
    """Ask a provider before the others."""

    def change(routes: list[RouteTo], row: ProviderRow) -> list[RouteTo]:
        return sorted(routes, key=lambda route: route.provider != row.id)

    _answer(service, _changed(standing(data), service, provider, change, False), json=json)


@route_verbs.command("order")
def order(
    service: Service,
    by_cost: Annotated[bool, typer.Option("--by-cost/--as-listed", help="The cheapest first, or as they stand.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Choose the order of a service's providers. Costs are those of the price lists that were last fetched."""
    _answer(service, _changed(standing(data), service, None, None, by_cost), json=json)


@route_verbs.command("list")
def list_routes(service: Service, data: Data = None, json: Json = False) -> None:
    """Show a service's providers in the order they are asked, with what they cost."""
    found = with_database(standing(data), lambda connection: _listed(connection, ServiceId(service)))
    _answer(service, found, json=json)


def _changed(
    config: Config, service: int, provider: str | None, change: Change | None, by_cost: bool | None
) -> list[dict[str, Any]]:
    """Changes a service's routes in one transaction; returns them as they are then."""
    which = ServiceId(service)

    async def work(connection: Connection) -> list[dict[str, Any]]:
        async with connection.transaction():
            await offers.lock_services(connection, [which])
            routes = (await offers.routes(connection, [which]))[which]
            if change is not None and provider is not None:
                row = await rows.named(connection, provider)
                if row is None:
                    raise Fault(f"there is no provider {provider!r}")
                routes = change(routes, row)
            cheapest = await offers.stands_by_cost(connection, which) if by_cost is None else by_cost
            await providers.set_routes(connection, which, routes, by_cost=cheapest, by=by())
            return await _listed(connection, which)

    return with_database(config, work)


async def _listed(connection: Connection, service: ServiceId) -> list[dict[str, Any]]:
    routes = (await offers.routes(connection, [service]))[service]
    costs = await offers.costs(connection, routes)
    names: dict[ProviderId, str] = {row.id: row.name for row in await rows.providers(connection)}
    return [
        {"provider": names.get(one.provider, "?"), "service": one.provider_service, "cost": costs.get(one)}
        for one in routes
    ]


def _answer(service: int, routes: Sequence[dict[str, Any]], *, json: bool) -> None:
    if json:
        answer({"service": service, "routes": routes}, "", json=True)
        return
    table = Table("", "provider", "their service", "cost", box=None, pad_edge=False)
    for at, one in enumerate(routes, 1):
        cost = "unknown" if one["cost"] is None else str(one["cost"])
        table.add_row(str(at), escape(one["provider"]), escape(one["service"]), cost)
    out.print(table)
