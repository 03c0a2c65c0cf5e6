"""Handing on: the states of a delivery, what a try came to, and what follows from it."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.domain.call_faults import CallAnswer
from opensmm.domain.codes import DeliveryNote, EventCode
from opensmm.domain.transitions import final


class DeliveryState(StrEnum):
    QUEUED = "queued"
    SENDING = "sending"
    UNSURE = "unsure"
    PENDING = "pending"
    PROCESSING = "processing"
    IN_PROGRESS = "in_progress"
    HELD = "held"
    COMPLETED = "completed"
    PARTIAL = "partial"
    CANCELED = "canceled"


ACCEPTED_STATES: Final = frozenset((DeliveryState.PENDING, DeliveryState.PROCESSING, DeliveryState.IN_PROGRESS))
_ENDS: Final = frozenset((DeliveryState.COMPLETED, DeliveryState.PARTIAL, DeliveryState.CANCELED))
_REPORTED: Final = ACCEPTED_STATES | _ENDS | {DeliveryState.HELD}
TRANSITIONS: Final = {
    # The operator may end what is queued as delivered by hand.
    DeliveryState.QUEUED: frozenset((DeliveryState.SENDING, DeliveryState.HELD)) | _ENDS,
    DeliveryState.SENDING: frozenset(
        (DeliveryState.QUEUED, DeliveryState.PENDING, DeliveryState.UNSURE, DeliveryState.CANCELED, DeliveryState.HELD)
    ),
    DeliveryState.UNSURE: frozenset(
        (DeliveryState.QUEUED, DeliveryState.PENDING, DeliveryState.CANCELED, DeliveryState.HELD)
    ),
    DeliveryState.PENDING: _REPORTED,
    DeliveryState.PROCESSING: _REPORTED,
    DeliveryState.IN_PROGRESS: _REPORTED,
    DeliveryState.HELD: ACCEPTED_STATES | _ENDS | {DeliveryState.QUEUED},
    DeliveryState.COMPLETED: frozenset[DeliveryState](),
    DeliveryState.PARTIAL: frozenset[DeliveryState](),
    DeliveryState.CANCELED: frozenset[DeliveryState](),
}
"""The closed table: what a delivery may become. The store's statements let nothing else happen."""
END_STATES: Final = final(TRANSITIONS)


class Accepted(Struct, frozen=True):
    """The provider gave an order id: the delivery is theirs."""

    provider_order: str
    answer: str = ""


class Declined(Struct, frozen=True):
    """Proved that nothing was bought: a well-formed error in words that mean refusal."""

    answer: CallAnswer


class NotSent(Struct, frozen=True):
    """Nothing was bought, and it may be tried again later: nothing of the request was written, or the provider said
    in a well-formed error, whose ``words`` these are, that it takes none at the moment. ``one_service``: it takes those
    for others."""

    answer: CallAnswer
    words: str = ""
    one_service: bool = False


class AccountFault(StrEnum):
    """Why a provider turns us away, whatever is ordered: our key, account or address, or the money we have there."""

    KEY = "key"
    FUNDS = "funds"


class TurnedAway(Struct, frozen=True):
    """Nothing was bought, and the order is not at fault: the provider refuses us until the operator sees to it."""

    answer: str
    fault: AccountFault


class Unsure(Struct, frozen=True):
    """Everything else. Never sent again and never refunded by itself; ``answer`` is the evidence.

    ``taken_order``: the id it was given, where that is another delivery's already.
    """

    answer: CallAnswer
    taken_order: str = ""


SendOutcome = Accepted | Declined | NotSent | TurnedAway | Unsure


class AttemptOutcome(StrEnum):
    SENDING = "sending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    UNSURE = "unsure"


class Verdict(Struct, frozen=True):
    """What becomes of a delivery after a try: its state, and whether another provider is to be asked, or the same
    one later."""

    state: DeliveryState
    next_route: bool = False
    later: bool = False


def after_sending(outcome: SendOutcome, *, routes_left: bool, hold_when_refused: bool) -> Verdict:
    """Only a proved refusal goes on to the next provider; then the money goes back, or the operator is asked."""
    match outcome:
        case Accepted():
            return Verdict(DeliveryState.PENDING)
        case NotSent() | TurnedAway():
            return Verdict(DeliveryState.QUEUED, later=True)
        case Unsure():
            return Verdict(DeliveryState.UNSURE)
        case Declined():
            if routes_left:
                return Verdict(DeliveryState.QUEUED, next_route=True)
            return Verdict(DeliveryState.HELD if hold_when_refused else DeliveryState.CANCELED)


MOST_NOTED: Final = 200
"""Characters of a provider's words that are kept in a note."""


def note_of(outcome: SendOutcome) -> DeliveryNote | None:
    """The note for the operator on a delivery that came to this; None where the attempt tells it all."""
    match outcome:
        case NotSent(words=words) if words:
            return DeliveryNote(EventCode.PUT_OFF, {"words": words[:MOST_NOTED]})
        case TurnedAway(answer, AccountFault.KEY):
            return DeliveryNote(EventCode.REFUSES_KEY, {"words": answer[:MOST_NOTED]})
        case TurnedAway(answer, AccountFault.FUNDS):
            return DeliveryNote(EventCode.WITHOUT_FUNDS, {"words": answer[:MOST_NOTED]})
        case Unsure(taken_order=taken) if taken:
            return DeliveryNote(EventCode.ID_GIVEN_TWICE, {"provider_order": taken})
    return None


PATIENCE: Final = 5
"""Failures in a row after which a provider that can be reached is left alone too."""
PASSED_OVER_AFTER: Final = 4
"""Failures in a row after which a provider that is left alone is passed over: orders go to the next one meanwhile."""
MAX_REFUSED_WAIT_H: Final = 30 * 24
"""Hours that an order may be set to wait for providers that turn us away."""
TURNED_AWAY_STEPS_S: Final = (60, 120, 300)
"""Pauses before one order tries a provider again that turned us away; the last one repeats."""
RETRY_STEPS_S: Final = (1, 2, 5, 15, 30, 60)
"""Pauses before a provider that could not be reached is tried again; the last one repeats."""


def retry_after_s(failures: int) -> int:
    """How long a provider is left alone after so many failures in a row (from 1)."""
    return RETRY_STEPS_S[min(failures, len(RETRY_STEPS_S)) - 1]


def rest_when_turned_away(failures: int) -> tuple[int, int]:
    """The failures to be counted, and how long a provider that turned us away is left alone. Orders that may go to
    another provider do so at once."""
    count = max(failures, PASSED_OVER_AFTER)
    return count, TURNED_AWAY_STEPS_S[min(count - PASSED_OVER_AFTER, len(TURNED_AWAY_STEPS_S) - 1)]


def rest_s(failures: int, *, reached: bool, resting: bool) -> int | None:
    """How long a provider is left alone after a failure; None where it is called on.

    One that could not be reached, or that failed the call after a rest, rests at once; one that does not answer well
    is borne with for a while.
    """
    if not reached or resting:
        return retry_after_s(failures)
    return None if failures < PATIENCE else retry_after_s(failures - PATIENCE + 1)
