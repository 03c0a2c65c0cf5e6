"""``price-list``: own rates for some customers. All others have the list *standard*."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table

from opensmm.actions import price_lists
from opensmm.actions.references import find_customers, find_service
from opensmm.base.ids import CustomerId, ServiceId
from opensmm.cli.context import Data, Json, answer, by, print_table, read_config, read_existing_config, with_database
from opensmm.domain.service_rules import read_price
from opensmm.store import price_lists as rows
from opensmm.store.connection import Connection
from opensmm.store.price_lists import OwnRate

price_list_verbs: Final = typer.Typer(help="Price lists with other rates for some customers.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="LIST", help="The price list's name.")]
Service = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's id or name.")]


@price_list_verbs.command("add")
def add(name: Name, data: Data = None, json: Json = False) -> None:
    """Add a price list. A service without a rate in it costs the service's own rate."""
    added = with_database(read_config(data), lambda connection: price_lists.add(connection, name, by=by()))
    answer({"id": added, "name": name}, f"price list {name} is added", json=json)


@price_list_verbs.command("list")
def list_all(data: Data = None, json: Json = False) -> None:
    """Show the price lists, with the number of their own rates and of their customers."""
    present = with_database(read_existing_config(data), rows.price_lists)
    if json:
        answer({"price_lists": present}, "", json=True)
        return
    table = Table("name", "rates of its own", "customers", box=None, pad_edge=False)
    for price_list in present:
        table.add_row(escape(price_list.name), str(price_list.rates), str(price_list.customers))
    print_table(table, "no price lists yet: `opensmm price-list set` makes one")


@price_list_verbs.command("show")
def show(name: Name, data: Data = None, json: Json = False) -> None:
    """Show the rates of a price list, beside the services' own rates and costs."""

    async def work(connection: Connection) -> list[OwnRate]:
        return await rows.list_rates(connection, await price_lists.find_price_list(connection, name))

    rates = with_database(read_existing_config(data), work)
    if json:
        answer({"price_list": name, "rates": rates}, "", json=True)
        return
    table = Table("id", "name", "rate here", "rate elsewhere", "cost", "", box=None, pad_edge=False)
    for rate in rates:
        below = "below its cost" if rate.cost is not None and rate.rate < rate.cost else ""
        cost = "" if rate.cost is None else str(rate.cost)
        table.add_row(str(rate.service), escape(rate.service_name), str(rate.rate), str(rate.own), cost, below)
    print_table(table, f"{name} has no rates of its own: its customers pay the services' own rates")


@price_list_verbs.command("set")
def set_rate(
    name: Name,
    service: Service,
    rate: Annotated[
        str, typer.Argument(metavar="RATE", help="Per 1000, or for a package; kept as typed, such as 0.90.")
    ],
    data: Data = None,
    json: Json = False,
) -> None:
    """Set a service's rate in a price list, for orders from now on."""
    read = read_price(rate)
    number = _save_rate(name, service, read, data)
    answer(
        {"price_list": name, "service": number, "rate": str(read)},
        f"price list {name}: service {number} costs {read}",
        json=json,
    )


@price_list_verbs.command("unset")
def unset_rate(name: Name, service: Service, data: Data = None, json: Json = False) -> None:
    """Remove a service's rate from a price list: it costs its own rate again."""
    number = _save_rate(name, service, None, data)
    answer(
        {"price_list": name, "service": number, "rate": None},
        f"price list {name}: service {number} costs its own rate",
        json=json,
    )


def _save_rate(name: str, service: str, rate: Decimal | None, data: Path | None) -> ServiceId:
    async def work(connection: Connection) -> ServiceId:
        number = await find_service(connection, service)
        await price_lists.set_rates(connection, name, {number: rate}, by=by())
        return number

    return with_database(read_existing_config(data), work)


@price_list_verbs.command("assign")
def assign(
    name: Name,
    customer: Annotated[list[str], typer.Argument(metavar="CUSTOMER...", help="Customers by their ids or names.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Give customers a price list, from their next order on. `assign standard` takes it away again."""

    async def work(connection: Connection) -> list[CustomerId]:
        numbers = await find_customers(connection, customer)
        await price_lists.assign(connection, name, numbers, by=by())
        return numbers

    numbers = with_database(read_existing_config(data), work)
    have = "1 customer has" if len(numbers) == 1 else f"{len(numbers)} customers have"
    answer({"price_list": name, "customers": numbers}, f"{have} price list {name} now", json=json)
