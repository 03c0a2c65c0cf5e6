"""``provider``: panels and others that fulfil orders, with their keys, limits and balances."""

import asyncio
import os
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final

import typer
from msgspec import structs
from rich.markup import escape
from rich.table import Table

from opensmm.actions import price_sync, provider_check, provider_views, providers
from opensmm.actions.provider_check import CallSettings, CheckResult
from opensmm.actions.provider_views import ProviderView
from opensmm.actions.providers import ProviderEdit
from opensmm.actions.references import find_provider
from opensmm.base.errors import Misconfigured
from opensmm.cli.context import (
    MISUSED,
    Data,
    Json,
    answer,
    by,
    fail,
    give_up,
    now,
    out,
    print_table,
    read_config,
    read_existing_config,
    read_number,
    with_database,
)
from opensmm.cli.lazy import make_lazy_group
from opensmm.cli.secrets import read_secret
from opensmm.config import Config
from opensmm.domain.call_faults import CallFault
from opensmm.domain.codes import ListWarning
from opensmm.domain.provider_services import ProviderService, ReadPriceList
from opensmm.domain.provider_settings import ProviderSettings, check_provider_key, check_settings
from opensmm.domain.providers import MAX_CALLS_PER_SECOND, MAX_CONCURRENCY, PANEL
from opensmm.runtime.database import find_pepper
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow
from opensmm.texts.sentences import quote_command
from opensmm.texts.speech import ENGLISH

_FOLLOWING: Final = {"sync": "opensmm.cli.price_sync:sync_now", "follow": "opensmm.cli.price_sync:follow"}
"""Verbs of this group in another file."""
provider_verbs: Final = typer.Typer(
    cls=make_lazy_group(_FOLLOWING), help="Providers: other panels, the sandbox, your staff.", no_args_is_help=True
)

KEY_VARIABLE: Final = "OPENSMM_PROVIDER_KEY"

Who = Annotated[str, typer.Argument(metavar="PROVIDER", help="The provider's name or id.")]
KeyFile = Annotated[
    str,
    typer.Option(
        "--key-file", metavar="FILE", help=f"The file with its key; - for standard input. Or set {KEY_VARIABLE}."
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", help="Calls at the same time, of all workers together.", min=1, max=MAX_CONCURRENCY),
]
PerSecond = Annotated[
    int | None,
    typer.Option(
        "--calls-per-second",
        help="Calls a second, of all workers together; 0: no limit.",
        min=0,
        max=MAX_CALLS_PER_SECOND,
    ),
]
Adds = Annotated[
    int | None,
    typer.Option(
        "--adds-at-a-time",
        help="`add` calls at the same time, of all workers together; 0: as many as other calls. A new v1 panel has 1.",
        min=0,
        max=MAX_CONCURRENCY,
    ),
]
Dialect = Annotated[str | None, typer.Option("--dialect", help="v2 or v1.")]
Agent = Annotated[
    str | None,
    typer.Option("--user-agent", help='The User-Agent of calls, if it expects one; "": OpenSMM and its version.'),
]
Currency = Annotated[
    str | None, typer.Option("--currency", help="The currency of its balance and rates, three letters.")
]
Rate = Annotated[
    str | None,
    typer.Option(
        "--exchange-rate", help="The value of one unit of the provider's currency in the panel's, such as 0.0119."
    ),
]


@provider_verbs.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name here; no two have the same.")],
    url: Annotated[str, typer.Option("--url", help="Its API's address, such as https://panel.example/api/v2.")],
    key_file: KeyFile = "",
    dialect: Dialect = None,
    currency: Currency = None,
    exchange_rate: Rate = None,
    concurrency: Concurrency = None,
    calls_per_second: PerSecond = None,
    user_agent: Agent = None,
    adds_at_a_time: Adds = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Add a panel to buy from. You are asked for its key, which is never shown again; `provider check` tests it."""
    config = read_config(data)
    settings = _read_settings(
        name, url, dialect, currency, exchange_rate, concurrency, calls_per_second, user_agent, adds_at_a_time
    )
    # Before the operator is asked for a key that would go nowhere.
    check_settings(settings, private=config.private_providers)
    key = _read_key(key_file)

    async def work(connection: Connection) -> ProviderRow:
        own = await find_pepper(connection, config)
        return await providers.add_provider(connection, settings, key, own, private=config.private_providers, by=by())

    added = with_database(config, work)
    fields = {"id": added.id, "name": added.name, "needs_private_providers": providers.needs_setting(url)}
    text = f"provider {added.id} ({name}) is added; {quote_command('provider', 'check', name)} tests it"
    answer(fields, "\n".join([text, *_explain_private_address(url)]), json=json)


def _explain_private_address(url: str) -> list[str]:
    if not providers.needs_setting(url):
        return []
    return [
        "This address needs OPENSMM_PRIVATE_PROVIDERS=1: set it for `opensmm serve` and `opensmm worker` too, "
        "or its orders wait."
    ]


@provider_verbs.command("edit")
def edit(
    provider: Who,
    name: Annotated[str | None, typer.Option("--name", help="Its new name here; no two have the same.")] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Its API's address. Another host needs the key again, or --keep-key.")
    ] = None,
    key_file: KeyFile = "",
    ask_key: Annotated[bool, typer.Option("--ask-key", help="Ask for another key.")] = False,
    keep_key: Annotated[bool, typer.Option("--keep-key", help="Send the stored key to the other host too.")] = False,
    dialect: Dialect = None,
    currency: Currency = None,
    exchange_rate: Rate = None,
    concurrency: Concurrency = None,
    calls_per_second: PerSecond = None,
    user_agent: Agent = None,
    adds_at_a_time: Adds = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Change a provider. Workers apply it within seconds, and running calls are not cut off."""
    settings = _read_settings(
        name, url, dialect, currency, exchange_rate, concurrency, calls_per_second, user_agent, adds_at_a_time
    )
    if not settings.given and not key_file and not ask_key:
        fail("say what to change", MISUSED)
    config = read_existing_config(data)
    check_settings(settings, private=config.private_providers)
    key = _read_key(key_file) if key_file or ask_key else ""
    edit = _edit(config, provider, settings, key, keep_key=keep_key)
    row, names = edit.after, sorted(settings.given)
    changes = [ENGLISH.field_change(name, getattr(edit.before, name), getattr(row, name)) for name in names]
    text = f"{row.name}: {', '.join([*(['another key'] if key else []), *changes])}"
    if url is not None or key:
        text += f"; {quote_command('provider', 'check', row.name)} tests it"
    needs = providers.needs_setting(row.url) if url is not None else False
    changed = sorted([*names, *(["key"] if key else [])])
    fields = {"id": row.id, "name": row.name, "changed": changed, "needs_private_providers": needs}
    answer(fields, "\n".join([text, *(_explain_private_address(row.url) if needs else [])]), json=json)


@provider_verbs.command("enable")
def enable(provider: Who, data: Data = None, json: Json = False) -> None:
    """Send orders to a provider again."""
    row = _edit(read_existing_config(data), provider, ProviderSettings(enabled=True), "").after
    answer({"id": row.id, "name": row.name, "enabled": True}, f"{row.name} gets orders from now on", json=json)


@provider_verbs.command("disable")
def disable(provider: Who, data: Data = None, json: Json = False) -> None:
    """Stop sending orders to a provider: they go to a service's next provider, or wait. Orders that it has are still
    polled."""
    row = _edit(read_existing_config(data), provider, ProviderSettings(enabled=False), "").after
    answer(
        {"id": row.id, "name": row.name, "enabled": False},
        f"{row.name} gets no more orders; the orders that it has are still polled",
        json=json,
    )


def _edit(
    config: Config, provider: str, settings: ProviderSettings, key: str, *, keep_key: bool = False
) -> ProviderEdit:
    private = config.private_providers

    async def work(connection: Connection) -> ProviderEdit:
        own, row = await find_pepper(connection, config), await find_provider(connection, provider)
        return await providers.edit_provider(
            connection, row.id, settings, key, own, private=private, by=by(), keep_key=keep_key
        )

    return with_database(config, work)


def _read_settings(
    name: str | None,
    url: str | None,
    dialect: str | None,
    currency: str | None,
    exchange_rate: str | None,
    concurrency: int | None,
    calls_per_second: int | None,
    user_agent: str | None,
    adds_at_a_time: int | None,
) -> ProviderSettings:
    """Reads the settings that were typed."""
    return ProviderSettings(
        name=name,
        url=url,
        dialect=dialect,
        currency=currency,
        exchange_rate=None if exchange_rate is None else read_number(exchange_rate, "a rate"),
        concurrency=concurrency,
        calls_per_second=calls_per_second,
        user_agent=user_agent,
        adds_at_a_time=adds_at_a_time,
    )


def _read_key(key_file: str) -> str:
    """Reads a key from a file, standard input or the environment, or typed unseen; never from the command itself."""
    if not key_file and os.environ.get(KEY_VARIABLE):
        key = os.environ[KEY_VARIABLE]
    else:
        key = read_secret(key_file, "its key: ", f"its key is missing: name a --key-file, or set {KEY_VARIABLE}")
    key = key.strip()
    check_provider_key(key)
    return key


def _describe(view: ProviderView) -> dict[str, Any]:
    """Returns what is shown of a provider: all fields, but of its key only if there is one."""
    row, newest = view.row, view.reading
    shown = {name: value for name, value in structs.asdict(row).items() if name != "sealed_key"}
    return shown | {
        "fault": ENGLISH.value(row.fault),
        "has_key": row.sealed_key is not None,
        "balance": None if newest is None else newest.balance,
        "balance_at": None if newest is None else newest.at,
        "hours_left": view.hours_left,
        "not_called": view.not_called,
    }


def _encode_provider(view: ProviderView) -> dict[str, Any]:
    """Returns the same for a program, with the last failure as a code with fields too."""
    fault = view.row.fault
    return _describe(view) | {"fault_reason": fault if isinstance(fault, CallFault) else None}


@provider_verbs.command("list")
def list_providers(data: Data = None, json: Json = False) -> None:
    """Show the providers: their state, their balance, and how long it will last."""
    views = with_database(
        read_existing_config(data), lambda connection: provider_views.list_providers(connection, now())
    )
    if json:
        answer({"providers": list(map(_encode_provider, views))}, "", json=True)
        return
    table = Table("id", "name", "kind", "dialect", "balance", "lasts", "state", box=None, pad_edge=False)
    for shown in map(_describe, views):
        balance = "" if shown["balance"] is None else f"{shown['balance']} {shown['currency']}"
        lasts = "" if shown["hours_left"] is None else f"{shown['hours_left']} h"
        row = (
            str(shown["id"]),
            shown["name"],
            ENGLISH.field_value("kind", shown["kind"]),
            shown["dialect"] if shown["kind"] == PANEL else "",
            balance,
            lasts,
            _describe_state(shown),
        )
        table.add_row(*map(escape, row))
    print_table(table, "no providers yet: `opensmm provider add` adds one")


def _describe_state(shown: dict[str, Any]) -> str:
    if not shown["enabled"]:
        return "disabled"
    if shown["kind"] == PANEL and not shown["has_key"]:
        return "has no key"
    if shown["not_called"] is not None:
        return f"not called: {ENGLISH.value(shown['not_called'])}"
    if shown["resting_until"] is not None and shown["resting_until"] > now():
        until, failures = ENGLISH.minute(shown["resting_until"]), shown["failures"]
        return f"paused until {until}, after {failures} failures in a row: {shown['fault'][:80]}"
    return "in use"


@provider_verbs.command("show")
def show(provider: Who, data: Data = None, json: Json = False) -> None:
    """Show everything about a provider, except its key."""
    view = with_database(
        read_existing_config(data), lambda connection: provider_views.show_provider(connection, provider, now())
    )
    answer(_encode_provider(view), ENGLISH.field_lines(_describe(view)), json=json)


@provider_verbs.command("check")
def check(
    provider: Who,
    anywhere: Annotated[
        bool, typer.Option("--any-dialect", help="If it does not answer, try /api/v2 and /api/v1 of its host.")
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Test a provider's address, key and dialect without an order. Exits with 1 if it cannot be used."""
    config = read_existing_config(data)

    async def work(connection: Connection) -> tuple[CheckResult, ...]:
        return await provider_check.check_provider(
            connection, provider, read_call_settings(config), anywhere=anywhere, by=by()
        )

    results = with_database(config, work)
    usable = results[-1].fault is None
    fields = {"ok": usable, "tried": list(map(_encode_check, results))}
    answer(fields, "\n".join(map(_format_check, results)), json=json)
    if not usable:
        raise typer.Exit(1)


def _encode_check(result: CheckResult) -> dict[str, Any]:
    """Returns a check's result for a program, with its fault in words, empty if it is usable, and as a code."""
    fault = "" if result.fault is None else ENGLISH.value(result.fault)
    return structs.asdict(result) | {"fault": fault, "fault_reason": result.fault, "odd": encode_warnings(result.odd)}


def _format_check(tried: CheckResult) -> str:
    if tried.fault is not None:
        return f"{tried.url}: cannot be used: {ENGLISH.value(tried.fault)}"
    types = ", ".join(f"{count} {name}" for name, count in sorted(tried.types.items(), key=lambda pair: -pair[1]))
    lines = [
        f"{tried.url}: answers in {tried.took_ms} ms, speaks {tried.dialect or 'neither dialect clearly'}",
        f"  balance {tried.balance} {tried.currency}",
        f"  {tried.services} services: {types}",
        *(f"  warning: {ENGLISH.list_warning(odd)}" for odd in tried.odd),
        *(f"  {' '.join(filter(None, ENGLISH.finding(note.code, note.fields)))}" for note in tried.notes),
    ]
    return "\n".join(lines)


@provider_verbs.command("balance")
def balance(provider: Who, data: Data = None, json: Json = False) -> None:
    """Read the balance that a provider keeps for you, and store it."""
    config = read_existing_config(data)
    read = with_database(
        config,
        lambda connection: provider_check.read_balance(connection, provider, read_call_settings(config), by=by()),
    )
    row, balance = read.row, f"{read.reading.balance:f}"
    fields = {"id": row.id, "name": row.name, "at": read.reading.at, "balance": balance, "currency": read.currency}
    answer(fields, f"{row.name}: {balance} {read.currency}", json=json)


@provider_verbs.command("services")
def services(
    provider: Who,
    search: Annotated[str, typer.Option("--search", help="Text in name or category.")] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Read a provider's price list and show it. Services are updated from it, as by `provider sync`."""
    config = read_existing_config(data)
    read = with_database(
        config, lambda connection: price_sync.sync_provider(connection, provider, read_call_settings(config), by=by())
    )
    row, part = read.row, search.lower()
    lines = [line for line in read.price_list.services if part in line.name.lower() or part in line.category.lower()]
    if json:
        shown, warnings = list(map(encode_line, lines)), encode_warnings(read.odd)
        answer({"services": shown, "odd": warnings, "reordered": read.result.reordered}, "", json=True)
        return
    table = Table("id", "category", "name", "type", "rate", "min", "max", box=None, pad_edge=False)
    for line in lines:
        kind = line.type.value if line.type else "unknown"
        texts = (line.service, line.category, line.name, kind, str(line.rate), str(line.min), str(line.max))
        table.add_row(*map(escape, texts))
    print_table(table, f"no service of {row.name} contains “{search}”" if search else f"{row.name} lists no services")
    for warning in read.odd:
        out.print(f"warning: {ENGLISH.list_warning(warning)}", markup=False)


def encode_warnings(warnings: Iterable[ListWarning]) -> list[dict[str, Any]]:
    """Returns warnings for a program, in words and as codes with fields."""
    return [{"says": ENGLISH.list_warning(one), "code": one.code, "fields": one.fields} for one in warnings]


def encode_line(line: ProviderService) -> dict[str, Any]:
    """Returns a line of a provider's price list for a program, which knows our own ids as ``service``."""
    fields = structs.asdict(line)
    return {"provider_service": fields.pop("service"), **fields}


def fetch_price_list(config: Config, row: ProviderRow) -> tuple[datetime, ReadPriceList]:
    """Returns a provider's price list, and when it was requested: the list may be as old as that."""
    requested = now()
    try:
        return requested, asyncio.run(provider_check.read_price_list(row, read_call_settings(config)))
    except Misconfigured as error:
        give_up(error)


def read_call_settings(config: Config) -> CallSettings:
    """Returns the settings of calls to providers. Raises Misconfigured if there is no pepper."""
    return CallSettings(config.existing_pepper(), config.provider_timeout_s, config.private_providers)
