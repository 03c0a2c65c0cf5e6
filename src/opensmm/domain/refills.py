"""Refills: requests to deliver again what a completed order lost. They move no money."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.base.ids import RefillId
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.orders import OrderState
from opensmm.domain.request_refusals import UNKNOWN_ORDER, Refusal, Refused
from opensmm.domain.transitions import final, passing

RETRY_PAUSES: Final = (
    timedelta(minutes=3),
    timedelta(minutes=15),
    *(timedelta(hours=pause) for pause in (1, 4, 12)),
)
"""Pauses before the next request after an unclear answer, which may have begun a refill. If none is left, the operator
must check."""
UNCLEAR: Final = "unsure"
"""State of a task that is no longer requested, though its provider may have begun it."""


class RefillStatus(StrEnum):
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    REJECTED = "rejected"
    CANCELED = "canceled"


_ENDS: Final = frozenset((RefillStatus.COMPLETED, RefillStatus.REJECTED, RefillStatus.CANCELED))
REFILL_TRANSITIONS: Final = {
    RefillStatus.PENDING: _ENDS | {RefillStatus.IN_PROGRESS},
    # An order bought for it failed, or its provider reports it pending again.
    RefillStatus.IN_PROGRESS: _ENDS | {RefillStatus.PENDING},
    RefillStatus.COMPLETED: frozenset[RefillStatus](),
    RefillStatus.REJECTED: frozenset[RefillStatus](),
    RefillStatus.CANCELED: frozenset[RefillStatus](),
}
"""States that a refill may go to next. It begins pending."""
OPEN_REFILLS: Final = passing(REFILL_TRANSITIONS)
ENDED_REFILLS: Final = final(REFILL_TRANSITIONS)


class Refillable(Struct, frozen=True):
    """An order for which a refill is requested.

    ``last``: when its newest refill was requested. ``within_days``: how long after its completion a refill may be
    requested, None for ever.
    """

    state: OrderState
    offered: bool
    wait_h: int
    ended: datetime | None
    open_refill: bool
    last: datetime | None
    within_days: int | None = None


def check(order: Refillable | None, now: datetime) -> Refused | None:
    """Checks a request for a refill.

    The order must be the caller's own and completed, its refill neither too late nor too early, and no other one open.
    """
    if order is None:
        return UNKNOWN_ORDER
    if not order.offered:
        return Refused(Refusal.REFILL_DISABLED)
    if order.state is not OrderState.COMPLETED or order.ended is None:
        return Refused(Refusal.REFILL_NOT_COMPLETED)
    if order.within_days is not None and now - order.ended > timedelta(days=order.within_days):
        return Refused(Refusal.REFILL_DISABLED)
    if order.open_refill:
        return Refused(Refusal.REFILL_OPEN)
    newest = max(order.ended, order.last or order.ended)
    # Without a wait, ``newest`` may still lie ahead: another process's clock wrote it, a few milliseconds before ours.
    if order.wait_h and now - newest < timedelta(hours=order.wait_h):
        return Refused(Refusal.REFILL_TOO_EARLY)
    return None


def check_purchase(refill: RefillId, quantity: int, ordered: int, *, packaged: bool) -> None:
    """Raises OperatorRefusal if more is to be bought than was ``ordered``, or a part of a package."""
    if not 0 < quantity <= ordered or (packaged and quantity != 1):
        raise OperatorRefusal(RefusalCode.MORE_THAN_ORDERED, refill=refill, quantity=quantity, ordered=ordered)


class Refill(Struct, frozen=True):
    refill: RefillId
    status: RefillStatus
