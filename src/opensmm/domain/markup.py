"""Reads texts with HTML or invisible characters as a person sees them."""

import html
import re
from typing import Final

MOST_ROUNDS: Final = 3
"""Most times that a text may have been encoded, one encoding inside the other."""

_TAG: Final = re.compile(r"<!--.*?-->|</?[a-z][^<>]*>", re.IGNORECASE | re.DOTALL)
_BREAK: Final = re.compile(r"<(?:br|/?p|/?div|/?li|/?tr)\b[^<>]*>", re.IGNORECASE)
_ESCAPE: Final = re.compile(r"\\u([0-9a-f]{4})", re.IGNORECASE)
_BLANK: Final = re.compile(r"[ \t\r\f\v\u00a0]+")
# Soft hyphens, zero-width characters, directions, fillers and variation selectors: they are invisible.
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)


def decoded(text: str) -> str:
    """Returns the text without HTML entities, however often it was encoded; tags stay."""
    for _ in range(MOST_ROUNDS):
        plain = html.unescape(text)
        if plain == text:
            break
        text = plain
    return text


def without_tags(text: str, instead: str = "") -> str:
    """Replaces HTML tags and comments."""
    return _TAG.sub(instead, text)


def readable(text: str) -> str:
    """Returns a name as its reader sees it: decoded, without tags, with single blanks."""
    if "<" not in text and "&" not in text:
        return text.strip()
    return " ".join(without_tags(_BREAK.sub(" ", decoded(text))).split())


def readable_lines(text: str) -> str:
    """Does the same as ``readable`` for a longer text, and keeps its lines."""
    if "<" not in text and "&" not in text:
        return text.strip()
    lines = without_tags(_BREAK.sub("\n", decoded(text))).splitlines()
    return "\n".join(line for line in (_BLANK.sub(" ", line).strip() for line in lines) if line)


def readings(text: str) -> tuple[str, ...]:
    """Returns the forms of a text that are searched for words.

    They are the text itself, and the text decoded, with blanks or nothing in the place of tags; invisible characters
    are removed from all.
    """
    plain = _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text) if "\\u" in text else text
    plain = decoded(plain)
    variants = (text, without_tags(plain), without_tags(plain, " "))
    return tuple(dict.fromkeys(_INVISIBLE.sub("", variant) for variant in variants))
