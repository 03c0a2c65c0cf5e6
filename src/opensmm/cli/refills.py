"""``service refill``: within which time refills may be asked for, and who makes them good, many services at a time."""

from typing import Annotated

import typer
from rich.table import Table

from opensmm.actions import catalogue
from opensmm.actions.selection import select
from opensmm.cli.choosing import NameLike, OfCategory, OfProvider, References, Write, selected, show_plan
from opensmm.cli.frame import MISUSED, Data, Json, answer, by, fail, standing, with_database
from opensmm.domain.catalogue import RefillMode, Service
from opensmm.store import catalogue as rows
from opensmm.store.connection import Connection
from opensmm.texts import fields

MOST_DAYS = 36_500
_COLUMNS = {"refill": "refills", "refill_days": "asked for within", "refill_mode": "refilled by"}


def refill(
    days: Annotated[int | None, typer.Option("--days", help="Days from completion.", min=1, max=MOST_DAYS)] = None,
    lifetime: Annotated[bool, typer.Option("--lifetime", help="For ever after completion.")] = False,
    mode: Annotated[
        RefillMode | None,
        typer.Option("--mode", help="Who refills: the provider that fulfilled it, another that is paid, your staff."),
    ] = None,
    offered: Annotated[bool | None, typer.Option("--offered/--not-offered", help="Whether there are refills.")] = None,
    service: References = None,
    provider: OfProvider = "",
    category: OfCategory = "",
    name_like: NameLike = "",
    write: Write = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say until when refills may be asked for, and who makes them good. Shows what would change; `--write` does it."""
    selection = selected(service, provider, category, name_like)
    changes = _changes(days, mode, lifetime=lifetime, offered=offered)

    async def work(connection: Connection) -> list[Service]:
        async with connection.transaction():
            await rows.hold(connection)
            fitting = await select(connection, selection)
            meant = [one for one in fitting if any(getattr(one, name) != value for name, value in changes.items())]
            if write and meant:
                await catalogue.state_refills(connection, meant, changes, by=by())
            return meant

    _tell(with_database(standing(data), work), changes, written=write, json=json)


def _changes(days: int | None, mode: RefillMode | None, *, lifetime: bool, offered: bool | None) -> dict[str, object]:
    if lifetime and days is not None:
        fail("either --days or --lifetime", MISUSED)
    changes: dict[str, object] = {}
    if lifetime or days is not None:
        changes["refill_days"] = days
    if mode is not None:
        changes["refill_mode"] = mode
    if offered is not None:
        changes["refill"] = offered
    if not changes:
        fail("say what: --days or --lifetime, --mode, --offered or --not-offered", MISUSED)
    return changes


def _tell(meant: list[Service], changes: dict[str, object], *, written: bool, json: bool) -> None:
    if json:
        before = [{"id": one.id, "name": one.name, "from": {n: getattr(one, n) for n in changes}} for one in meant]
        answer({"changes": changes, "written": written and bool(meant), "services": before}, "", json=True)
        return
    lines = [
        (
            str(one.id),
            one.name,
            *(_planned(name, getattr(one, name), changes) for name in _COLUMNS),
        )
        for one in meant
    ]
    table = Table("id", "name", *_COLUMNS.values(), box=None, pad_edge=False)
    show_plan(table, lines, written=written)


def _planned(name: str, before: object, changes: dict[str, object]) -> str:
    """A field before and, where it changes, after."""
    after = changes.get(name, before)
    return _shown(name, before) if after == before else f"{_shown(name, before)} → {_shown(name, after)}"


def _shown(name: str, value: object) -> str:
    within = name == "refill_days" and value is not None
    return f"{value} days" if within else fields.value_of(name, value)
