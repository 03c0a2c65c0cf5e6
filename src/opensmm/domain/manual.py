"""The staff's word on a delivery: read as a provider's report, so that states and money follow the same rules."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.base.ids import OrderId
from opensmm.domain.audit import MAX_REASON
from opensmm.domain.codes import FieldCode, OperatorRefusal, RefusalCode
from opensmm.domain.dispatch import ACCEPTED_STATES
from opensmm.domain.names import name_refusal
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import PolledDelivery, StatusReport


class ManualStep(StrEnum):
    START = "start"
    PROGRESS = "progress"
    DONE = "done"
    PARTIAL = "partial"
    CANCEL = "cancel"


class ManualReport(Struct, frozen=True):
    """What a person says of an order's delivery; without ``run`` of the one that is with the staff.

    To give one up takes a ``reason``.
    """

    order: OrderId
    step: ManualStep
    run: int | None = None
    start_count: int | None = None
    remains: int | None = None
    reason: str = ""


MOST_COUNT: Final = 10**15


def read(said: ManualReport, known: PolledDelivery) -> StatusReport | OperatorRefusal:
    """The report, as a provider would give it. Nothing is bounded silently: what cannot be is refused.

    A partial has delivered some and left some; a package is delivered whole or not at all.
    """
    if known.state not in ACCEPTED_STATES:
        return OperatorRefusal(RefusalCode.NOT_WITH_STAFF, order=said.order)
    if said.start_count is not None and not 0 <= said.start_count <= MOST_COUNT:
        return OperatorRefusal(RefusalCode.IMPOSSIBLE_START_COUNT, order=said.order, most=MOST_COUNT)
    if said.reason or said.step is ManualStep.CANCEL:
        unfit = name_refusal(said.reason.strip(), MAX_REASON, FieldCode.REASON)
        if unfit is not None:
            return unfit
    match said.step:
        case ManualStep.START:
            return StatusReport(OrderStatus.IN_PROGRESS, said.start_count)
        case ManualStep.PROGRESS:
            if said.remains is None or not 0 <= said.remains <= known.quantity:
                return _impossible_remains(said, known)
            return StatusReport(OrderStatus.IN_PROGRESS, None, said.remains, counted=True)
        case ManualStep.DONE:
            return StatusReport(OrderStatus.COMPLETED, said.start_count)
        case ManualStep.PARTIAL:
            if known.packaged:
                return OperatorRefusal(RefusalCode.PACKAGE_IN_PARTS, order=said.order)
            if said.remains is None or not 0 < said.remains < known.quantity:
                return _impossible_remains(said, known)
            return StatusReport(OrderStatus.PARTIAL, None, said.remains)
        case ManualStep.CANCEL:
            return StatusReport(OrderStatus.CANCELED, None, known.quantity)


def _impossible_remains(said: ManualReport, known: PolledDelivery) -> OperatorRefusal:
    return OperatorRefusal(
        RefusalCode.IMPOSSIBLE_REMAINS, order=said.order, remains=said.remains, quantity=known.quantity
    )
