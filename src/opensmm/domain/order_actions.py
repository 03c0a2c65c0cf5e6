"""The operator's actions on an order, by how far it has come. A step that was done before is None, and moves nothing.

Each rule raises OperatorRefusal where the step may not be taken.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from opensmm.base.ids import OrderId
from opensmm.base.money import Money
from opensmm.domain import dripfeed
from opensmm.domain.codes import FieldCode, OperatorRefusal, RefusalCode
from opensmm.domain.dispatch import END_STATES, AttemptOutcome, DeliveryState
from opensmm.domain.names import check_range
from opensmm.domain.orders import OrderState

QUEUED_TOO_LONG: Final = timedelta(minutes=5)
AT_PROVIDER_TOO_LONG: Final = timedelta(days=3)
"""After so long a delivery is stuck, by the list of what waits for the operator and by the panel's health alike."""


MAX_REFUNDS: Final = 1000
"""Refunds of one order are numbered from 1 to this."""


class LockedRun(Struct, frozen=True):
    """A delivery under lock. ``outcome`` and ``provider_order`` are its newest attempt's, None where there is none.

    ``due``: when it is to be sent or asked after next; None of a drip-feed's run while the one before it waits.
    """

    run: int
    state: DeliveryState
    quantity: int
    remains: int | None
    outcome: AttemptOutcome | None
    provider_order: str | None
    due: datetime | None = None


class OrderSubject(Struct, frozen=True):
    """An order under lock, with its runs in order; a subscription has one, of no units."""

    order: OrderId
    state: OrderState
    packaged: bool
    earned: Money
    runs: tuple[LockedRun, ...]
    interval_min: int = 0

    @property
    def subscribed(self) -> bool:
        return all(run.quantity == 0 for run in self.runs)

    def refusal(self, code: RefusalCode, **fields: object) -> OperatorRefusal:
        """A refusal that names this order."""
        return OperatorRefusal(code, order=self.order, **fields)


class ChosenEnd(Struct, frozen=True):
    """The state in which a run is ended, and how many of its units stay undelivered."""

    run: int
    state: DeliveryState
    remains: int


_OVER = (OrderState.COMPLETED, OrderState.PARTIAL, OrderState.CANCELED)


def cancel(subject: OrderSubject) -> tuple[ChosenEnd, ...] | None:
    """Ends every open run with what it has delivered so far, as far as that is known."""
    if subject.state is OrderState.CANCELED:
        return None
    if subject.state in _OVER:
        raise subject.refusal(RefusalCode.ORDER_ENDED)
    endings = _end_all(subject, None)
    if endings and all(one.state is DeliveryState.COMPLETED for one in endings):
        raise subject.refusal(RefusalCode.NOTHING_LEFT)
    return endings


def complete(subject: OrderSubject) -> tuple[ChosenEnd, ...] | None:
    """Ends every open run as delivered in full."""
    if subject.state is OrderState.COMPLETED:
        return None
    if subject.subscribed:
        raise subject.refusal(RefusalCode.SUBSCRIPTION_NOT_COMPLETED)
    if subject.state in _OVER:
        raise subject.refusal(RefusalCode.ORDER_ENDED)
    return _end_all(subject, 0)


def _end_all(subject: OrderSubject, remains: int | None) -> tuple[ChosenEnd, ...]:
    still = [run for run in subject.runs if run.state not in END_STATES]
    for run in still:
        _check_clear(subject, run)
    return tuple(_ending(run, remains) for run in still)


def _check_clear(subject: OrderSubject, run: LockedRun) -> None:
    """Refuses a run of which it is not known whether a provider has it."""
    if run.state is DeliveryState.SENDING:
        raise subject.refusal(RefusalCode.BEING_SENT)
    if run.state is DeliveryState.UNSURE:
        raise subject.refusal(RefusalCode.ORDER_UNSURE)


def _ending(run: LockedRun, remains: int | None) -> ChosenEnd:
    left = remains if remains is not None else run.quantity if run.remains is None else run.remains
    if left == 0 and run.quantity:
        return ChosenEnd(run.run, DeliveryState.COMPLETED, 0)
    return ChosenEnd(run.run, DeliveryState.CANCELED if left == run.quantity else DeliveryState.PARTIAL, left)


def choose(subject: OrderSubject, run: int | None) -> LockedRun:
    """The run of this number; the only one where none is named."""
    if run is None and len(subject.runs) == 1:
        return subject.runs[0]
    if run is None:
        raise subject.refusal(RefusalCode.WHICH_RUN)
    for each in subject.runs:
        if each.run == run:
            return each
    raise subject.refusal(RefusalCode.NO_RUN, run=run)


def end_partial(subject: OrderSubject, run: LockedRun, remains: int) -> tuple[ChosenEnd, ...] | None:
    """Ends a run of which ``remains`` units, some and not all, were not delivered."""
    if run.state in END_STATES:
        if (run.state, run.remains) == (DeliveryState.PARTIAL, remains):
            return None
        raise subject.refusal(RefusalCode.ORDER_ENDED)
    if subject.packaged:
        raise subject.refusal(RefusalCode.PACKAGE_IN_PARTS)
    if not 0 < remains < run.quantity:
        raise subject.refusal(RefusalCode.IMPOSSIBLE_REMAINS, remains=remains, quantity=run.quantity)
    _check_clear(subject, run)
    return (_ending(run, remains),)


def released(subject: OrderSubject, endings: Sequence[ChosenEnd], now: datetime) -> list[tuple[int, datetime]]:
    """The runs that waited for one that is ended and will never be sent, and when they are due."""
    ended = {one.run for one in endings}
    found = []
    for at, run in enumerate(subject.runs):
        following = next((one for one in subject.runs[at + 1 :] if _waits(one) and one.run not in ended), None)
        if run.run in ended and _was_next(run) and following is not None and following.due is None:
            found.append((following.run, dripfeed.next_due(run.due or now, now, subject.interval_min)))
    return found


def _waits(run: LockedRun) -> bool:
    return run.state is DeliveryState.QUEUED


def _was_next(run: LockedRun) -> bool:
    """Its turn had come, and it would have released the next one: a claim that finds no route releases nobody."""
    return run.state is DeliveryState.HELD or (_waits(run) and run.due is not None)


def resend(subject: OrderSubject, run: LockedRun, *, signed: bool) -> LockedRun | None:
    """Only what is proved not to have been bought is sent again, or what the operator takes the risk for."""
    match run.state:
        case DeliveryState.QUEUED | DeliveryState.SENDING:
            return None
        case DeliveryState.UNSURE if not signed:
            raise subject.refusal(RefusalCode.NOT_PROVED)
        case DeliveryState.UNSURE:
            return run
        case DeliveryState.HELD if run.outcome in (None, AttemptOutcome.DECLINED):
            return run
    raise subject.refusal(RefusalCode.ORDER_ENDED if run.state in END_STATES else RefusalCode.ALREADY_BOUGHT)


def settle(subject: OrderSubject, run: LockedRun, provider_order: str | None) -> LockedRun | None:
    """The operator's word on an unsure run: the provider's order, or None where it bought nothing."""
    if run.state is DeliveryState.UNSURE:
        return run
    stated = AttemptOutcome.DECLINED if provider_order is None else AttemptOutcome.ACCEPTED
    if (run.outcome, run.provider_order) == (stated, provider_order):
        return None
    raise subject.refusal(RefusalCode.ORDER_NOT_UNSURE)


def check_refund_number(number: int) -> None:
    """Raises OperatorRefusal for a number that no refund of an order has."""
    check_range(number, 1, MAX_REFUNDS, FieldCode.REFUND_NUMBER)


def refund(subject: OrderSubject, amount: Money, booked: Money | None) -> Money | None:
    """More money back for an ended order, out of what it has earned; ``booked`` is what bears this number already."""
    if booked is not None:
        if booked == amount:
            return None
        raise subject.refusal(RefusalCode.OTHER_REFUND_AMOUNT)
    if subject.state not in _OVER:
        raise subject.refusal(RefusalCode.ORDER_NOT_ENDED)
    if amount > subject.earned:
        raise subject.refusal(RefusalCode.MORE_THAN_EARNED)
    return amount
