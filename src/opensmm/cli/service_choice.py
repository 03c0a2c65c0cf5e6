"""Commands about many services at a time: saying which, and looking at a plan before it is written."""

from collections.abc import Sequence
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table

from opensmm.actions.selection import Selection
from opensmm.cli.context import out

SHOWN: Final = 20
"""Lines of a plan for a person's eyes; a program gets all."""

References = Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]...", help="Services by their ids or names.")]
OfProvider = Annotated[str, typer.Option("--provider", help="Those that this provider fulfils.")]
OfCategory = Annotated[str, typer.Option("--category", help="Those of this category.")]
NameLike = Annotated[str, typer.Option("--name-like", help="Those whose name has this in it.")]
Write = Annotated[bool, typer.Option("--write", help="Do it; without, only the plan is shown.")]


def build_selection(references: list[str] | None, provider: str, category: str, name_part: str) -> Selection:
    return Selection(tuple(references or ()), provider, category, name_part)


def show_plan(table: Table, lines: Sequence[Sequence[str]], *, written: bool) -> None:
    """Prints the first lines of a plan, how many there are, and whether it was carried out."""
    for line in lines[:SHOWN]:
        table.add_row(*map(escape, line))
    if lines:
        out.print(table)
    if len(lines) > SHOWN:
        out.print(f"… and {len(lines) - SHOWN} more")
    count = "1 service" if len(lines) == 1 else f"{len(lines)} services"
    done = "changed" if written else "would change: --write does it"
    out.print(f"{count} {done}" if lines else "nothing to change")
