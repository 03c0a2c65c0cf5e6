"""``staff``: orders and refills that the operator's own staff deliver, and their reports."""

from typing import Annotated, Final

import typer

from opensmm.actions import manual, purchases
from opensmm.actions.references import find_services
from opensmm.base.ids import OrderId, RefillId, ServiceId
from opensmm.cli.context import Data, Json, answer, by, read_existing_config, refuse, with_database
from opensmm.domain.catalogue import RefillMode
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.manual import MOST_COUNT, ManualReport, ManualStep
from opensmm.domain.operator_refusals import OperatorRefusal
from opensmm.domain.refills import RefillStatus
from opensmm.store import manual as rows
from opensmm.store.connection import Connection
from opensmm.texts.speech import ENGLISH

staff_verbs: Final = typer.Typer(help="Orders and refills that your own staff delivers.", no_args_is_help=True)

MOST_LINES: Final = 10_000
Order = Annotated[int, typer.Argument(metavar="ORDER", help="The order's id.", min=1)]
Run = Annotated[int | None, typer.Option("--run", help="The run of a drip-feed, if the staff has several.", min=1)]
StartCount = Annotated[
    int | None, typer.Option("--start-count", help="The count before the work began.", min=0, max=MOST_COUNT)
]
Remains = Annotated[int, typer.Option("--remains", help="Units that are not delivered.", min=0)]
Lines = Annotated[int, typer.Option("--limit", help="Lines at most, oldest first.", min=1, max=MOST_LINES)]


@staff_verbs.command("list")
def list_waiting(limit: Lines = 100, data: Data = None, json: Json = False) -> None:
    """Show the work of the staff: deliveries, then refills, oldest first."""

    async def read(connection: Connection) -> tuple[list[rows.ManualDelivery], list[rows.ManualRefill]]:
        return await rows.list_deliveries(connection, limit), await rows.list_refills(connection, limit)

    deliveries, refills = with_database(read_existing_config(data), read)
    if json:
        answer({"deliveries": deliveries, "refills": refills}, "", json=True)
        return
    lines = [*map(_format_delivery, deliveries), *map(_format_refill, refills)]
    answer({}, "\n".join(lines) or "nothing waits for your staff", json=False)


def _format_delivery(delivery: rows.ManualDelivery) -> str:
    run = f" run {delivery.run} of {delivery.runs}" if delivery.runs > 1 else ""
    left = delivery.quantity if delivery.remains is None else delivery.remains
    state, since = ENGLISH.value(DeliveryState(delivery.state)), ENGLISH.minute(delivery.since)
    lines = [
        f"order {delivery.order}{run}, since {since}, {state}: {left} of {delivery.quantity} remain",
        f"{delivery.service} {delivery.service_name}",
        delivery.link,
        *(["its customer asks to cancel it"] if delivery.cancel_asked else []),
        *(f"{name}: {value}" for name, value in delivery.details.items()),
    ]
    return "\n  ".join(map(_strip_controls, lines))


def _strip_controls(text: str) -> str:
    """Removes a terminal's control characters from a customer's text."""
    return "".join(char if char.isprintable() else " " for char in text)


@staff_verbs.command("start")
def start(order: Order, start_count: StartCount = None, run: Run = None, data: Data = None, json: Json = False) -> None:
    """Report that work on an order has begun."""
    _report_step(ManualReport(OrderId(order), ManualStep.START, run, start_count), data, json)


@staff_verbs.command("progress")
def progress(order: Order, remains: Remains, run: Run = None, data: Data = None, json: Json = False) -> None:
    """Report how much of an order remains."""
    _report_step(ManualReport(OrderId(order), ManualStep.PROGRESS, run, remains=remains), data, json)


@staff_verbs.command("done")
def done(order: Order, start_count: StartCount = None, run: Run = None, data: Data = None, json: Json = False) -> None:
    """Report that an order is delivered in full: its charge is earned."""
    _report_step(ManualReport(OrderId(order), ManualStep.DONE, run, start_count), data, json)


@staff_verbs.command("partial")
def partial(order: Order, remains: Remains, run: Run = None, data: Data = None, json: Json = False) -> None:
    """Report that no more will be delivered: what remains is refunded."""
    _report_step(ManualReport(OrderId(order), ManualStep.PARTIAL, run, remains=remains), data, json)


@staff_verbs.command("cancel")
def cancel(
    order: Order,
    reason: Annotated[str, typer.Option("--reason", help="Why; stored in the audit trail.")],
    run: Run = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Give up an order of which nothing was delivered: it is refunded in full."""
    _report_step(ManualReport(OrderId(order), ManualStep.CANCEL, run, reason=reason), data, json)


def _report_step(report: ManualReport, data: Data, json: bool) -> None:
    config = read_existing_config(data)
    (outcome,) = with_database(config, lambda connection: manual.report(connection, [report], by=by()))
    if isinstance(outcome, OperatorRefusal):
        refuse(outcome)
    fields = {"order": report.order, "state": outcome.state, "remains": outcome.remains}
    remains = f"{outcome.remains} of {outcome.quantity} remain"
    answer(fields, f"order {report.order}: {ENGLISH.value(outcome.state)}, {remains}", json=json)


@staff_verbs.command("refills")
def list_refills(limit: Lines = 100, data: Data = None, json: Json = False) -> None:
    """Show the refills that the staff is to perform, oldest first."""
    refills = with_database(read_existing_config(data), lambda connection: rows.list_refills(connection, limit))
    if json:
        answer({"refills": refills}, "", json=True)
        return
    answer({}, "\n".join(map(_format_refill, refills)) or "nothing waits for your staff", json=False)


def _format_refill(refill: rows.ManualRefill) -> str:
    since = ENGLISH.minute(refill.since)
    head = f"refill {refill.refill} of order {refill.order}, run {refill.run}, since {since}: {refill.quantity} ordered"
    lines = [head, refill.service_name, refill.link]
    if refill.mode == RefillMode.OTHER:
        lines.append(f"to be bought elsewhere: `opensmm staff buy {refill.refill} --quantity …`")
    if refill.words:
        lines.append(f"its provider reports “{refill.words}”")
    return "\n  ".join(map(_strip_controls, lines))


Refill = Annotated[int, typer.Argument(metavar="REFILL", help="The refill's id.", min=1)]


@staff_verbs.command("buy")
def buy(
    refill: Refill,
    quantity: Annotated[int, typer.Option("--quantity", help="Units that are missing.", min=1)],
    data: Data = None,
    json: Json = False,
) -> None:
    """Buy a refill at another provider. You pay; the customer is charged nothing."""
    bought = with_database(
        read_existing_config(data),
        lambda connection: purchases.buy(connection, RefillId(refill), quantity, by=by()),
    )
    answer({"refill": refill, "order": bought}, f"refill {refill}: bought as order {bought}, which you pay", json=json)


@staff_verbs.command("refilled")
def refilled(refill: Refill, data: Data = None, json: Json = False) -> None:
    """Report that a refill is delivered."""
    _answer_refill(refill, RefillStatus.COMPLETED, data, json)


@staff_verbs.command("reject")
def reject(refill: Refill, data: Data = None, json: Json = False) -> None:
    """Reject a refill."""
    _answer_refill(refill, RefillStatus.REJECTED, data, json)


def _answer_refill(refill: int, status: RefillStatus, data: Data, json: bool) -> None:
    (outcome,) = with_database(
        read_existing_config(data),
        lambda connection: manual.answer_refills(connection, [RefillId(refill)], status, by=by()),
    )
    if isinstance(outcome, OperatorRefusal):
        refuse(outcome)
    answer({"refill": refill, "state": outcome}, f"refill {refill}: {outcome}", json=json)


@staff_verbs.command("assign")
def assign(
    service: Annotated[list[str], typer.Argument(metavar="SERVICE...", help="Services by their ids or names.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Let your staff fulfil services, before any other provider. Orders that were sent stay where they are."""

    async def work(connection: Connection) -> list[ServiceId]:
        return await manual.assign(connection, await find_services(connection, service), by=by())

    routed = with_database(read_existing_config(data), work)
    answer(
        {"services": routed},
        f"your staff fulfils {'service' if len(routed) == 1 else 'services'} {', '.join(map(str, routed))}",
        json=json,
    )
