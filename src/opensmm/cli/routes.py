"""``route``: the providers that fulfil a service, and the order in which they are tried."""

from typing import Annotated, Final

import typer
from msgspec import to_builtins
from rich.markup import escape
from rich.table import Table

from opensmm.actions import routes
from opensmm.actions.routes import ServiceRoutes
from opensmm.cli.context import Data, Json, answer, by, out, read_existing_config, with_database

route_verbs: Final = typer.Typer(help="The providers of each service.", no_args_is_help=True)

Service = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's id or name.")]
Who = Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's name or id.")]
ByCost = Annotated[
    bool | None, typer.Option("--by-cost/--as-listed", help="Keep the cheapest first, or keep your order.")
]


@route_verbs.command("add")
def add(
    service: Service,
    provider: Who,
    theirs: Annotated[str, typer.Argument(metavar="THEIR_SERVICE", help="The provider's id of the service.")],
    first: Annotated[bool, typer.Option("--first", help="Try this provider first.")] = False,
    by_cost: ByCost = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Add a provider to a service. It is tried when it is proved that the providers before it refused an order."""
    added = with_database(
        read_existing_config(data),
        lambda connection: routes.add_route(
            connection, service, provider, theirs, first=first, by_cost=by_cost, by=by()
        ),
    )  # fmt: skip
    _show(added, json=json)


@route_verbs.command("remove")
def remove(service: Service, provider: Who, data: Data = None, json: Json = False) -> None:
    """Remove a provider from a service. Orders that it has are still polled."""
    left = with_database(
        read_existing_config(data), lambda connection: routes.remove_route(connection, service, provider, by())
    )
    _show(left, json=json)


@route_verbs.command("first")
def put_first(service: Service, provider: Who, data: Data = None, json: Json = False) -> None:
    """Try a provider before the others."""
    moved = with_database(
        read_existing_config(data), lambda connection: routes.put_first(connection, service, provider, by())
    )
    _show(moved, json=json)


@route_verbs.command("order")
def order(
    service: Service,
    by_cost: Annotated[bool, typer.Option("--by-cost/--as-listed", help="The cheapest first, or your order.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Choose the order of a service's providers. Costs are those of their newest price lists."""
    ordered = with_database(
        read_existing_config(data),
        lambda connection: routes.order_routes(connection, service, by_cost=by_cost, by=by()),
    )
    _show(ordered, json=json)


@route_verbs.command("list")
def list_routes(service: Service, data: Data = None, json: Json = False) -> None:
    """Show a service's providers in the order in which they are tried, with their costs."""
    _show(
        with_database(read_existing_config(data), lambda connection: routes.list_routes(connection, service)), json=json
    )


def _show(present: ServiceRoutes, *, json: bool) -> None:
    if json:
        answer(to_builtins(present), "", json=True)
        return
    table = Table("tried", "provider", "its service", "cost", box=None, pad_edge=False)
    for at, route in enumerate(present.routes, 1):
        cost = "unknown" if route.cost is None else str(route.cost)
        table.add_row(str(at), escape(route.provider_name), escape(route.provider_service), cost)
    out.print(
        table if present.routes else f"service {present.service} has no provider yet: `opensmm route add` adds one"
    )
