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
from opensmm.domain.progress import Followed, Report


class StaffStep(StrEnum):
    START = "start"
    PROGRESS = "progress"
    DONE = "done"
    PARTIAL = "partial"
    CANCEL = "cancel"


class StaffReport(Struct, frozen=True):
    """What a person says of an order's delivery; without ``run`` of the one that is with the staff. To give one up
    takes a ``reason``."""

    order: OrderId
    step: StaffStep
    run: int | None = None
    start_count: int | None = None
    remains: int | None = None
    reason: str = ""


MOST_COUNT: Final = 10**15


def read(said: StaffReport, known: Followed) -> Report | OperatorRefusal:
    """The report, as a provider would give it. Nothing is bounded silently: what cannot be is refused.

    A partial has delivered some and left some; a package is delivered whole or not at all.
    """
    if known.state not in ACCEPTED_STATES:
        return OperatorRefusal(RefusalCode.NOT_WITH_STAFF, order=said.order)
    if said.start_count is not None and not 0 <= said.start_count <= MOST_COUNT:
        return OperatorRefusal(RefusalCode.IMPOSSIBLE_START_COUNT, order=said.order, most=MOST_COUNT)
    if said.reason or said.step is StaffStep.CANCEL:
        unfit = name_refusal(said.reason.strip(), MAX_REASON, FieldCode.REASON)
        if unfit is not None:
            return unfit
    match said.step:
        case StaffStep.START:
            return Report(OrderStatus.IN_PROGRESS, said.start_count)
        case StaffStep.PROGRESS:
            if said.remains is None or not 0 <= said.remains <= known.quantity:
                return _impossible_remains(said, known)
            return Report(OrderStatus.IN_PROGRESS, None, said.remains, counted=True)
        case StaffStep.DONE:
            return Report(OrderStatus.COMPLETED, said.start_count)
        case StaffStep.PARTIAL:
            if known.packaged:
                return OperatorRefusal(RefusalCode.PACKAGE_IN_PARTS, order=said.order)
            if said.remains is None or not 0 < said.remains < known.quantity:
                return _impossible_remains(said, known)
            return Report(OrderStatus.PARTIAL, None, said.remains)
        case StaffStep.CANCEL:
            return Report(OrderStatus.CANCELED, None, known.quantity)


def _impossible_remains(said: StaffReport, known: Followed) -> OperatorRefusal:
    return OperatorRefusal(
        RefusalCode.IMPOSSIBLE_REMAINS, order=said.order, remains=said.remains, quantity=known.quantity
    )
