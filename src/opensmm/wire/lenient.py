"""Lenient JSON: behind notices, inside a text, with names that come twice. Nothing raises."""

import json
import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

from opensmm.wire.values import BLANKS, AmbiguousValue, Json

MAX_EVIDENCE: Final = 500
"""Most characters of an answer that are stored."""
MAX_STARTS: Final = 32
"""Most places in an answer where JSON is tried behind notices and HTML."""
MAX_WRAPS: Final = 3
"""Most objects around the one that is meant."""
MAX_DEPTH: Final = 10
"""Most levels of an answer; a deeper one is not understood."""

_ANY_JSON: Final = re.compile(r"[\[{]")
_START: Final = re.compile(r"[^\s:,\[{]\s*([\[{])")
_OBJECT: Final = re.compile(r"\{\s*\"")
_UNFIT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def excerpt(body: bytes) -> str:
    """Returns the beginning of an answer as text that can be stored and shown."""
    return clip(body[: 4 * MAX_EVIDENCE].decode("utf-8", "replace"))


def clip(text: str, limit: int = MAX_EVIDENCE) -> str:
    """Returns the beginning of a text without characters that cannot be stored or shown."""
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text[:limit])


def parse(body: bytes) -> Json:
    """Returns the JSON at the end of an answer, whatever stands before it; None if there is none.

    An object inside a broken one is never taken for the answer, nor is one behind another: a cut-off acceptance may
    hold what looks like an error, and of two answers the first may be meant.
    """
    return split_json(body)[1]


def split_json(body: bytes) -> tuple[str, Json]:
    """Returns the text before the JSON at the end of an answer, and that JSON."""
    text = body.decode("utf-8", "replace").lstrip(BLANKS)
    if text[:1] in ("{", "["):
        return "", _decode(text, 0)
    first = _OBJECT.search(text)
    for start in islice(_START.finditer(text), MAX_STARTS):
        if first is not None and start.start(1) > first.start():
            break  # the first object is an answer, or was cut off: what follows is not the answer
        answer = _decode(text, start.start(1))
        if answer is not None:
            return text[: start.start(1)], answer
    return text, None


def _decode(text: str, start: int) -> Json:
    try:
        answer, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return answer if not text[end:].strip(BLANKS) and _is_shallow(answer) else None


def _is_shallow(answer: Json) -> bool:
    level = [answer]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in children(outer) if isinstance(inner, dict | list)]
        if not level:
            return True
    return False


def children(outer: Json) -> Iterable[Json]:
    """Returns the values of an object or an array; nothing for other values."""
    if isinstance(outer, dict):
        return outer.values()
    return outer if isinstance(outer, list) else ()


def _build_object(pairs: list[tuple[str, Json]]) -> Json:
    """Builds an object.

    A name that comes twice with different values is ambiguous; if it is the error's, so is the object.
    """
    members = dict(pairs)
    if len(members) < len(pairs):
        members.update((name, AmbiguousValue.TWICE) for name, value in pairs if members[name] != value)
        if AmbiguousValue.TWICE in (members.get("error"), members.get("errors")):
            return AmbiguousValue.TWICE
    return members


def _read_constant(text: str) -> None:
    """Reads NaN and the infinities as null."""


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_build_object, parse_int=str, parse_float=str, parse_constant=_read_constant, strict=False
)


def parse_nested(body: bytes) -> Json:
    """Like ``parse``, but also reads JSON inside a JSON string, and JSON before text that holds no second answer."""
    answer = parse(body)
    if answer is not None:
        return answer
    text = body.decode("utf-8", "replace").strip(BLANKS)
    try:
        answer, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(answer, str):
        return parse(answer.encode("utf-8", "replace")) if text[:1] == '"' and end == len(text) else None
    return (
        answer if isinstance(answer, dict | list) and not _ANY_JSON.search(text, end) and _is_shallow(answer) else None
    )
