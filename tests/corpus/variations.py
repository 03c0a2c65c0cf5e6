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
        answer = json.loads(row.body, object_pairs_hook=_once)
    except ValueError:
        return
    if not isinstance(answer, dict | list):
        return
    yield "BOM", b"\xef\xbb\xbf" + row.body
    yield "blanks", b" \r\n" + row.body + b"\n\n"
    yield "notice", NOTICE + row.body
    yield "indented", json.dumps(answer, indent=2).encode()
    yield "as UTF-8", json.dumps(answer, ensure_ascii=False).encode()
    yield "numbers as texts", json.dumps(_each(answer, _as_text)).encode()
    if not CAMEL.search(row.body.decode()):
        yield "capitals", json.dumps(_each(answer, lambda one: _spelt(one, str.upper))).encode()
        yield "small letters", json.dumps(_each(answer, lambda one: _spelt(one, str.lower))).encode()
    if file in WRAPPED:
        yield "wrapped", json.dumps({"data": answer}).encode()
        yield "in a text", json.dumps(json.dumps(answer)).encode()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a name that comes twice")
    return fields


def _each(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _each(inner, change) for name, inner in value.items()}
    return [_each(inner, change) for inner in value] if isinstance(value, list) else change(value)


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _spelt(value: Any, change: Callable[[str], str]) -> Any:
    return change(value) if isinstance(value, str) else value
