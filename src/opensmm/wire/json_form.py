"""A JSON body's parameters, found in one pass that builds no lists: those are read once it is known who asks."""

import json
import re
from typing import Final

from msgspec import Struct

SHORT_LIST: Final = 2048
"""Characters of a list that is read at once; a longer one stays text until it is needed."""

# Before Python 3.11.5 (Debian 12 has 3.11.2) a possessive repeat of a group matches wrongly where the group can go back
# itself. An atomic group is right everywhere, and takes more time and memory.
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
_SAYS_SOMETHING: Final = re.compile(r'["0-9]')
_DECODER: Final = json.JSONDecoder(parse_int=str)


class RawJsonList(Struct, frozen=True):
    """The text of a JSON list of texts, whole numbers and nulls, which is well formed."""

    text: str

    def __bool__(self) -> bool:
        return _SAYS_SOMETHING.search(self.text) is not None

    def items(self) -> tuple[str, ...]:
        return tuple(item for item in _DECODER.decode(self.text) if item is not None)


Value = str | RawJsonList | tuple[str, ...]


def read_object(text: str, lists: frozenset[str], most: int) -> dict[str, Value]:
    """The members of a JSON object: texts, whole numbers as they were written, and lists where ``lists`` names them.

    Null becomes an empty text: the parameter was said to be absent. Raises ValueError for anything else, for a name
    that comes twice, and for more than ``most`` members. Escapes of characters that do not fit are refused; those that
    stand for themselves are the caller's to look for.
    """
    if _EMPTY.match(text):
        return {}
    members: dict[str, Value] = {}
    begin = _BEGIN.match(text)
    at, sign = (begin.end() if begin else 0), ","
    while sign == ",":
        found = _MEMBER.match(text, at)
        if found is None or len(members) >= most:
            raise ValueError("not a text, a whole number or a list, or too many of them")
        written, said, number, array, sign = found.groups()
        name, at = _unescaped(written), found.end()
        if name in members or (array is not None and name not in lists):
            raise ValueError("sent twice, or a list where there is none")
        if array is not None:
            members[name] = RawJsonList(array) if len(array) > SHORT_LIST else RawJsonList(array).items()
        else:
            members[name] = number or (_unescaped(said) if said else "")
    if begin is None or at != len(text):
        raise ValueError("something stands beside the object")
    return members


def _unescaped(text: str) -> str:
    return str(_DECODER.decode(text)) if "\\" in text else text[1:-1]
