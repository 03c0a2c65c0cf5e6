"""``customer``: the panel's customers, and whether they may order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from msgspec.structs import asdict
from rich.markup import escape
from rich.table import Table

from opensmm.actions import customers
from opensmm.actions.customers import make_first_key
from opensmm.actions.references import find_customer
from opensmm.base.ids import CustomerId
from opensmm.base.money import format_amount
from opensmm.cli.context import (
    Customer,
    Data,
    Json,
    answer,
    by,
    print_table,
    read_config,
    read_existing_config,
    with_database,
)
from opensmm.cli.keys import AsPanel, TitleCase, describe_key
from opensmm.domain.amounts import read_amount
from opensmm.domain.customers import check_customer_name
from opensmm.runtime.database import find_pepper
from opensmm.store import customers as customer_rows
from opensmm.store.api_keys import KeySettings
from opensmm.store.connection import Connection
from opensmm.store.customers import CustomerDetails

customer_verbs: Final = typer.Typer(help="Customers of the panel.", no_args_is_help=True)


@customer_verbs.command("add")
def add_customer(
    name: Annotated[str, typer.Option("--name", help="The customer's name; no two have the same.")],
    balance: Annotated[str, typer.Option("--balance", help="A first top-up, such as 10.00.")] = "0",
    title_case: TitleCase = None,
    as_panel: AsPanel = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Add a customer with an API key. The key is shown only once."""
    check_customer_name(name)
    config, first = read_config(data), read_amount(balance)
    key = make_first_key(KeySettings(title_case, as_panel=as_panel))

    async def work(connection: Connection) -> CustomerId:
        return await customers.add_customer(
            connection, name, first, key, await find_pepper(connection, config), by=by()
        )

    customer = with_database(config, work)
    balance = format_amount(first)
    text = f"customer {customer} ({name}) is added, with a balance of {balance}\nkey, shown only once: {key.text}"
    answer({"id": customer, "name": name, "balance": balance, "key": key.text}, text, json=json)


@customer_verbs.command("list")
def list_customers(data: Data = None, json: Json = False) -> None:
    """Show the customers, with their balances and keys."""
    details = with_database(read_existing_config(data), customer_rows.list_details)
    if json:
        answer({"customers": [_encode_customer(customer) for customer in details]}, "", json=True)
        return
    table = Table("id", "name", "balance", "keys (with their last characters)", "", box=None, pad_edge=False)
    for customer in details:
        keys, marks = ", ".join(map(describe_key, customer.keys)), ", ".join(_list_marks(customer))
        table.add_row(str(customer.id), escape(customer.name), format_amount(customer.balance), escape(keys), marks)
    print_table(table, "no customers yet: `opensmm customer add` adds one")


def _encode_customer(customer: CustomerDetails) -> dict[str, Any]:
    keys = [asdict(key) for key in customer.keys]
    amounts = {name: format_amount(getattr(customer, name)) for name in ("balance", "credit_limit", "overdrawn")}
    return {**asdict(customer), **amounts, "keys": keys}


def _list_marks(customer: CustomerDetails) -> Iterator[str]:
    if customer.suspended:
        yield "suspended"
    if customer.credit_limit:
        yield f"credit limit {format_amount(customer.credit_limit)}"
    if customer.overdrawn:
        yield f"overdrawn by {format_amount(customer.overdrawn)}"


@customer_verbs.command("suspend")
def suspend(customer: Customer, data: Data = None, json: Json = False) -> None:
    """Stop a customer from placing orders; it may still read."""
    _set_suspended(customer, data, json, suspended=True)


@customer_verbs.command("resume")
def resume(customer: Customer, data: Data = None, json: Json = False) -> None:
    """Let a suspended customer place orders again."""
    _set_suspended(customer, data, json, suspended=False)


def _set_suspended(customer: str, data: Path | None, json: bool, *, suspended: bool) -> None:
    async def work(connection: Connection) -> CustomerId:
        number = await find_customer(connection, customer)
        await customers.set_suspended(connection, number, suspended, by=by())
        return number

    number = with_database(read_existing_config(data), work)
    text = f"customer {number} {'is suspended' if suspended else 'may order'}"
    answer({"id": number, "suspended": suspended}, text, json=json)
