"""Sets of states in the form of SQL, made from the enums and transition tables of the domain.

The order of a set is that of its enum, so that a statement's text is the same in every process.
"""

from collections.abc import Collection
from typing import Final

from opensmm.domain.catalogue import Halt
from opensmm.domain.dispatch import ACCEPTED_STATES, END_STATES, TRANSITIONS, AttemptOutcome, DeliveryState
from opensmm.domain.evidence import Conclusion
from opensmm.domain.ledger import TransferKind
from opensmm.domain.orders import LIVE_ORDER_STATES, ORDER_TRANSITIONS, OrderState
from opensmm.domain.refills import ENDED_REFILLS, OPEN_REFILLS
from opensmm.domain.subscriptions import WAITING, PostState
from opensmm.domain.transitions import State, before


def listed(values: Collection[State]) -> str:
    """Returns members of one enum as the list that follows SQL's ``in``, with its parentheses."""
    members = list(type(next(iter(values))))
    return "(" + ", ".join(f"'{value}'" for value in sorted(values, key=members.index)) + ")"


AT_PROVIDER: Final = listed(ACCEPTED_STATES)
ENDED: Final = listed(END_STATES)
UNRECORDED: Final = listed(
    before(TRANSITIONS, DeliveryState.QUEUED, DeliveryState.PENDING, DeliveryState.CANCELED, DeliveryState.HELD)
)
"""Deliveries whose attempt may still have any outcome: it is unknown if a provider has them."""
UNANSWERED: Final = listed((AttemptOutcome.SENDING, AttemptOutcome.UNSURE))
"""Attempts whose outcome may still be recorded."""
DELIVERED: Final = listed((DeliveryState.COMPLETED, DeliveryState.PARTIAL))
LIVE: Final = listed(LIVE_ORDER_STATES)
SUBSCRIBED: Final = listed(before(ORDER_TRANSITIONS, OrderState.ACTIVE) | before(ORDER_TRANSITIONS, OrderState.PAUSED))
"""Orders for future posts."""
OPEN_REFILL: Final = listed(OPEN_REFILLS)
ENDED_REFILL: Final = listed(ENDED_REFILLS)
WAITING_POST: Final = listed(WAITING)
REFUSED_POST: Final = listed((PostState.TAKEN, PostState.LOST, PostState.BEYOND, PostState.EXPIRED))
"""Posts whose orders will never be made, and so never charged."""
SET_NOT_BOUGHT: Final = listed((Conclusion.NOT_BOUGHT, Conclusion.RISKED))
CORRECTIONS: Final = listed((TransferKind.ADJUSTMENT, TransferKind.CHARGEBACK))
UNSOLD: Final = listed((Halt.GONE, Halt.TYPE))
"""Services that no provider lists as the product that is sold."""
