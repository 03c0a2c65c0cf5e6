"""Answers made of those in the corpus that mean the same: other letters, BOMs, notices, layouts, numbers as texts."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from tests.corpus.corpus import Row

NOTICE = b"<br />\n<b>Notice</b>: Undefined index: a[0] {b} in /x.php on line <b>3</b><br />\n"
CAMEL = re.compile("[a-z][A-Z]")
WRAPPED = ("status", "refill", "refill_status", "cancel")


def variations(file: str, row: Row) -> Iterator[tuple[str, bytes]]:
    """Each with what was done to the answer. What is no plain JSON, or says a name twice, is left as it is."""
    try:
        told = json.loads(row.body, object_pairs_hook=_once)
    except ValueError:
        return
    if not isinstance(told, dict | list):
        return
    yield "BOM", b"\xef\xbb\xbf" + row.body
    yield "blanks", b" \r\n" + row.body + b"\n\n"
    yield "notice", NOTICE + row.body
    yield "indented", json.dumps(told, indent=2).encode()
    yield "as UTF-8", json.dumps(told, ensure_ascii=False).encode()
    yield "numbers as texts", json.dumps(_each(told, _as_text)).encode()
    if not CAMEL.search(row.body.decode()):
        yield "capitals", json.dumps(_each(told, lambda one: _spelt(one, str.upper))).encode()
        yield "small letters", json.dumps(_each(told, lambda one: _spelt(one, str.lower))).encode()
    if file in WRAPPED:
        yield "wrapped", json.dumps({"data": told}).encode()
        yield "in a text", json.dumps(json.dumps(told)).encode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name that comes twice")
    return found


def _each(told: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(told, dict):
        return {name: _each(inner, change) for name, inner in told.items()}
    return [_each(inner, change) for inner in told] if isinstance(told, list) else change(told)


def _as_text(told: Any) -> Any:
    return str(told) if isinstance(told, int | float) and not isinstance(told, bool) else told


def _spelt(told: Any, change: Callable[[str], str]) -> Any:
    return change(told) if isinstance(told, str) else told
