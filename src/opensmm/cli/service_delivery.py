"""``service deliver``: states the delivery method of many services at a time."""

from typing import Annotated, Any

import typer
from rich.table import Table

from opensmm.actions import services
from opensmm.cli.context import FAILED, Data, Json, answer, by, out, read_existing_config, with_database
from opensmm.cli.service_choice import NameLike, OfCategory, OfProvider, References, Write, build_selection, show_plan
from opensmm.domain.audit import AuditAction
from opensmm.domain.catalogue import DeliveryMethod
from opensmm.domain.service_edits import EditPlan, ServiceChange
from opensmm.domain.service_rules import RefusedService
from opensmm.texts.speech import ENGLISH


def deliver(
    method: Annotated[DeliveryMethod, typer.Option("--method", help="How they are delivered.")],
    service: References = None,
    provider: OfProvider = "",
    category: OfCategory = "",
    name_like: NameLike = "",
    on_sale: Annotated[bool, typer.Option("--on-sale", help="Also put services on sale that are off sale.")] = False,
    write: Write = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """State how services are delivered. Shows the plan; `--write` carries it out. Services that may not be sold are
    left out and named."""
    selection = build_selection(service, provider, category, name_like)

    plan = with_database(
        read_existing_config(data),
        lambda connection: services.edit_selected(
            connection,
            selection,
            {"delivery_method": method, **({"on_sale": True} if on_sale else {})},
            write=write,
            by=by(),
            action=AuditAction.SERVICE_DELIVER,
        ),
    )
    _print_plan(plan, method, written=write, json=json)
    if plan.refused and not plan.changes:
        raise typer.Exit(FAILED)


def _print_plan(plan: EditPlan, method: DeliveryMethod, *, written: bool, json: bool) -> None:
    if json:
        fields = {
            "method": method,
            "written": written and bool(plan.changes),
            "services": list(map(_encode_change, plan.changes)),
            "left_out": list(map(_encode_refused, plan.refused)),
        }
        answer(fields, "", json=True)
        return
    table = Table("id", "name", "delivered by", "from now on", "", box=None, pad_edge=False)
    show_plan(table, list(map(_format_line, plan.changes)), written=written)
    for refused in plan.refused:
        out.print(f"left out: {ENGLISH.refusal(refused.why)}", markup=False)


def _encode_change(change: ServiceChange) -> dict[str, Any]:
    before, after = change.before, change.after
    return {"id": before.id, "name": before.name, "from": before.delivery_method, "on_sale": after.on_sale}


def _encode_refused(refused: RefusedService) -> dict[str, Any]:
    service, why = refused.service, refused.why
    return {"id": service.id, "name": service.name, "why": ENGLISH.refusal(why), "code": why.code, "fields": why.fields}


def _format_line(change: ServiceChange) -> tuple[str, ...]:
    before, after = change.before, change.after
    sale = "goes on sale" if after.on_sale and not before.on_sale else ""
    methods = (ENGLISH.field_value("delivery_method", service.delivery_method) for service in (before, after))
    return str(before.id), before.name, *methods, sale
