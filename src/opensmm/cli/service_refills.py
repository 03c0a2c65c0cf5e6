"""``service refill``: sets the time for refills, and who performs them, for many services at a time."""

from typing import Annotated

import typer
from rich.table import Table

from opensmm.actions import services
from opensmm.cli.context import MISUSED, Data, Json, answer, by, fail, read_existing_config, with_database
from opensmm.cli.service_choice import NameLike, OfCategory, OfProvider, References, Write, build_selection, show_plan
from opensmm.domain.audit import AuditAction
from opensmm.domain.catalogue import RefillMode, Service
from opensmm.domain.service_edits import EditPlan
from opensmm.domain.service_rules import MAX_REFILL_DAYS
from opensmm.texts.speech import ENGLISH

_COLUMNS = {"refill": "refills", "refill_days": "asked for within", "refill_mode": "refilled by"}


def refill(
    days: Annotated[
        int | None,
        typer.Option(
            "--days", help="Days after completion in which a refill can be requested.", min=1, max=MAX_REFILL_DAYS
        ),
    ] = None,
    lifetime: Annotated[bool, typer.Option("--lifetime", help="Refills without a time limit.")] = False,
    mode: Annotated[
        RefillMode | None,
        typer.Option(
            "--mode", help="Who refills: the provider that delivered, another one that you pay, or your staff."
        ),
    ] = None,
    offered: Annotated[bool | None, typer.Option("--offered/--not-offered", help="Allow refills, or not.")] = None,
    service: References = None,
    provider: OfProvider = "",
    category: OfCategory = "",
    name_like: NameLike = "",
    write: Write = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Set how long refills can be requested, and who performs them. Shows the plan; `--write` carries it out."""
    selection = build_selection(service, provider, category, name_like)
    changes = _read_changes(days, mode, lifetime=lifetime, offered=offered)

    plan = with_database(
        read_existing_config(data),
        lambda connection: services.edit_selected(
            connection, selection, changes, write=write, by=by(), action=AuditAction.SERVICE_REFILL
        ),
    )
    _print_plan(plan, changes, written=write, json=json)


def _read_changes(
    days: int | None, mode: RefillMode | None, *, lifetime: bool, offered: bool | None
) -> dict[str, object]:
    if lifetime and days is not None:
        fail("give either --days or --lifetime, not both", MISUSED)
    changes: dict[str, object] = {}
    if lifetime or days is not None:
        changes["refill_days"] = days
    if mode is not None:
        changes["refill_mode"] = mode
    if offered is not None:
        changes["refill"] = offered
    if not changes:
        fail("say what to change: --days or --lifetime, --mode, --offered or --not-offered", MISUSED)
    return changes


def _print_plan(plan: EditPlan, changes: dict[str, object], *, written: bool, json: bool) -> None:
    services = [change.before for change in plan.changes]
    if json:
        encoded = [_encode_before(service, changes) for service in services]
        answer({"changes": changes, "written": written and bool(services), "services": encoded}, "", json=True)
        return
    lines = [_format_line(service, changes) for service in services]
    table = Table("id", "name", *_COLUMNS.values(), box=None, pad_edge=False)
    show_plan(table, lines, written=written)


def _encode_before(service: Service, changes: dict[str, object]) -> dict[str, object]:
    before = {name: getattr(service, name) for name in changes}
    return {"id": service.id, "name": service.name, "from": before}


def _format_line(service: Service, changes: dict[str, object]) -> tuple[str, ...]:
    return str(service.id), service.name, *(_format_change(name, getattr(service, name), changes) for name in _COLUMNS)


def _format_change(name: str, before: object, changes: dict[str, object]) -> str:
    """Returns a field's value before and, if it changes, after."""
    after = changes.get(name, before)
    if after == before:
        return _format_field(name, before)
    return f"{_format_field(name, before)} → {_format_field(name, after)}"


def _format_field(name: str, value: object) -> str:
    within = name == "refill_days" and value is not None
    return f"{value} days" if within else ENGLISH.field_value(name, value)
