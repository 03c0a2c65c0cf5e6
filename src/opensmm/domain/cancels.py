"""Cancel requests: their effect on an order, by the states of its deliveries."""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.domain.dispatch import END_STATES, DeliveryState
from opensmm.domain.orders import LIVE_ORDER_STATES, OrderState
from opensmm.domain.request_refusals import UNKNOWN_ORDER, Refusal, Refused

CANCEL_AFTER_END_FOR: Final = timedelta(days=1)
"""The time after a request in which a cancel is still sent to the provider if the delivery has ended here."""

CANCEL_PAUSES: Final = (
    *(timedelta(seconds=pause) for pause in (10, 30, 60)),
    *(timedelta(minutes=pause) for pause in (2, 5, 10, 30)),
    *(timedelta(hours=pause) for pause in (1, 2, 4, 8)),
)
"""Pauses before a cancel is sent again after an unclear answer. After the last one it is sent once more."""
SILENT_PAUSES: Final = 6
"""The pauses used while no answer comes; the last of them repeats, so a provider that is back gets it in minutes."""
SILENT_FOR: Final = timedelta(days=1)
"""The time for which a cancel is sent to a provider that does not answer. Then ``health`` reports it."""


class CancelStep(StrEnum):
    """Effects of a cancel on one delivery: it ends at once, its provider is asked, or nothing changes."""

    END = "end"
    ASK = "ask"
    LEAVE = "leave"


class DeliveryPart(Struct, frozen=True):
    """One delivery of the order. ``accepted``: a provider accepted its newest attempt."""

    state: DeliveryState
    accepted: bool


class CancelSubject(Struct, frozen=True):
    """The order to cancel. ``offered``: its service can be cancelled."""

    state: OrderState
    offered: bool
    deliveries: Sequence[DeliveryPart]


def decide(order: CancelSubject | None) -> Sequence[CancelStep] | Refused:
    """Returns one step per delivery. It ends at once if no provider has it; otherwise its provider is asked."""
    if order is None:
        return UNKNOWN_ORDER
    if not order.offered or order.state not in LIVE_ORDER_STATES:
        return Refused(Refusal.NOT_CANCELABLE)
    return [_choose_step(part) for part in order.deliveries]


def _choose_step(part: DeliveryPart) -> CancelStep:
    if part.state is DeliveryState.QUEUED or (part.state is DeliveryState.HELD and not part.accepted):
        return CancelStep.END
    return CancelStep.LEAVE if part.state in END_STATES else CancelStep.ASK
