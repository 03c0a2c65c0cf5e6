"""Reads answers of providers, of either dialect, leniently: nothing that arrives raises, and no doubt is resolved.

What is not understood changes nothing and is reported as it came; after an ``add`` it is unsure.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import ROUND_FLOOR
from itertools import islice
from typing import Final

from opensmm.base.ids import order_key
from opensmm.base.money import PER_WHOLE, Money
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.dispatch import Accepted, Declined, Deferred, SendOutcome, TurnedAway, Unsure
from opensmm.domain.evidence import IdAnswer, NotOurs
from opensmm.domain.ledger import BalanceView
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import StatusReport, UnreadAnswer
from opensmm.domain.provider_errors import ACCOUNT_FAULT, Meaning, meaning, says_nothing_of_the_request
from opensmm.domain.refills import RefillStatus
from opensmm.domain.request_errors import means_under_way, means_unknown_order
from opensmm.domain.requests import RequestedIds
from opensmm.domain.subscriptions import MOST_LISTED, SubscriptionReport
from opensmm.wire.lenient import MAX_WRAPS, children, clip, excerpt, parse, parse_nested, split_json
from opensmm.wire.messages import LOWER_CASE_STATUS, REFILL_STATUS
from opensmm.wire.values import (
    BLANKS,
    AmbiguousValue,
    Json,
    comparable_id,
    read_amount,
    read_charge_or_text,
    read_count,
    read_count_or_text,
    read_currency,
    read_id,
)

_OF_AN_ORDER: Final = re.compile(r"""(?:["']|quot;)\s*order | \border\w*\W{0,8}[0-9]""", re.VERBOSE | re.IGNORECASE)
"""Signs of an acceptance within a notice: the quoted name, or a number after it."""
_NO_ORDER: Final[tuple[Json, ...]] = (None, False, "", "0", [], {})
_FAILED: Final = ("fail", "failed", "error", "false")
_WORDS_BESIDE: Final = ("message", "msg", "error_message")
_BARE: Final = ("true", "yes", "error", "fail", "failed")
_VERDICTS: Final = ("status", "success", "ok", "result", "message")
_WENT_WELL: Final = ("success", "successful", "succeeded", "ok", "true", "1", "200", "201", "done", "created")
_WRAPPERS: Final = ("data", "orders", "result", "results", "response", "refills", "cancels", "statuses")

_PREFIXED: Final = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]+)+")
"""A translation key such as ``tasks.status.completed``: its last part is the status."""
_DOCUMENTED_STATUS: Final = {word: status for status, word in LOWER_CASE_STATUS.items()} | {
    "cancelled": OrderStatus.CANCELED
}
_FAILED_END: Final = ("error", "fail", "failed", "rejected")
"""Either an order's end or a failed look-up: the other fields decide."""
_STATUS: Final = {
    **_DOCUMENTED_STATUS,
    **dict.fromkeys(("cancel", "refunded", *_FAILED_END), OrderStatus.CANCELED),
    **dict.fromkeys(("complete", "done"), OrderStatus.COMPLETED),
    **dict.fromkeys(("partiallycompleted", "partiallycomplete", "partialcompleted"), OrderStatus.PARTIAL),
    **dict.fromkeys(("awaiting", "queued", "inqueue", "onhold"), OrderStatus.PENDING),
}
_OF_ORDERS: Final = _STATUS.keys() - set(_FAILED_END)
"""Words that only an answer about an existing order has."""
_SUBSCRIPTION_STATUS: Final = {word: _STATUS[word] for word in _OF_ORDERS} | {
    "active": OrderStatus.IN_PROGRESS,
    "paused": OrderStatus.PROCESSING,
    "expired": OrderStatus.COMPLETED,
}
"""For an ordinary order the last three mean nothing: to take an expired one for completed gives money away."""
_REFILL_STATUS: Final = {
    **{word.lower().replace(" ", ""): status for status, word in REFILL_STATUS.items()},
    **dict.fromkeys(("cancelled", "cancel"), RefillStatus.CANCELED),
    **dict.fromkeys(("complete", "done"), RefillStatus.COMPLETED),
    **dict.fromkeys(("awaiting", "queued", "inqueue", "onhold"), RefillStatus.PENDING),
    "processing": RefillStatus.IN_PROGRESS,
}
_VALUE_NAMES: Final = {"status": ("status", "order_status"), "refill": ("refill",), "cancel": ("cancel",)}
"""Names under which a requested value stands."""
MAX_WORDS: Final = 200
"""Most characters of an answer that is not understood, as its operator reads them."""


def read_order(body: bytes) -> SendOutcome:
    """Returns what an answer to ``add`` proves: an order id, a refusal in words that mean one, or neither."""
    evidence = excerpt(body)
    before, answer = split_json(body)
    if not isinstance(answer, dict) or _OF_AN_ORDER.search(before):
        return Unsure(evidence)
    words = _read_error_words(answer)
    order = read_id(answer.get("order"))
    # An id beside an error or a failed status proves neither outcome.
    if order and not words and _normalise_word(answer.get("status")) not in _FAILED:
        return Accepted(order, evidence)
    if words and not _may_have_bought(answer):
        return _read_refusal(words) or Unsure(evidence)
    return Unsure(evidence)


def _read_refusal(words: str) -> SendOutcome | None:
    """Returns the outcome that an error's words prove; None if they prove nothing."""
    kind = meaning(words)
    match kind:
        case Meaning.REFUSAL:
            return Declined(words)
        case Meaning.PUT_OFF | Meaning.SERVICE_PUT_OFF:
            return Deferred(CallFault(CallCode.PUT_OFF, {"words": words}), words, kind is Meaning.SERVICE_PUT_OFF)
        case Meaning.KEY | Meaning.FUNDS:
            return TurnedAway(words, ACCOUNT_FAULT[kind])
    return None


def read_unbought(evidence: str) -> str:
    """Returns the refusal in a stored answer to an ``add``, after it was proved that nothing was bought.

    Empty if the answer was no well-formed error, or one that asks to retry later, is a fault, or says nothing.
    """
    answer = parse(evidence.encode()) if evidence.lstrip(BLANKS).startswith("{") else None
    words = _read_error_words(answer)
    if not isinstance(answer, dict) or _is_bare(words) or _may_have_bought(answer):
        return ""
    return (
        words if meaning(words) in (Meaning.REFUSAL, Meaning.UNKNOWN) and not says_nothing_of_the_request(words) else ""
    )


def _may_have_bought(answer: dict[str, Json]) -> bool:
    """True if an answer holds anything beside an error's words that may stand for an order."""
    return any(
        _names_order(value, MAX_WRAPS) if _holds_words(name, value) else _stands_for_order(name.lower(), value)
        for name, value in answer.items()
    )


def _holds_words(name: str, value: Json) -> bool:
    return name in ("error", "errors") or (name in _WORDS_BESIDE and isinstance(value, dict | list))


def _stands_for_order(name: str, value: Json) -> bool:
    """True for an id under an order's name, an object or array that may hold one, a doubt, or a word of success."""
    if value in _NO_ORDER:
        return False
    if "order" in name or name == "id" or isinstance(value, dict | list | AmbiguousValue):
        return True
    word = "true" if value is True else _normalise_word(value)
    return name in _VERDICTS and (word in _WENT_WELL or word in _OF_ORDERS)


def _names_order(error: Json, depth: int) -> bool:
    """True if an id stands among an error's words under an order's name."""
    if isinstance(error, dict) and any("order" in name.lower() and read_id(value) for name, value in error.items()):
        return True
    return depth > 0 and any(_names_order(inner, depth - 1) for inner in children(error))


def read_client_error(body: bytes) -> SendOutcome:
    """Returns what an answer to ``add`` with a status of 400 to 499 proves: a refusal, never an acceptance.

    Panels send well-formed errors with such a status; any other answer with one proves nothing.
    """
    outcome = read_order(body)
    return outcome if isinstance(outcome, Declined | Deferred | TurnedAway) else Unsure(excerpt(body))


def read_statuses(ids: RequestedIds, body: bytes) -> list[StatusReport | UnreadAnswer]:
    """Reads one report per requested id, or the text that came in its place."""
    answer = parse_nested(body)
    entries = _find_entries(ids, answer, ("order", "id"), "status")
    return [_read_report(entry) or _describe_unread(entry, answer, body) for entry in entries]


def _describe_unread(entry: Json, answer: Json, body: bytes) -> UnreadAnswer:
    """Returns the text that came for one id: an error's, an unknown status, or the answer as it is."""
    if words := _read_error_words(entry) or ("" if entry else _read_error_words(answer)):
        return _describe_failed(words)
    if isinstance(entry, str):
        return UnreadAnswer(clip(entry, MAX_WORDS), failed=True)
    status = _find_status(entry) if isinstance(entry, dict) else None
    if isinstance(status, str) and status.strip():
        return UnreadAnswer(clip(status.strip(), MAX_WORDS), failed=_normalise_word(status) in _FAILED_END)
    return UnreadAnswer(excerpt(body)[:MAX_WORDS])


def _describe_failed(words: str) -> UnreadAnswer:
    """Returns an error text that says nothing of the order."""
    return UnreadAnswer(words[:MAX_WORDS], failed=True)


def has_status(ids: RequestedIds, body: bytes) -> bool:
    """True if an answer states the status of any requested order or refill, in whatever words."""
    entries = _find_entries(ids, parse_nested(body), ("order", "refill", "id"), "status")
    return any(
        isinstance(entry, dict) and not _read_error_words(entry) and _normalise_word(_find_status(entry))
        for entry in entries
    )


def read_look_ups(ids: RequestedIds, body: bytes) -> list[IdAnswer]:
    """Reads per requested id a report, NotOurs if the words say that there is no such order, or None."""
    entries = _find_entries(ids, parse(body), ("order", "id"), "status")
    return [_read_not_ours(entry) or _read_report(entry) for entry in entries]


def _read_not_ours(entry: Json) -> NotOurs | None:
    """Reads that an order is unknown: v2 has an object with an error in its place, v1 the bare words."""
    words = entry.strip() if isinstance(entry, str) else _read_error_words(entry)
    bare = isinstance(entry, str) or (isinstance(entry, dict) and not entry.get("status"))
    return NotOurs(clip(words)) if bare and means_unknown_order(words) else None


def read_watched(ids: RequestedIds, body: bytes) -> list[SubscriptionReport | UnreadAnswer]:
    """Reads reports on subscriptions and posts' orders, in the words of either, or the text that came."""
    answer = parse_nested(body)
    # A bare answer of one subscription holds ``orders``, which is a wrapper anywhere else.
    if len(ids.texts) == 1 and (whole := _read_subscription(answer)) is not None:
        another = _names_another(answer, comparable_id(ids.texts[0]), ("order", "id"))
        return [_describe_unread(None, answer, body) if another else whole]
    entries = _find_entries(ids, answer, ("order", "id"), "status")
    return [_read_subscription(entry) or _describe_unread(entry, answer, body) for entry in entries]


def _read_subscription(entry: Json) -> SubscriptionReport | None:
    """Reads a report on a subscription or a post's order; None if there is none."""
    if not isinstance(entry, dict) or _read_error_words(entry):
        return None
    status = _SUBSCRIPTION_STATUS.get(_normalise_word(_find_status(entry)))
    if status is None:
        return None
    link = entry.get("link")
    charge, unclear, charged_in = read_charge_or_text(entry.get("charge"), read_currency(entry.get("currency")))
    return SubscriptionReport(
        status=status,
        remains=read_count(entry.get("remains")),
        quantity=read_count(entry.get("quantity")),
        link=link if isinstance(link, str) else "",
        orders=_read_order_ids(entry.get("orders")),
        charge=charge,
        currency=charged_in,
        unclear_charge=unclear,
    )


def _read_order_ids(value: Json) -> tuple[str, ...]:
    """Reads an array of ids or of objects with ids, or a text with commas; returns the newest if they are too many."""
    lines: Iterable[Json] = value.split(",") if isinstance(value, str) else children(value)
    named = (_find_id(line, ("order", "id")) if isinstance(line, dict) else line for line in lines)
    by_key = {order_key(order): order for order in map(read_id, named) if order}
    return tuple(by_key.values())[-MOST_LISTED:]


def read_refills(ids: RequestedIds, body: bytes) -> list[str | Declined | UnreadAnswer]:
    """Reads per requested order the provider's refill id or its words of refusal, or else the text that came."""
    answers: list[str | Declined | UnreadAnswer] = []
    answer = parse_nested(body)
    for entry in _find_entries(ids, answer, ("order",), "refill"):
        value = entry.get("refill") if isinstance(entry, dict) and not _read_error_words(entry) else entry
        words = _read_error_words(value)
        if words:
            # Words that it is being refilled may follow an accepted request whose answer was lost.
            unclear = says_nothing_of_the_request(words) or means_under_way(words)
            answers.append(_describe_failed(words) if unclear else Declined(words))
        else:
            answers.append(read_id(value) or _describe_unread(entry, answer, body))
    return answers


def read_refill_statuses(ids: RequestedIds, body: bytes) -> list[RefillStatus | UnreadAnswer]:
    """Reads one status per requested refill, or the text that came in its place."""
    answers: list[RefillStatus | UnreadAnswer] = []
    answer = parse_nested(body)
    for entry in _find_entries(ids, answer, ("refill", "id"), "status"):
        value = entry.get("status") if isinstance(entry, dict) and not _read_error_words(entry) else entry
        words = _read_error_words(value)
        unread = _describe_failed(words) if words else _describe_unread(entry, answer, body)
        answers.append(_REFILL_STATUS.get(_normalise_word(value)) or unread)
    return answers


def read_cancels(ids: RequestedIds, body: bytes) -> list[bool | Declined]:
    """Reads per order True if the provider accepted the cancel, its words of refusal, or False for neither."""
    answers: list[bool | Declined] = []
    for entry in _find_entries(ids, parse_nested(body), ("order",), "cancel"):
        value = entry.get("cancel") if isinstance(entry, dict) and not _read_error_words(entry) else entry
        words = _read_error_words(value)
        if words and not says_nothing_of_the_request(words):
            # A cancel that is already under way was accepted before.
            answers.append(means_under_way(words) or Declined(words))
        else:
            answers.append(value is True or (bool(read_id(value)) and comparable_id(value).isdigit()))
    return answers


def read_balance(body: bytes) -> BalanceView | None:
    """Reads the balance, rounded down to 5 decimals; None if none is understood."""
    answer = parse(body)
    for _ in range(MAX_WRAPS):
        if not isinstance(answer, dict) or _read_error_words(answer):
            return None
        balance = read_amount(answer.get("balance"), ROUND_FLOOR)
        if balance is not None:
            numerator, denominator = balance.as_integer_ratio()
            return BalanceView(Money(numerator * PER_WHOLE // denominator), read_currency(answer.get("currency")))
        answer = answer.get("data")
    return None


def read_error(body: bytes) -> str:
    """Returns the words of an answer that is only an error; empty for any other."""
    return _read_error_words(parse(body))


def dialect_of_balance(body: bytes) -> str:
    """Returns the dialect whose form an answer to ``balance`` has; empty if it has neither's."""
    answer = parse(body)
    if not isinstance(answer, dict) or read_amount(answer.get("balance")) is None:
        return ""
    return "v1" if "status" in answer else "v2"


def _find_entries(ids: RequestedIds, answer: Json, id_names: tuple[str, ...], value_name: str) -> list[Json]:
    """Returns the entry for each requested id, in the request's order; None for an id without one.

    Understands an object keyed by id, an array whose lines name their id, a bare object if one id was requested, and
    each of these inside a wrapper. Other ids are ignored.
    """
    requested = [comparable_id(text) for text in ids.texts]
    for _ in range(MAX_WRAPS):
        by_id = _index_by_id(answer, id_names)
        entries = [by_id.get(key) for key in requested]
        if any(entry is not None for entry in entries):
            return entries
        inner = _unwrap(answer)
        if inner is None:
            break
        answer = inner
    # A single line may be about the only requested id without naming it.
    if len(requested) == 1 and isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if (
        len(requested) == 1
        and isinstance(answer, dict)
        and (_read_error_words(answer) or not answer.keys().isdisjoint(_VALUE_NAMES[value_name]))
    ):
        return [None if _names_another(answer, requested[0], id_names) else answer]
    return [None] * len(requested)


def _index_by_id(answer: Json, id_names: tuple[str, ...]) -> dict[str, Json]:
    """Returns the lines by id. An id with two different lines has None."""
    by_id: dict[str, Json] = {}
    for key, entry in _iterate_lines(answer, id_names):
        by_id[key] = entry if key not in by_id or by_id[key] == entry else None
    return by_id


def _iterate_lines(answer: Json, id_names: tuple[str, ...]) -> Iterator[tuple[str, Json]]:
    """Yields each line with the id that it is about.

    A line under a key that is another id than its own is about neither: the key may be an array's index, or the line
    somebody else's. The name ``id`` does not count, because it may be a number of the line's own.
    """
    if isinstance(answer, dict):
        for key, entry in answer.items():
            key_id = comparable_id(key)
            yield key_id, None if _names_another(entry, key_id, id_names[:1]) else entry
    elif isinstance(answer, list):
        yield from ((comparable_id(_find_id(line, id_names)), line) for line in answer)


def _find_id(line: Json, id_names: tuple[str, ...]) -> Json:
    return next((line[name] for name in id_names if name in line), None) if isinstance(line, dict) else None


def _names_another(line: Json, key: str, id_names: tuple[str, ...]) -> bool:
    """True if a line names another id than ``key``, or two."""
    stated = _find_id(line, id_names)
    return stated is AmbiguousValue.TWICE or comparable_id(stated) not in ("", key)


def _unwrap(answer: Json) -> Json:
    if not isinstance(answer, dict):
        return None
    return next((answer[name] for name in _WRAPPERS if isinstance(answer.get(name), dict | list)), None)


def _read_report(entry: Json) -> StatusReport | None:
    """Reads a status report; None if the entry is an error, or its status is unknown or a failed look-up's."""
    if not isinstance(entry, dict) or _read_error_words(entry):
        return None
    spelt = _find_status(entry)
    word = _normalise_word(spelt)
    status = _STATUS.get(word)
    remains, unclear_remains = read_count_or_text(entry.get("remains"))
    charge, unclear, charged_in = read_charge_or_text(entry.get("charge"), read_currency(entry.get("currency")))
    no_figures = remains is None and charge is None and not unclear
    if status is None or (word in _FAILED_END and (_has_words(entry) or no_figures)):
        return None
    return StatusReport(
        status=status,
        start_count=read_count(entry.get("start_count")),
        remains=remains,
        charge=charge,
        currency=charged_in,
        word=clip(spelt.strip(), MAX_WORDS) if word not in _DOCUMENTED_STATUS and isinstance(spelt, str) else "",
        unclear_charge=unclear,
        unclear_remains=unclear_remains,
    )


def _find_status(entry: dict[str, Json]) -> Json:
    return next((entry[name] for name in _VALUE_NAMES["status"] if name in entry), None)


def _has_words(entry: dict[str, Json]) -> bool:
    """True if a status has words beside it: they are an error's, which may be the look-up's."""
    return any(_join_words(entry.get(name)) for name in _WORDS_BESIDE)


def _normalise_word(value: Json) -> str:
    """Returns a status word without its spelling: ``In progress``, ``in_progress`` and ``inprogress`` are one word.

    Of a key such as ``tasks.status.in_progress`` only the end counts.
    """
    if not isinstance(value, str) or len(value) > 40:
        return ""
    text = value.strip()
    if _PREFIXED.fullmatch(text):
        text = text.rpartition(".")[2]
    return "".join(text.lower().replace("_", " ").replace("-", " ").split())


def guess_order_id(evidence: str) -> str:
    """Returns the order id that an answer seems to have in an undocumented place; empty if there is none.

    It proves nothing: it is for a person who looks the order up at the provider.
    """
    answer = parse(evidence.encode())
    if isinstance(answer, dict):
        data, order = answer.get("data"), answer.get("order")
        places = [order, answer.get("order_id"), answer.get("orderId"), *_find_ids(data), *_find_ids(order)]
        return next((one for one in map(read_id, places) if one), "")
    if isinstance(answer, list):
        return next((one for one in map(read_id, (*answer, *_find_ids(answer))) if one), "") if len(answer) == 1 else ""
    text = evidence.strip(BLANKS).strip('"')
    return text if text.isascii() and text.isdigit() and read_id(text) else ""


def _find_ids(value: Json) -> tuple[Json, ...]:
    """Returns the values of an object, or of a list of one, that may be an order's id."""
    inner = value[0] if isinstance(value, list) and len(value) == 1 else value
    if isinstance(inner, dict):
        return tuple(inner.get(name) for name in ("order", "order_id", "id"))
    return (inner,) if inner is not value else ()


def _read_error_words(value: Json) -> str:
    """Returns the texts under ``error`` or ``errors``, joined; empty if there are none. A zero is none.

    If these only say that there is an error, or a verdict beside them does, the words are read from another name.
    """
    if not isinstance(value, dict):
        return ""
    words = _join_words(value.get("error")) or _join_words(value.get("errors"))
    if not _is_bare(words) or not (words or _has_failed(value)):
        return words
    return next(filter(None, (_join_words(value.get(name)) for name in _WORDS_BESIDE)), words)


def _is_bare(words: str) -> bool:
    return not words or words.lower() in _BARE or read_amount(words) is not None


def _has_failed(answer: dict[str, Json]) -> bool:
    verdicts = (answer.get("status"), answer.get("success"))
    return any(one is False or _normalise_word(one) in (*_FAILED, "failure", "0") for one in verdicts)


def _join_words(value: Json) -> str:
    if value is True:
        return "true"
    return "" if read_amount(value) == 0 else clip("; ".join(islice(_iterate_texts(value, MAX_WRAPS), 10)))


def _iterate_texts(value: Json, depth: int) -> Iterator[str]:
    if isinstance(value, str) and value.strip():
        yield value.strip()
    elif depth:
        for inner in children(value):
            yield from _iterate_texts(inner, depth - 1)
