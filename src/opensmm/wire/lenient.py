"""JSON as broken programs send it: behind notices, inside a text, with names that come twice. Nothing raises."""

import json
import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

from opensmm.wire.values import BLANKS, AmbiguousValue, Json

MAX_EVIDENCE: Final = 500
"""Characters of an answer that are kept."""
MAX_STARTS: Final = 32
"""Places in an answer where JSON is looked for behind notices and HTML."""
MAX_WRAPS: Final = 3
"""Objects around the one that is meant."""
MAX_DEPTH: Final = 10
"""Levels of an answer; a deeper one is not understood."""

_ANY_JSON: Final = re.compile(r"[\[{]")
_START: Final = re.compile(r"[^\s:,\[{]\s*([\[{])")
_OBJECT: Final = re.compile(r"\{\s*\"")
_UNFIT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def excerpt(body: bytes) -> str:
    """The beginning of an answer, fit to be stored and shown as text."""
    return fit(body[: 4 * MAX_EVIDENCE].decode("utf-8", "replace"))


def fit(text: str, limit: int = MAX_EVIDENCE) -> str:
    """The beginning of a text, without what cannot be stored or shown."""
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text[:limit])


def parse(body: bytes) -> Json:
    """The JSON that ends an answer, whatever stands before it; None where there is none.

    An object inside a broken one is never taken for the answer, nor is one behind another: a cut-off acceptance may
    hold what looks like an error, and a program that said two things may mean the first.
    """
    return split(body)[1]


def split(body: bytes) -> tuple[str, Json]:
    """What stands before the JSON that ends an answer, and that JSON."""
    text = body.decode("utf-8", "replace").lstrip(BLANKS)
    if text[:1] in ("{", "["):
        return "", _decoded(text, 0)
    first = _OBJECT.search(text)
    for start in islice(_START.finditer(text), MAX_STARTS):
        if first is not None and start.start(1) > first.start():
            break  # the first object said something, or was cut off: what follows is not the answer
        found = _decoded(text, start.start(1))
        if found is not None:
            return text[: start.start(1)], found
    return text, None


def _decoded(text: str, start: int) -> Json:
    try:
        found, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return found if not text[end:].strip(BLANKS) and _shallow(found) else None


def _shallow(found: Json) -> bool:
    level = [found]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in within(outer) if isinstance(inner, dict | list)]
        if not level:
            return True
    return False


def within(outer: Json) -> Iterable[Json]:
    if isinstance(outer, dict):
        return outer.values()
    return outer if isinstance(outer, list) else ()


def _object(pairs: list[tuple[str, Json]]) -> Json:
    """A name that comes twice with different values is in doubt; where it is an error's, so is the whole object."""
    found = dict(pairs)
    if len(found) < len(pairs):
        found.update((name, AmbiguousValue.TWICE) for name, value in pairs if found[name] != value)
        if AmbiguousValue.TWICE in (found.get("error"), found.get("errors")):
            return AmbiguousValue.TWICE
    return found


def _nothing(text: str) -> None:
    """NaN and the infinities are no numbers of ours."""


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=_nothing, strict=False
)


def parse_news(body: bytes) -> Json:
    """Like ``parse``; JSON inside a JSON string is read, and text behind it where it holds no second answer."""
    found = parse(body)
    if found is not None:
        return found
    text = body.decode("utf-8", "replace").strip(BLANKS)
    try:
        found, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, str):
        return parse(found.encode("utf-8", "replace")) if text[:1] == '"' and end == len(text) else None
    return found if isinstance(found, dict | list) and not _ANY_JSON.search(text, end) and _shallow(found) else None
