"""``service``: the services on the price list, and their settings."""

from typing import Annotated, Final

import typer
from msgspec import structs
from rich.markup import escape
from rich.table import Table

from opensmm.actions import services
from opensmm.actions.references import find_service, match_service
from opensmm.actions.services import EditedService
from opensmm.base.ids import ServiceId
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
    with_database,
)
from opensmm.cli.lazy import make_lazy_group
from opensmm.domain.catalogue import DeliveryMethod, Service, ServiceType
from opensmm.domain.codes import FindingCode
from opensmm.domain.service_rules import (
    MAX_AVERAGE_TIME_MIN,
    MAX_POSITION,
    MAX_QUANTITY,
    MAX_REFILL_WAIT_H,
    read_rate,
)
from opensmm.store import catalogue as rows
from opensmm.store.connection import Connection
from opensmm.texts.speech import ENGLISH

_MORE: Final = {
    "deliver": "opensmm.cli.service_delivery:deliver",
    "refill": "opensmm.cli.service_refills:refill",
    "quarantine": "opensmm.cli.price_sync:quarantine_verbs",
    "below-cost": "opensmm.cli.price_sync:below_cost_verbs",
}
"""Verbs of this group in other files."""
service_verbs: Final = typer.Typer(
    cls=make_lazy_group(_MORE), help="Services and their settings.", no_args_is_help=True
)

Reference = Annotated[str, typer.Argument(metavar="SERVICE", help="The service's id or name.")]
Rate = Annotated[str | None, typer.Option("--rate", help="Per 1000, or for a package; kept as typed, such as 0.90.")]
Least = Annotated[int | None, typer.Option("--min", help="The smallest quantity.", min=0, max=MAX_QUANTITY)]
Most = Annotated[int | None, typer.Option("--max", help="The largest quantity.", min=0, max=MAX_QUANTITY)]
Name = Annotated[str | None, typer.Option("--name", help="Its name on the price list.")]
Category = Annotated[str | None, typer.Option("--category", help="Its category there.")]
Method = Annotated[DeliveryMethod | None, typer.Option("--method", help="Its delivery method.")]
OnSale = Annotated[bool | None, typer.Option("--on-sale/--off-sale", help="Let customers order it, or not.")]
Refill = Annotated[bool | None, typer.Option("--refill/--no-refill", help="Let customers request refills, or not.")]
Cancel = Annotated[bool | None, typer.Option("--cancel/--no-cancel", help="Let customers request cancels, or not.")]
DripFeed = Annotated[
    bool | None, typer.Option("--dripfeed/--no-dripfeed", help="Let customers order it in runs, or not.")
]
Free = Annotated[
    bool | None,
    typer.Option(
        "--free/--not-free",
        help="Allow it to be sold below cost, or not. If so, its rate may be 0, and no price list changes it.",
    ),
]
OnePerLink = Annotated[
    bool | None,
    typer.Option(
        "--one-active-per-link/--many-per-link", help="Refuse a second order for a link while one is active, or not."
    ),
]
RefillWait = Annotated[
    int | None,
    typer.Option(
        "--refill-wait-hours",
        help="Hours after completion, or after the last refill, before the next one.",
        min=0,
        max=MAX_REFILL_WAIT_H,
    ),
]
HoldRefused = Annotated[
    bool | None,
    typer.Option(
        "--hold-when-refused/--cancel-when-refused",
        help="Hold an order that every provider refused for you, or cancel it.",
    ),
]
Description = Annotated[
    str | None,
    typer.Option("--description", help='Its description, which customers get with extended=1; "" for none.'),
]
AverageTime = Annotated[
    int | None,
    typer.Option(
        "--average-time",
        metavar="MINUTES",
        help="How long an order usually takes, which customers get with extended=1.",
        min=0,
        max=MAX_AVERAGE_TIME_MIN,
    ),
]
Position = Annotated[
    int | None,
    typer.Option(
        "--position",
        help="Its position in the price list, lowest first; services with the same position are in order of their ids.",
        min=0,
        max=MAX_POSITION,
    ),
]
Provider = Annotated[
    str | None,
    typer.Option("--provider", help="Its provider, by name or id; by default the sandbox, if there is one."),
]
Theirs = Annotated[
    str | None,
    typer.Option("--their-service", metavar="ID", help="Its id at the provider; a panel needs one."),
]


@service_verbs.command("list")
def list_services(data: Data = None, json: Json = False) -> None:
    """Show the price list in the order in which customers see it, with what is off sale."""
    catalogue = with_database(read_existing_config(data), lambda connection: rows.refresh(connection, None))
    listed = sorted(catalogue.services.values(), key=lambda service: (service.position, service.id))
    if json:
        answer({"services": listed}, "", json=True)
        return
    headings = ("place", "id", "name", "type", "rate", "min", "max", "delivered by", "customers may", "")
    table = Table(*headings, box=None, pad_edge=False)
    for service in listed:
        cells = (
            str(service.position),
            str(service.id),
            escape(service.name),
            service.type.value,
            str(service.rate),
            str(service.min),
            str(service.max),
            ENGLISH.field_value("delivery_method", service.delivery_method),
        )
        table.add_row(*cells, ENGLISH.permitted_actions(service), ENGLISH.sale_state(service))
    print_table(
        table, "no services yet: `opensmm service add` and `opensmm import-services` put some on the price list"
    )


@service_verbs.command("show")
def show(service: Reference, data: Data = None, json: Json = False) -> None:
    """Show everything about a service."""

    async def work(connection: Connection) -> Service:
        listed = (await rows.refresh(connection, None)).services
        return listed[match_service(listed.values(), service)]

    present = with_database(read_existing_config(data), work)
    fields = structs.asdict(present)
    shown = {name: value for name, value in fields.items() if name not in ("on_sale", "halted")}
    answer(fields, ENGLISH.field_lines(shown | {"sale": ENGLISH.sale_state(present)}), json=json)


@service_verbs.command("add")
def add(
    name: Annotated[str, typer.Option("--name", help="Its name on the price list.")],
    category: Annotated[str, typer.Option("--category", help="Its category there.")],
    rate: Annotated[str, typer.Option("--rate", help="Per 1000, or for a package; kept as typed.")],
    kind: Annotated[
        ServiceType,
        typer.Option("--type", help="Its type, which decides the parameters of an order.", case_sensitive=False),
    ] = ServiceType.DEFAULT,
    least: Annotated[int, typer.Option("--min", help="The smallest quantity.", min=0, max=MAX_QUANTITY)] = 1,
    most: Annotated[int, typer.Option("--max", help="The largest quantity.", min=0, max=MAX_QUANTITY)] = 10_000,
    refill: Refill = False,
    cancel: Cancel = False,
    dripfeed: DripFeed = False,
    free: Free = False,
    one_per_link: OnePerLink = False,
    wait_h: RefillWait = 0,
    hold_refused: HoldRefused = False,
    description: Description = "",
    average_time: AverageTime = None,
    position: Position = 0,
    method: Method = None,
    on_sale: OnSale = True,
    service_id: Annotated[int, typer.Option("--id", help="Its id, if it is to have a certain one.", min=0)] = 0,
    provider: Provider = None,
    theirs: Theirs = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Put a service on the price list. It can be on sale only if --method states how it is delivered."""
    service = Service(
        id=ServiceId(service_id), name=name, type=kind, category=category, rate=read_rate(rate),
        min=least, max=most, refill=bool(refill), cancel=bool(cancel), dripfeed=bool(dripfeed), free=bool(free),
        refill_wait_h=wait_h or 0, one_active_per_link=bool(one_per_link), hold_when_refused=bool(hold_refused),
        description=description or "", average_time_min=average_time, position=position or 0,
        on_sale=bool(on_sale), delivery_method=method or DeliveryMethod.UNDISCLOSED,
    )  # fmt: skip
    added = with_database(
        read_config(data), lambda connection: services.add_service(connection, service, provider, theirs, by=by())
    )
    saved = added.service
    missing = f", but has no provider yet: `opensmm route add {saved} PROVIDER ID` adds one"
    answer({"id": saved}, f"service {saved} is on the price list{'' if added.fulfilled else missing}", json=json)


@service_verbs.command("edit")
def edit(
    service: Reference,
    name: Name = None,
    category: Category = None,
    rate: Rate = None,
    least: Least = None,
    most: Most = None,
    refill: Refill = None,
    cancel: Cancel = None,
    dripfeed: DripFeed = None,
    free: Free = None,
    one_per_link: OnePerLink = None,
    wait_h: RefillWait = None,
    hold_refused: HoldRefused = None,
    description: Description = None,
    average_time: AverageTime = None,
    no_average_time: Annotated[bool, typer.Option("--no-average-time", help="Remove the usual time.")] = False,
    position: Position = None,
    method: Method = None,
    on_sale: OnSale = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Change a service. The API shows the change within a second; existing orders keep their rate."""
    if no_average_time and average_time is not None:
        fail("give either --average-time or --no-average-time, not both", MISUSED)
    typed = {
        "name": name, "category": category, "rate": None if rate is None else read_rate(rate),
        "min": least, "max": most, "refill": refill, "cancel": cancel, "dripfeed": dripfeed, "free": free,
        "one_active_per_link": one_per_link, "refill_wait_h": wait_h, "hold_when_refused": hold_refused,
        "description": description, "average_time_min": average_time, "position": position,
        "on_sale": on_sale, "delivery_method": method,
    }  # fmt: skip
    changes: dict[str, object] = {field: value for field, value in typed.items() if value is not None}
    if no_average_time:
        changes["average_time_min"] = None
    if not changes:
        fail("say what to change", MISUSED)

    async def work(connection: Connection) -> EditedService:
        number = await find_service(connection, service)
        return await services.edit_service(connection, number, changes, by=by())

    done = with_database(read_existing_config(data), work)
    before, follows = done.before, None if done.price_follows is None else structs.asdict(done.price_follows)
    words = ", ".join(ENGLISH.field_change(name, getattr(before, name), changes[name]) for name in sorted(changes))
    lines = [f"service {before.id}: {words}", *(ENGLISH.finding(FindingCode.PRICE_FOLLOWS, follows) if follows else ())]
    answer({"id": before.id, "changed": sorted(changes), "price_follows": follows}, "\n".join(lines), json=json)
