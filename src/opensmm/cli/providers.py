"""``provider``: the panels and others that fulfil, with their keys, limits and balances."""

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
    refuse,
    with_database,
)
from opensmm.cli.lazy import make_lazy_group
from opensmm.cli.secrets import read_secret
from opensmm.config import Config
from opensmm.domain.call_faults import CallFault
from opensmm.domain.codes import ListWarning, OperatorRefusal
from opensmm.domain.provider_services import ProviderService, ReadPriceList
from opensmm.domain.provider_settings import ProviderSettings, check_provider_key, check_settings
from opensmm.domain.providers import MAX_CALLS_PER_SECOND, MAX_CONCURRENCY, PANEL
from opensmm.runtime.database import find_pepper
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow
from opensmm.texts.sentences import quote_command
from opensmm.texts.speech import ENGLISH

_FOLLOWING: Final = {"sync": "opensmm.cli.price_sync:sync_now", "follow": "opensmm.cli.price_sync:follow"}
provider_verbs: Final = typer.Typer(
    cls=make_lazy_group(_FOLLOWING), help="Who fulfils: other panels, the sandbox, your staff.", no_args_is_help=True
)

KEY_VARIABLE: Final = "OPENSMM_PROVIDER_KEY"

Who = Annotated[str, typer.Argument(metavar="PROVIDER", help="Its name or its id.")]
KeyFile = Annotated[
    str, typer.Option("--key-file", metavar="FILE", help=f"Where its key lies; - reads it. Or set {KEY_VARIABLE}.")
]
Concurrency = Annotated[
    int | None,
    typer.Option("--concurrency", help="Calls at a time, of all workers together.", min=1, max=MAX_CONCURRENCY),
]
PerSecond = Annotated[
    int | None,
    typer.Option("--calls-per-second", help="Of all workers together; 0: no limit.", min=0, max=MAX_CALLS_PER_SECOND),
]
Adds = Annotated[
    int | None,
    typer.Option(
        "--adds-at-a-time",
        help="`add` calls at a time, of all workers together; 0: as many as calls. A new v1 panel begins with 1.",
        min=0,
        max=MAX_CONCURRENCY,
    ),
]
Dialect = Annotated[str | None, typer.Option("--dialect", help="v2 or v1.")]
Agent = Annotated[
    str | None,
    typer.Option("--user-agent", help='The name that calls bear, where it expects one; "": OpenSMM and its version.'),
]
Currency = Annotated[str | None, typer.Option("--currency", help="Three letters: what its balance and rates are in.")]
Rate = Annotated[
    str | None, typer.Option("--exchange-rate", help="The panel's currency for one of the provider's, such as 0.0119.")
]


@provider_verbs.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called here; each name once.")],
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
    """Add a panel to buy from. Its key is asked for, and never shown again; `provider check` tries it out."""
    config = read_config(data)
    wanted = _read_settings(
        name, url, dialect, currency, exchange_rate, concurrency, calls_per_second, user_agent, adds_at_a_time
    )
    _check_settings(wanted, config)
    key = _read_key(key_file)

    async def work(connection: Connection) -> ProviderRow:
        own = await find_pepper(connection, config)
        return await providers.add_provider(connection, wanted, key, own, private=config.private_providers, by=by())

    added = with_database(config, work)
    said = {"id": added.id, "name": added.name, "needs_private_providers": providers.needs_setting(url)}
    words = f"provider {added.id} ({name}) is added; {quote_command('provider', 'check', name)} tries it out"
    answer(said, "\n".join([words, *_explain_private_address(url)]), json=json)


def _check_settings(wanted: ProviderSettings, config: Config) -> None:
    """Ends with a refusal before anybody is asked for a key that would go nowhere."""
    try:
        check_settings(wanted, private=config.private_providers)
    except OperatorRefusal as refused:
        refuse(refused)


def _explain_private_address(url: str) -> list[str]:
    if not providers.needs_setting(url):
        return []
    return [
        "Only OPENSMM_PRIVATE_PROVIDERS=1 allows this address: set it for `opensmm serve` and `opensmm worker` too, "
        "or its orders wait."
    ]


@provider_verbs.command("edit")
def edit(
    provider: Who,
    name: Annotated[str | None, typer.Option("--name")] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="At another host it needs its key again, or --keep-key.")
    ] = None,
    key_file: KeyFile = "",
    ask_key: Annotated[bool, typer.Option("--ask-key", help="Ask for another key.")] = False,
    keep_key: Annotated[bool, typer.Option("--keep-key", help="Its kept key is right at the other host too.")] = False,
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
    """Change a provider. Workers take it over within seconds, and calls under way are not cut off."""
    wanted = _read_settings(
        name, url, dialect, currency, exchange_rate, concurrency, calls_per_second, user_agent, adds_at_a_time
    )
    if not wanted.given and not key_file and not ask_key:
        fail("say what to change", MISUSED)
    config = read_existing_config(data)
    _check_settings(wanted, config)
    key = _read_key(key_file) if key_file or ask_key else ""
    edit = _edit(config, provider, wanted, key, keep_key=keep_key)
    row, names = edit.after, sorted(wanted.given)
    moved = [ENGLISH.field_change(one, getattr(edit.before, one), getattr(row, one)) for one in names]
    words = [f"{row.name}: {', '.join([*(['another key'] if key else []), *moved])}"]
    if url is not None or key:
        words[0] += f"; {quote_command('provider', 'check', row.name)} tries it out"
    needs = providers.needs_setting(row.url) if url is not None else False
    changed = sorted([*names, *(["key"] if key else [])])
    said = {"id": row.id, "name": row.name, "changed": changed, "needs_private_providers": needs}
    answer(said, "\n".join([*words, *(_explain_private_address(row.url) if needs else [])]), json=json)


@provider_verbs.command("enable")
def enable(provider: Who, data: Data = None, json: Json = False) -> None:
    """Have a provider sent orders again."""
    row = _edit(read_existing_config(data), provider, ProviderSettings(enabled=True), "").after
    answer({"id": row.id, "name": row.name, "enabled": True}, f"{row.name} is sent orders from now on", json=json)


@provider_verbs.command("disable")
def disable(provider: Who, data: Data = None, json: Json = False) -> None:
    """Send a provider no more orders: they go to a service's next one, or wait. Those it has are followed."""
    row = _edit(read_existing_config(data), provider, ProviderSettings(enabled=False), "").after
    answer(
        {"id": row.id, "name": row.name, "enabled": False},
        f"{row.name} is sent nothing more; the orders it has are followed",
        json=json,
    )


def _edit(config: Config, provider: str, wanted: ProviderSettings, key: str, *, keep_key: bool = False) -> ProviderEdit:
    private = config.private_providers

    async def work(connection: Connection) -> ProviderEdit:
        own, row = await find_pepper(connection, config), await find_provider(connection, provider)
        return await providers.edit_provider(
            connection, row.id, wanted, key, own, private=private, by=by(), keep_key=keep_key
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
    """What was typed."""
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
    """A key from a file, from standard input, from the environment, or typed unseen; never from the command's words."""
    if not key_file and os.environ.get(KEY_VARIABLE):
        key = os.environ[KEY_VARIABLE]
    else:
        key = read_secret(key_file, "its key: ", f"its key is missing: name a --key-file, or set {KEY_VARIABLE}")
    key = key.strip()
    try:
        check_provider_key(key)
    except OperatorRefusal as refused:
        refuse(refused)
    return key


def _describe(view: ProviderView) -> dict[str, Any]:
    """What is shown of a provider; of its key, whether there is one."""
    row, newest = view.row, view.reading
    said = {name: getattr(row, name) for name in structs.asdict(row) if name != "sealed_key"}
    return said | {
        "fault": ENGLISH.value(row.fault),
        "has_key": row.sealed_key is not None,
        "balance": None if newest is None else newest.balance,
        "balance_at": None if newest is None else newest.at,
        "hours_left": view.hours_left,
        "not_called": view.not_called,
    }


def _encode_provider(view: ProviderView) -> dict[str, Any]:
    """The same, and why it failed last as a code with fields too."""
    fault = view.row.fault
    return _describe(view) | {"fault_reason": fault if isinstance(fault, CallFault) else None}


@provider_verbs.command("list")
def list_providers(data: Data = None, json: Json = False) -> None:
    """Show the providers: whether they are called, how they fare, and how long their balance will last."""
    views = with_database(
        read_existing_config(data), lambda connection: provider_views.list_providers(connection, now())
    )
    if json:
        answer({"providers": list(map(_encode_provider, views))}, "", json=True)
        return
    table = Table("id", "name", "kind", "dialect", "balance", "lasts", "state", box=None, pad_edge=False)
    for one in map(_describe, views):
        balance = "" if one["balance"] is None else f"{one['balance']} {one['currency']}"
        lasts = "" if one["hours_left"] is None else f"{one['hours_left']} h"
        said = (
            str(one["id"]),
            one["name"],
            ENGLISH.field_value("kind", one["kind"]),
            one["dialect"] if one["kind"] == PANEL else "",
            balance,
            lasts,
            _describe_state(one),
        )
        table.add_row(*map(escape, said))
    print_table(table, "no providers yet: `opensmm provider add` adds one")


def _describe_state(one: dict[str, Any]) -> str:
    if not one["enabled"]:
        return "disabled"
    if one["kind"] == PANEL and not one["has_key"]:
        return "has no key"
    if one["not_called"] is not None:
        return f"not called: {ENGLISH.value(one['not_called'])}"
    if one["resting_until"] is not None and one["resting_until"] > now():
        until, failures = ENGLISH.minute(one["resting_until"]), one["failures"]
        return f"paused until {until}, after {failures} failures in a row: {one['fault'][:80]}"
    return "in use"


@provider_verbs.command("show")
def show(provider: Who, data: Data = None, json: Json = False) -> None:
    """Show all that is kept of a provider, but its key."""

    view = with_database(
        read_existing_config(data), lambda connection: provider_views.show_provider(connection, provider, now())
    )
    answer(_encode_provider(view), ENGLISH.field_lines(_describe(view)), json=json)


@provider_verbs.command("check")
def check(
    provider: Who,
    anywhere: Annotated[
        bool, typer.Option("--any-dialect", help="Where it does not answer, try /api/v2 and /api/v1 of its host.")
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Try a provider's address, key and dialect; nothing is ordered. Exits 1 where it cannot be used."""
    config = read_existing_config(data)

    async def work(connection: Connection) -> tuple[CheckResult, ...]:
        return await provider_check.check_provider(
            connection, provider, read_call_settings(config), anywhere=anywhere, by=by()
        )

    tried = with_database(config, work)
    usable = tried[-1].fault is None
    answer({"ok": usable, "tried": list(map(_encode_check, tried))}, "\n".join(map(_format_check, tried)), json=json)
    if not usable:
        raise typer.Exit(1)


def _encode_check(tried: CheckResult) -> dict[str, Any]:
    """For programs: why it cannot be used in words, empty where it can be, and as a code with fields."""
    fault = "" if tried.fault is None else ENGLISH.value(tried.fault)
    return structs.asdict(tried) | {"fault": fault, "fault_reason": tried.fault, "odd": encode_warnings(tried.odd)}


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
    """Ask a provider for the balance it keeps for us, and keep it."""
    config = read_existing_config(data)
    read = with_database(
        config,
        lambda connection: provider_check.read_balance(connection, provider, read_call_settings(config), by=by()),
    )
    row, balance = read.row, f"{read.reading.balance:f}"
    said = {"id": row.id, "name": row.name, "at": read.reading.at, "balance": balance, "currency": read.currency}
    answer(said, f"{row.name}: {balance} {read.currency}", json=json)


@provider_verbs.command("services")
def services(
    provider: Who,
    search: Annotated[str, typer.Option("--search", help="Text in name or category.")] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Fetch a provider's price list and show it; services follow it as with `provider sync`."""
    config = read_existing_config(data)
    read = with_database(
        config, lambda connection: price_sync.sync_provider(connection, provider, read_call_settings(config), by=by())
    )
    row, offered, odd = read.row, read.price_list, read.odd
    wanted = search.lower()
    shown = [one for one in offered.services if wanted in one.name.lower() or wanted in one.category.lower()]
    if json:
        answer(
            {
                "services": [encode_line(one) for one in shown],
                "odd": encode_warnings(odd),
                "reordered": read.result.reordered,
            },
            "",
            json=True,
        )
        return
    table = Table("id", "category", "name", "type", "rate", "min", "max", box=None, pad_edge=False)
    for one in shown:
        kind = one.type.value if one.type else "unknown"
        said = (one.service, one.category, one.name, kind, str(one.rate), str(one.min), str(one.max))
        table.add_row(*map(escape, said))
    print_table(table, f"nothing that {row.name} lists has “{search}” in it" if search else f"{row.name} lists nothing")
    for one_odd in odd:
        out.print(f"warning: {ENGLISH.list_warning(one_odd)}", markup=False)


def encode_warnings(found: Iterable[ListWarning]) -> list[dict[str, Any]]:
    """For programs: what was odd in words, and as codes with fields."""
    return [{"says": ENGLISH.list_warning(one), "code": one.code, "fields": one.fields} for one in found]


def encode_line(one: ProviderService) -> dict[str, Any]:
    """A line of a provider's price list. ``service`` would be ours everywhere else."""
    line = structs.asdict(one)
    return {"provider_service": line.pop("service"), **line}


def fetch_price_list(config: Config, row: ProviderRow) -> tuple[datetime, ReadPriceList]:
    """A provider's price list, and when it was asked for: what it tells may be as old as that."""
    asked = now()
    try:
        return asked, asyncio.run(provider_check.read_price_list(row, read_call_settings(config)))
    except OperatorRefusal as refused:
        refuse(refused)
    except Misconfigured as error:
        give_up(error)


def read_call_settings(config: Config) -> CallSettings:
    """How providers are called from here. Raises Misconfigured where there is no pepper."""
    return CallSettings(config.standing_pepper(), config.provider_timeout_s, config.private_providers)
