"""Requests on the wire: parameters are read into requests, and written from them. Both dialects name them alike."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from itertools import islice
from typing import Final, assert_never

import msgspec

from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import (
    MALFORMED,
    MAX_IDS,
    NO_DETAILS,
    AddOrder,
    CancelOrders,
    GetBalance,
    GetRefillStatus,
    GetStatus,
    ListOrders,
    ListServices,
    Request,
    RequestedIds,
    RequestRefills,
    TypeDetails,
)
from opensmm.wire.form import Fields, has_control_characters, items_of
from opensmm.wire.json_form import Value

MAX_DIGITS: Final = 18
MAX_IDEMPOTENCY_KEY: Final = 255
"""Characters."""
MAX_LINES: Final = 100_000
"""Most lines or names in one parameter; reading stops there, and a longer parameter is refused."""

_BLANKS: Final = " \t\r\n"
_ABSENT: Final = frozenset(("", "undefined", "null"))
_DATE: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
_DETAIL_NAMES: Final = frozenset(TypeDetails.__struct_fields__)
_LISTS: Final = ("comments", "usernames", "hashtags", "keywords", "groups")


def read_request(fields: Fields, *, array_text: bool) -> Request | Refused:
    """Reads a request. ``array_text``: a list of ids may also be the text of a JSON array."""
    action = _read_text(fields, "action").lower()
    if not action and (_is_given(fields, "refill") or _is_given(fields, "refills")):
        action = "refill" if _asks_to_refill(fields) else "refill_status"
    reader = _READERS.get(action)
    return reader(fields, array_text) if reader is not None else Refused(Refusal.UNKNOWN_ACTION)


def _asks_to_refill(fields: Fields) -> bool:
    """True if a request without an action asks for a refill: old official samples have ``refill=1`` in its place."""
    return _read_text(fields, "refill") == "1" and (_is_given(fields, "order") or _is_given(fields, "orders"))


def whole_number(text: str) -> int:
    """Reads one to eighteen ASCII digits, ignoring blanks around them; MALFORMED for anything else."""
    text = text.strip(_BLANKS)
    return int(text) if text.isdigit() and text.isascii() and len(text) <= MAX_DIGITS else MALFORMED


def is_absent(text: str) -> bool:
    """True for blanks, and for the words that programs write in the place of nothing."""
    return text.strip(_BLANKS) in _ABSENT


def _read_text(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        return ""
    value = value.strip(_BLANKS)
    return "" if value in _ABSENT else value


def _is_given(fields: Fields, name: str) -> bool:
    value = fields.get(name)
    return not is_absent(value) if isinstance(value, str) else bool(value)


def _read_number(fields: Fields, name: str) -> int | None:
    value = fields.get(name)
    if not isinstance(value, str):
        return None
    number = whole_number(value)
    return None if number == MALFORMED and is_absent(value) else number


def _read_lines(fields: Fields, name: str) -> tuple[str, ...]:
    if not _is_given(fields, name):
        return ()
    text = "\n".join(items_of(fields[name]))
    lines = (line.rstrip("\r") for line in text.split("\n") if line.strip())
    return tuple(islice(lines, MAX_LINES + 1))


def _read_names(fields: Fields, name: str) -> tuple[str, ...]:
    names = _strip(item for line in _read_lines(fields, name) for item in line.split(","))
    return tuple(islice(names, MAX_LINES + 1))


def _strip(items: Iterable[str]) -> Iterable[str]:
    return (item for item in (item.strip(_BLANKS) for item in items) if item)


def _read_date(fields: Fields, name: str) -> date | None:
    text = _read_text(fields, name)
    if not text:
        return None
    parts = _DATE.fullmatch(text)
    try:
        return date(int(parts[3]), int(parts[2]), int(parts[1])) if parts else date.min
    except ValueError:
        return date.min


def _read_ids(
    fields: Fields, plural: str, singular: str, missing: Refusal, array_text: bool, *, splits: bool = False
) -> RequestedIds | Refused:
    """Reads the ids under one of two names. ``splits``: the singular one may hold several, with commas between."""
    value: Value
    if plural in fields and _is_given(fields, plural):
        value = fields[plural]
    else:
        value = text = _read_text(fields, singular)
        if not text:
            return Refused(missing)
        if not (splits and "," in text):
            return RequestedIds((text,), (whole_number(text),))
    # ``007`` and ``7`` are one id: the first spelling is kept.
    distinct: dict[int | str, str] = {}
    texts = _split_ids(value, array_text) if isinstance(value, str) else items_of(value)
    for text in _strip(dict.fromkeys(texts)):
        number = whole_number(text)
        distinct.setdefault(text if number == MALFORMED else number, text)
        if len(distinct) > MAX_IDS:
            return Refused(Refusal.TOO_MANY_IDS)
    if not distinct:
        return Refused(missing)
    numbers = tuple(MALFORMED if isinstance(key, str) else key for key in distinct)
    return RequestedIds(tuple(distinct.values()), numbers, many=True)


def _split_ids(text: str, array_text: bool) -> Iterable[str]:
    if array_text and text.lstrip(_BLANKS).startswith("["):
        try:
            return map(str, msgspec.json.decode(text, type=list[int | str]))
        except (msgspec.MsgspecError, UnicodeError):
            return text.split(",")
    return text.split(",")


def _read_services(fields: Fields, array_text: bool) -> ListServices:
    return ListServices(extended=_read_text(fields, "extended") == "1")


def _read_add(fields: Fields, array_text: bool) -> AddOrder | Refused:
    idempotency_key = _read_text(fields, "idempotency_key")
    if len(idempotency_key) > MAX_IDEMPOTENCY_KEY or has_control_characters(idempotency_key):
        return Refused(Refusal.PARAMETER, "idempotency_key")
    details = NO_DETAILS
    if not _DETAIL_NAMES.isdisjoint(fields):
        details = _read_details(fields)
        for name in _LISTS:
            if len(getattr(details, name)) > MAX_LINES:
                return Refused(Refusal.PARAMETER, name)
    return AddOrder(
        service=_read_number(fields, "service"),
        link=_read_text(fields, "link"),
        quantity=_read_number(fields, "quantity"),
        runs=_read_number(fields, "runs"),
        interval_min=_read_number(fields, "interval"),
        details=details,
        idempotency_key=idempotency_key,
    )


def _read_details(fields: Fields) -> TypeDetails:
    return TypeDetails(
        comments=_read_lines(fields, "comments"),
        usernames=_read_names(fields, "usernames"),
        hashtags=_read_names(fields, "hashtags"),
        keywords=_read_lines(fields, "keywords"),
        groups=_read_lines(fields, "groups"),
        hashtag=_read_text(fields, "hashtag"),
        username=_read_text(fields, "username"),
        media=_read_text(fields, "media"),
        answer_number=_read_number(fields, "answer_number"),
        min=_read_number(fields, "min"),
        max=_read_number(fields, "max"),
        posts=_read_number(fields, "posts"),
        old_posts=_read_number(fields, "old_posts"),
        delay=_read_number(fields, "delay"),
        expiry=_read_date(fields, "expiry"),
        country=_read_text(fields, "country"),
        device=_read_number(fields, "device"),
        type_of_traffic=_read_number(fields, "type_of_traffic"),
        google_keyword=_read_text(fields, "google_keyword"),
        referring_url=_read_text(fields, "referring_url"),
    )


def _read_status(fields: Fields, array_text: bool) -> GetStatus | Refused:
    ids = _read_ids(fields, "orders", "order", Refusal.ORDER_MISSING, array_text, splits=True)
    return ids if isinstance(ids, Refused) else GetStatus(ids, extended=_read_text(fields, "extended") == "1")


def _read_orders(fields: Fields, array_text: bool) -> GetStatus | ListOrders | Refused:
    """Reads ``orders``: it lists the caller's orders, or is an alias of status if it has an ``orders`` parameter."""
    if _is_given(fields, "orders"):
        return _read_status(fields, array_text)
    limit, before = _read_number(fields, "limit"), _read_number(fields, "before")
    if limit is not None and not 1 <= limit <= MAX_IDS:
        return Refused(Refusal.PARAMETER, "limit")
    if before == MALFORMED:
        return Refused(Refusal.PARAMETER, "before")
    return ListOrders(MAX_IDS if limit is None else limit, before)


def _read_refill(fields: Fields, array_text: bool) -> RequestRefills | Refused:
    ids = _read_ids(fields, "orders", "order", Refusal.ORDER_MISSING, array_text)
    return ids if isinstance(ids, Refused) else RequestRefills(ids)


def _read_refill_status(fields: Fields, array_text: bool) -> GetRefillStatus | Refused:
    ids = _read_ids(fields, "refills", "refill", Refusal.REFILL_UNKNOWN, array_text)
    order = _read_text(fields, "order")
    # Some clients know the order only: it stands for its newest refill.
    if isinstance(ids, Refused) and ids.why is Refusal.REFILL_UNKNOWN and order:
        return GetRefillStatus(order=RequestedIds((order,), (whole_number(order),)))
    return ids if isinstance(ids, Refused) else GetRefillStatus(ids)


def _read_cancel(fields: Fields, array_text: bool) -> CancelOrders | Refused:
    ids = _read_ids(fields, "orders", "order", Refusal.ORDER_MISSING, array_text)
    return ids if isinstance(ids, Refused) else CancelOrders(ids)


def _read_balance(fields: Fields, array_text: bool) -> GetBalance:
    return GetBalance()


_READERS: Final[Mapping[str, Callable[[Fields, bool], Request | Refused]]] = {
    "services": _read_services,
    "add": _read_add,
    "status": _read_status,
    "orders": _read_orders,
    "refill": _read_refill,
    "refill_status": _read_refill_status,
    "cancel": _read_cancel,
    "balance": _read_balance,
}


def write_request(key: str, request: Request) -> dict[str, str]:
    """Writes the parameters that ``read_request`` reads as the same request; absent ones are left out."""
    return {"key": key, **_write(request)}


def _write(request: Request) -> dict[str, str]:
    match request:
        case ListServices(extended):
            return {"action": "services", "extended": "1"} if extended else {"action": "services"}
        case AddOrder():
            return {"action": "add", **_write_add(request)}
        case GetStatus(orders, extended):
            return {"action": "status", **_write_ids("order", orders), **({"extended": "1"} if extended else {})}
        case ListOrders(limit, before):
            return {"action": "orders", "limit": str(limit), **({} if before is None else {"before": str(before)})}
        case RequestRefills(orders):
            return {"action": "refill", **_write_ids("order", orders)}
        case GetRefillStatus(refills, order):
            ids = _write_ids("refill", refills) if order is None else _write_ids("order", order)
            return {"action": "refill_status", **ids}
        case CancelOrders(orders):
            return {"action": "cancel", **_write_ids("order", orders)}
        case GetBalance():
            return {"action": "balance"}
        case _:
            assert_never(request)


def _write_ids(singular: str, ids: RequestedIds) -> dict[str, str]:
    return {f"{singular}s": ",".join(ids.texts)} if ids.many else {singular: ids.texts[0]}


def _write_add(request: AddOrder) -> dict[str, str]:
    plain: dict[str, object] = {
        "service": request.their_service or request.service,
        "link": request.link,
        "quantity": request.quantity,
        "runs": request.runs,
        "interval": request.interval_min,
        "idempotency_key": request.idempotency_key,
    }
    if request.details is not NO_DETAILS:
        plain |= {name: getattr(request.details, name) for name in TypeDetails.__struct_fields__}
    written = {name: _write_value(value) for name, value in plain.items()}
    return {name: text for name, text in written.items() if text}


def _write_value(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return "\n".join(value)
    if isinstance(value, date):
        return f"{value.day:02d}/{value.month:02d}/{value.year:04d}"
    return str(value)
