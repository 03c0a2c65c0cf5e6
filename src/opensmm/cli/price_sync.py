"""Following providers' price lists: ``provider sync`` and ``provider follow``, ``service quarantine`` and
``service below-cost``."""

from datetime import UTC
from decimal import Decimal
from typing import Annotated, Any, Final

import typer
from msgspec import structs
from rich.markup import escape
from rich.table import Table

from opensmm.actions import price_sync
from opensmm.actions.price_sync import FollowingResult, PriceListRead, ServiceChanges
from opensmm.actions.references import find_provider, find_services
from opensmm.cli.context import (
    MISUSED,
    Data,
    Json,
    answer,
    by,
    fail,
    print_table,
    read_config,
    read_existing_config,
    read_number,
    refuse,
    with_database,
)
from opensmm.cli.providers import Who, encode_warnings, read_call_settings
from opensmm.domain.catalogue import BelowCost, Service
from opensmm.domain.price_sync import ListDoubt, ListedRoute, ServiceLine, is_another_service
from opensmm.domain.pricing import MAX_DECIMALS
from opensmm.domain.provider_settings import MOST_ADDED, FollowingSettings
from opensmm.domain.providers import MAX_PRICE_SHARE, MAX_SYNC_EVERY_MIN
from opensmm.domain.service_rules import read_price
from opensmm.store import price_sync as rows
from opensmm.store.connection import Connection
from opensmm.texts.speech import ENGLISH

MOST_LISTED: Final = 10_000

quarantine_verbs: Final = typer.Typer(
    help="Services whose cost, or what is sold, changed too far to be sold unseen.", no_args_is_help=True
)
below_cost_verbs: Final = typer.Typer(help="Services that cost more than they are sold at.", no_args_is_help=True)

Confirm = Annotated[bool, typer.Option("--confirm", help="Take a list that lacks much of what was there.")]
Overwrite = Annotated[bool, typer.Option("--confirm", help="Overwrite prices that you set by hand.")]
Percent = Annotated[str | None, typer.Option("--margin", metavar="PERCENT", help="On top of costs, such as 25.")]


def read_percent(text: str) -> Decimal:
    return read_added(text.removesuffix("%"), "a margin")


def read_added(text: str, what: str) -> Decimal:
    said = read_number(text, "a number")
    if not 0 <= said <= MOST_ADDED:
        fail(f"{what} is not below 0 and not above {MOST_ADDED}", MISUSED)
    return said


def sync_now(
    provider: Who,
    confirm: Confirm = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Read a provider's price list now, have services follow it, and print what changed. Workers do so regularly."""
    config = read_existing_config(data)

    async def work(connection: Connection) -> PriceListRead:
        return await price_sync.sync_provider(
            connection, provider, read_call_settings(config), confirmed=confirm, by=by()
        )

    read = with_database(config, work)
    if read.refused is not None:
        refuse(read.refused)
    taken, offered = read.result, read.price_list
    lines = [
        f"service {one.service} ({one.name}): {'; '.join(map(ENGLISH.list_change, one.changes))}"
        for one in taken.changed
    ]
    lines += [f"warning: {ENGLISH.list_warning(odd)}" for odd in offered.odd]
    go_out = "1 held delivery goes out" if taken.released == 1 else f"{taken.released} held deliveries go out"
    released = f", {go_out}" if taken.released else ""
    lines.append(f"{len(offered.services)} services listed, {len(taken.changed)} of ours changed{released}")
    said = {
        "listed": len(offered.services),
        "changed": list(map(_encode_changes, taken.changed)),
        "released": taken.released,
        "odd": encode_warnings(offered.odd),
    }
    answer(said, "\n".join(lines), json=json)


def _encode_changes(one: ServiceChanges) -> dict[str, Any]:
    """For programs: what changed of a service, in words, and as codes with fields."""
    says = [ENGLISH.list_change(change) for change in one.changes]
    return {"service": one.service, "service_name": one.name, "name": one.name, "says": says, "changes": one.changes}


def follow(
    provider: Who,
    every_min: Annotated[
        int | None,
        typer.Option("--every", metavar="MIN", help="Minutes between syncs; 0: none.", min=0, max=MAX_SYNC_EVERY_MIN),
    ] = None,
    share: Annotated[
        int | None,
        typer.Option(
            "--share", metavar="PERCENT", help="How far a cost may move unseen, up or down.", min=0, max=MAX_PRICE_SHARE
        ),
    ] = None,
    margin: Percent = None,
    added: Annotated[str | None, typer.Option("--add", metavar="AMOUNT", help="Added per 1000, our currency.")] = None,
    decimals: Annotated[
        int | None, typer.Option("--decimals", help="Prices are rounded up.", min=0, max=MAX_DECIMALS)
    ] = None,
    own_prices: Annotated[bool, typer.Option("--own-prices", help="Prices stay yours, whatever the cost.")] = False,
    confirm: Overwrite = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say how a provider's price list is followed: how often, how far costs may move, and, with a margin, that prices
    move along. Without options it shows how it is. Prices that you set by hand are named, and overwritten with
    --confirm alone."""
    changes = FollowingSettings(
        sync_every_min=every_min,
        price_share=share,
        margin=None if margin is None else read_percent(margin),
        own_prices=own_prices,
        added=None if added is None else read_added(added, "what is added"),
        decimals=decimals,
    )

    async def work(connection: Connection) -> FollowingResult:
        row = await find_provider(connection, provider)
        if changes.given:
            return await price_sync.set_following(connection, row.id, changes, confirmed=confirm, by=by())
        return FollowingResult(await rows.following(connection, row.id), [])

    result = with_database(read_existing_config(data), work)
    following = result.terms
    told = structs.asdict(following) | {"sync_fault": ENGLISH.value(following.sync_fault)}
    said = told | {"sync_fault_reason": following.sync_fault if isinstance(following.sync_fault, ListDoubt) else None}
    overwritten = [structs.asdict(one) for one in result.overwritten]
    lines = [ENGLISH.field_lines(told), *(f"overwritten: {ENGLISH.value(one)}" for one in overwritten)]
    answer(said | {"overwritten": overwritten}, "\n".join(lines), json=json)


@quarantine_verbs.command("list")
def list_quarantined(data: Data = None, json: Json = False) -> None:
    """Show what waits for approval: what it cost when it was agreed to, what it costs now, what it is sold at, and
    what it has become."""
    waiting = with_database(read_existing_config(data), rows.in_quarantine)
    told = [one for line in waiting for one in _encode_waiting(line)]
    if json:
        answer({"services": told}, "", json=True)
        return
    table = Table(
        "id", "name", "its service", "agreed cost", "cost now", "sold at", "since (UTC)", "", box=None, pad_edge=False
    )
    for one in told:
        became = f"was “{one['was']}”, is “{one['became']}”" if one["became"] else ""
        served = "; ".join(filter(None, (became, "sold by another provider" if one["sold"] else "")))
        costs = (escape(one["provider_service"]), str(one["agreed"]), str(one["cost"]), str(one["rate"]))
        since = f"{one['since'].astimezone(UTC):%Y-%m-%d %H:%M}"
        table.add_row(str(one["service"]), escape(one["service_name"]), *costs, since, escape(served))
    print_table(table, "no service waits for approval")


def _encode_waiting(line: ServiceLine) -> list[dict[str, Any]]:
    service = line.service
    each = [(route, route.to, route.standing) for route in line.routes if route.standing.quarantined is not None]
    return [
        {
            "service": service.id, "service_name": service.name, "rate": service.rate, "sold": service.sold,
            "provider": to.provider, "provider_service": to.provider_service, "agreed": one.agreed, "cost": one.cost,
            "since": one.quarantined, "was": one.name, "became": _find_new_name(route),
        }
        for route, to, one in each
    ]  # fmt: skip


def _find_new_name(route: ListedRoute) -> str | None:
    """The provider's name of a line that sells something else now."""
    another = route.line is not None and is_another_service(route.standing, route.line)
    return route.line.name if another and route.line is not None else None


@quarantine_verbs.command("approve")
def approve(
    services: Annotated[list[str], typer.Argument(metavar="SERVICE…", help="Services by their ids or names.")],
    rate: Annotated[str | None, typer.Option("--rate", help="Sell it at this rate from now on.")] = None,
    margin: Percent = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Agree to what services cost now: they are sold again, at their price, or at a new one with --rate or --margin."""
    new_rate = None if rate is None else read_price(rate)
    new_margin = None if margin is None else read_percent(margin)

    async def work(connection: Connection) -> list[Service]:
        wanted = await find_services(connection, services)
        return await price_sync.approve(connection, wanted, rate=new_rate, margin=new_margin, by=by())

    approved = with_database(read_existing_config(data), work)
    lines = [f"service {one.id}: costs {one.cost}, sold at {one.rate}" for one in approved]
    said = [{"id": one.id, "name": one.name, "cost": one.cost, "rate": one.rate, "sold": one.sold} for one in approved]
    answer({"approved": said}, "\n".join(lines), json=json)


@below_cost_verbs.command("list")
def list_below_cost(
    limit: Annotated[int, typer.Option("--limit", help="Lines at most.", min=1, max=MOST_LISTED)] = 100,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show services on sale that cost more than a price list asks for them."""
    told = with_database(read_existing_config(data), lambda connection: rows.below_cost(connection, limit))
    if json:
        answer({"services": told}, "", json=True)
        return
    table = Table("id", "name", "costs", "sold at", "price list", box=None, pad_edge=False)
    for one in told:
        table.add_row(
            str(one.service), escape(one.service_name), str(one.cost), str(one.rate), escape(one.price_list or "")
        )
    print_table(table, "nothing on sale costs more than it is sold at")


@below_cost_verbs.command("set")
def set_below_cost(
    what: Annotated[BelowCost, typer.Argument(metavar="refuse|hold", help="refuse, or hold.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Say what becomes of orders for what costs more than its customer pays: refused, which is how a panel starts, or
    taken and held until you approve each or the cost falls."""
    with_database(read_config(data), lambda c: price_sync.set_below_cost(c, what, by=by()))
    done = "refused" if what is BelowCost.REFUSE else "taken, and held for you"
    answer({"below_cost": what}, f"orders below cost are {done}", json=json)
