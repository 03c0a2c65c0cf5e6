"""The staff's word on a delivery: read as a provider's report, so that states and money follow the same rules."""

from enum import StrEnum, auto

from msgspec import Struct

from opensmm.base.ids import OrderId
from opensmm.domain.dispatch import ACCEPTED_STATES
from opensmm.domain.orders import OrderStatus
from opensmm.domain.progress import Followed, Report


class StaffStep(StrEnum):
    START = "start"
    PROGRESS = "progress"
    DONE = "done"
    PARTIAL = "partial"
    CANCEL = "cancel"


class StaffReport(Struct, frozen=True):
    """What a person says of an order's delivery; without ``run`` of the one that is with the staff."""

    order: OrderId
    step: StaffStep
    run: int | None = None
    start_count: int | None = None
    remains: int | None = None
    reason: str = ""


class StaffRefusal(StrEnum):
    """Why a report changes nothing."""

    NOT_WITH_STAFF = auto()
    WHICH_RUN = auto()
    START_COUNT = auto()
    REMAINS = auto()
    PACKAGE = auto()


MOST_COUNT = 10**15


def read(said: StaffReport, known: Followed) -> Report | StaffRefusal:
    """The report, as a provider would give it. Nothing is bounded silently: what cannot be is refused.

    A partial has delivered some and left some; a package is delivered whole or not at all.
    """
    if known.state not in ACCEPTED_STATES:
        return StaffRefusal.NOT_WITH_STAFF
    if said.start_count is not None and not 0 <= said.start_count <= MOST_COUNT:
        return StaffRefusal.START_COUNT
    match said.step:
        case StaffStep.START:
            return Report(OrderStatus.IN_PROGRESS, said.start_count)
        case StaffStep.PROGRESS:
            inside = said.remains is not None and 0 <= said.remains <= known.quantity
            return Report(OrderStatus.IN_PROGRESS, None, said.remains, counted=True) if inside else StaffRefusal.REMAINS
        case StaffStep.DONE:
            return Report(OrderStatus.COMPLETED, said.start_count)
        case StaffStep.PARTIAL:
            if known.packaged:
                return StaffRefusal.PACKAGE
            inside = said.remains is not None and 0 < said.remains < known.quantity
            return Report(OrderStatus.PARTIAL, None, said.remains) if inside else StaffRefusal.REMAINS
        case StaffStep.CANCEL:
            return Report(OrderStatus.CANCELED, None, known.quantity)
