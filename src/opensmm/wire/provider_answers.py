"""Answers of providers, of either dialect, read leniently: nothing that arrives raises, and no doubt is resolved.

What is not understood is no news, and told as it came; after an ``add`` it is unsure.
"""

import re
from collections.abc import Iterable, Iterator
from decimal import ROUND_FLOOR
from itertools import islice
from typing import Final

from opensmm.base.ids import order_key
from opensmm.base.money import PER_WHOLE, Money
from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.dispatch import Accepted, Declined, NotSent, SendOutcome, TurnedAway, Unsure
from opensmm.domain.evidence import NotOurs, Said
from opensmm.domain.ledger import BalanceView
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import StatusReport, UnreadAnswer
from opensmm.domain.provider_errors import ACCOUNT_FAULT, Meaning, meaning, passes
from opensmm.domain.refills import RefillStatus
from opensmm.domain.request_errors import means_under_way, means_unknown_order
from opensmm.domain.requests import RequestedIds
from opensmm.domain.subscriptions import MOST_LISTED, SubscriptionReport
from opensmm.wire.lenient import MAX_WRAPS, excerpt, fit, parse, parse_news, split, within
from opensmm.wire.messages import LOWER_CASE_STATUS, REFILL_STATUS
from opensmm.wire.values import (
    BLANKS,
    AmbiguousValue,
    Json,
    amount,
    charge_or_words,
    count,
    count_or_words,
    currency,
    provider_id,
    same,
)

_OF_AN_ORDER: Final = re.compile(r"""(?:["']|quot;)\s*order | \border\w*\W{0,8}[0-9]""", re.VERBOSE | re.IGNORECASE)
"""What a notice may hold of an acceptance: the name in quotes, or a number after it."""
_NO_ORDER: Final[tuple[Json, ...]] = (None, False, "", "0", [], {})
_FAILED: Final = ("fail", "failed", "error", "false")
_WORDS_BESIDE: Final = ("message", "msg", "error_message")
_BARE: Final = ("true", "yes", "error", "fail", "failed")
_VERDICTS: Final = ("status", "success", "ok", "result", "message")
_WENT_WELL: Final = ("success", "successful", "succeeded", "ok", "true", "1", "200", "201", "done", "created")
_WRAPPERS: Final = ("data", "orders", "result", "results", "response", "refills", "cancels", "statuses")

_PREFIXED: Final = re.compile(r"[A-Za-z_]+(?:\.[A-Za-z_]+)+")
"""A translation key such as ``tasks.status.completed``: its last part is the word."""
_SIX: Final = {word: status for status, word in LOWER_CASE_STATUS.items()} | {"cancelled": OrderStatus.CANCELED}
_FAILED_END: Final = ("error", "fail", "failed", "rejected")
"""An order's end, or a look-up that failed: what stands beside tells."""
_STATUS: Final = {
    **_SIX,
    **dict.fromkeys(("cancel", "refunded", *_FAILED_END), OrderStatus.CANCELED),
    **dict.fromkeys(("complete", "done"), OrderStatus.COMPLETED),
    **dict.fromkeys(("partiallycompleted", "partiallycomplete", "partialcompleted"), OrderStatus.PARTIAL),
    **dict.fromkeys(("awaiting", "queued", "inqueue", "onhold"), OrderStatus.PENDING),
}
_OF_ORDERS: Final = _STATUS.keys() - set(_FAILED_END)
"""Words that nobody says who made no order."""
_WATCHED_STATUS: Final = {word: _STATUS[word] for word in _OF_ORDERS} | {
    "active": OrderStatus.IN_PROGRESS,
    "paused": OrderStatus.PROCESSING,
    "expired": OrderStatus.COMPLETED,
}
"""Of an ordinary order these three say nothing: who takes an expired one for completed gives money away."""
_REFILL_STATUS: Final = {
    **{word.lower().replace(" ", ""): status for status, word in REFILL_STATUS.items()},
    **dict.fromkeys(("cancelled", "cancel"), RefillStatus.CANCELED),
    **dict.fromkeys(("complete", "done"), RefillStatus.COMPLETED),
    **dict.fromkeys(("awaiting", "queued", "inqueue", "onhold"), RefillStatus.PENDING),
    "processing": RefillStatus.IN_PROGRESS,
}
_SPELT: Final = {"status": ("status", "order_status"), "refill": ("refill",), "cancel": ("cancel",)}
"""The names under which what is asked for stands."""
MAX_WORDS: Final = 200
"""Characters of an answer that is not understood, as its operator reads them."""


def read_order(body: bytes) -> SendOutcome:
    """What an answer to ``add`` proves: an order id, a refusal in words that mean one, or neither."""
    evidence = excerpt(body)
    before, found = split(body)
    if not isinstance(found, dict) or _OF_AN_ORDER.search(before):
        return Unsure(evidence)
    words = _error_words(found)
    order = provider_id(found.get("order"))
    if order and not words and _word(found.get("status")) not in _FAILED:
        return Accepted(order, evidence)
    if words and not _may_have_bought(found):
        return _not_bought(words) or Unsure(evidence)
    return Unsure(evidence)


def _not_bought(words: str) -> SendOutcome | None:
    """The outcome that an error's words prove; None where they prove nothing."""
    meant = meaning(words)
    match meant:
        case Meaning.REFUSAL:
            return Declined(words)
        case Meaning.PUT_OFF | Meaning.SERVICE_PUT_OFF:
            return NotSent(CallFault(CallCode.PUT_OFF, {"words": words}), words, meant is Meaning.SERVICE_PUT_OFF)
        case Meaning.KEY | Meaning.FUNDS:
            return TurnedAway(words, ACCOUNT_FAULT[meant])
    return None


def read_unbought(evidence: str) -> str:
    """The words of a kept answer to an ``add`` of which it was proved since that it bought nothing: its refusal.

    Empty where the answer was no well-formed error, or one that puts off, tells of a fault, or says nothing.
    """
    found = parse(evidence.encode()) if evidence.lstrip(BLANKS).startswith("{") else None
    words = _error_words(found)
    if not isinstance(found, dict) or _is_bare(words) or _may_have_bought(found):
        return ""
    return words if meaning(words) in (Meaning.REFUSAL, Meaning.UNKNOWN) and not passes(words) else ""


def _may_have_bought(found: dict[str, Json]) -> bool:
    """Whether an answer holds anything beside the words of an error that may stand for an order."""
    return any(
        _names_order(told, MAX_WRAPS) if _holds_words(name, told) else _stands_for_order(name.lower(), told)
        for name, told in found.items()
    )


def _holds_words(name: str, told: Json) -> bool:
    return name in ("error", "errors") or (name in _WORDS_BESIDE and isinstance(told, dict | list))


def _stands_for_order(name: str, told: Json) -> bool:
    """An id under a name like an order's, an object or an array that could hold one, a doubt, or a word of success."""
    if told in _NO_ORDER:
        return False
    if "order" in name or name == "id" or isinstance(told, dict | list | AmbiguousValue):
        return True
    word = "true" if told is True else _word(told)
    return name in _VERDICTS and (word in _WENT_WELL or word in _OF_ORDERS)


def _names_order(error: Json, depth: int) -> bool:
    """Whether an id stands among an error's words under an order's name."""
    if isinstance(error, dict) and any("order" in name.lower() and provider_id(told) for name, told in error.items()):
        return True
    return depth > 0 and any(_names_order(inner, depth - 1) for inner in within(error))


def read_turned_away(body: bytes) -> SendOutcome:
    """What an answer to ``add`` proves that came with a status of 400 to 499: a refusal, never an acceptance.

    Panels send well-formed errors so; what else a status of that kind may stand before proves nothing.
    """
    outcome = read_order(body)
    return outcome if isinstance(outcome, Declined | NotSent | TurnedAway) else Unsure(excerpt(body))


def read_statuses(ids: RequestedIds, body: bytes) -> list[StatusReport | UnreadAnswer]:
    """One report per id asked for, or the words that came in its place."""
    found = parse_news(body)
    return [_report(said) or _unread(said, found, body) for said in _said_of(ids, found, ("order", "id"), "status")]


def _unread(said: Json, found: Json, body: bytes) -> UnreadAnswer:
    """The words that came of one id: an error's, a status that is none of the trade's, or the answer as it is."""
    if words := _error_words(said) or ("" if said else _error_words(found)):
        return _failed(words)
    if isinstance(said, str):
        return UnreadAnswer(fit(said, MAX_WORDS), failed=True)
    status = _status(said) if isinstance(said, dict) else None
    if isinstance(status, str) and status.strip():
        return UnreadAnswer(fit(status.strip(), MAX_WORDS), failed=_word(status) in _FAILED_END)
    return UnreadAnswer(excerpt(body)[:MAX_WORDS])


def _failed(words: str) -> UnreadAnswer:
    """An error text that tells nothing of the order."""
    return UnreadAnswer(words[:MAX_WORDS], failed=True)


def tells_status(ids: RequestedIds, body: bytes) -> bool:
    """Whether an answer tells how any of the orders or refills stands that were asked after, in whatever words."""
    told = _said_of(ids, parse_news(body), ("order", "refill", "id"), "status")
    return any(isinstance(said, dict) and not _error_words(said) and _word(_status(said)) for said in told)


def read_look_ups(ids: RequestedIds, body: bytes) -> list[Said]:
    """Per id asked for: a report, NotOurs where the words say there is no such order, or None."""
    told = _said_of(ids, parse(body), ("order", "id"), "status")
    return [_not_ours(said) or _report(said) for said in told]


def _not_ours(said: Json) -> NotOurs | None:
    """v2 has an object with an error in its place, v1 the bare words."""
    words = said.strip() if isinstance(said, str) else _error_words(said)
    bare = isinstance(said, str) or (isinstance(said, dict) and not said.get("status"))
    return NotOurs(fit(words)) if bare and means_unknown_order(words) else None


def read_watched(ids: RequestedIds, body: bytes) -> list[SubscriptionReport | UnreadAnswer]:
    """What is said of subscriptions and of posts' orders, in the words of either, or the words that came."""
    found = parse_news(body)
    # A bare answer of one subscription holds ``orders``, which is a wrapper anywhere else.
    if len(ids.texts) == 1 and (whole := _watched(found)) is not None:
        another = _names_another(found, same(ids.texts[0]), ("order", "id"))
        return [_unread(None, found, body) if another else whole]
    told = _said_of(ids, found, ("order", "id"), "status")
    return [_watched(said) or _unread(said, found, body) for said in told]


def _watched(said: Json) -> SubscriptionReport | None:
    if not isinstance(said, dict) or _error_words(said):
        return None
    status = _WATCHED_STATUS.get(_word(_status(said)))
    if status is None:
        return None
    link = said.get("link")
    charge, unclear, spent = charge_or_words(said.get("charge"), currency(said.get("currency")))
    return SubscriptionReport(
        status=status,
        remains=count(said.get("remains")),
        quantity=count(said.get("quantity")),
        link=link if isinstance(link, str) else "",
        orders=_order_ids(said.get("orders")),
        charge=charge,
        currency=spent,
        unclear_charge=unclear,
    )


def _order_ids(told: Json) -> tuple[str, ...]:
    """An array of ids, of objects that name theirs, or a text with commas; the newest, where they are too many."""
    lines: Iterable[Json] = told.split(",") if isinstance(told, str) else within(told)
    named = (_named(line, ("order", "id")) if isinstance(line, dict) else line for line in lines)
    found = {order_key(order): order for order in map(provider_id, named) if order}
    return tuple(found.values())[-MOST_LISTED:]


def read_refills(ids: RequestedIds, body: bytes) -> list[str | Declined | UnreadAnswer]:
    """The provider's refill id per order asked for, its words of refusal, or the words that came where neither was
    understood."""
    answers: list[str | Declined | UnreadAnswer] = []
    found = parse_news(body)
    for said in _said_of(ids, found, ("order",), "refill"):
        told = said.get("refill") if isinstance(said, dict) and not _error_words(said) else said
        words = _error_words(told)
        if words:
            # An answer that was lost may stand before words that say it is being refilled.
            unclear = passes(words) or means_under_way(words)
            answers.append(_failed(words) if unclear else Declined(words))
        else:
            answers.append(provider_id(told) or _unread(said, found, body))
    return answers


def read_refill_statuses(ids: RequestedIds, body: bytes) -> list[RefillStatus | UnreadAnswer]:
    """One status per refill asked for, or the words that came in its place."""
    answers: list[RefillStatus | UnreadAnswer] = []
    found = parse_news(body)
    for said in _said_of(ids, found, ("refill", "id"), "status"):
        told = said.get("status") if isinstance(said, dict) and not _error_words(said) else said
        words = _error_words(told)
        unread = _failed(words) if words else _unread(said, found, body)
        answers.append(_REFILL_STATUS.get(_word(told)) or unread)
    return answers


def read_cancels(ids: RequestedIds, body: bytes) -> list[bool | Declined]:
    """True per order whose cancel the provider took on; its words of refusal; False where it said neither."""
    answers: list[bool | Declined] = []
    for said in _said_of(ids, parse_news(body), ("order",), "cancel"):
        told = said.get("cancel") if isinstance(said, dict) and not _error_words(said) else said
        words = _error_words(told)
        if words and not passes(words):
            answers.append(means_under_way(words) or Declined(words))
        else:
            answers.append(told is True or (bool(provider_id(told)) and same(told).isdigit()))
    return answers


def read_balance(body: bytes) -> BalanceView | None:
    """The balance rounded down to 5 decimals; None where none was understood."""
    found = parse(body)
    for _ in range(MAX_WRAPS):
        if not isinstance(found, dict) or _error_words(found):
            return None
        told = amount(found.get("balance"), ROUND_FLOOR)
        if told is not None:
            numerator, denominator = told.as_integer_ratio()
            return BalanceView(Money(numerator * PER_WHOLE // denominator), currency(found.get("currency")))
        found = found.get("data")
    return None


def read_error(body: bytes) -> str:
    """The words of an answer that is nothing but an error; empty where it is something else."""
    return _error_words(parse(body))


def spoken_in_balance(body: bytes) -> str:
    """The dialect whose form an answer to ``balance`` has; empty where it is neither's."""
    found = parse(body)
    if not isinstance(found, dict) or amount(found.get("balance")) is None:
        return ""
    return "v1" if "status" in found else "v2"


def _said_of(ids: RequestedIds, found: Json, id_names: tuple[str, ...], name: str) -> list[Json]:
    """What an answer says of each id asked for, in their order; None where it says nothing of it.

    Knows an object keyed by id, an array whose lines name their id, a bare object where one id was asked for, and
    each of these inside a wrapper. Ids not asked for are ignored.
    """
    wanted = [same(text) for text in ids.texts]
    for _ in range(MAX_WRAPS):
        known = _by_id(found, id_names)
        said = [known.get(which) for which in wanted]
        if any(one is not None for one in said):
            return said
        inner = _inner(found)
        if inner is None:
            break
        found = inner
    if len(wanted) == 1 and isinstance(found, list) and len(found) == 1:
        found = found[0]
    if (
        len(wanted) == 1
        and isinstance(found, dict)
        and (_error_words(found) or not found.keys().isdisjoint(_SPELT[name]))
    ):
        return [None if _names_another(found, wanted[0], id_names) else found]
    return [None] * len(wanted)


def _by_id(found: Json, id_names: tuple[str, ...]) -> dict[str, Json]:
    """An id spoken of twice in different words is spoken of with None."""
    known: dict[str, Json] = {}
    for which, said in _lines(found, id_names):
        known[which] = said if which not in known or known[which] == said else None
    return known


def _lines(found: Json, id_names: tuple[str, ...]) -> Iterator[tuple[str, Json]]:
    """Each line with the id it is about.

    One under a key that names another id is about neither: the key may be an array's index, or the line somebody
    else's. ``id`` is no such name, it may be a number of the line's own.
    """
    if isinstance(found, dict):
        for key, said in found.items():
            which = same(key)
            yield which, None if _names_another(said, which, id_names[:1]) else said
    elif isinstance(found, list):
        yield from ((same(_named(line, id_names)), line) for line in found)


def _named(line: Json, id_names: tuple[str, ...]) -> Json:
    return next((line[name] for name in id_names if name in line), None) if isinstance(line, dict) else None


def _names_another(line: Json, which: str, id_names: tuple[str, ...]) -> bool:
    """Whether a line names another id than this one, or two."""
    told = _named(line, id_names)
    return told is AmbiguousValue.TWICE or same(told) not in ("", which)


def _inner(found: Json) -> Json:
    if not isinstance(found, dict):
        return None
    return next((found[name] for name in _WRAPPERS if isinstance(found.get(name), dict | list)), None)


def _report(said: Json) -> StatusReport | None:
    if not isinstance(said, dict) or _error_words(said):
        return None
    spelt = _status(said)
    word = _word(spelt)
    status = _STATUS.get(word)
    remains, unclear_remains = count_or_words(said.get("remains"))
    charge, unclear, spent = charge_or_words(said.get("charge"), currency(said.get("currency")))
    untold = remains is None and charge is None and not unclear
    if status is None or (word in _FAILED_END and (_speaks(said) or untold)):
        return None
    return StatusReport(
        status=status,
        start_count=count(said.get("start_count")),
        remains=remains,
        charge=charge,
        currency=spent,
        word=fit(spelt.strip(), MAX_WORDS) if word not in _SIX and isinstance(spelt, str) else "",
        unclear_charge=unclear,
        unclear_remains=unclear_remains,
    )


def _status(said: dict[str, Json]) -> Json:
    return next((said[name] for name in _SPELT["status"] if name in said), None)


def _speaks(said: dict[str, Json]) -> bool:
    """Whether there are words beside a status: they are an error's, which may be the look-up's."""
    return any(_words_of(said.get(name)) for name in _WORDS_BESIDE)


def _word(told: Json) -> str:
    """``In progress``, ``in_progress`` and ``inprogress`` are one word, and so is what a key such as
    ``tasks.status.in_progress`` ends with."""
    if not isinstance(told, str) or len(told) > 40:
        return ""
    text = told.strip()
    if _PREFIXED.fullmatch(text):
        text = text.rpartition(".")[2]
    return "".join(text.lower().replace("_", " ").replace("-", " ").split())


def likely_order(evidence: str) -> str:
    """The order id that an answer seems to tell in a place where none is documented; empty where there is none.

    It proves nothing: it is for a person who looks the order up at the provider.
    """
    found = parse(evidence.encode())
    if isinstance(found, dict):
        data, order = found.get("data"), found.get("order")
        places = [order, found.get("order_id"), found.get("orderId"), *_id_in(data), *_id_in(order)]
        return next((one for one in map(provider_id, places) if one), "")
    if isinstance(found, list):
        return next((one for one in map(provider_id, (*found, *_id_in(found))) if one), "") if len(found) == 1 else ""
    text = evidence.strip(BLANKS).strip('"')
    return text if text.isascii() and text.isdigit() and provider_id(text) else ""


def _id_in(told: Json) -> tuple[Json, ...]:
    """Where an object, or a list of one, tells an order's id."""
    inner = told[0] if isinstance(told, list) and len(told) == 1 else told
    if isinstance(inner, dict):
        return tuple(inner.get(name) for name in ("order", "order_id", "id"))
    return (inner,) if inner is not told else ()


def _error_words(told: Json) -> str:
    """The texts under ``error`` or ``errors``, one after the other; empty where there are none. A zero is none.

    Where these only say that there is an error, or a verdict beside does, its words stand under another name.
    """
    if not isinstance(told, dict):
        return ""
    words = _words_of(told.get("error")) or _words_of(told.get("errors"))
    if not _is_bare(words) or not (words or _has_failed(told)):
        return words
    return next(filter(None, (_words_of(told.get(name)) for name in _WORDS_BESIDE)), words)


def _is_bare(words: str) -> bool:
    return not words or words.lower() in _BARE or amount(words) is not None


def _has_failed(told: dict[str, Json]) -> bool:
    verdicts = (told.get("status"), told.get("success"))
    return any(one is False or _word(one) in (*_FAILED, "failure", "0") for one in verdicts)


def _words_of(told: Json) -> str:
    if told is True:
        return "true"
    return "" if amount(told) == 0 else fit("; ".join(islice(_texts(told, MAX_WRAPS), 10)))


def _texts(told: Json, depth: int) -> Iterator[str]:
    if isinstance(told, str) and told.strip():
        yield told.strip()
    elif depth:
        for inner in within(told):
            yield from _texts(inner, depth - 1)
