"""Handing on: the states of a delivery, and what an answer to ``add`` at a provider proves."""

import re
from enum import StrEnum
from typing import Final

from msgspec import Struct


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
END_STATES: Final = frozenset((DeliveryState.COMPLETED, DeliveryState.PARTIAL, DeliveryState.CANCELED))

_REPORTED: Final = ACCEPTED_STATES | END_STATES | {DeliveryState.HELD}
TRANSITIONS: Final = {
    # The operator may end what is queued as delivered by hand.
    DeliveryState.QUEUED: frozenset((DeliveryState.SENDING, DeliveryState.HELD)) | END_STATES,
    DeliveryState.SENDING: frozenset(
        (DeliveryState.QUEUED, DeliveryState.PENDING, DeliveryState.UNSURE, DeliveryState.CANCELED, DeliveryState.HELD)
    ),
    DeliveryState.UNSURE: frozenset(
        (DeliveryState.QUEUED, DeliveryState.PENDING, DeliveryState.CANCELED, DeliveryState.HELD)
    ),
    DeliveryState.PENDING: _REPORTED,
    DeliveryState.PROCESSING: _REPORTED,
    DeliveryState.IN_PROGRESS: _REPORTED,
    DeliveryState.HELD: ACCEPTED_STATES | END_STATES | {DeliveryState.QUEUED},
    DeliveryState.COMPLETED: frozenset[DeliveryState](),
    DeliveryState.PARTIAL: frozenset[DeliveryState](),
    DeliveryState.CANCELED: frozenset[DeliveryState](),
}
"""The closed table: what a delivery may become. The end states end."""


class Accepted(Struct, frozen=True):
    """The provider gave an order id: the delivery is theirs."""

    provider_order: str
    answer: str = ""


class Declined(Struct, frozen=True):
    """Proved that nothing was bought: a well-formed error in words that mean refusal."""

    answer: str


class NotSent(Struct, frozen=True):
    """Nothing was bought, and it may be tried again later: nothing of the request was written, or the provider said
    in a well-formed error that it takes no requests at the moment."""

    answer: str


class Unsure(Struct, frozen=True):
    """Everything else. Never sent again and never refunded by itself; ``answer`` is the evidence."""

    answer: str


SendOutcome = Accepted | Declined | NotSent | Unsure


class AttemptOutcome(StrEnum):
    SENDING = "sending"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    UNSURE = "unsure"


_REFUSING_WORDS: Final = re.compile(
    r"""incorrect | invalid | not\ enough | insufficient | low\ balance | bad\ link | less\ than | more\ than | minim
    | maxim | required | missing | does\ not\ exist | not\ found | disabled? | suspended | not\ allowed
    | you\ have\ active | denied | not\ support | not\ available | unavailable\ service | duplicate | forbidden""",
    re.VERBOSE | re.IGNORECASE,
)


_FAULT_WORDS: Final = re.compile(
    r"""timed?[ -]?out | execution\ time | gateway | \bcurl\b | \bsql | exception | \bfatal\b | deadlock
    | duplicate\ entry | \bclass\b | \bargument\b | undefined | \bcall\ to\b | \bon\ line\b | connection
    | (?:server|internal)\ error | (?:been|was)\ (?:placed|created|accepted|received)""",
    re.VERBOSE | re.IGNORECASE,
)


def means_refusal(words: str) -> bool:
    """True of an error text that says the order was looked at and turned down; any other text proves nothing.

    A program that breaks down uses the same words, and may have bought before: "Maximum execution time exceeded".
    """
    return _REFUSING_WORDS.search(words) is not None and _FAULT_WORDS.search(words) is None


_PUTTING_OFF_WORDS: Final = re.compile(r"too many requests|rate limit|too many attempts|slow down", re.IGNORECASE)


def puts_off(words: str) -> bool:
    """True of an error text that turns requests away before they are looked at: later they are welcome again."""
    return _PUTTING_OFF_WORDS.search(words) is not None


_PASSING_WORDS: Final = re.compile(
    r"maintenance|temporar|unavailable|try again|api key|your account|busy|overload", re.IGNORECASE
)


def passes(words: str) -> bool:
    """True of an error text that speaks of the moment, our account or a program's fault, and not of what was asked."""
    return puts_off(words) or any(found.search(words) for found in (_PASSING_WORDS, _FAULT_WORDS))


_UNDER_WAY_WORDS: Final = re.compile(
    r"""refill\w*\ (?:task\ |request\ )?(?:is\ )?(?:already|not\ completed|in\ progress)
    | cancel\w*\ (?:request\ )?(?:is\ |was\ |has\ been\ )?already\ (?:requested|sent|in\ progress|pending)
    | already\ requested""",
    re.VERBOSE | re.IGNORECASE,
)


def means_under_way(words: str) -> bool:
    """True of an error text that turns an ask down because it was made before, and is being dealt with."""
    return _UNDER_WAY_WORDS.search(words) is not None


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
        case NotSent():
            return Verdict(DeliveryState.QUEUED, later=True)
        case Unsure():
            return Verdict(DeliveryState.UNSURE)
        case Declined():
            if routes_left:
                return Verdict(DeliveryState.QUEUED, next_route=True)
            return Verdict(DeliveryState.HELD if hold_when_refused else DeliveryState.CANCELED)


PATIENCE: Final = 5
"""Failures in a row after which a provider that can be reached is left alone too."""
PASSED_OVER_AFTER: Final = 4
"""Failures in a row after which a provider that is left alone is passed over: orders go to the next one meanwhile."""
RETRY_STEPS_S: Final = (1, 2, 5, 15, 30, 60)
"""Pauses before a provider that could not be reached is tried again; the last one repeats."""


def retry_after_s(failures: int) -> int:
    """How long a provider is left alone after so many failures in a row (from 1)."""
    return RETRY_STEPS_S[min(failures, len(RETRY_STEPS_S)) - 1]


def rest_s(failures: int, *, reached: bool, resting: bool) -> int | None:
    """How long a provider is left alone after a failure; None where it is called on.

    One that could not be reached, or that failed the call after a rest, rests at once; one that does not answer well
    is borne with for a while.
    """
    if not reached or resting:
        return retry_after_s(failures)
    return None if failures < PATIENCE else retry_after_s(failures - PATIENCE + 1)
