"""Commands about many services at a time: saying which, and looking at a plan before it is written."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer
from msgspec import Struct
from rich.markup import escape
from rich.table import Table

from opensmm.cli.frame import FAILED, MISUSED, fail, out
from opensmm.domain.catalogue import Service
from opensmm.store import catalogue as rows
from opensmm.store.connection import Connection

SHOWN: Final = 20
"""Lines of a plan for a person's eyes; a program gets all."""

Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID]...", help="Services by their ids.")]
OfProvider = Annotated[str, typer.Option("--provider", help="Those that this provider fulfils.")]
OfCategory = Annotated[str, typer.Option("--category", help="Those of this category.")]
NameLike = Annotated[str, typer.Option("--name-like", help="Those whose name has this in it.")]
Write = Annotated[bool, typer.Option("--write", help="Do it; without, only the plan is shown.")]


class Choice(Struct, frozen=True):
    """Which services are meant: those that all of the marks given fit."""

    ids: tuple[int, ...]
    provider: str
    category: str
    name_like: str

    def fits(self, service: Service, routed: set[int]) -> bool:
        return (
            (not self.ids or service.id in self.ids)
            and (not self.provider or service.id in routed)
            and (not self.category or service.category.casefold() == self.category.casefold())
            and self.name_like.casefold() in service.name.casefold()
        )


def chosen(ids: list[int] | None, provider: str, category: str, name_like: str) -> Choice:
    """Fails where nothing was said: all services are never meant by mistake."""
    if not (ids or provider or category or name_like):
        fail("say which services: ids, --provider, --category or --name-like", MISUSED)
    return Choice(tuple(ids or ()), provider, category, name_like)


async def meant_services(connection: Connection, choice: Choice) -> list[Service]:
    """The services that fit; fails where one is named that does not exist."""
    known = (await rows.refresh(connection, None)).services
    missing = sorted(set(choice.ids) - set(known))
    if missing:
        fail(f"there is no service {', '.join(map(str, missing))}", FAILED)
    routed: set[int] = set(await rows.routed_to(connection, choice.provider)) if choice.provider else set()
    return sorted((one for one in known.values() if choice.fits(one, routed)), key=lambda one: one.id)


def show_plan(table: Table, lines: Sequence[Sequence[str]], done: str) -> None:
    """Prints the first lines of a plan, how many there are, and what was ``done`` about them."""
    for line in lines[:SHOWN]:
        table.add_row(*map(escape, line))
    if lines:
        out.print(table)
    if len(lines) > SHOWN:
        out.print(f"… and {len(lines) - SHOWN} more")
    out.print(f"{len(lines)} services {done}" if lines else "nothing to change")
