"""The operator's actions on an order, by how far it has come. An action that was done before returns None.

Each rule raises OperatorRefusal if the action is not allowed.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from opensmm.base.ids import OrderId
from opensmm.base.money import Money
from opensmm.domain import dripfeed
from opensmm.domain.codes import FieldCode
from opensmm.domain.dispatch import END_STATES, AttemptOutcome, DeliveryState
from opensmm.domain.names import check_range
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.orders import OrderState

QUEUED_TOO_LONG: Final = timedelta(minutes=5)
AT_PROVIDER_TOO_LONG: Final = timedelta(days=3)
"""Deliveries that take longer are stuck, both in the list of what waits for the operator and in the panel's health."""
MAX_REFUNDS: Final = 1000
"""Refunds of one order are numbered from 1 to this."""


class LockedRun(Struct, frozen=True):
    """A delivery under its row's lock.

    ``outcome`` and ``provider_order`` are its newest attempt's, None without one. ``due``: when it is to be sent or
    polled next; None for a drip-feed's run while an earlier run waits.
    """

    run: int
    state: DeliveryState
    quantity: int
    remains: int | None
    outcome: AttemptOutcome | None
    provider_order: str | None
    due: datetime | None = None


class OrderSubject(Struct, frozen=True):
    """An order under its row's lock, with its runs in order; a subscription has one run of no units."""

    order: OrderId
    state: OrderState
    packaged: bool
    earned: Money
    runs: tuple[LockedRun, ...]
    interval_min: int = 0

    @property
    def subscribed(self) -> bool:
        """True for a subscription."""
        return all(run.quantity == 0 for run in self.runs)

    def refusal(self, code: RefusalCode, **fields: object) -> OperatorRefusal:
        """Returns a refusal that names this order."""
        return OperatorRefusal(code, order=self.order, **fields)


class ChosenEnd(Struct, frozen=True):
    """The state in which a run ends, and how many of its units stay undelivered."""

    run: int
    state: DeliveryState
    remains: int


_OVER = (OrderState.COMPLETED, OrderState.PARTIAL, OrderState.CANCELED)


def cancel(subject: OrderSubject) -> tuple[ChosenEnd, ...] | None:
    """Ends every open run with the units delivered so far, as far as they are known."""
    if subject.state is OrderState.CANCELED:
        return None
    if subject.state in _OVER:
        raise subject.refusal(RefusalCode.ORDER_ENDED)
    endings = _end_all(subject, None)
    # Everything was delivered: to cancel would refund nothing, and hide that the order is complete.
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
    open_runs = [run for run in subject.runs if run.state not in END_STATES]
    for run in open_runs:
        _check_clear(subject, run)
    return tuple(_end_run(run, remains) for run in open_runs)


def _check_clear(subject: OrderSubject, run: LockedRun) -> None:
    """Refuses a run if it is unknown whether a provider has it."""
    if run.state is DeliveryState.SENDING:
        raise subject.refusal(RefusalCode.BEING_SENT)
    if run.state is DeliveryState.UNSURE:
        raise subject.refusal(RefusalCode.ORDER_UNSURE)


def _end_run(run: LockedRun, remains: int | None) -> ChosenEnd:
    left = remains if remains is not None else run.quantity if run.remains is None else run.remains
    if left == 0 and run.quantity:
        return ChosenEnd(run.run, DeliveryState.COMPLETED, 0)
    return ChosenEnd(run.run, DeliveryState.CANCELED if left == run.quantity else DeliveryState.PARTIAL, left)


def choose_run(subject: OrderSubject, run: int | None) -> LockedRun:
    """Returns the run with this number; without a number, the order's only run."""
    if run is None and len(subject.runs) == 1:
        return subject.runs[0]
    if run is None:
        raise subject.refusal(RefusalCode.WHICH_RUN)
    for candidate in subject.runs:
        if candidate.run == run:
            return candidate
    raise subject.refusal(RefusalCode.NO_RUN, run=run)


def end_partial(subject: OrderSubject, run: LockedRun, remains: int) -> tuple[ChosenEnd, ...] | None:
    """Ends a run with ``remains`` units undelivered, which are some and not all of it."""
    if run.state in END_STATES:
        if (run.state, run.remains) == (DeliveryState.PARTIAL, remains):
            return None
        raise subject.refusal(RefusalCode.ORDER_ENDED)
    if subject.packaged:
        raise subject.refusal(RefusalCode.PACKAGE_IN_PARTS)
    if not 0 < remains < run.quantity:
        raise subject.refusal(RefusalCode.IMPOSSIBLE_REMAINS, remains=remains, quantity=run.quantity)
    _check_clear(subject, run)
    return (_end_run(run, remains),)


def find_released(subject: OrderSubject, endings: Sequence[ChosenEnd], now: datetime) -> list[tuple[int, datetime]]:
    """Returns the runs that may now be sent, with the time at which they are due.

    They waited for a run that ends here and will never be sent.
    """
    ended = {one.run for one in endings}
    next_runs = []
    for index, run in enumerate(subject.runs):
        next_run = next((one for one in subject.runs[index + 1 :] if _is_queued(one) and one.run not in ended), None)
        if run.run in ended and _had_its_turn(run) and next_run is not None and next_run.due is None:
            next_runs.append((next_run.run, dripfeed.next_due(run.due or now, now, subject.interval_min)))
    return next_runs


def _is_queued(run: LockedRun) -> bool:
    return run.state is DeliveryState.QUEUED


def _had_its_turn(run: LockedRun) -> bool:
    """True if the run's turn had come, so that its end would have released the next one.

    A claim without a route releases none.
    """
    return run.state is DeliveryState.HELD or (_is_queued(run) and run.due is not None)


def resend(subject: OrderSubject, run: LockedRun, *, signed: bool) -> LockedRun | None:
    """Allows to send again what was proved not bought, or what the operator takes the risk for."""
    match run.state:
        case DeliveryState.QUEUED | DeliveryState.SENDING:
            return None
        case DeliveryState.UNSURE if not signed:
            raise subject.refusal(RefusalCode.NOT_PROVED)
        case DeliveryState.UNSURE:
            return run
        case DeliveryState.HELD if run.outcome in (None, AttemptOutcome.NOT_BOUGHT):
            return run
    raise subject.refusal(RefusalCode.ORDER_ENDED if run.state in END_STATES else RefusalCode.ALREADY_BOUGHT)


def settle(subject: OrderSubject, run: LockedRun, provider_order: str | None) -> LockedRun | None:
    """Applies the operator's statement on an unsure run: the provider's order, or None if nothing was bought."""
    if run.state is DeliveryState.UNSURE:
        return run
    stated = AttemptOutcome.NOT_BOUGHT if provider_order is None else AttemptOutcome.ACCEPTED
    if (run.outcome, run.provider_order) == (stated, provider_order):
        return None
    raise subject.refusal(RefusalCode.ORDER_NOT_UNSURE)


def check_refund_number(number: int) -> None:
    """Raises OperatorRefusal for a number that no refund of an order has."""
    check_range(number, 1, MAX_REFUNDS, FieldCode.REFUND_NUMBER)


def refund(subject: OrderSubject, amount: Money, booked: Money | None) -> Money | None:
    """Refunds more of an ended order, out of its earned money.

    ``booked``: the amount booked under this number before.
    """
    if booked is not None:
        if booked == amount:
            return None
        raise subject.refusal(RefusalCode.OTHER_REFUND_AMOUNT)
    if subject.state not in _OVER:
        raise subject.refusal(RefusalCode.ORDER_NOT_ENDED)
    if amount > subject.earned:
        raise subject.refusal(RefusalCode.MORE_THAN_EARNED)
    return amount
