"""Services that follow providers' price lists: ``provider sync``, ``provider follow``, ``service quarantine`` and
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
from opensmm.domain.price_sync import ListDoubt, ListedRoute, ServiceLine, sells_another_product
from opensmm.domain.pricing import MAX_DECIMALS
from opensmm.domain.provider_settings import MOST_ADDED, FollowingSettings
from opensmm.domain.providers import MAX_PRICE_SHARE, MAX_SYNC_EVERY_MIN
from opensmm.domain.service_rules import read_price
from opensmm.store import price_sync as rows
from opensmm.store.connection import Connection
from opensmm.texts.speech import ENGLISH

MOST_LISTED: Final = 10_000

quarantine_verbs: Final = typer.Typer(
    help="Services whose cost or product changed too far to be sold without your approval.", no_args_is_help=True
)
below_cost_verbs: Final = typer.Typer(help="Services that cost you more than your customers pay.", no_args_is_help=True)

Confirm = Annotated[bool, typer.Option("--confirm", help="Apply a list that lacks many services of the last one.")]
Overwrite = Annotated[bool, typer.Option("--confirm", help="Overwrite prices that you set by hand.")]
Percent = Annotated[str | None, typer.Option("--margin", metavar="PERCENT", help="Added to costs, such as 25.")]


def read_percent(text: str) -> Decimal:
    """Reads a margin such as "25" or "25%". Ends the verb if it is no number, or out of range."""
    return read_added(text.removesuffix("%"), "a margin")


def read_added(text: str, what: str) -> Decimal:
    """Reads a number that is added to costs. Ends the verb if it is out of range; ``what`` is named then."""
    number = read_number(text, "a number")
    if not 0 <= number <= MOST_ADDED:
        fail(f"{what} must be from 0 to {MOST_ADDED}", MISUSED)
    return number


def sync_now(
    provider: Who,
    confirm: Confirm = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Read a provider's price list now, update services from it, and print what changed. Workers do so regularly."""
    config = read_existing_config(data)

    async def work(connection: Connection) -> PriceListRead:
        return await price_sync.sync_provider(
            connection, provider, read_call_settings(config), confirmed=confirm, by=by()
        )

    read = with_database(config, work)
    if read.refused is not None:
        refuse(read.refused)
    taken, offered = read.result, read.price_list
    lines = [f"service {one.service} ({one.name}): {'; '.join(_describe_changes(one))}" for one in taken.changed]
    lines += [f"warning: {ENGLISH.list_warning(warning)}" for warning in offered.odd]
    queued = "1 held delivery is queued" if taken.released == 1 else f"{taken.released} held deliveries are queued"
    released = f", {queued}" if taken.released else ""
    lines.append(f"{len(offered.services)} services listed, {len(taken.changed)} of ours changed{released}")
    fields = {
        "listed": len(offered.services),
        "changed": list(map(_encode_changes, taken.changed)),
        "released": taken.released,
        "odd": encode_warnings(offered.odd),
    }
    answer(fields, "\n".join(lines), json=json)


def _describe_changes(service: ServiceChanges) -> list[str]:
    return [ENGLISH.list_change(change) for change in service.changes]


def _encode_changes(service: ServiceChanges) -> dict[str, Any]:
    """Returns a service's changes for a program, in words and as codes with fields."""
    named = {"service": service.service, "service_name": service.name, "name": service.name}
    return {**named, "says": _describe_changes(service), "changes": service.changes}


def follow(
    provider: Who,
    every_min: Annotated[
        int | None,
        typer.Option("--every", metavar="MIN", help="Minutes between syncs; 0: none.", min=0, max=MAX_SYNC_EVERY_MIN),
    ] = None,
    share: Annotated[
        int | None,
        typer.Option(
            "--share",
            metavar="PERCENT",
            help="How far a cost may rise or fall without your approval.",
            min=0,
            max=MAX_PRICE_SHARE,
        ),
    ] = None,
    margin: Percent = None,
    added: Annotated[
        str | None, typer.Option("--add", metavar="AMOUNT", help="Added per 1000, in the panel's currency.")
    ] = None,
    decimals: Annotated[
        int | None,
        typer.Option("--decimals", help="Decimals of prices, which are rounded up.", min=0, max=MAX_DECIMALS),
    ] = None,
    own_prices: Annotated[bool, typer.Option("--own-prices", help="Keep your prices, whatever the cost.")] = False,
    confirm: Overwrite = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Set how services follow a provider's price list: how often, how far costs may move, and, with a margin, that
    prices move too. Without options, show the settings. Prices that you set by hand are named, and overwritten only
    with --confirm."""
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
        return FollowingResult(await rows.read_terms(connection, row.id), [])

    result = with_database(read_existing_config(data), work)
    fault = result.terms.sync_fault
    shown = structs.asdict(result.terms) | {"sync_fault": ENGLISH.value(fault)}
    overwritten = [structs.asdict(price) for price in result.overwritten]
    lines = [ENGLISH.field_lines(shown), *(f"overwritten: {ENGLISH.value(price)}" for price in overwritten)]
    coded = {"sync_fault_reason": fault if isinstance(fault, ListDoubt) else None, "overwritten": overwritten}
    answer(shown | coded, "\n".join(lines), json=json)


@quarantine_verbs.command("list")
def list_quarantined(data: Data = None, json: Json = False) -> None:
    """Show the services that wait for your approval: the cost that you agreed to, the cost now, the rate they are sold
    at, and what they have become."""
    waiting = with_database(read_existing_config(data), rows.list_quarantined)
    routes = [route for line in waiting for route in _encode_waiting(line)]
    if json:
        answer({"services": routes}, "", json=True)
        return
    headings = ("id", "name", "its service", "agreed cost", "cost now", "sold at", "since (UTC)", "")
    table = Table(*headings, box=None, pad_edge=False)
    for route in routes:
        became = f"was “{route['was']}”, is “{route['became']}”" if route["became"] else ""
        notes = "; ".join(filter(None, (became, "sold by another provider" if route["sold"] else "")))
        costs = (escape(route["provider_service"]), str(route["agreed"]), str(route["cost"]), str(route["rate"]))
        since = f"{route['since'].astimezone(UTC):%Y-%m-%d %H:%M}"
        table.add_row(str(route["service"]), escape(route["service_name"]), *costs, since, escape(notes))
    print_table(table, "no service waits for approval")


def _encode_waiting(line: ServiceLine) -> list[dict[str, Any]]:
    """Returns the quarantined routes of a service, for a program."""
    service = line.service
    routes = [(route, route.to, route.standing) for route in line.routes if route.standing.quarantined is not None]
    return [
        {
            "service": service.id, "service_name": service.name, "rate": service.rate, "sold": service.sold,
            "provider": to.provider, "provider_service": to.provider_service, "agreed": stand.agreed,
            "cost": stand.cost, "since": stand.quarantined, "was": stand.name, "became": _find_new_name(route),
        }
        for route, to, stand in routes
    ]  # fmt: skip


def _find_new_name(route: ListedRoute) -> str | None:
    """Returns the provider's name for a line that sells another product now; None if the product is the same."""
    another = route.line is not None and sells_another_product(route.standing, route.line)
    return route.line.name if another and route.line is not None else None


@quarantine_verbs.command("approve")
def approve(
    services: Annotated[list[str], typer.Argument(metavar="SERVICE…", help="Services by their ids or names.")],
    rate: Annotated[str | None, typer.Option("--rate", help="The rate to sell them at from now on.")] = None,
    margin: Percent = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Approve what services cost now. They are sold again, at their rate or at a new one set by --rate or --margin."""
    new_rate = None if rate is None else read_price(rate)
    new_margin = None if margin is None else read_percent(margin)

    async def work(connection: Connection) -> list[Service]:
        numbers = await find_services(connection, services)
        return await price_sync.approve(connection, numbers, rate=new_rate, margin=new_margin, by=by())

    approved = with_database(read_existing_config(data), work)
    lines = [f"service {one.id}: costs {one.cost}, sold at {one.rate}" for one in approved]
    fields = ("id", "name", "cost", "rate", "sold")
    shown = [{name: getattr(service, name) for name in fields} for service in approved]
    answer({"approved": shown}, "\n".join(lines), json=json)


@below_cost_verbs.command("list")
def list_below_cost(
    limit: Annotated[int, typer.Option("--limit", help="Lines at most.", min=1, max=MOST_LISTED)] = 100,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show services on sale that cost you more than a price list charges."""
    losing = with_database(read_existing_config(data), lambda connection: rows.below_cost(connection, limit))
    if json:
        answer({"services": losing}, "", json=True)
        return
    table = Table("id", "name", "costs", "sold at", "price list", box=None, pad_edge=False)
    for service in losing:
        costs = (str(service.cost), str(service.rate))
        table.add_row(str(service.service), escape(service.service_name), *costs, escape(service.price_list or ""))
    print_table(table, "no service on sale costs more than it is sold at")


@below_cost_verbs.command("set")
def set_below_cost(
    what: Annotated[BelowCost, typer.Argument(metavar="refuse|hold", help="Refuse such orders, or hold them.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Choose what happens to orders that cost you more than the customer pays: refuse them, as a new panel does, or
    hold each until you approve it or the cost falls."""
    with_database(read_config(data), lambda c: price_sync.set_below_cost(c, what, by=by()))
    done = "refused" if what is BelowCost.REFUSE else "accepted, and held for you"
    answer({"below_cost": what}, f"orders below cost are {done}", json=json)
