"""What the operator may do to an order, by how far it has come. Each step done already is None, and moves nothing."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum, auto
from typing import Final

from msgspec import Struct

from opensmm.base.money import Money
from opensmm.domain import dripfeed
from opensmm.domain.dispatch import END_STATES, AttemptOutcome, DeliveryState
from opensmm.domain.orders import OrderState

QUEUED_TOO_LONG: Final = timedelta(minutes=5)
AT_PROVIDER_TOO_LONG: Final = timedelta(days=3)
"""After so long a delivery is stuck, by the list of what waits for the operator and by the panel's health alike."""


class Denial(StrEnum):
    """Why the operator is told no."""

    NO_ORDER = auto()
    NO_RUN = auto()
    WHICH_RUN = auto()
    SUBSCRIPTION = auto()
    ENDED = auto()
    NOT_ENDED = auto()
    SENDING = auto()
    UNSURE = auto()
    NOT_UNSURE = auto()
    NOT_PROVED = auto()
    BOUGHT = auto()
    TAKEN = auto()
    NOTHING_LEFT = auto()
    PACKAGE = auto()
    REMAINS = auto()
    TOO_MUCH = auto()
    OTHER_AMOUNT = auto()


class Run(Struct, frozen=True):
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


class Subject(Struct, frozen=True):
    """An order under lock, with its runs in order; a subscription has one, of no units."""

    state: OrderState
    packaged: bool
    earned: Money
    runs: tuple[Run, ...]
    interval_min: int = 0

    @property
    def subscribed(self) -> bool:
        return all(run.quantity == 0 for run in self.runs)


class RunEnding(Struct, frozen=True):
    """How a run is ended: the state it gets and what of it stays undelivered."""

    run: int
    state: DeliveryState
    remains: int


_OVER = (OrderState.COMPLETED, OrderState.PARTIAL, OrderState.CANCELED)


def cancel(subject: Subject) -> tuple[RunEnding, ...] | Denial | None:
    """Ends every open run with what it has delivered so far, as far as that is known."""
    if subject.state is OrderState.CANCELED:
        return None
    if subject.state in _OVER:
        return Denial.ENDED
    endings = _end_all(subject, None)
    if isinstance(endings, tuple) and endings and all(one.state is DeliveryState.COMPLETED for one in endings):
        return Denial.NOTHING_LEFT
    return endings


def complete(subject: Subject) -> tuple[RunEnding, ...] | Denial | None:
    """Ends every open run as delivered in full."""
    if subject.state is OrderState.COMPLETED:
        return None
    if subject.subscribed:
        return Denial.SUBSCRIPTION
    return Denial.ENDED if subject.state in _OVER else _end_all(subject, 0)


def _end_all(subject: Subject, remains: int | None) -> tuple[RunEnding, ...] | Denial:
    still = [run for run in subject.runs if run.state not in END_STATES]
    denied = next((why for run in still if (why := _unclear(run)) is not None), None)
    return denied or tuple(_ending(run, remains) for run in still)


def _unclear(run: Run) -> Denial | None:
    if run.state is DeliveryState.SENDING:
        return Denial.SENDING
    return Denial.UNSURE if run.state is DeliveryState.UNSURE else None


def _ending(run: Run, remains: int | None) -> RunEnding:
    left = remains if remains is not None else run.quantity if run.remains is None else run.remains
    if left == 0 and run.quantity:
        return RunEnding(run.run, DeliveryState.COMPLETED, 0)
    return RunEnding(run.run, DeliveryState.CANCELED if left == run.quantity else DeliveryState.PARTIAL, left)


def choose(subject: Subject, run: int | None) -> Run | Denial:
    """The run that is meant; the only one where none is named."""
    if run is None:
        return subject.runs[0] if len(subject.runs) == 1 else Denial.WHICH_RUN
    return next((one for one in subject.runs if one.run == run), Denial.NO_RUN)


def end_partial(subject: Subject, run: Run, remains: int) -> tuple[RunEnding, ...] | Denial | None:
    if run.state in END_STATES:
        return None if (run.state, run.remains) == (DeliveryState.PARTIAL, remains) else Denial.ENDED
    if subject.packaged:
        return Denial.PACKAGE
    if not 0 < remains < run.quantity:
        return Denial.REMAINS
    return _unclear(run) or (_ending(run, remains),)


def released(subject: Subject, endings: Sequence[RunEnding], now: datetime) -> list[tuple[int, datetime]]:
    """The runs that waited for one that is ended and will never be sent, and when they are due."""
    ended = {one.run for one in endings}
    found = []
    for at, run in enumerate(subject.runs):
        following = next((one for one in subject.runs[at + 1 :] if _waits(one) and one.run not in ended), None)
        if run.run in ended and _was_next(run) and following is not None and following.due is None:
            found.append((following.run, dripfeed.next_due(run.due or now, now, subject.interval_min)))
    return found


def _waits(run: Run) -> bool:
    return run.state is DeliveryState.QUEUED


def _was_next(run: Run) -> bool:
    """Its turn had come, and it would have released the next one: a claim that finds no route releases nobody."""
    return run.state is DeliveryState.HELD or (_waits(run) and run.due is not None)


def resend(run: Run, *, signed: bool) -> Run | Denial | None:
    """Only what is proved not to have been bought is sent again, or what the operator takes the risk for."""
    match run.state:
        case DeliveryState.QUEUED | DeliveryState.SENDING:
            return None
        case DeliveryState.UNSURE:
            return run if signed else Denial.NOT_PROVED
        case DeliveryState.HELD if run.outcome in (None, AttemptOutcome.DECLINED):
            return run
    return Denial.ENDED if run.state in END_STATES else Denial.BOUGHT


def settle(run: Run, provider_order: str | None) -> Run | Denial | None:
    """The operator's word on an unsure run: the provider's order, or None where it bought nothing."""
    if run.state is DeliveryState.UNSURE:
        return run
    said = AttemptOutcome.DECLINED if provider_order is None else AttemptOutcome.ACCEPTED
    return None if (run.outcome, run.provider_order) == (said, provider_order) else Denial.NOT_UNSURE


def refund(subject: Subject, amount: Money, booked: Money | None) -> Money | Denial | None:
    """More money back for an ended order, out of what it has earned; ``booked`` is what bears this number already."""
    if booked is not None:
        return None if booked == amount else Denial.OTHER_AMOUNT
    if subject.state not in _OVER:
        return Denial.NOT_ENDED
    return amount if amount <= subject.earned else Denial.TOO_MUCH
