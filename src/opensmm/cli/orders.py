"""The operator's hand on single orders: ``orders list``, ``cancel``, ``partial``, ``complete``, ``resend`` and more."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from msgspec.structs import asdict, replace
from rich.markup import escape
from rich.table import Table

from opensmm.actions import attention, notices, order_actions, providers
from opensmm.actions.attention import MAX_LISTED
from opensmm.base.ids import OrderId
from opensmm.base.money import five_decimals, short
from opensmm.cli.context import (
    MISUSED,
    Data,
    Json,
    answer,
    by,
    fail,
    long_listing,
    now,
    refuse,
    standing,
    typed,
    with_database,
)
from opensmm.domain.amounts import SMALLEST, read_amount
from opensmm.domain.audit import By
from opensmm.domain.call_faults import words_of
from opensmm.domain.codes import OperatorRefusal, RefusalCode
from opensmm.domain.dispatch import MAX_REFUSED_WAIT_H, DeliveryState
from opensmm.domain.evidence import Conclusion
from opensmm.domain.order_actions import MAX_REFUNDS
from opensmm.domain.provider_ids import check_provider_order
from opensmm.store import order_events
from opensmm.store.connection import Connection
from opensmm.store.order_actions import WaitingDelivery
from opensmm.store.order_events import OrderEvent, OrderHistory
from opensmm.texts.speech import ENGLISH
from opensmm.wire.provider_answers import likely_order

order_verbs: Final = typer.Typer(help="Orders, one by one.", no_args_is_help=True)

Order = Annotated[int, typer.Argument(metavar="ORDER", help="The order's id.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the order and in the audit trail.")]
Run = Annotated[int | None, typer.Option("--run", help="Which run of a drip-feed.", min=1)]


@order_verbs.command("cancel")
def cancel(order: Order, reason: Reason, data: Data = None, json: Json = False) -> None:
    """End an order here and now, and pay back what is not delivered. Its provider is asked to cancel it too."""
    _do(order, "cancel", "cancelled", reason, data, json, lambda c, by: order_actions.cancel(c, OrderId(order), by))


@order_verbs.command("partial")
def end_partial(
    order: Order,
    remains: Annotated[int, typer.Option("--remains", help="How many units were not delivered.", min=1)],
    reason: Reason,
    run: Run = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """End an order as partly delivered, and pay back what remains."""
    _do(
        order, "partial", "ended as partial", reason, data, json,
        lambda c, by: order_actions.end_partial(c, OrderId(order), run, remains, by),
    )  # fmt: skip


@order_verbs.command("complete")
def complete(order: Order, reason: Reason, data: Data = None, json: Json = False) -> None:
    """End an order as delivered in full."""
    _do(order, "complete", "completed", reason, data, json, lambda c, by: order_actions.complete(c, OrderId(order), by))


@order_verbs.command("resend")
def resend(
    order: Order,
    reason: Reason,
    accept_risk: Annotated[
        str, typer.Option("--accept-risk", help="Why you accept that an unsure order may be bought twice.")
    ] = "",
    below_cost: Annotated[
        bool, typer.Option("--below-cost", help="It may cost what it costs now, though it was sold for less.")
    ] = False,
    run: Run = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Send an order again that is proved not to have been bought; an unsure one only with --accept-risk, and one
    that costs more than it was sold for only with --below-cost."""
    _do(
        order, "resend", "queued again", reason, data, json,
        lambda c, by: order_actions.resend(c, OrderId(order), run, accept_risk, by, below_cost=below_cost),
    )  # fmt: skip


@order_verbs.command("settle")
def settle(
    order: Order,
    reason: Reason,
    accepted: Annotated[str, typer.Option("--accepted", metavar="ID", help="It is this order at the provider.")] = "",
    declined: Annotated[bool, typer.Option("--declined", help="The provider has no such order.")] = False,
    run: Run = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Say what became of an unsure order. A declined one goes to the next provider, or back to the customer."""
    if bool(accepted) == declined:
        fail("say --accepted ID or --declined", MISUSED)
    if accepted:
        typed(check_provider_order, accepted)
    _do(
        order, "settle", "settled", reason, data, json,
        lambda c, by: order_actions.settle(c, OrderId(order), run, accepted or None, by),
    )  # fmt: skip


@order_verbs.command("refund")
def refund(
    order: Order,
    value: Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as 0.50.")],
    reason: Reason,
    number: Annotated[
        int,
        typer.Option("--number", help="Which refund of this order; each is booked once.", min=1, max=MAX_REFUNDS),
    ] = 1,
    data: Data = None,
    json: Json = False,
) -> None:
    """Give back more money of an order that has ended, at most what it has earned."""
    back = typed(read_amount, value, SMALLEST)
    _do(
        order, "refund", f"{short(back)} given back", reason, data, json,
        lambda c, by: order_actions.refund(c, OrderId(order), back, number, by),
    )  # fmt: skip


@order_verbs.command("dealt-with")
def deal_with(order: Order, reason: Reason, data: Data = None, json: Json = False) -> None:
    """Take what a provider said too late, or said oddly, of an order off the list: you have seen to it there."""
    _do(order, "deal_with", "dealt with", reason, data, json, lambda c, by: notices.deal_with(c, OrderId(order), by))


@order_verbs.command("wait")
def set_wait(
    hours: Annotated[
        int, typer.Argument(metavar="HOURS", help="Hours; 0 holds them at once.", min=0, max=MAX_REFUSED_WAIT_H)
    ],
    data: Data = None,
    json: Json = False,
) -> None:
    """Say how long orders wait for providers that refuse our key, lack our money or put them off, before they are held
    for you. A panel starts with 24 hours."""
    with_database(standing(data), lambda connection: providers.set_refused_wait(connection, hours, by=by()))
    answer({"refused_wait_h": hours}, f"orders wait for at most {hours} h, and are held then", json=json)


def _do(
    order: int,
    action: str,
    done: str,
    reason: str,
    data: Path | None,
    json: bool,
    act: Callable[[Connection, By], Awaitable[bool]],
) -> None:
    changed = with_database(standing(data), lambda connection: act(connection, by(reason)))
    said = f"order {order}: {done}" if changed else f"order {order}: {done} before; nothing changed"
    answer({"order": order, "action": action, "changed": changed}, said, json=json)


@order_verbs.command("list")
def list_waiting(
    unsure: Annotated[bool, typer.Option("--unsure", help="Those that may or may not have been bought.")] = False,
    held: Annotated[bool, typer.Option("--held", help="Those that no provider took, or with an odd end.")] = False,
    stuck: Annotated[
        bool, typer.Option("--stuck", help="At their provider for more than 3 days, or not sent for 5 minutes.")
    ] = False,
    late: Annotated[
        bool, typer.Option("--late", help="Bought after they had been settled otherwise: cancel them there.")
    ] = False,
    unread: Annotated[
        bool,
        typer.Option("--unread", help="At providers whose answers about them, or their refills, are not understood."),
    ] = False,
    waits: Annotated[
        bool, typer.Option("--waits", help="Put off by their providers, which may refuse our key or lack our money.")
    ] = False,
    odd: Annotated[bool, typer.Option("--odd", help="Ended otherwise than there, or at an unclear cost.")] = False,
    limit: Annotated[int, typer.Option("--limit", help="Lines at most.", min=1, max=MAX_LISTED)] = 100,
    data: Data = None,
    json: Json = False,
) -> None:
    """List the orders that wait for the operator; all kinds where none is named."""
    asked = {
        "unsure": unsure, "held": held, "stuck": stuck, "unread": unread, "waits": waits, "late": late, "odd": odd,
    }  # fmt: skip
    kinds = [kind for kind, wanted in asked.items() if wanted]
    found = with_database(standing(data), lambda connection: attention.list_waiting(connection, kinds, limit, now()))
    found = [_explained(one) for one in found]
    if json:
        lines = [asdict(one) | {"answer": _answer(one), "looks_like_order": _likely(one) or None} for one in found]
        answer({"orders": lines}, "", json=True)
        return
    long_listing(_waiting_table(found), "no order waits for you")


def _explained(one: WaitingDelivery) -> WaitingDelivery:
    """A note tells more than the answer to the attempt, which may be of long before."""
    return one if one.note is None else replace(one, answer=ENGLISH.event(one.note.code, one.note.fields))


def _waiting_table(found: list[WaitingDelivery]) -> Table:
    headings = ("order", "run", "waits as", "since (UTC)", "provider", "its order", "what is known")
    table = Table(*headings, box=None, pad_edge=False)
    for one in found:
        since = "" if one.since is None else f"{one.since.astimezone(UTC):%Y-%m-%d %H:%M}"
        state = one.why if one.why == one.state else f"{one.why}: {ENGLISH.value(DeliveryState(one.state))}"
        theirs = f"looks like {likely}" if (likely := _likely(one)) else one.provider_order
        told = (one.provider_name, theirs, _known(one))
        table.add_row(str(one.order), str(one.run), state, since, *(escape(text or "") for text in told))
    return table


def _known(one: WaitingDelivery) -> str:
    """What the provider said last and, of an unsure order, what the look at its evidence came to."""
    looked = ""
    if one.concluded and one.state == DeliveryState.UNSURE:
        looked = f"looked into: {ENGLISH.value(Conclusion(one.concluded))}"
    return "; ".join(filter(None, (" ".join((_answer(one) or "").split()), looked)))


def _answer(one: WaitingDelivery) -> str | None:
    return None if one.answer is None else ENGLISH.value(one.answer)


def _likely(one: WaitingDelivery) -> str:
    """The order id that an unsure answer seems to tell."""
    return likely_order(words_of(one.answer or "")) if one.state == "unsure" and one.provider_order is None else ""


@order_verbs.command("show")
def show(
    order: Annotated[int, typer.Argument(metavar="ORDER", help="The order's id.")],
    data: Data = None,
    json: Json = False,
) -> None:
    """Tell an order's story: placed, charged, sent, asked, answered, and its money."""
    history = with_database(standing(data), lambda connection: order_events.history(connection, OrderId(order)))
    if history is None:
        refuse(OperatorRefusal(RefusalCode.NO_ORDER, order=order))
    said = {
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
        "events": [_plain(history, event) for event in history.events],
    }
    answer(said, _told(history), json=json)


def _told(history: OrderHistory) -> str:
    back = f", of which {short(history.refunded)} was paid back" if history.refunded else ""
    amount = (
        f"{history.runs} runs of {history.quantity}" if history.runs > 1 else str(history.quantity or "as it posts")
    )
    head = (
        f"order:    {history.order}, {history.state}",
        f"customer: {history.customer}, {history.customer_name}",
        f"service:  {history.service}, {history.service_name}",
        f"link:     {history.link}",
        f"quantity: {amount}",
        f"charge:   {short(history.charge)}{back}",
        "What happened, in UTC:",
    )
    return "\n".join((*head, *(f"  {_stamp(event.at)}  {_what(history, event)}" for event in history.events)))


def _plain(history: OrderHistory, event: OrderEvent) -> dict[str, object]:
    return {"at": event.at, "message": _what(history, event), "code": event.kind.value, "fields": dict(event.fields)}


def _what(history: OrderHistory, event: OrderEvent) -> str:
    return ENGLISH.event_with_run(history.runs, event.kind, event.fields)


def _stamp(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
