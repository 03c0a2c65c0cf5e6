"""``route``: which providers fulfil a service, and in which order they are asked."""

from typing import Annotated, Final

import typer
from msgspec import to_builtins
from rich.markup import escape
from rich.table import Table

from opensmm.actions import routes
from opensmm.actions.routes import ServiceRoutes
from opensmm.cli.context import Data, Json, answer, by, out, read_existing_config, with_database

route_verbs: Final = typer.Typer(help="Who fulfils which service.", no_args_is_help=True)

Service = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's id or name.")]
Who = Annotated[str, typer.Argument(metavar="PROVIDER", help="Its name or its id.")]
ByCost = Annotated[
    bool | None, typer.Option("--by-cost/--as-listed", help="Keep the cheapest first, or the order they stand in.")
]


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
    added = with_database(
        read_existing_config(data),
        lambda connection: routes.add_route(
            connection, service, provider, theirs, first=first, by_cost=by_cost, by=by()
        ),
    )  # fmt: skip
    _show(added, json=json)


@route_verbs.command("remove")
def remove(service: Service, provider: Who, data: Data = None, json: Json = False) -> None:
    """Have a provider fulfil a service no more. What it has is followed."""
    left = with_database(
        read_existing_config(data), lambda connection: routes.remove_route(connection, service, provider, by())
    )
    _show(left, json=json)


@route_verbs.command("first")
def put_first(service: Service, provider: Who, data: Data = None, json: Json = False) -> None:
    """Ask a provider before the others."""
    moved = with_database(
        read_existing_config(data), lambda connection: routes.put_first(connection, service, provider, by())
    )
    _show(moved, json=json)


@route_verbs.command("order")
def order(
    service: Service,
    by_cost: Annotated[bool, typer.Option("--by-cost/--as-listed", help="The cheapest first, or as they stand.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Choose the order of a service's providers. Costs are those of the price lists that were last fetched."""
    ordered = with_database(
        read_existing_config(data),
        lambda connection: routes.order_routes(connection, service, by_cost=by_cost, by=by()),
    )
    _show(ordered, json=json)


@route_verbs.command("list")
def list_routes(service: Service, data: Data = None, json: Json = False) -> None:
    """Show a service's providers in the order they are asked, with what they cost."""
    _show(
        with_database(read_existing_config(data), lambda connection: routes.list_routes(connection, service)), json=json
    )


def _show(found: ServiceRoutes, *, json: bool) -> None:
    if json:
        answer(to_builtins(found), "", json=True)
        return
    table = Table("asked", "provider", "its service", "cost", box=None, pad_edge=False)
    for at, route in enumerate(found.routes, 1):
        cost = "unknown" if route.cost is None else str(route.cost)
        table.add_row(str(at), escape(route.provider_name), escape(route.provider_service), cost)
    out.print(table if found.routes else f"nobody fulfils service {found.service} yet: `opensmm route add` says who")
