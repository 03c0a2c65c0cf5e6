"""Following: what a provider's word changes, how far it is believed, and what the customer reads."""

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
    """What a provider said of one order. None where it said nothing that can be understood.

    ``word``: the status as it was spelt, where that is none of the trade's six words. ``counted``: a 0 of ``remains``
    is meant, as by somebody of the operator's own staff. ``unclear_charge``, ``unclear_remains``: as they were spelt,
    where they are no number, or one that may be read in two ways.
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
    """An answer about one order that is not understood, in the words that came. ``failed``: it is an error text."""

    words: str
    failed: bool = False


class PolledDelivery(Struct, frozen=True):
    """What is known of a delivery before a report is applied. ``polled`` is when the last applied answer was asked, and
    ``charge`` what the provider had said of its cost by then. ``quoted``: what 1000 of it cost when it was sent, in the
    panel's currency (a package: one)."""

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
    """A delivery after a report."""

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


def apply(known: PolledDelivery, report: StatusReport, asked: datetime) -> DeliveryNews | None:
    """The delivery after a report, or None where it changes nothing: unknown words, old news, an ended delivery."""
    if known.state not in ACCEPTED_STATES or report.status is None:
        return None
    if known.polled is not None and asked <= known.polled:
        return None
    start = report.start_count if report.start_count is not None and report.start_count >= 0 else known.start_count
    before = known.quantity if known.remains is None else known.remains
    inside = report.remains is not None and 0 <= report.remains <= known.quantity
    told = report.remains if inside and report.remains is not None else before
    match report.status:
        case OrderStatus.PENDING | OrderStatus.PROCESSING:
            # Many panels, and v1's own page, say 0 until it begins: that all is delivered nobody means by it.
            return DeliveryNews(_STATE[report.status], start, told or before)
        case OrderStatus.IN_PROGRESS:
            # An order that was never counted tells nothing by a 0: the v1 family says so until it looks.
            idle = report.remains == 0 and not start and not report.counted
            return DeliveryNews(_STATE[report.status], start, before if idle else told)
        case OrderStatus.COMPLETED:
            return DeliveryNews(DeliveryState.COMPLETED, start, 0)
        case OrderStatus.PARTIAL:
            believable = inside and told > 0 and not known.packaged
            return DeliveryNews(DeliveryState.PARTIAL if believable else DeliveryState.HELD, start, told or before)
        case OrderStatus.CANCELED:
            return _canceled(known, report, start, before)
        case _:
            assert_never(report.status)


def unfinished(report: StatusReport) -> int | None:
    """Units that a provider says remain of what it says is completed; None where it does not contradict itself.

    The order is earned in full all the same: in the trade *Completed* means that nothing remains, and many panels
    leave an old number there.
    """
    contradicts = report.status is OrderStatus.COMPLETED and report.remains is not None and report.remains > 0
    return report.remains if contradicts else None


def _canceled(known: PolledDelivery, report: StatusReport, start: int | None, before: int) -> DeliveryNews:
    """Many panels leave ``remains`` at 0 or empty on a cancelled order that they charge nothing for.

    Where they say neither, and something was delivered before, what is left is the operator's to find out: it stands
    as it was known.
    """
    if report.word and report.remains is None:
        return DeliveryNews(
            DeliveryState.HELD, start, before
        )  # a word that is not the trade's own does not pay back in full
    said = report.remains or 0
    silent = report.remains is None and report.charge is None and not (report.unclear_charge or report.unclear_remains)
    free = report.charge == 0 or (silent and before == known.quantity)
    if not said and free:
        return DeliveryNews(DeliveryState.CANCELED, start, known.quantity)
    inside = 0 < said <= known.quantity
    believable = inside and (not known.packaged or said == known.quantity)
    return DeliveryNews(DeliveryState.CANCELED if believable else DeliveryState.HELD, start, said if inside else before)


def note_of(
    known: PolledDelivery, answer: StatusReport | UnreadAnswer | None, news: DeliveryNews | None
) -> DeliveryNote | None:
    """The note for the operator on a delivery after its provider's answer; None where the answer is plain."""
    match answer:
        case UnreadAnswer(words, failed):
            return DeliveryNote(EventCode.LOOK_UP_FAILED if failed else EventCode.NOT_UNDERSTOOD, {"words": words})
        case StatusReport() if news is not None and news.state is DeliveryState.HELD:
            word = answer.word or (answer.status or "")
            remains = answer.unclear_remains or answer.remains
            charge = answer.unclear_charge or answer.charge
            fields = {"word": word, "remains": remains, "quantity": known.quantity, "charge": charge}
            return DeliveryNote(EventCode.END_NOT_BELIEVED, fields)
        case StatusReport(unclear_charge=charge) if charge:
            return DeliveryNote(EventCode.CHARGE_UNCLEAR, {"words": charge})
    return None


_NEAR: Final = 30
"""A charge fits what was expected up to so many times above and below it. The two readings of a comma lie a thousand
times apart, so that no more than one fits."""


_THOUSANDS_OR_DECIMALS: Final = re.compile(r"-?[0-9]+,[0-9]+")
_UNITS_OR_DECIMALS: Final = re.compile(r"([0-9]+)\.0+")


def with_clear_remains(known: PolledDelivery, report: StatusReport) -> StatusReport:
    """A report whose remains such as ``12.000`` are read as twelve where twelve thousand are more than were ordered."""
    whole = _UNITS_OR_DECIMALS.fullmatch(report.unclear_remains)
    if whole is None or int(report.unclear_remains.replace(".", "")) <= known.quantity:
        return report
    return structs.replace(report, remains=int(whole[1]), unclear_remains="")


def with_clear_charge(known: PolledDelivery, report: StatusReport, exchange_rate: Decimal) -> StatusReport:
    """A report whose unclear charge is read as fits what its order cost before, or was expected to cost; as it is where
    neither reading fits, or nothing is known of the cost."""
    if not _THOUSANDS_OR_DECIMALS.fullmatch(report.unclear_charge):
        return report
    expected = known.charge or _expected(known, exchange_rate)
    readings = (Decimal(report.unclear_charge.replace(",", mark)) for mark in ("", "."))
    fitting = [one for one in readings if expected and expected <= one * _NEAR and one <= expected * _NEAR]
    return structs.replace(report, charge=fitting[0], unclear_charge="") if len(fitting) == 1 else report


def _expected(known: PolledDelivery, exchange_rate: Decimal) -> Decimal | None:
    """In the provider's currency."""
    if known.quoted is None:
        return None
    share = Decimal(1) if known.packaged else Decimal(known.quantity) / 1000
    return known.quoted * share / exchange_rate


def cost_of(known: PolledDelivery, report: StatusReport, news: DeliveryNews | None) -> Decimal | None:
    """What a delivery costs by a provider's word; None where it says nothing of it.

    Many panels leave the charge as it was when the order was taken. Where it stands so at the end, a canceled order
    costs nothing, and a partial one its delivered share.
    """
    told = report.charge if report.charge is not None and report.charge >= 0 else None
    if news is None or news.state not in (DeliveryState.CANCELED, DeliveryState.PARTIAL) or not known.charge:
        return told
    same_currency = not report.currency or report.currency == known.currency
    if told is not None and (told != known.charge or not same_currency):
        return told
    share = known.charge * (known.quantity - news.remains) / max(known.quantity, 1)
    return share.quantize(_COST_STEP, ROUND_CEILING).normalize() if share else Decimal(0)


POLL_STEPS: Final = (
    (timedelta(seconds=10), timedelta(seconds=1)),
    (timedelta(minutes=1), timedelta(seconds=3)),
    (timedelta(minutes=10), timedelta(seconds=10)),
    (timedelta(hours=1), timedelta(seconds=25)),
    (timedelta(days=1), timedelta(minutes=5)),
)
POLL_LAST: Final = timedelta(minutes=14)
"""With the time that asking takes, what is known of an order of the last hour is no older than 30 s, of any 15 min."""


def poll_again_after(age: timedelta) -> timedelta:
    """Young orders are asked after sooner than old ones."""
    return next((pause for until, pause in POLL_STEPS if age < until), POLL_LAST)


class OrderEnd(Struct, frozen=True):
    state: OrderState
    remains: int


def end_of_order(quantity: int, runs: int, remains: int) -> OrderEnd:
    """How an order ends when its last delivery has: ``remains`` is what all runs together left undelivered."""
    if remains == 0:
        return OrderEnd(OrderState.COMPLETED, 0)
    whole = quantity * runs
    return OrderEnd(OrderState.CANCELED if remains == whole else OrderState.PARTIAL, remains)
