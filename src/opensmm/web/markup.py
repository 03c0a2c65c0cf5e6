"""Conversion of texts and code to HTML: everything is escaped, and code is marked up."""

import re
from html import escape
from typing import Final

_CODE: Final = re.compile("\u2066?`([^`]+)`\u2069?")
_ISOLATE: Final = re.compile("\u2068([^\u2066-\u2069]*)\u2069")
_JSON: Final = re.compile(
    r'(?P<key>"(?:\\.|[^"\\])*"(?=\s*:))|(?P<text>"(?:\\.|[^"\\])*")|(?P<word>\b(?:true|false|null|\d+)\b)'
)
_PROGRAM: Final = re.compile(
    r'(?P<note>^"""(?s:.*?)"""|^[ \t]*(?:\#|//|/\*\*).*$|(?<=[;:{ ] )(?:\#|//) .*$)'
    r"""|(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`\n]*`)""",
    re.MULTILINE,
)


def render_prose(text: str) -> str:
    """Converts a text. Text between backticks becomes code, which always runs left to right.

    Code of several words gets the class ``phrase``, which keeps it on one line: broken over lines of right-to-left text
    it would be misread. Text between marks of direction becomes a ``bdi``.
    """
    coded = _CODE.sub(lambda match: f'<code dir="ltr"{_class(match[1])}>{match[1]}</code>', escape(text))
    return _ISOLATE.sub(r"<bdi>\1</bdi>", coded)


def _class(code: str) -> str:
    return ' class="phrase"' if " " in code else ""


def highlight_json(text: str) -> str:
    """Converts JSON, with its keys and values marked."""
    return _highlight(_JSON, text)


def highlight_program(text: str) -> str:
    """Converts a program in a language like C, shell or Python, with its comments and strings marked."""
    return _highlight(_PROGRAM, text)


def _highlight(pattern: re.Pattern[str], text: str) -> str:
    parts: list[str] = []
    end = 0
    for match in pattern.finditer(text):
        parts.append(escape(text[end : match.start()]))
        parts.append(f'<span class="{match.lastgroup}">{escape(match.group())}</span>')
        end = match.end()
    return "".join((*parts, escape(text[end:])))
