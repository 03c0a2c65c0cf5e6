"""Cancelling: what an ask to cancel does to an order, by how far its deliveries have come."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.domain.dispatch import END_STATES, DeliveryState
from opensmm.domain.orders import LIVE_ORDERS, OrderState
from opensmm.domain.refusals import UNKNOWN_ORDER, Refusal, Refused

TOLD_AFTER_ITS_END: Final = timedelta(days=1)
"""How long a provider is told of a cancel of what has ended here, where it gives no clear answer."""

TOLD_AGAIN_AFTER: Final = (
    *(timedelta(seconds=pause) for pause in (10, 30, 60)),
    *(timedelta(minutes=pause) for pause in (2, 5, 10, 30)),
    *(timedelta(hours=pause) for pause in (1, 2, 4, 8)),
)
"""Pauses after answers that were not clear; after one more of these the provider is told no more."""
SILENT_PAUSES: Final = 6
"""So many of these pauses grow where no answer comes at all: once its provider is back, it is told within minutes."""
SILENT_FOR: Final = timedelta(days=1)
"""How long a provider that does not answer is told of a cancel; then the operator is to look."""


class CancelStep(StrEnum):
    """What is done to one delivery: ended here and now, passed on to its provider, or left as it is."""

    END = "end"
    ASK = "ask"
    LEAVE = "leave"


class DeliveryPart(Struct, frozen=True):
    """A delivery of the order. ``accepted``: a provider took its newest try."""

    state: DeliveryState
    accepted: bool


class CancelSubject(Struct, frozen=True):
    state: OrderState
    offered: bool
    deliveries: Sequence[DeliveryPart]


def decide(order: CancelSubject | None) -> Sequence[CancelStep] | Refused:
    """One step per delivery. One that no provider has ends at once; one that may be at a provider is asked about."""
    if order is None:
        return UNKNOWN_ORDER
    if not order.offered or order.state not in LIVE_ORDERS:
        return Refused(Refusal.NOT_CANCELABLE)
    return [_step(part) for part in order.deliveries]


def _step(part: DeliveryPart) -> CancelStep:
    if part.state is DeliveryState.QUEUED or (part.state is DeliveryState.HELD and not part.accepted):
        return CancelStep.END
    return CancelStep.LEAVE if part.state in END_STATES else CancelStep.ASK
