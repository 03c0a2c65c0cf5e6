"""``staff``: the list of what the operator's own people deliver, and what they say of it."""

from typing import Annotated, Final

import typer

from opensmm.actions import manual, purchases
from opensmm.actions.references import find_services
from opensmm.base.ids import OrderId, RefillId, ServiceId
from opensmm.cli.context import Data, Json, answer, by, read_existing_config, refuse, with_database
from opensmm.domain.codes import OperatorRefusal
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.manual import MOST_COUNT, ManualReport, ManualStep
from opensmm.domain.refills import RefillStatus
from opensmm.store import manual as rows
from opensmm.store.connection import Connection
from opensmm.texts.speech import ENGLISH

staff_verbs: Final = typer.Typer(help="What the operator's own staff delivers.", no_args_is_help=True)

MOST_LINES: Final = 10_000
Order = Annotated[int, typer.Argument(metavar="ORDER", help="The order's id.", min=1)]
Run = Annotated[int | None, typer.Option("--run", help="Which run of a drip-feed, where the staff has several.", min=1)]
StartCount = Annotated[
    int | None, typer.Option("--start-count", help="What was counted before the work began.", min=0, max=MOST_COUNT)
]
Remains = Annotated[int, typer.Option("--remains", help="How many are not delivered.", min=0)]
Lines = Annotated[int, typer.Option("--limit", help="How many, oldest first.", min=1, max=MOST_LINES)]


@staff_verbs.command("list")
def list_waiting(limit: Lines = 100, data: Data = None, json: Json = False) -> None:
    """Show what waits for the staff: deliveries, then refills, oldest first."""

    async def look(connection: Connection) -> tuple[list[rows.ManualDelivery], list[rows.ManualRefill]]:
        return await rows.waiting(connection, limit), await rows.waiting_refills(connection, limit)

    found, refills = with_database(read_existing_config(data), look)
    if json:
        answer({"deliveries": found, "refills": refills}, "", json=True)
        return
    answer(
        {},
        "\n".join([*map(_format_delivery, found), *map(_format_refill, refills)]) or "nothing waits for your staff",
        json=False,
    )


def _format_delivery(one: rows.ManualDelivery) -> str:
    run = f" run {one.run} of {one.runs}" if one.runs > 1 else ""
    left = one.quantity if one.remains is None else one.remains
    marks = ["its customer asks to cancel it"] if one.cancel_asked else []
    marks += [f"{name}: {value}" for name, value in one.details.items()]
    state = ENGLISH.value(DeliveryState(one.state))
    lines = [
        f"order {one.order}{run}, since {ENGLISH.minute(one.since)}, {state}: {left} of {one.quantity} remain",
        f"{one.service} {one.service_name}",
        one.link,
        *marks,
    ]
    return "\n  ".join(map(_strip_controls, lines))


def _strip_controls(text: str) -> str:
    """A customer's text without the control characters of terminals."""
    return "".join(char if char.isprintable() else " " for char in text)


@staff_verbs.command("start")
def start(order: Order, start_count: StartCount = None, run: Run = None, data: Data = None, json: Json = False) -> None:
    """Say that work on an order has begun."""
    _report_step(ManualReport(OrderId(order), ManualStep.START, run, start_count), data, json)


@staff_verbs.command("progress")
def progress(order: Order, remains: Remains, run: Run = None, data: Data = None, json: Json = False) -> None:
    """Say how much of an order remains."""
    _report_step(ManualReport(OrderId(order), ManualStep.PROGRESS, run, remains=remains), data, json)


@staff_verbs.command("done")
def done(order: Order, start_count: StartCount = None, run: Run = None, data: Data = None, json: Json = False) -> None:
    """Say that all of it is delivered: the charge is earned."""
    _report_step(ManualReport(OrderId(order), ManualStep.DONE, run, start_count), data, json)


@staff_verbs.command("partial")
def partial(order: Order, remains: Remains, run: Run = None, data: Data = None, json: Json = False) -> None:
    """Say that no more will be delivered: what remains is paid back."""
    _report_step(ManualReport(OrderId(order), ManualStep.PARTIAL, run, remains=remains), data, json)


@staff_verbs.command("cancel")
def cancel(
    order: Order,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept in the audit trail.")],
    run: Run = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Give an order up of which nothing was delivered: all of it is paid back."""
    _report_step(ManualReport(OrderId(order), ManualStep.CANCEL, run, reason=reason), data, json)


def _report_step(said: ManualReport, data: Data, json: bool) -> None:
    (outcome,) = with_database(
        read_existing_config(data), lambda connection: manual.report(connection, [said], by=by())
    )
    if isinstance(outcome, OperatorRefusal):
        refuse(outcome)
    told = {"order": said.order, "state": outcome.state, "remains": outcome.remains}
    answer(
        told,
        f"order {said.order}: {ENGLISH.value(outcome.state)}, {outcome.remains} of {outcome.quantity} remain",
        json=json,
    )


@staff_verbs.command("refills")
def list_refills(limit: Lines = 100, data: Data = None, json: Json = False) -> None:
    """Show the refills that customers ask of the staff, oldest first."""
    found = with_database(read_existing_config(data), lambda connection: rows.waiting_refills(connection, limit))
    if json:
        answer({"refills": found}, "", json=True)
        return
    answer({}, "\n".join(map(_format_refill, found)) or "nothing waits for your staff", json=False)


def _format_refill(one: rows.ManualRefill) -> str:
    since = ENGLISH.minute(one.since)
    head = f"refill {one.refill} of order {one.order}, run {one.run}, since {since}: {one.quantity} ordered"
    to_buy = [f"to be bought elsewhere: `opensmm staff buy {one.refill} --quantity …`"] if one.mode == "other" else []
    said = [f"its provider says “{one.words}”"] if one.words else []
    return "\n  ".join(map(_strip_controls, (head, one.service_name, one.link, *to_buy, *said)))


Refill = Annotated[int, typer.Argument(metavar="REFILL", help="The refill's id.", min=1)]


@staff_verbs.command("buy")
def buy(
    refill: Refill,
    quantity: Annotated[int, typer.Option("--quantity", help="How many are missing.", min=1)],
    data: Data = None,
    json: Json = False,
) -> None:
    """Buy at another provider what an order lost. The house pays; its customer is charged nothing."""
    bought = with_database(
        read_existing_config(data),
        lambda connection: purchases.buy(connection, RefillId(refill), quantity, by=by()),
    )
    answer({"refill": refill, "order": bought}, f"refill {refill}: bought as order {bought}, which you pay", json=json)


@staff_verbs.command("refilled")
def refilled(refill: Refill, data: Data = None, json: Json = False) -> None:
    """Say that what an order had lost is delivered again."""
    _answer_refill(refill, RefillStatus.COMPLETED, data, json)


@staff_verbs.command("reject")
def reject(refill: Refill, data: Data = None, json: Json = False) -> None:
    """Turn a refill down."""
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
    """Have the staff fulfil services, before any other provider. Orders that were handed on stay where they are."""

    async def work(connection: Connection) -> list[ServiceId]:
        return await manual.assign(connection, await find_services(connection, service), by=by())

    routed = with_database(read_existing_config(data), work)
    answer(
        {"services": routed},
        f"your staff fulfils {'service' if len(routed) == 1 else 'services'} {', '.join(map(str, routed))}",
        json=json,
    )
