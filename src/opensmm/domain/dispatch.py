"""Sending deliveries to providers: the states of a delivery, the outcomes of an attempt, and the next steps."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.domain.call_faults import CallAnswer
from opensmm.domain.codes import DeliveryNote, EventCode
from opensmm.domain.transitions import final


class DeliveryState(StrEnum):
    """States of a delivery. In ``pending``, ``processing`` and ``in_progress`` a provider has accepted it, and reports
    on it. ``held``: it waits for the operator. ``unsure``: a provider may have accepted it."""

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
"""The complete state machine of a delivery. The store's statements allow no other transitions."""
END_STATES: Final = final(TRANSITIONS)


class Accepted(Struct, frozen=True):
    """The provider accepted the order and gave its id."""

    provider_order: str
    answer: str = ""


class Declined(Struct, frozen=True):
    """It is proved that nothing was bought, and this provider is not asked again: the next one may be.

    Mostly the provider refused the order in a well-formed error. Otherwise evidence proved it, or the order was of a
    kind that is never sent to this provider.
    """

    answer: CallAnswer


class Deferred(Struct, frozen=True):
    """A deferral: nothing was bought, and the order is retried later.

    Either no byte of the request was sent, or the provider answered with a well-formed error, in these ``words``, that
    it accepts no orders at the moment. ``one_service``: this applies to the one service, not to its others.
    """

    answer: CallAnswer
    words: str = ""
    one_service: bool = False


class AccountFault(StrEnum):
    """Reasons why a provider turns us away, whatever is ordered.

    ``key``: it refuses our key, account or address. ``funds``: we have no money left there.
    """

    KEY = "key"
    FUNDS = "funds"


class TurnedAway(Struct, frozen=True):
    """A refusal that is not about the order: the provider refuses all our orders until the operator acts."""

    answer: str
    fault: AccountFault


class Unsure(Struct, frozen=True):
    """Any other outcome: the provider may have bought something. The delivery is neither sent again nor refunded
    automatically.

    ``answer``: the provider's answer, or the fault, as evidence. ``taken_order``: the id that the provider gave, if it
    already belongs to another delivery.
    """

    answer: CallAnswer
    taken_order: str = ""


SendOutcome = Accepted | Declined | Deferred | TurnedAway | Unsure


class AttemptOutcome(StrEnum):
    """Outcomes of an attempt. ``NOT_BOUGHT``: certainly nothing was bought, as after a refusal, a deferral, or when the
    provider turned us away. Its stored value is older than this name."""

    SENDING = "sending"
    ACCEPTED = "accepted"
    NOT_BOUGHT = "declined"
    UNSURE = "unsure"


class Verdict(Struct, frozen=True):
    """A delivery's next step after an attempt: its state, and if it goes to the next route or is retried later."""

    state: DeliveryState
    next_route: bool = False
    later: bool = False


def after_sending(outcome: SendOutcome, *, routes_left: bool, hold_when_refused: bool) -> Verdict:
    """Returns a delivery's next step. Only a proved refusal moves it to the next provider.

    After the last provider it is cancelled, which refunds it, or held for the operator.
    """
    match outcome:
        case Accepted():
            return Verdict(DeliveryState.PENDING)
        case Deferred() | TurnedAway():
            return Verdict(DeliveryState.QUEUED, later=True)
        case Unsure():
            return Verdict(DeliveryState.UNSURE)
        case Declined():
            # Another provider is safe now: this one is proved not to have the order.
            if routes_left:
                return Verdict(DeliveryState.QUEUED, next_route=True)
            return Verdict(DeliveryState.HELD if hold_when_refused else DeliveryState.CANCELED)


MOST_NOTED: Final = 200
"""Characters of a provider's words that a note stores."""


def note_of(outcome: SendOutcome) -> DeliveryNote | None:
    """Returns the operator's note on a delivery with this outcome; None if the attempt itself says enough."""
    match outcome:
        case Deferred(words=words) if words:
            return DeliveryNote(EventCode.PUT_OFF, {"words": words[:MOST_NOTED]})
        case TurnedAway(answer, AccountFault.KEY):
            return DeliveryNote(EventCode.REFUSES_KEY, {"words": answer[:MOST_NOTED]})
        case TurnedAway(answer, AccountFault.FUNDS):
            return DeliveryNote(EventCode.WITHOUT_FUNDS, {"words": answer[:MOST_NOTED]})
        case Unsure(taken_order=order) if order:
            return DeliveryNote(EventCode.ID_GIVEN_TWICE, {"provider_order": order})
    return None


FAILURES_BEFORE_PAUSE: Final = 5
"""Failures in a row after which a provider is paused if their outcomes were unclear. One that cannot be reached is
sent no orders from its first failure on. Its polls count every failure as unclear."""
PASSED_OVER_AFTER: Final = 4
"""Failures in a row from which on a paused provider's orders go to the next one. Before that they wait for it: it may
be back within seconds."""
MAX_REFUSED_WAIT_H: Final = 30 * 24
"""The most hours that the operator may let orders wait for providers that turn us away."""
TURNED_AWAY_STEPS_S: Final = (60, 120, 300)
"""Pauses before one order tests a provider that turned us away; the last one repeats."""
RETRY_STEPS_S: Final = (1, 2, 5, 15, 30, 60)
"""Pauses before retrying a provider that could not be reached, or put an order off; the last one repeats."""


def retry_after_s(failures: int) -> int:
    """Returns the pause after so many failures in a row (1 or more)."""
    return RETRY_STEPS_S[min(failures, len(RETRY_STEPS_S)) - 1]


def pause_when_turned_away(failures: int) -> tuple[int, int]:
    """Returns the new count of failures of a provider that turned us away, and its pause in seconds.

    The count is raised so far that orders with another provider go there at once.
    """
    count = max(failures, PASSED_OVER_AFTER)
    return count, TURNED_AWAY_STEPS_S[min(count - PASSED_OVER_AFTER, len(TURNED_AWAY_STEPS_S) - 1)]


def pause_after_failure_s(failures: int, *, unclear: bool, was_paused: bool) -> int | None:
    """Returns the pause in seconds after a failure; None if calls go on.

    ``unclear``: the call went out, and what came back, if anything, does not tell its outcome. Such a provider is
    paused after ``FAILURES_BEFORE_PAUSE`` failures in a row. Any other failure is clear: the provider could not be
    reached, or asked to retry later ("too many requests"). Then it is paused at once. So is one that fails the first
    call after a pause (``was_paused``).
    """
    # One unclear answer may be an accident; several in a row are not.
    if not unclear or was_paused:
        return retry_after_s(failures)
    return None if failures < FAILURES_BEFORE_PAUSE else retry_after_s(failures - FAILURES_BEFORE_PAUSE + 1)
