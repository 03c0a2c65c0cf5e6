"""Status reports: the changes that a provider's report makes to a delivery, and how far the report is believed."""

import re
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Final, assert_never

from msgspec import Struct, structs

from opensmm.domain.codes import DeliveryNote, EventCode
from opensmm.domain.dispatch import ACCEPTED_STATES, DeliveryState
from opensmm.domain.orders import OrderState, OrderStatus

_COST_STEP: Final = Decimal("1e-10")


class StatusReport(Struct, frozen=True):
    """A provider's report on one order. A field is None if the provider did not state it intelligibly.

    ``word``: the status as spelt, if it is none of the six documented words. ``counted``: a ``remains`` of 0 is meant,
    as in a report of the operator's staff. ``unclear_charge``, ``unclear_remains``: the texts as spelt, if they are no
    numbers or can be read in two ways.
    """

    status: OrderStatus | None = None
    start_count: int | None = None
    remains: int | None = None
    charge: Decimal | None = None
    currency: str = ""
    word: str = ""
    counted: bool = False
    unclear_charge: str = ""
    unclear_remains: str = ""


class UnreadAnswer(Struct, frozen=True):
    """An answer about one order that is not understood, with its words. ``failed``: it is an error text."""

    words: str
    failed: bool = False


class PolledDelivery(Struct, frozen=True):
    """A delivery before a report is applied.

    ``polled``: when the request of the last applied answer was sent. ``charge``: the cost that the provider had
    reported by then. ``quoted``: the cost of 1000 (a package: of one) when it was sent, in the panel's currency.
    """

    state: DeliveryState
    quantity: int
    packaged: bool
    start_count: int | None
    remains: int | None
    polled: datetime | None
    charge: Decimal | None = None
    currency: str | None = None
    quoted: Decimal | None = None


class DeliveryNews(Struct, frozen=True):
    """Fields of a delivery after a report."""

    state: DeliveryState
    start_count: int | None
    remains: int


_STATE: Final = {
    OrderStatus.PENDING: DeliveryState.PENDING,
    OrderStatus.PROCESSING: DeliveryState.PROCESSING,
    OrderStatus.IN_PROGRESS: DeliveryState.IN_PROGRESS,
    OrderStatus.COMPLETED: DeliveryState.COMPLETED,
    OrderStatus.PARTIAL: DeliveryState.PARTIAL,
    OrderStatus.CANCELED: DeliveryState.CANCELED,
}


def apply_report(delivery: PolledDelivery, report: StatusReport, requested: datetime) -> DeliveryNews | None:
    """Returns the delivery after a report on a request sent at ``requested``; None if the report changes nothing.

    Nothing changes if the status is unknown, the report is older than the last applied one, or the delivery has ended.
    """
    if delivery.state not in ACCEPTED_STATES or report.status is None:
        return None
    if delivery.polled is not None and requested <= delivery.polled:
        return None
    start = report.start_count if report.start_count is not None and report.start_count >= 0 else delivery.start_count
    before = delivery.quantity if delivery.remains is None else delivery.remains
    inside = report.remains is not None and 0 <= report.remains <= delivery.quantity
    remains = report.remains if inside and report.remains is not None else before
    match report.status:
        case OrderStatus.PENDING | OrderStatus.PROCESSING:
            # Many panels, and v1's own page, say 0 until delivery begins. It never means that all is delivered.
            return DeliveryNews(_STATE[report.status], start, remains or before)
        case OrderStatus.IN_PROGRESS:
            # Without a start count a 0 means nothing: panels of the v1 family say 0 until they count.
            idle = report.remains == 0 and not start and not report.counted
            return DeliveryNews(_STATE[report.status], start, before if idle else remains)
        case OrderStatus.COMPLETED:
            return DeliveryNews(DeliveryState.COMPLETED, start, 0)
        case OrderStatus.PARTIAL:
            believable = inside and remains > 0 and not delivery.packaged
            return DeliveryNews(DeliveryState.PARTIAL if believable else DeliveryState.HELD, start, remains or before)
        case OrderStatus.CANCELED:
            return _apply_cancel(delivery, report, start, before)
        case _:
            assert_never(report.status)


def contradicting_remains(report: StatusReport) -> int | None:
    """Returns the units that a *Completed* report leaves undelivered; None if it does not contradict itself.

    The order is earned in full all the same: in this trade *Completed* means that nothing remains, and many panels
    leave an old number there.
    """
    contradicts = report.status is OrderStatus.COMPLETED and report.remains is not None and report.remains > 0
    return report.remains if contradicts else None


def _apply_cancel(delivery: PolledDelivery, report: StatusReport, start: int | None, before: int) -> DeliveryNews:
    """Reads the end of a cancelled order.

    Many panels report ``remains`` of 0 or none although they charge nothing. If a report has neither a charge nor
    remains, and something was delivered before, the delivery is held with the remains known before: the operator must
    find out.
    """
    if report.word and report.remains is None:
        # An undocumented status word alone does not refund in full.
        return DeliveryNews(DeliveryState.HELD, start, before)
    remains = report.remains or 0
    silent = report.remains is None and report.charge is None and not (report.unclear_charge or report.unclear_remains)
    free = report.charge == 0 or (silent and before == delivery.quantity)
    if not remains and free:
        return DeliveryNews(DeliveryState.CANCELED, start, delivery.quantity)
    inside = 0 < remains <= delivery.quantity
    believable = inside and (not delivery.packaged or remains == delivery.quantity)
    return DeliveryNews(
        DeliveryState.CANCELED if believable else DeliveryState.HELD, start, remains if inside else before
    )


def note_of(
    delivery: PolledDelivery, answer: StatusReport | UnreadAnswer | None, news: DeliveryNews | None
) -> DeliveryNote | None:
    """Returns the note for the operator on a delivery after its provider's answer; None if the answer is plain."""
    match answer:
        case UnreadAnswer(words, failed):
            return DeliveryNote(EventCode.LOOK_UP_FAILED if failed else EventCode.NOT_UNDERSTOOD, {"words": words})
        case StatusReport() if news is not None and news.state is DeliveryState.HELD:
            word = answer.word or (answer.status or "")
            remains = answer.unclear_remains or answer.remains
            charge = answer.unclear_charge or answer.charge
            fields = {"word": word, "remains": remains, "quantity": delivery.quantity, "charge": charge}
            return DeliveryNote(EventCode.END_NOT_BELIEVED, fields)
        case StatusReport(unclear_charge=charge) if charge:
            return DeliveryNote(EventCode.CHARGE_UNCLEAR, {"words": charge})
    return None


_NEAR: Final = 30
"""Times that a charge may be above or below the expected cost and still fit it. The two readings of a comma lie a
thousand times apart, so at most one fits."""


_THOUSANDS_OR_DECIMALS: Final = re.compile(r"-?[0-9]+,[0-9]+")
_UNITS_OR_DECIMALS: Final = re.compile(r"([0-9]+)\.0+")


def with_clear_remains(delivery: PolledDelivery, report: StatusReport) -> StatusReport:
    """Reads unclear remains such as ``12.000`` as twelve if twelve thousand are more than were ordered.

    Returns any other report unchanged.
    """
    whole = _UNITS_OR_DECIMALS.fullmatch(report.unclear_remains)
    if whole is None or int(report.unclear_remains.replace(".", "")) <= delivery.quantity:
        return report
    return structs.replace(report, remains=int(whole[1]), unclear_remains="")


def with_clear_charge(delivery: PolledDelivery, report: StatusReport, exchange_rate: Decimal) -> StatusReport:
    """Reads an unclear charge as the number that fits the order's earlier or expected cost.

    Returns the report unchanged if neither reading fits, or nothing is known of the cost.
    """
    if not _THOUSANDS_OR_DECIMALS.fullmatch(report.unclear_charge):
        return report
    expected = delivery.charge or _estimate_cost(delivery, exchange_rate)
    readings = (Decimal(report.unclear_charge.replace(",", mark)) for mark in ("", "."))
    fitting = [one for one in readings if expected and expected <= one * _NEAR and one <= expected * _NEAR]
    return structs.replace(report, charge=fitting[0], unclear_charge="") if len(fitting) == 1 else report


def _estimate_cost(delivery: PolledDelivery, exchange_rate: Decimal) -> Decimal | None:
    """Computes the expected cost in the provider's currency; None if no cost was quoted."""
    if delivery.quoted is None:
        return None
    share = Decimal(1) if delivery.packaged else Decimal(delivery.quantity) / 1000
    return delivery.quoted * share / exchange_rate


def cost_of(delivery: PolledDelivery, report: StatusReport, news: DeliveryNews | None) -> Decimal | None:
    """Returns the cost of a delivery by its provider's report; None if the report does not state it.

    Many panels leave the charge as it was when they took the order. If it is unchanged at the end, a cancelled order
    costs nothing, and a partial one its delivered share.
    """
    charge = report.charge if report.charge is not None and report.charge >= 0 else None
    if news is None or news.state not in (DeliveryState.CANCELED, DeliveryState.PARTIAL) or not delivery.charge:
        return charge
    same_currency = not report.currency or report.currency == delivery.currency
    if charge is not None and (charge != delivery.charge or not same_currency):
        return charge
    share = delivery.charge * (delivery.quantity - news.remains) / max(delivery.quantity, 1)
    return share.quantize(_COST_STEP, ROUND_CEILING).normalize() if share else Decimal(0)


POLL_STEPS: Final = (
    (timedelta(seconds=10), timedelta(seconds=1)),
    (timedelta(minutes=1), timedelta(seconds=3)),
    (timedelta(minutes=10), timedelta(seconds=10)),
    (timedelta(hours=1), timedelta(seconds=25)),
    (timedelta(days=1), timedelta(minutes=5)),
)
"""Pauses between polls, as pairs (until this age since it was sent, this pause)."""
POLL_LAST: Final = timedelta(minutes=14)
"""The pause beyond the last step. With the time of a poll, the state of an order of the last hour is at most 30 s old,
and that of any other 15 min."""


def poll_again_after(age: timedelta) -> timedelta:
    """Returns the pause before the next poll of a delivery that was sent ``age`` ago: the younger, the shorter."""
    return next((pause for until, pause in POLL_STEPS if age < until), POLL_LAST)


class OrderEnd(Struct, frozen=True):
    """Final state of an order, and its undelivered units."""

    state: OrderState
    remains: int


def end_of_order(quantity: int, runs: int, remains: int) -> OrderEnd:
    """Returns the end of an order whose last delivery ended; ``remains`` is the sum of all runs."""
    if remains == 0:
        return OrderEnd(OrderState.COMPLETED, 0)
    whole = quantity * runs
    return OrderEnd(OrderState.CANCELED if remains == whole else OrderState.PARTIAL, remains)
