"""Selection of many services, and the plan that is shown before it is carried out."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table

from opensmm.actions.selection import Selection
from opensmm.cli.context import out

SHOWN: Final = 20
"""Lines of a plan that a person is shown; a program gets all."""

References = Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]...", help="Services by their ids or names.")]
OfProvider = Annotated[str, typer.Option("--provider", help="Services of this provider.")]
OfCategory = Annotated[str, typer.Option("--category", help="Services of this category.")]
NameLike = Annotated[str, typer.Option("--name-like", help="Services with this text in their name.")]
Write = Annotated[bool, typer.Option("--write", help="Carry the plan out. Without it, the plan is only shown.")]


def build_selection(references: list[str] | None, provider: str, category: str, name_part: str) -> Selection:
    return Selection(tuple(references or ()), provider, category, name_part)


def show_plan(table: Table, lines: Sequence[Sequence[str]], *, written: bool) -> None:
    """Prints the first lines of a plan, their number, and if it was carried out."""
    for line in lines[:SHOWN]:
        table.add_row(*map(escape, line))
    if lines:
        out.print(table)
    if len(lines) > SHOWN:
        out.print(f"… and {len(lines) - SHOWN} more")
    count = "1 service" if len(lines) == 1 else f"{len(lines)} services"
    done = "changed" if written else "would change; add --write to carry it out"
    out.print(f"{count} {done}" if lines else "nothing to change")
