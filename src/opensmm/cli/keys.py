"""``key``: the API keys of customers' programs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from msgspec.structs import asdict
from rich.markup import escape
from rich.table import Table

from opensmm.actions import customers
from opensmm.actions.customers import NewKey, make_key, take_over_key
from opensmm.actions.references import find_customer
from opensmm.base.ids import CustomerId, KeyId
from opensmm.cli.context import (
    FAILED,
    MISUSED,
    Customer,
    Data,
    Json,
    answer,
    by,
    fail,
    print_table,
    read_existing_config,
    with_database,
)
from opensmm.cli.secrets import read_secret
from opensmm.domain.api_keys import read_addresses
from opensmm.runtime.database import find_pepper
from opensmm.store import customers as customer_rows
from opensmm.store.api_keys import KeySettings
from opensmm.store.connection import Connection
from opensmm.store.customers import CustomerDetails, KeyDetails

key_verbs: Final = typer.Typer(help="API keys of customers.", no_args_is_help=True)
_NO_KEY_IN_WORDS: Final = (
    "everyone on this machine can see a key in a command, and the shell's history keeps it: leave it out and type it"
    " when asked, name a --key-file, or pipe it in with --key-file -"
)
_MISSING_KEY: Final = "the key is missing: name a --key-file, or pipe it in with --key-file -"
Label = Annotated[str, typer.Option("--label", help="A name for the key, which only the operator sees.")]
TitleCase = Annotated[
    bool | None,
    typer.Option(
        "--title-case/--page-case",
        help="Over v1, answer with v2's status words (In progress, Completed), or with those of v1's page. By default "
        "as the client needs it.",
    ),
]
AsPanel = Annotated[
    bool | None,
    typer.Option(
        "--as-panel/--as-page",
        help="Answer as a v1 panel needs it, or as the pages say. For a panel, v1 shows a drip-feed's runs and a "
        "subscription's orders and reads posts=0 as no limit, and v2's price list shows dripfeed. By default as the "
        "client needs it.",
    ),
]
Addresses = Annotated[
    list[str] | None, typer.Option("--address", help="An address from which the key works; repeatable.")
]


@key_verbs.command("add")
def add_key(
    customer: Customer,
    label: Label = "",
    title_case: TitleCase = None,
    as_panel: AsPanel = None,
    address: Addresses = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Give a customer one more key. The others stay valid, so that its program can switch at any time."""
    key = make_key(label, KeySettings(title_case, tuple(address or ()), as_panel))
    number, key_id = _save_key(customer, key, data)
    text = f"key {key_id} of customer {number}, shown only once: {key.text}"
    answer({"id": key_id, "customer": number, "key": key.text}, text, json=json)


@key_verbs.command("import")
def import_key(
    customer: Customer,
    in_words: Annotated[str | None, typer.Argument(metavar="", hidden=True)] = None,
    key_file: Annotated[
        str,
        typer.Option(
            "--key-file",
            metavar="FILE",
            help="The file with the key; - for standard input. Without it, you are asked for the key.",
        ),
    ] = "",
    label: Label = "",
    title_case: TitleCase = None,
    as_panel: AsPanel = None,
    address: Addresses = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Accept a key from another panel, so that its owner changes only the URL.

    The key is 32 to 64 ASCII characters, as the customer's program has it.
    """
    if in_words is not None:
        fail(_NO_KEY_IN_WORDS, MISUSED)
    key = read_secret(key_file, "the key: ", _MISSING_KEY)
    settings = KeySettings(title_case, tuple(address or ()), as_panel)
    number, key_id = _save_key(customer, take_over_key(key, label, settings), data)
    text = f"the key is now key {key_id} of customer {number}"  # it was typed unseen
    answer({"id": key_id, "customer": number, "key": key}, text, json=json)


@key_verbs.command("edit")
def edit_key(
    key: Annotated[int, typer.Argument(metavar="KEY", help="The key's id, as `key list` shows it.")],
    title_case: TitleCase = None,
    as_panel: AsPanel = None,
    by_client: Annotated[
        bool, typer.Option("--by-client", help="Undo these settings: answer as the client needs it.")
    ] = False,
    address: Addresses = None,
    anywhere: Annotated[bool, typer.Option("--anywhere", help="Allow it from every address.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Change how a key is answered, or from which addresses it works. The key stays the same."""
    if address and anywhere:
        fail("give either --address or --anywhere, not both", MISUSED)
    addresses = read_addresses(address) if address else () if anywhere else None
    if title_case is None and as_panel is None and addresses is None and not by_client:
        fail("say what to change", MISUSED)
    changed = with_database(
        read_existing_config(data),
        lambda connection: customers.edit_key(
            connection,
            KeyId(key),
            title_case=title_case,
            as_panel=as_panel,
            by_client=by_client,
            addresses=addresses,
            by=by(),
        ),
    )
    done = (
        f"key {key} is changed; all processes apply it within a second"
        if changed
        else f"key {key} has these settings already; nothing changed"
    )
    answer({"id": key, "changed": changed}, done, json=json)


def _save_key(customer: str, key: NewKey, data: Path | None) -> tuple[CustomerId, KeyId]:
    config = read_existing_config(data)

    async def work(connection: Connection) -> tuple[CustomerId, KeyId]:
        number = await find_customer(connection, customer)
        return number, await customers.add_key(connection, number, key, await find_pepper(connection, config), by=by())

    return with_database(config, work)


@key_verbs.command("list")
def list_keys(
    customer: Annotated[
        str | None, typer.Argument(metavar="[CUSTOMER]", help="The customer's id or name; by default all keys.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show live keys: their customers, last characters and settings."""

    async def work(connection: Connection) -> list[CustomerDetails]:
        only = None if customer is None else await find_customer(connection, customer)
        return await customer_rows.list_details(connection, only)

    owners = with_database(read_existing_config(data), work)
    pairs = [(owner, key) for owner in owners for key in owner.keys]
    if json:
        keys = [{**asdict(key), "customer": owner.id, "customer_name": owner.name} for owner, key in pairs]
        answer({"keys": keys}, "", json=True)
        return
    table = Table("id", "ends in", "customer", "label", "set", box=None, pad_edge=False)
    for owner, key in pairs:
        row = (str(key.id), key.hint, f"{owner.id} {owner.name}", key.label, ", ".join(_list_settings(key)))
        table.add_row(*map(escape, row))
    print_table(table, "no live keys: `opensmm key add` makes one")


@key_verbs.command("revoke")
def revoke_key(
    keys: Annotated[list[int], typer.Argument(metavar="KEY...", help="Ids of keys, as `key list` shows them.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Revoke keys for good. They stop working within a second."""
    which = [KeyId(key) for key in keys]
    revoked = with_database(
        read_existing_config(data), lambda connection: customers.revoke_keys(connection, which, by=by())
    )
    answer({"revoked": revoked}, _describe_revoked(revoked), json=json)
    if len(revoked) < len(set(keys)):
        raise typer.Exit(FAILED)


def _describe_revoked(revoked: Sequence[KeyId]) -> str:
    if not revoked:
        return "there is no such key, or it is revoked already; nothing changed"
    return f"revoked: {'key' if len(revoked) == 1 else 'keys'} {', '.join(map(str, revoked))}"


def describe_key(key: KeyDetails) -> str:
    """Returns a key's id and last characters, with the settings that the operator made."""
    settings = ", ".join(_list_settings(key))
    return f"{key.id} …{key.hint} ({settings})" if settings else f"{key.id} …{key.hint}"


def _list_settings(key: KeyDetails) -> Iterator[str]:
    if key.title_case is not None:
        yield "title case" if key.title_case else "page case"
    if key.as_panel is not None:
        yield "as panel" if key.as_panel else "as page"
    if key.addresses:
        yield f"only from {' and '.join(key.addresses)}"
