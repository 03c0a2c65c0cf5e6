"""``key``: the API keys that customers' programs use."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from msgspec.structs import asdict
from rich.markup import escape
from rich.table import Table

from opensmm.actions import customers
from opensmm.actions.customers import NewKey, fresh_key, imported_key
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
    listing,
    standing,
    typed,
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
    "a key in the command's words is seen by everyone on this machine, and stays in the shell's history: leave it out"
    " to be asked for it, name a --key-file, or pipe it in with --key-file -"
)
_MISSING_KEY: Final = "the key is missing: name a --key-file, or pipe it in with --key-file -"
Label = Annotated[str, typer.Option("--label", help="A name for the key, for the operator's eyes.")]
TitleCase = Annotated[
    bool | None,
    typer.Option(
        "--title-case/--page-case",
        help="v1 answers this key in v2's status words (In progress, Completed), or in its page's. Unsaid: as the "
        "client needs it.",
    ),
]
AsPanel = Annotated[
    bool | None,
    typer.Option(
        "--as-panel/--as-page",
        help="This key is a v1 panel's: v1 tells the runs of a drip-feed and the orders of a subscription, and reads "
        "posts=0 as without bound; v2's price list tells dripfeed. Or all as the pages say. Unsaid: as the client "
        "needs it.",
    ),
]
Addresses = Annotated[
    list[str] | None, typer.Option("--address", help="An address the key may be used from; may be repeated.")
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
    """Give a customer one more key; the others stay valid, so that a program can change over in peace."""
    key = fresh_key(label, KeySettings(title_case, tuple(address or ()), as_panel))
    number, kept = _keep(customer, key, data)
    told = f"key {kept} of customer {number}, shown this once: {key.text}"
    answer({"id": kept, "customer": number, "key": key.text}, told, json=json)


@key_verbs.command("import")
def import_key(
    customer: Customer,
    in_words: Annotated[str | None, typer.Argument(metavar="", hidden=True)] = None,
    key_file: Annotated[
        str, typer.Option("--key-file", metavar="FILE", help="Where the key lies; - reads it. Or type it unseen.")
    ] = "",
    label: Label = "",
    title_case: TitleCase = None,
    as_panel: AsPanel = None,
    address: Addresses = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Keep a key from another panel, so that its owner need not change anything but the URL.

    The key is 32 to 64 ASCII characters, as the customer's program has it.
    """
    if in_words is not None:
        fail(_NO_KEY_IN_WORDS, MISUSED)
    key = read_secret(key_file, "the key: ", _MISSING_KEY)
    settings = KeySettings(title_case, tuple(address or ()), as_panel)
    number, kept = _keep(customer, typed(imported_key, key, label, settings), data)
    told = f"the key is key {kept} of customer {number} from now on"  # it was typed unseen
    answer({"id": kept, "customer": number, "key": key}, told, json=json)


@key_verbs.command("edit")
def edit_key(
    key: Annotated[int, typer.Argument(metavar="KEY", help="The key's id, as `key list` tells it.")],
    title_case: TitleCase = None,
    as_panel: AsPanel = None,
    by_client: Annotated[
        bool, typer.Option("--by-client", help="As the client needs it again, where nothing else is said beside.")
    ] = False,
    address: Addresses = None,
    anywhere: Annotated[bool, typer.Option("--anywhere", help="It may be used from any address.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Change how a key is answered, or where it may be used from; its owner keeps the key."""
    if address and anywhere:
        fail("from anywhere, or from these addresses?", MISUSED)
    addresses = typed(read_addresses, address) if address else () if anywhere else None
    if title_case is None and as_panel is None and addresses is None and not by_client:
        fail("say what to change", MISUSED)
    changed = with_database(
        standing(data),
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
    done = f"key {key} is changed; it holds everywhere within a second" if changed else f"key {key} was so before"
    answer({"id": key, "changed": changed}, done, json=json)


def _keep(customer: str, key: NewKey, data: Path | None) -> tuple[CustomerId, KeyId]:
    config = standing(data)

    async def work(connection: Connection) -> tuple[CustomerId, KeyId]:
        number = await find_customer(connection, customer)
        return number, await customers.add_key(connection, number, key, await find_pepper(connection, config), by=by())

    return with_database(config, work)


@key_verbs.command("list")
def list_keys(
    customer: Annotated[
        str | None, typer.Argument(metavar="[CUSTOMER]", help="The customer's id or name; else all keys.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show live keys: whose they are, how they end, and what is set of them."""

    async def work(connection: Connection) -> list[CustomerDetails]:
        only = None if customer is None else await find_customer(connection, customer)
        return await customer_rows.listed(connection, only)

    found = [(one, key) for one in with_database(standing(data), work) for key in one.keys]
    if json:
        told = [{**asdict(key), "customer": one.id, "customer_name": one.name} for one, key in found]
        answer({"keys": told}, "", json=True)
        return
    table = Table("id", "ends in", "customer", "label", "set", box=None, pad_edge=False)
    for one, key in found:
        said = (str(key.id), key.hint, f"{one.id} {one.name}", key.label, ", ".join(_settings(key)))
        table.add_row(*map(escape, said))
    listing(table, "no live keys: `opensmm key add` makes one")


@key_verbs.command("revoke")
def revoke_key(
    keys: Annotated[list[int], typer.Argument(metavar="KEY...", help="Ids of keys, as `key add` told them.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Revoke keys for good; within a second they open nothing any more."""
    which = [KeyId(key) for key in keys]
    revoked = with_database(standing(data), lambda connection: customers.revoke_keys(connection, which, by=by()))
    answer({"revoked": revoked}, _revoked_words(revoked), json=json)
    if len(revoked) < len(set(keys)):
        raise typer.Exit(FAILED)


def _revoked_words(revoked: Sequence[KeyId]) -> str:
    if not revoked:
        return "there is no such key, or it was revoked before; nothing changed"
    return f"revoked: {'key' if len(revoked) == 1 else 'keys'} {', '.join(map(str, revoked))}"


def described(key: KeyDetails) -> str:
    """A key by its number and end, with what the operator has set of it."""
    said = ", ".join(_settings(key))
    return f"{key.id} …{key.hint} ({said})" if said else f"{key.id} …{key.hint}"


def _settings(key: KeyDetails) -> Iterator[str]:
    if key.title_case is not None:
        yield "title case" if key.title_case else "page case"
    if key.as_panel is not None:
        yield "as panel" if key.as_panel else "as page"
    if key.addresses:
        yield f"only from {' and '.join(key.addresses)}"
