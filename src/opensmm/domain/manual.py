"""Staff reports on deliveries, read as a provider's reports, so that states and money follow the same rules."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.base.ids import OrderId
from opensmm.domain.audit import MAX_REASON
from opensmm.domain.codes import FieldCode
from opensmm.domain.dispatch import ACCEPTED_STATES
from opensmm.domain.names import name_refusal
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import PolledDelivery, StatusReport


class ManualStep(StrEnum):
    """Steps that the staff can report."""

    START = "start"
    PROGRESS = "progress"
    DONE = "done"
    PARTIAL = "partial"
    CANCEL = "cancel"


class ManualReport(Struct, frozen=True):
    """A staff member's report on an order's delivery.

    Without ``run`` it is about the one delivery that is with the staff. Cancelling takes a ``reason``.
    """

    order: OrderId
    step: ManualStep
    run: int | None = None
    start_count: int | None = None
    remains: int | None = None
    reason: str = ""


MOST_COUNT: Final = 10**15
"""Largest start count that the staff can report."""


def read(report: ManualReport, delivery: PolledDelivery) -> StatusReport | OperatorRefusal:
    """Returns a staff report as a provider's report, or a refusal. Nothing is silently limited to a range.

    A partial delivery has delivered some units and left some; a package is delivered whole or not at all.
    """
    if delivery.state not in ACCEPTED_STATES:
        return OperatorRefusal(RefusalCode.NOT_WITH_STAFF, order=report.order)
    if report.start_count is not None and not 0 <= report.start_count <= MOST_COUNT:
        return OperatorRefusal(RefusalCode.IMPOSSIBLE_START_COUNT, order=report.order, most=MOST_COUNT)
    if report.reason or report.step is ManualStep.CANCEL:
        unfit = name_refusal(report.reason.strip(), MAX_REASON, FieldCode.REASON)
        if unfit is not None:
            return unfit
    match report.step:
        case ManualStep.START:
            return StatusReport(OrderStatus.IN_PROGRESS, report.start_count)
        case ManualStep.PROGRESS:
            if report.remains is None or not 0 <= report.remains <= delivery.quantity:
                return _refuse_remains(report, delivery)
            # A 0 of the staff means that nothing remains; panels say 0 before they count.
            return StatusReport(OrderStatus.IN_PROGRESS, None, report.remains, counted=True)
        case ManualStep.DONE:
            return StatusReport(OrderStatus.COMPLETED, report.start_count)
        case ManualStep.PARTIAL:
            if delivery.packaged:
                return OperatorRefusal(RefusalCode.PACKAGE_IN_PARTS, order=report.order)
            if report.remains is None or not 0 < report.remains < delivery.quantity:
                return _refuse_remains(report, delivery)
            return StatusReport(OrderStatus.PARTIAL, None, report.remains)
        case ManualStep.CANCEL:
            return StatusReport(OrderStatus.CANCELED, None, delivery.quantity)


def _refuse_remains(report: ManualReport, delivery: PolledDelivery) -> OperatorRefusal:
    return OperatorRefusal(
        RefusalCode.IMPOSSIBLE_REMAINS, order=report.order, remains=report.remains, quantity=delivery.quantity
    )
