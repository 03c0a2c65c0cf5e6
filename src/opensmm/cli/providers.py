"""``provider``: the panels and others that fulfil, with their keys, limits and balances."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit

import typer
from msgspec import structs
from rich.markup import escape
from rich.table import Table

from opensmm.actions import providers, sync, trying
from opensmm.actions.references import find_provider
from opensmm.actions.sync import Doubtful, Overtaken
from opensmm.actions.trying import Kept, Note, Tried
from opensmm.base.faults import Fault
from opensmm.base.ids import ProviderId, ServiceId
from opensmm.base.money import short
from opensmm.cli.frame import (
    MISUSED,
    Data,
    Json,
    answer,
    by,
    configured,
    fail,
    listing,
    named,
    now,
    number,
    out,
    pepper,
    refuse,
    standing,
    with_database,
)
from opensmm.cli.lazy import lazy_group
from opensmm.cli.secrets import read_secret
from opensmm.config import Config
from opensmm.domain.callers import is_key
from opensmm.domain.codes import FindingCode, OddCode, Oddity, OperatorRefusal, ShutCode
from opensmm.domain.health import shut_at_workers
from opensmm.domain.offers import Offer, Offered
from opensmm.domain.providers import (
    KEY_CHARS,
    MAX_CALLS_PER_SECOND,
    MAX_CONCURRENCY,
    MAX_NAME,
    PANEL,
    Reading,
    hours_left,
)
from opensmm.providers.client import Client, NoAnswer
from opensmm.store import providers as rows
from opensmm.store import workers
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow
from opensmm.texts import fields
from opensmm.texts import words as texts

_FOLLOWING: Final = {"sync": "opensmm.cli.sync:sync_now", "follow": "opensmm.cli.sync:follow"}
provider_verbs: Final = typer.Typer(
    cls=lazy_group(_FOLLOWING), help="Who fulfils: other panels, the sandbox, your staff.", no_args_is_help=True
)

KEY_VARIABLE: Final = "OPENSMM_PROVIDER_KEY"
POLITE_CONCURRENCY: Final = 16
Result = TypeVar("Result")

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
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What it is called here; each name once.", callback=named)
    ],
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
    config = configured(data)
    _check_address(url, config)
    wanted = ProviderRow(
        id=ProviderId(0), name=name, kind=PANEL, url=url, dialect="v2", failures=0, exchange_rate=Decimal(1),
        currency="USD", enabled=True, concurrency=POLITE_CONCURRENCY, calls_per_second=0, adds_at_a_time=None,
        resting_until=None, fault="", sealed_key=None,
    )  # fmt: skip
    spoken = dialect or ("v1" if urlsplit(url).path.rstrip("/").endswith("/v1") else None)
    changes = _changes(
        name, None, spoken, currency, exchange_rate, concurrency, calls_per_second, user_agent, adds_at_a_time
    )
    key, private = _key(key_file), config.private_providers

    async def work(connection: Connection) -> ProviderId:
        row, own = structs.replace(wanted, **changes), await pepper(connection, config)
        return await providers.add_provider(connection, row, key, own, private=private, by=by())

    added = with_database(config, work)
    said = {"id": added, "name": name, "needs_private_providers": providers.needs_setting(url)}
    words = f"provider {added} ({name}) is added; {texts.command('provider', 'check', name)} tries it out"
    answer(said, "\n".join([words, *_setting_words(url)]), json=json)


def _check_address(url: str, config: Config) -> None:
    """Ends with a refusal before anybody is asked for a key that would go nowhere."""
    try:
        providers.check_address(url, private=config.private_providers)
    except OperatorRefusal as refused:
        refuse(refused)


def _setting_words(url: str) -> list[str]:
    if not providers.needs_setting(url):
        return []
    return [
        "Only OPENSMM_PRIVATE_PROVIDERS=1 allows this address: set it for `opensmm serve` and `opensmm worker` too, "
        "or its orders wait."
    ]


@provider_verbs.command("edit")
def edit(
    provider: Who,
    name: Annotated[str | None, typer.Option("--name", callback=named)] = None,
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
    changes = _changes(
        name, url, dialect, currency, exchange_rate, concurrency, calls_per_second, user_agent, adds_at_a_time
    )
    if not changes and not key_file and not ask_key:
        fail("say what to change", MISUSED)
    config = standing(data)
    if url is not None:
        _check_address(url, config)
    key = _key(key_file) if key_file or ask_key else ""
    changed = sorted([*changes, *(["key"] if key else [])])
    before, row = _edit(config, provider, changes, key, keep_key=keep_key)
    moved = [fields.change(name, getattr(before, name), changes[name]) for name in sorted(changes)]
    words = [f"{row.name}: {', '.join([*(['another key'] if key else []), *moved])}"]
    if url is not None or key:
        words[0] += f"; {texts.command('provider', 'check', row.name)} tries it out"
    needs = providers.needs_setting(row.url) if url is not None else False
    said = {"id": row.id, "name": row.name, "changed": changed, "needs_private_providers": needs}
    answer(said, "\n".join([*words, *(_setting_words(row.url) if needs else [])]), json=json)


@provider_verbs.command("enable")
def enable(provider: Who, data: Data = None, json: Json = False) -> None:
    """Have a provider sent orders again."""
    _, row = _edit(standing(data), provider, {"enabled": True}, "")
    answer({"id": row.id, "name": row.name, "enabled": True}, f"{row.name} is sent orders from now on", json=json)


@provider_verbs.command("disable")
def disable(provider: Who, data: Data = None, json: Json = False) -> None:
    """Send a provider no more orders: they go to a service's next one, or wait. Those it has are followed."""
    _, row = _edit(standing(data), provider, {"enabled": False}, "")
    answer(
        {"id": row.id, "name": row.name, "enabled": False},
        f"{row.name} is sent nothing more; the orders it has are followed",
        json=json,
    )


def _edit(
    config: Config, provider: str, changes: dict[str, Any], key: str, *, keep_key: bool = False
) -> tuple[ProviderRow, ProviderRow]:
    """Returns the provider before and after."""

    async def work(connection: Connection) -> tuple[ProviderRow, ProviderRow]:
        own = await pepper(connection, config)
        async with connection.transaction():
            known = await rows.lock(connection, (await find_provider(connection, provider)).id)
            assert known is not None
            private = config.private_providers
            changed = structs.replace(known, **changes)
            await providers.edit_provider(connection, changed, key, own, private=private, by=by(), keep_key=keep_key)
            return known, changed

    return with_database(config, work)


async def _loaded(connection: Connection, provider: str) -> tuple[Kept, list[Note]]:
    """The provider, and what is told where the workers cannot call it, whatever this shell can."""
    row = await find_provider(connection, provider)
    why = (await _shut(connection, now())).get(row.id)
    told = {"provider": row.id, "provider_name": row.name, "why": why}
    return await trying.load(connection, row), [] if why is None else [Note(FindingCode.WORKERS_CANNOT_CALL, told)]


def _changes(
    name: str | None,
    url: str | None,
    dialect: str | None,
    currency: str | None,
    exchange_rate: str | None,
    concurrency: int | None,
    calls_per_second: int | None,
    user_agent: str | None,
    adds_at_a_time: int | None,
) -> dict[str, Any]:
    """What was typed, looked at; what was not typed is left out."""
    if name is not None and not (name.strip() and name.isprintable() and len(name) <= MAX_NAME):
        fail(f"a name has 1 to {MAX_NAME} visible characters", MISUSED)
    if dialect not in (None, "v1", "v2"):
        fail("a dialect is v2 or v1", MISUSED)
    if currency is not None and not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        fail("a currency is three letters", MISUSED)
    told = {
        "name": name, "url": url, "dialect": dialect, "currency": currency and currency.upper(),
        "exchange_rate": None if exchange_rate is None else _rate(exchange_rate), "concurrency": concurrency,
        "calls_per_second": calls_per_second, "user_agent": user_agent, "adds_at_a_time": adds_at_a_time,
    }  # fmt: skip
    return {field: value for field, value in told.items() if value is not None}


def _rate(text: str) -> Decimal:
    rate = number(text, "a rate")
    if not 0 < rate < 10**9:
        fail("an exchange rate is above 0 and below 1000000000", MISUSED)
    return rate


def _key(key_file: str) -> str:
    """A key from a file, from standard input, from the environment, or typed unseen; never from the command's words."""
    if not key_file and os.environ.get(KEY_VARIABLE):
        key = os.environ[KEY_VARIABLE]
    else:
        key = read_secret(key_file, "its key: ", f"its key is missing: name a --key-file, or set {KEY_VARIABLE}")
    key, (least, most) = key.strip(), KEY_CHARS
    if not is_key(key, KEY_CHARS):
        fail(f"a key has {least} to {most} visible ASCII characters", MISUSED)
    return key


def _told(
    row: ProviderRow, readings: Sequence[Reading], at: datetime, shut: Mapping[ProviderId, ShutCode]
) -> dict[str, Any]:
    """What is shown of a provider; of its key, whether there is one. ``shut``: those that the workers cannot call."""
    newest = readings[-1] if readings else None
    said = {name: getattr(row, name) for name in structs.asdict(row) if name != "sealed_key"}
    return said | {
        "has_key": row.sealed_key is not None,
        "balance": None if newest is None else newest.balance,
        "balance_at": None if newest is None else newest.at,
        "hours_left": hours_left(readings, at),
        "not_called": shut.get(row.id),
    }


async def _shut(connection: Connection, at: datetime) -> Mapping[ProviderId, ShutCode]:
    return shut_at_workers(await workers.seen(connection), at) or {}


async def _listed(connection: Connection) -> list[dict[str, Any]]:
    known = await rows.providers(connection)
    readings, at = await rows.readings(connection), now()
    shut = await _shut(connection, at)
    return [_told(row, readings.get(row.id, []), at, shut) for row in known]


@provider_verbs.command("list")
def list_providers(data: Data = None, json: Json = False) -> None:
    """Show the providers: whether they are called, how they fare, and how long their balance will last."""
    known = with_database(standing(data), _listed)
    if json:
        answer({"providers": known}, "", json=True)
        return
    table = Table("id", "name", "kind", "dialect", "balance", "lasts", "state", box=None, pad_edge=False)
    for one in known:
        balance = "" if one["balance"] is None else f"{one['balance']} {one['currency']}"
        lasts = "" if one["hours_left"] is None else f"{one['hours_left']} h"
        said = (
            str(one["id"]),
            one["name"],
            fields.KINDS[one["kind"]],
            one["dialect"] if one["kind"] == PANEL else "",
            balance,
            lasts,
            _fares(one),
        )
        table.add_row(*map(escape, said))
    listing(table, "no providers yet: `opensmm provider add` adds one")


def _fares(one: dict[str, Any]) -> str:
    if not one["enabled"]:
        return "disabled"
    if one["kind"] == PANEL and not one["has_key"]:
        return "has no key"
    if one["not_called"] is not None:
        return f"not called: {texts.shown(one['not_called'])}"
    if one["resting_until"] is not None and one["resting_until"] > now():
        until, failures = texts.minute(one["resting_until"]), one["failures"]
        return f"sent nothing until {until}, after {failures} failures in a row: {one['fault'][:80]}"
    return "in use"


@provider_verbs.command("show")
def show(provider: Who, data: Data = None, json: Json = False) -> None:
    """Show all that is kept of a provider, but its key."""

    async def work(connection: Connection) -> dict[str, Any]:
        row = await find_provider(connection, provider)
        readings = await rows.readings(connection)
        at = now()
        return _told(row, readings.get(row.id, []), at, await _shut(connection, at))

    said = with_database(standing(data), work)
    answer(said, fields.lines(said), json=json)


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
    config = standing(data)
    kept, shut = with_database(config, lambda connection: _loaded(connection, provider))
    private, timeout_s = config.private_providers, config.provider_timeout_s
    try:
        tried = asyncio.run(
            trying.try_out(kept, config.standing_pepper(), timeout_s, private=private, anywhere=anywhere)
        )
    except OperatorRefusal as refused:
        refuse(refused)
    except Fault as error:
        fail(str(error))
    with_database(config, lambda connection: trying.keep_forms(connection, kept.row, tried[-1]))
    tried = (*tried[:-1], structs.replace(tried[-1], notes=(*shut, *tried[-1].notes)))
    told = [structs.asdict(one) | {"odd": plain_odd(one.odd)} for one in tried]
    answer({"ok": not tried[-1].fault, "tried": told}, "\n".join(map(_report, tried)), json=json)
    if tried[-1].fault:
        raise typer.Exit(1)


def _report(tried: Tried) -> str:
    if tried.fault:
        return f"{tried.url}: cannot be used: {tried.fault}"
    types = ", ".join(f"{count} {name}" for name, count in sorted(tried.types.items(), key=lambda pair: -pair[1]))
    lines = [
        f"{tried.url}: answers in {tried.took_ms} ms, speaks {tried.dialect or 'neither dialect clearly'}",
        f"  balance {tried.balance} {tried.currency}",
        f"  {tried.services} services: {types}",
        *(f"  odd: {texts.odd(odd)}" for odd in tried.odd),
        *(f"  {' '.join(filter(None, texts.finding(note.code, note.fields)))}" for note in tried.notes),
    ]
    return "\n".join(lines)


@provider_verbs.command("balance")
def balance(provider: Who, data: Data = None, json: Json = False) -> None:
    """Ask a provider for the balance it keeps for us, and keep it."""
    config = standing(data)
    row = with_database(config, lambda connection: find_provider(connection, provider))
    told, _ = call(config, row, lambda client: client.balance())
    reading = Reading(now(), Decimal(short(told.amount)))
    with_database(config, lambda connection: rows.keep_balances(connection, [(row.id, reading)]))
    currency = told.currency or row.currency
    said = {"id": row.id, "name": row.name, "at": reading.at, "balance": short(told.amount), "currency": currency}
    answer(said, f"{row.name}: {short(told.amount)} {currency}", json=json)


@provider_verbs.command("services")
def services(
    provider: Who,
    search: Annotated[str, typer.Option("--search", help="Text in name or category.")] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Fetch a provider's price list and show it; services follow it as with `provider sync`."""
    config = standing(data)
    row = with_database(config, lambda connection: find_provider(connection, provider))
    asked, offered = price_list(config, row)
    moved, odd = with_database(config, lambda connection: _taken(connection, row, offered, asked))
    wanted = search.lower()
    shown = [one for one in offered.offers if wanted in one.name.lower() or wanted in one.category.lower()]
    if json:
        answer({"services": [offer(one) for one in shown], "odd": plain_odd(odd), "reordered": moved}, "", json=True)
        return
    table = Table("id", "category", "name", "type", "rate", "min", "max", box=None, pad_edge=False)
    for one in shown:
        kind = one.type.value if one.type else "unknown"
        said = (one.service, one.category, one.name, kind, str(one.rate), str(one.min), str(one.max))
        table.add_row(*map(escape, said))
    listing(table, f"nothing that {row.name} lists has “{search}” in it" if search else f"{row.name} lists nothing")
    for one_odd in odd:
        out.print(f"odd: {texts.odd(one_odd)}", markup=False)


def plain_odd(found: Iterable[Oddity]) -> list[dict[str, Any]]:
    """For programs: what was odd in words, and as codes with fields."""
    return [{"says": texts.odd(one), "code": one.code, "fields": one.fields} for one in found]


def offer(one: Offer) -> dict[str, Any]:
    """A line of a provider's price list. ``service`` would be ours everywhere else."""
    line = structs.asdict(one)
    return {"provider_service": line.pop("service"), **line}


async def _taken(
    connection: Connection, row: ProviderRow, offered: Offered, asked: datetime
) -> tuple[list[ServiceId], tuple[Oddity, ...]]:
    """The services whose routes stand in another order by it, and what was odd."""
    try:
        taken = await sync.take(connection, row.id, offered.offers, unread=offered.unread, asked=asked, by=by())
    except Overtaken as why:
        return [], (*offered.odd, Oddity(OddCode.LIST_OVERTAKEN, {"why": str(why)}))
    except Doubtful as why:
        fields = {"provider": row.id, "provider_name": row.name, "why": str(why)}
        return [], (*offered.odd, Oddity(OddCode.LIST_DOUBTED, fields))
    return taken.reordered, offered.odd


def price_list(config: Config, row: ProviderRow) -> tuple[datetime, Offered]:
    """A provider's price list, and when it was asked for: what it tells may be as old as that."""
    return now(), call(config, row, lambda client: client.services())


def call(config: Config, row: ProviderRow, ask: Callable[[Client], Awaitable[Result]]) -> Result:
    """Asks a provider one thing, outside of any transaction."""

    async def work() -> Result:
        timeout_s, private = config.provider_timeout_s, config.private_providers
        async with trying.client_of(row, config.standing_pepper(), timeout_s, private=private) as client:
            return await ask(client)

    try:
        return asyncio.run(work())
    except OperatorRefusal as refused:
        refuse(refused)
    except (Fault, NoAnswer) as error:
        fail(f"{row.name}: {error}")
