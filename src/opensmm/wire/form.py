"""Bodies and query strings of requests: forms and JSON become one flat mapping of names to texts."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from multipart import PushMultipartParser, parse_options_header

from opensmm.wire.json_form import RawJsonList, Value, read_object

Fields = dict[str, Value]
"""Parameters by name. Only a list that came as an array or as ``orders[]=1&orders[]=2`` is a tuple, and only a long
array is a RawJsonList."""

MAX_FIELDS: Final = 1000
"""Most parameters in one body or query string; a request with more is refused."""

LISTS: Final = frozenset(("orders", "refills", "comments", "usernames", "hashtags", "keywords", "groups"))
SCALARS: Final = frozenset(
    (
        *("key", "action", "service", "link", "quantity", "runs", "interval", "order", "refill", "limit", "before"),
        *("idempotency_key", "extended", "hashtag", "username", "media", "answer_number", "min", "max", "posts"),
        *("old_posts", "delay", "expiry", "country", "device", "type_of_traffic", "google_keyword", "referring_url"),
    )
)
"""Parameters that hold one value. A list under such a name is refused: an idempotency key that is dropped would protect
nothing."""

_UNFIT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_ELEMENT: Final = re.compile(r"(\w+)\[\d{0,9}\]", re.ASCII)
_PARAMETERS: Final = LISTS | SCALARS
_FORM_TYPE: Final = b"application/x-www-form-urlencoded"


def read_form(content_type: bytes, query: bytes, body: bytes) -> Fields | None:
    """Reads the parameters of a request; the body's take precedence over the query's. None if any part is malformed.

    Malformed is a scalar sent twice in one body or as a list, a control character, a broken escape, invalid UTF-8, an
    uploaded file, or a JSON value other than a text, whole number, null or list.
    """
    try:
        fields = _read_pairs(query) if query else {}
        if body:
            fields.update(_read_body(content_type, body))
    except (ValueError, RecursionError):
        return None
    return fields


def write_form(fields: Mapping[str, str]) -> bytes:
    return urlencode(fields).encode()


def _read_body(content_type: bytes, body: bytes) -> Fields:
    if content_type == _FORM_TYPE:
        return _read_pairs(body)
    kind = content_type.partition(b";")[0].strip().lower()
    if kind == b"multipart/form-data":
        return _read_multipart(content_type, body)
    if kind in (b"application/json", b"text/json") or kind.endswith(b"+json"):
        return _without_brackets(_read_json(body))
    # Some clients send JSON without saying so.
    if kind != _FORM_TYPE and body.lstrip(b" \t\r\n").startswith(b"{"):
        return _without_brackets(_read_json(body))
    return _read_pairs(body)


def _read_pairs(raw: bytes) -> Fields:
    if raw.count(b"&") >= MAX_FIELDS:
        raise ValueError("too many fields")
    text = raw.decode().replace("+", " ")
    _refuse_unfit(text)
    fields: Fields = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if "%" in pair:
            name, value = _unquote(name), _unquote(value)
        if name in fields or "[" in name:
            _keep_element(fields, name, value)
        elif name:
            fields[name] = value
    return fields


def _unquote(text: str) -> str:
    if "%" not in text:
        return text
    # Percent escapes are decoded as Python's own escapes: that runs in C, and also refuses what is no hex.
    escaped = text.encode().replace(b"\\", b"\\\\").replace(b"%", b"\\x")
    text = escaped.decode("unicode_escape").encode("latin-1").decode()
    _refuse_unfit(text)
    return text


def has_control_characters(text: str) -> bool:
    """True for a text with a control character or a lone surrogate."""
    return not text.isprintable() and _UNFIT.search(text) is not None


def _refuse_unfit(text: str) -> None:
    if has_control_characters(text):
        raise ValueError("control character or lone surrogate")


def _keep_element(fields: Fields, name: str, value: str) -> None:
    """Adds an element of a list. Refuses a scalar sent twice, or as a list.

    Brackets after names that are no parameters are ignored.
    """
    if name in fields:
        raise ValueError("scalar sent twice")
    element = _ELEMENT.fullmatch(name)
    plain = element[1] if element else ""
    if plain in LISTS:
        earlier = fields.get(plain, ())
        if not isinstance(earlier, tuple):
            raise ValueError("sent both as a scalar and as a list")
        fields[plain] = (*earlier, value)
    else:
        _refuse_brackets(name)


def _refuse_brackets(name: str) -> None:
    if name.partition("[")[0] in _PARAMETERS:
        raise ValueError("a parameter with brackets that make no list of it")


def _without_brackets(fields: Fields) -> Fields:
    """Refuses parameters with brackets in their names: in JSON a list has none."""
    for name in fields:
        if "[" in name:
            _refuse_brackets(name)
    return fields


def _read_multipart(content_type: bytes, body: bytes) -> Fields:
    boundary = parse_options_header(content_type.decode("latin-1"))[1].get("boundary", "")
    fields: Fields = {}
    name, value = "", b""
    with PushMultipartParser(boundary, max_segment_count=MAX_FIELDS, strict=True) as parser:
        for event in parser.parse(body):
            if event is None:
                _keep_part(fields, name, value.decode())
            elif isinstance(event, bytes | bytearray):
                value += event
            elif event.filename is not None or "filename*" in event.header("Content-Disposition", "").lower():
                raise ValueError("uploaded file")
            else:
                name, value = event.name, b""
    return fields


def _keep_part(fields: Fields, name: str, value: str) -> None:
    """Adds a field of a multipart body."""
    _refuse_unfit(name)
    _refuse_unfit(value)
    if name in fields or "[" in name:
        _keep_element(fields, name, value)
    else:
        fields[name] = value


def _read_json(body: bytes) -> Fields:
    text = body.decode()
    _refuse_unfit(text)
    return read_object(text, LISTS, MAX_FIELDS)


def items_of(value: Value) -> tuple[str, ...]:
    """Returns the items of a list; a text is a list of one."""
    if isinstance(value, str):
        return (value,)
    return value.items() if isinstance(value, RawJsonList) else value
