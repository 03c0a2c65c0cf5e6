"""Text into HTML: everything is escaped, and what is code is set apart and told from the text around it."""

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


def prose(text: str) -> str:
    """Escaped text; what stands between backticks becomes code that runs left to right wherever it stands.

    Code of several words is marked as a phrase: broken over lines of right-to-left text it would be read wrongly.
    What marks of direction set apart becomes a ``bdi``.
    """
    coded = _CODE.sub(lambda found: f'<code dir="ltr"{_kind(found[1])}>{found[1]}</code>', escape(text))
    return _ISOLATE.sub(r"<bdi>\1</bdi>", coded)


def _kind(code: str) -> str:
    return ' class="phrase"' if " " in code else ""


def json_code(text: str) -> str:
    """JSON, word for word, its keys and values marked."""
    return _marked(_JSON, text)


def program_code(text: str) -> str:
    """A program in a language of the C, shell or Python kind, word for word, its comments and strings marked."""
    return _marked(_PROGRAM, text)


def _marked(pattern: re.Pattern[str], text: str) -> str:
    parts: list[str] = []
    end = 0
    for found in pattern.finditer(text):
        parts.append(escape(text[end : found.start()]))
        parts.append(f'<span class="{found.lastgroup}">{escape(found.group())}</span>')
        end = found.end()
    return "".join((*parts, escape(text[end:])))
