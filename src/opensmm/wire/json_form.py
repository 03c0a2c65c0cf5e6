"""Parameters in a JSON body, read in one pass that builds no lists: long ones are read once the key is known to be
valid."""

import json
import re
from typing import Final

from msgspec import Struct

SHORT_LIST: Final = 2048
"""Most characters of a list that is read at once; a longer one stays text until it is needed."""

# Before Python 3.11.5 (Debian 12 has 3.11.2) a possessive repeat of a group matches wrongly if the group itself can
# backtrack. An atomic group is right everywhere, and takes more time and memory.
_SOUND: Final = re.fullmatch(r"(?:,(?:-?1|2))*+", ",") is None
_OPEN, _ANY, _MAYBE = ("(?:", ")*+", ")?+") if _SOUND else ("(?>(?:", ")*)", ")?)")

_BLANK: Final = r"[ \t\r\n]*+"
_WHOLE: Final = r"-?(?:0|[1-9][0-9]*+)"
# Escapes of characters that a text may hold: no controls, and surrogates in pairs alone.
_PAIR: Final = r"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_FIT_CODE: Final = (
    r"00(?:0[9aAdD]|[2-6][0-9a-fA-F]|7[0-9a-eA-E]|[a-fA-F][0-9a-fA-F])|0[1-9a-fA-F][0-9a-fA-F]{2}"
    r"|[1-9a-cA-CeEfF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}"
)
_ESCAPE: Final = rf'\\(?:["\\/nrt]|{_PAIR}|u(?:{_FIT_CODE}))'
_TEXT: Final = rf'"{_OPEN}[^"\\\x00-\x1f]++|{_ESCAPE}{_ANY}"'
_ITEM: Final = rf"(?:{_TEXT}|{_WHOLE}|null)"
_LIST: Final = rf"\[{_BLANK}{_OPEN}{_ITEM}{_BLANK}{_OPEN},{_BLANK}{_ITEM}{_BLANK}{_ANY}{_MAYBE}\]"
_MEMBER: Final = re.compile(
    rf"{_BLANK}({_TEXT}){_BLANK}:{_BLANK}(?:({_TEXT})|({_WHOLE})|null|({_LIST})){_BLANK}([,}}]){_BLANK}"
)
_BEGIN: Final = re.compile(rf"{_BLANK}\{{{_BLANK}")
_EMPTY: Final = re.compile(rf"{_BLANK}\{{{_BLANK}\}}{_BLANK}\Z")
_HAS_ITEM: Final = re.compile(r'["0-9]')
_DECODER: Final = json.JSONDecoder(parse_int=str)


class RawJsonList(Struct, frozen=True):
    """Text of a well-formed JSON list of texts, whole numbers and nulls."""

    text: str

    def __bool__(self) -> bool:
        return _HAS_ITEM.search(self.text) is not None

    def items(self) -> tuple[str, ...]:
        return tuple(item for item in _DECODER.decode(self.text) if item is not None)


Value = str | RawJsonList | tuple[str, ...]


def read_object(text: str, lists: frozenset[str], most: int) -> dict[str, Value]:
    """Reads the members of a JSON object: texts, whole numbers as written, and lists under the names in ``lists``.

    Null becomes an empty text, as if the parameter were absent. Raises ValueError for anything else, for a name that
    comes twice, and for more than ``most`` members. Escapes of control characters and lone surrogates are refused; the
    caller checks for unescaped ones.
    """
    if _EMPTY.match(text):
        return {}
    members: dict[str, Value] = {}
    begin = _BEGIN.match(text)
    at, sign = (begin.end() if begin else 0), ","
    while sign == ",":
        member = _MEMBER.match(text, at)
        if member is None or len(members) >= most:
            raise ValueError("not a text, a whole number or a list, or too many of them")
        raw_name, raw_text, number, array, sign = member.groups()
        name, at = _unescape(raw_name), member.end()
        if name in members or (array is not None and name not in lists):
            raise ValueError("sent twice, or a list where there is none")
        if array is not None:
            members[name] = RawJsonList(array) if len(array) > SHORT_LIST else RawJsonList(array).items()
        else:
            members[name] = number or (_unescape(raw_text) if raw_text else "")
    if begin is None or at != len(text):
        raise ValueError("something stands beside the object")
    return members


def _unescape(text: str) -> str:
    return str(_DECODER.decode(text)) if "\\" in text else text[1:-1]
