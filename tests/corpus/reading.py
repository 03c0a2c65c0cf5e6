"""What the panel reads in an answer, in the words of the corpus."""

from collections.abc import Callable

from opensmm.base.money import format_amount
from opensmm.domain.dispatch import Accepted, Declined, Deferred, SendOutcome, TurnedAway, Unsure
from opensmm.domain.polling import StatusReport, UnreadAnswer
from opensmm.domain.requests import one_id
from opensmm.wire import provider_answers

ORDER, REFILL = one_id(7001), one_id(55)


def _add(body: bytes) -> str:
    return _outcome(provider_answers.read_order(body))


def _outcome(outcome: SendOutcome) -> str:
    match outcome:
        case Accepted():
            return f"accepted {outcome.provider_order}"
        case Declined():
            return "declined"
        case Deferred():
            return "put off, one service" if outcome.one_service else "put off"
        case TurnedAway():
            return f"turned away, {outcome.fault}"
        case Unsure():
            return "unsure"


def _status(body: bytes) -> str:
    (report,) = provider_answers.read_statuses(ORDER, body)
    return str(report.status) if isinstance(report, StatusReport) else _unread(report)


def _refill(body: bytes) -> str:
    (report,) = provider_answers.read_refills(ORDER, body)
    return "declined" if isinstance(report, Declined) else _unread(report) or f"refill {report}"


def _refill_status(body: bytes) -> str:
    (report,) = provider_answers.read_refill_statuses(REFILL, body)
    return _unread(report) or str(report)


def _unread(report: object) -> str:
    if isinstance(report, UnreadAnswer):
        return "failed look-up" if report.failed else "not understood"
    return ""


def _cancel(body: bytes) -> str:
    (report,) = provider_answers.read_cancels(ORDER, body)
    return "declined" if isinstance(report, Declined) else "taken on" if report else "nothing"


def _balance(body: bytes) -> str:
    reading = provider_answers.read_balance(body)
    return "nothing" if reading is None else f"{format_amount(reading.amount)} {reading.currency}"


READ: dict[str, Callable[[bytes], str]] = {
    "add": _add,
    "status": _status,
    "refill": _refill,
    "refill_status": _refill_status,
    "cancel": _cancel,
    "balance": _balance,
}
