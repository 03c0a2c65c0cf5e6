"""``orders``: the operator's actions on single orders, such as ``cancel``, ``partial``, ``resend`` and ``settle``."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from msgspec.structs import asdict, replace
from rich.markup import escape
from rich.table import Table

from opensmm.actions import attention, notices, order_actions, providers
from opensmm.actions.attention import MAX_LISTED
from opensmm.base.ids import OrderId
from opensmm.base.money import five_decimals, format_amount
from opensmm.cli.context import (
    MISUSED,
    Data,
    Json,
    answer,
    by,
    fail,
    now,
    print_long_table,
    read_existing_config,
    refuse,
    with_database,
)
from opensmm.domain.amounts import SMALLEST, read_amount
from opensmm.domain.audit import By
from opensmm.domain.call_faults import words_of
from opensmm.domain.dispatch import MAX_REFUSED_WAIT_H, DeliveryState
from opensmm.domain.evidence import Conclusion
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.order_actions import MAX_REFUNDS
from opensmm.domain.provider_ids import check_provider_order
from opensmm.store import order_events
from opensmm.store.connection import Connection
from opensmm.store.order_actions import WaitingDelivery
from opensmm.store.order_events import OrderEvent, OrderHistory
from opensmm.texts.speech import ENGLISH
from opensmm.wire.provider_answers import guess_order_id

order_verbs: Final = typer.Typer(help="Single orders, and those that wait for you.", no_args_is_help=True)

Order = Annotated[int, typer.Argument(metavar="ORDER", help="The order's id.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; stored with the order and in the audit trail.")]
Run = Annotated[int | None, typer.Option("--run", help="The run of a drip-feed.", min=1)]


@order_verbs.command("cancel")
def cancel(order: Order, reason: Reason, data: Data = None, json: Json = False) -> None:
    """End an order at once, and refund what is not delivered. Its provider is asked to cancel it too."""
    _act_on_order(
        order, "cancel", "cancelled", reason, data, json, lambda c, by: order_actions.cancel(c, OrderId(order), by)
    )


@order_verbs.command("partial")
def end_partial(
    order: Order,
    remains: Annotated[int, typer.Option("--remains", help="Units that were not delivered.", min=1)],
    reason: Reason,
    run: Run = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """End an order as partly delivered, and refund what remains."""
    _act_on_order(
        order, "partial", "ended as partial", reason, data, json,
        lambda c, by: order_actions.end_partial(c, OrderId(order), run, remains, by),
    )  # fmt: skip


@order_verbs.command("complete")
def complete(order: Order, reason: Reason, data: Data = None, json: Json = False) -> None:
    """End an order as delivered in full."""
    _act_on_order(
        order, "complete", "completed", reason, data, json, lambda c, by: order_actions.complete(c, OrderId(order), by)
    )


@order_verbs.command("resend")
def resend(
    order: Order,
    reason: Reason,
    accept_risk: Annotated[
        str, typer.Option("--accept-risk", help="Why you accept that an unsure order may be bought twice.")
    ] = "",
    below_cost: Annotated[
        bool, typer.Option("--below-cost", help="Accept what it costs now, even if it was sold for less.")
    ] = False,
    run: Run = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Send an order again if it is proved that its provider does not have it. An unsure order needs --accept-risk, and
    an order that costs more than it was sold for needs --below-cost."""
    _act_on_order(
        order, "resend", "queued again", reason, data, json,
        lambda c, by: order_actions.resend(c, OrderId(order), run, accept_risk, by, below_cost=below_cost),
    )  # fmt: skip


@order_verbs.command("settle")
def settle(
    order: Order,
    reason: Reason,
    accepted: Annotated[str, typer.Option("--accepted", metavar="ID", help="Its id at the provider.")] = "",
    declined: Annotated[bool, typer.Option("--declined", help="The provider does not have it.")] = False,
    run: Run = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """State the outcome of an unsure order. A declined order goes to the next provider, or is refunded."""
    if bool(accepted) == declined:
        fail("say --accepted ID or --declined", MISUSED)
    if accepted:
        check_provider_order(accepted)
    _act_on_order(
        order, "settle", "resolved", reason, data, json,
        lambda c, by: order_actions.settle(c, OrderId(order), run, accepted or None, by),
    )  # fmt: skip


@order_verbs.command("refund")
def refund(
    order: Order,
    value: Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as 0.50.")],
    reason: Reason,
    number: Annotated[
        int,
        typer.Option(
            "--number", help="The number of this refund of the order; each is booked once.", min=1, max=MAX_REFUNDS
        ),
    ] = 1,
    data: Data = None,
    json: Json = False,
) -> None:
    """Refund more of an order that has ended, at most what it has earned."""
    back = read_amount(value, SMALLEST)
    _act_on_order(
        order, "refund", f"{format_amount(back)} refunded", reason, data, json,
        lambda c, by: order_actions.refund(c, OrderId(order), back, number, by),
    )  # fmt: skip


@order_verbs.command("dealt-with")
def deal_with(order: Order, reason: Reason, data: Data = None, json: Json = False) -> None:
    """Take an order off the list of `--late` or `--odd`, because you have dealt with it at its provider."""
    _act_on_order(
        order, "deal_with", "dealt with", reason, data, json, lambda c, by: notices.deal_with(c, OrderId(order), by)
    )


@order_verbs.command("wait")
def set_wait(
    hours: Annotated[
        int, typer.Argument(metavar="HOURS", help="Hours; 0 holds orders at once.", min=0, max=MAX_REFUSED_WAIT_H)
    ],
    data: Data = None,
    json: Json = False,
) -> None:
    """Set how long orders wait for providers that refuse your key, have none of your money left or ask to retry later,
    before they are held for you. A new panel has 24 hours."""
    with_database(read_existing_config(data), lambda connection: providers.set_refused_wait(connection, hours, by=by()))
    answer({"refused_wait_h": hours}, f"orders wait for at most {hours} h, and are then held", json=json)


def _act_on_order(
    order: int,
    action: str,
    done: str,
    reason: str,
    data: Path | None,
    json: bool,
    act: Callable[[Connection, By], Awaitable[bool]],
) -> None:
    changed = with_database(read_existing_config(data), lambda connection: act(connection, by(reason)))
    text = f"order {order}: {done}" if changed else f"order {order}: already {done}; nothing changed"
    answer({"order": order, "action": action, "changed": changed}, text, json=json)


@order_verbs.command("list")
def list_waiting(
    unsure: Annotated[bool, typer.Option("--unsure", help="Orders that may or may not have been bought.")] = False,
    held: Annotated[
        bool, typer.Option("--held", help="Orders that no provider took, or whose end makes no sense.")
    ] = False,
    stuck: Annotated[
        bool, typer.Option("--stuck", help="Orders at a provider for more than 3 days, or not sent for 5 minutes.")
    ] = False,
    late: Annotated[
        bool,
        typer.Option(
            "--late", help="Orders bought after they had been resolved otherwise: cancel them at the provider."
        ),
    ] = False,
    unread: Annotated[
        bool,
        typer.Option("--unread", help="Orders whose provider's answers, on them or their refills, are not understood."),
    ] = False,
    waits: Annotated[
        bool,
        typer.Option(
            "--waits",
            help="Orders that wait for a provider that refuses your key, lacks your money or asks to retry later.",
        ),
    ] = False,
    odd: Annotated[
        bool, typer.Option("--odd", help="Orders whose provider contradicts their end, or leaves their cost unclear.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", help="Lines at most.", min=1, max=MAX_LISTED)] = 100,
    data: Data = None,
    json: Json = False,
) -> None:
    """List the orders that wait for you; all kinds by default."""
    choices = {
        "unsure": unsure, "held": held, "stuck": stuck, "unread": unread, "waits": waits, "late": late, "odd": odd,
    }  # fmt: skip
    kinds = [kind for kind, chosen in choices.items() if chosen]
    rows = with_database(
        read_existing_config(data), lambda connection: attention.list_waiting(connection, kinds, limit, now())
    )
    waiting = [_explain(delivery) for delivery in rows]
    if json:
        answer({"orders": list(map(_encode_waiting, waiting))}, "", json=True)
        return
    print_long_table(_build_table(waiting), "no order waits for you")


def _explain(delivery: WaitingDelivery) -> WaitingDelivery:
    """Puts the panel's note in place of the answer to the attempt, which may be much older and says less."""
    if delivery.note is None:
        return delivery
    return replace(delivery, answer=ENGLISH.event(delivery.note.code, delivery.note.fields))


def _encode_waiting(delivery: WaitingDelivery) -> dict[str, Any]:
    likely = _find_likely_order(delivery) or None
    return asdict(delivery) | {"answer": _format_answer(delivery), "looks_like_order": likely}


def _build_table(waiting: list[WaitingDelivery]) -> Table:
    headings = ("order", "run", "waits as", "since (UTC)", "provider", "its order", "what is known")
    table = Table(*headings, box=None, pad_edge=False)
    for delivery in waiting:
        since = "" if delivery.since is None else f"{delivery.since.astimezone(UTC):%Y-%m-%d %H:%M}"
        state = delivery.why
        if delivery.why != delivery.state:
            state += f": {ENGLISH.value(DeliveryState(delivery.state))}"
        likely = _find_likely_order(delivery)
        theirs = f"looks like {likely}" if likely else delivery.provider_order
        texts = (delivery.provider_name, theirs, _describe_evidence(delivery))
        table.add_row(str(delivery.order), str(delivery.run), state, since, *(escape(text or "") for text in texts))
    return table


def _describe_evidence(delivery: WaitingDelivery) -> str:
    """Returns the provider's last words and, for an unsure order, what its evidence showed."""
    conclusion = ""
    if delivery.concluded and delivery.state == DeliveryState.UNSURE:
        conclusion = f"checked: {ENGLISH.value(Conclusion(delivery.concluded))}"
    return "; ".join(filter(None, (" ".join((_format_answer(delivery) or "").split()), conclusion)))


def _format_answer(delivery: WaitingDelivery) -> str | None:
    return None if delivery.answer is None else ENGLISH.value(delivery.answer)


def _find_likely_order(delivery: WaitingDelivery) -> str:
    """Returns the order id that the answer to an unsure order seems to contain; empty if there is none."""
    if delivery.state != DeliveryState.UNSURE or delivery.provider_order is not None:
        return ""
    return guess_order_id(words_of(delivery.answer or ""))


@order_verbs.command("show")
def show(
    order: Annotated[int, typer.Argument(metavar="ORDER", help="The order's id.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Show an order's history: placed, charged, sent, polled, settled, and its money."""
    history = with_database(
        read_existing_config(data), lambda connection: order_events.read_history(connection, OrderId(order))
    )
    if history is None:
        refuse(OperatorRefusal(RefusalCode.NO_ORDER, order=order))
    fields = {
        "order": history.order,
        "customer": history.customer,
        "customer_name": history.customer_name,
        "service": history.service,
        "service_name": history.service_name,
        "link": history.link,
        "quantity": history.quantity,
        "runs": history.runs,
        "charge": five_decimals(history.charge),
        "refunded": five_decimals(history.refunded),
        "state": history.state,
        "events": [_encode_event(history, event) for event in history.events],
    }
    answer(fields, _format_history(history), json=json)


def _format_history(history: OrderHistory) -> str:
    back = f", of which {format_amount(history.refunded)} was refunded" if history.refunded else ""
    amount = (
        f"{history.runs} runs of {history.quantity}" if history.runs > 1 else str(history.quantity or "as it posts")
    )
    head = (
        f"order:    {history.order}, {history.state}",
        f"customer: {history.customer}, {history.customer_name}",
        f"service:  {history.service}, {history.service_name}",
        f"link:     {history.link}",
        f"quantity: {amount}",
        f"charge:   {format_amount(history.charge)}{back}",
        "What happened, in UTC:",
    )
    return "\n".join(
        (*head, *(f"  {_format_time(event.at)}  {_describe_event(history, event)}" for event in history.events))
    )


def _encode_event(history: OrderHistory, event: OrderEvent) -> dict[str, object]:
    return {
        "at": event.at,
        "message": _describe_event(history, event),
        "code": event.kind.value,
        "fields": dict(event.fields),
    }


def _describe_event(history: OrderHistory, event: OrderEvent) -> str:
    return ENGLISH.event_with_run(history.runs, event.kind, event.fields)


def _format_time(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
