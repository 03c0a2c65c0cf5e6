"""Patterns for phrases in other programs' texts.

Texts and patterns are folded alike: case, accents and keys' spelling.
"""

import html
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_KEY_LIKE: Final = re.compile(r"(?<=[^\W\d_])[._]+(?=[^\W\d_])")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SAME: Final = str.maketrans({"ı": "i", "đ": "d", "ى": "ي", "ة": "ه", "\N{RIGHT SINGLE QUOTATION MARK}": "'"})


@lru_cache(maxsize=1024)
def fold(text: str) -> str:
    """Returns the text for comparing words: split like a translation key, in lower case, without accents."""
    split = _KEY_LIKE.sub(" ", _CAMEL.sub(" ", html.unescape(text)))
    plain = unicodedata.normalize("NFKD", split.casefold())
    return " ".join("".join(char for char in plain if not unicodedata.combining(char)).translate(_SAME).split())


def compile_phrases(lines: str) -> re.Pattern[str]:
    """Compiles phrases, one a line: ``*`` ends a word in any way, ``..`` stands for up to 40 characters."""
    stripped = (line.strip() for line in lines.strip().splitlines())
    return re.compile("|".join(_compile_phrase(fold(line.replace("..", "…"))) for line in stripped if line))


def _compile_phrase(line: str) -> str:
    words = [r".{0,40}?" if word in ("...", "…") else re.escape(word).replace(r"\*", r"\w*") for word in line.split()]
    return r"\b" + r"\W*".join(words) + r"\b"


def compile_english(pattern: str) -> re.Pattern[str]:
    """Compiles a verbose pattern for folded English text."""
    return re.compile(pattern, re.VERBOSE)


def any_matches(patterns: Iterable[re.Pattern[str]], words: str) -> bool:
    """True if one of the patterns occurs in folded words."""
    return any(pattern.search(words) for pattern in patterns)
