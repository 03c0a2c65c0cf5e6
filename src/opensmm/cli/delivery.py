"""``service deliver``: stating how services are delivered, many at a time."""

from typing import Annotated, Final

import typer
from msgspec import Struct
from rich.markup import escape
from rich.table import Table

from opensmm.actions import catalogue
from opensmm.cli.frame import ACTOR, FAILED, MISUSED, Data, Json, answer, configured, fail, now, out, with_database
from opensmm.domain.catalogue import DeliveryMethod, Service
from opensmm.store import catalogue as rows
from opensmm.store.connection import Connection

SHOWN: Final = 20
"""Lines of a plan for a person's eyes; a program gets all."""


class Choice(Struct, frozen=True):
    """Which services are meant: those that all of the marks given fit."""

    ids: tuple[int, ...]
    provider: str
    category: str
    name_like: str

    @property
    def open(self) -> bool:
        return not (self.ids or self.provider or self.category or self.name_like)

    def fits(self, service: Service, routed: set[int]) -> bool:
        return (
            (not self.ids or service.id in self.ids)
            and (not self.provider or service.id in routed)
            and (not self.category or service.category.casefold() == self.category.casefold())
            and self.name_like.casefold() in service.name.casefold()
        )


def deliver(
    method: Annotated[DeliveryMethod, typer.Option("--method", help="How they are delivered.")],
    service: Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Services by their ids.")] = None,
    provider: Annotated[str, typer.Option("--provider", help="Those that this provider fulfils.")] = "",
    category: Annotated[str, typer.Option("--category", help="Those of this category.")] = "",
    name_like: Annotated[str, typer.Option("--name-like", help="Those whose name has this in it.")] = "",
    on_sale: Annotated[bool, typer.Option("--on-sale", help="Put those that are off sale on sale too.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Do it; without, only the plan is shown.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """State how services are delivered. Shows what would change; `--write` does it, all or nothing."""
    choice = Choice(tuple(service or ()), provider, category, name_like)
    if choice.open:
        fail("say which services: ids, --provider, --category or --name-like", MISUSED)

    async def work(connection: Connection) -> list[Service]:
        async with connection.transaction():
            await rows.hold(connection)
            fitting = await meant_services(connection, choice)
            meant = [one for one in fitting if one.delivery_method is not method or (on_sale and not one.on_sale)]
            if write and meant:
                await catalogue.state_delivery(connection, meant, method, put_on_sale=on_sale, actor=ACTOR, now=now())
            return meant

    _tell(with_database(configured(data), work), method, on_sale=on_sale, written=write, json=json)


async def meant_services(connection: Connection, choice: Choice) -> list[Service]:
    """The services that fit; fails where one is named that does not exist."""
    known = (await rows.refresh(connection, None)).services
    missing = sorted(set(choice.ids) - set(known))
    if missing:
        fail(f"there is no service {', '.join(map(str, missing))}", FAILED)
    routed: set[int] = set(await rows.routed_to(connection, choice.provider)) if choice.provider else set()
    return sorted((one for one in known.values() if choice.fits(one, routed)), key=lambda one: one.id)


def _tell(meant: list[Service], method: DeliveryMethod, *, on_sale: bool, written: bool, json: bool) -> None:
    if json:
        changes = [
            {"id": one.id, "name": one.name, "from": one.delivery_method, "on_sale": one.on_sale or on_sale}
            for one in meant
        ]
        answer({"method": method, "written": written and bool(meant), "services": changes}, "", json=True)
        return
    table = Table("id", "name", "from", "to", "", box=None, pad_edge=False)
    for one in meant[:SHOWN]:
        sale = "goes on sale" if on_sale and not one.on_sale else ""
        table.add_row(str(one.id), escape(one.name), one.delivery_method.value, method.value, sale)
    if meant:
        out.print(table)
    if len(meant) > SHOWN:
        out.print(f"… and {len(meant) - SHOWN} more")
    if not meant:
        out.print("nothing to change")
    else:
        out.print(f"{len(meant)} services {'changed' if written else 'would change: --write does it'}")
