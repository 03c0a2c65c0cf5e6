"""Where a link leads: its host, path and account, however they are spelt. Nothing is looked up."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qs, unquote

from msgspec import Struct


class Target(Struct, frozen=True):
    """One reading of a link, in lower case, decoded. ``account`` is whose page it seems to be; empty where none is."""

    host: str
    path: tuple[str, ...]
    account: str

    @property
    def is_bare(self) -> bool:
        """True of a name, or a host, that stands alone: which of the two it is cannot be told."""
        return bool(self.account) and not self.path


_SCHEME: Final = re.compile(r"(?:(https?|tg):)?(/*)", re.IGNORECASE)
_AUTHORITY_END: Final = re.compile(r"[/?#]")
_PORT: Final = re.compile(r":[0-9]*\Z")
_TELEGRAM: Final = "t.me"
_BEFORE_NAMES: Final = frozenset(
    ("add", "c", "channel", "company", "groups", "in", "p", "profile", "r", "s", "stories", "u", "user", "users")
)
"""Folders in which networks keep their accounts' pages."""


def host_of(link: str) -> str:
    """The host a browser would go to; of a bare name the name."""
    start = _SCHEME.match(link)
    assert start is not None
    if start[1] and start[1].lower() == "tg":
        return _TELEGRAM
    return _host(_AUTHORITY_END.split(link[start.end() :], 1)[0])


def targets(link: str) -> tuple[Target, ...]:
    """The readings of a link: one, or two where servers differ in whether an escaped slash is a slash."""
    start = _SCHEME.match(link)
    assert start is not None
    rest, _, _ = link[start.end() :].partition("#")
    before_query, _, query = rest.partition("?")
    authority, _, path = before_query.partition("/")
    if start[1] and start[1].lower() == "tg":
        return (_telegram(authority, query),)
    host = _host(authority)
    bare = not start[1] and not start[2] and not path
    readings = [_resolved(unquote(part) for part in path.split("/"))]
    if "%2f" in path.lower():
        readings.append(_resolved(unquote(path).split("/")))
    return tuple(Target(host, segments, host if bare else _account(segments, query)) for segments in readings)


def _telegram(authority: str, query: str) -> Target:
    """``tg://resolve?domain=name`` is the application's spelling of ``https://t.me/name``."""
    name = fold(parse_qs(query).get("domain", [""])[0])
    return Target(_TELEGRAM, (name or fold(authority),), name)


def _host(authority: str) -> str:
    """What stands before an @ is a name to log in with; a port, the root's dots and the spelling make no difference."""
    host = authority.rpartition("@")[2]
    if ":" in host:
        host = _PORT.sub("", host)
    if host.isascii() and "%" not in host:
        host = host.lower()
        if "xn--" not in host:
            return host.strip(".")
    return ".".join(_label(label) for label in fold(unquote(host)).split(".")).strip(".")


def _label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return fold(label[4:].encode("ascii").decode("punycode"))
    except (UnicodeError, ValueError, OverflowError):
        return label


def fold(text: str) -> str:
    """One spelling for what browsers and people hold for the same: widths, case, dots, characters that do not show."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKC", text).lower().replace("ς", "σ").replace("。", ".")
    shown = "".join(char for char in plain if not _unseen(char))
    return unicodedata.normalize("NFKC", shown)


def _unseen(char: str) -> bool:
    return unicodedata.category(char) == "Cf" or "\ufe00" <= char <= "\ufe0f"


def _resolved(parts: Iterable[str]) -> tuple[str, ...]:
    """The segments after ``.`` and ``..``, as browsers resolve them before they ask a server."""
    kept: list[str] = []
    for part in parts:
        if part == "..":
            del kept[-1:]
        elif part != ".":
            kept.append(part)
    return tuple(fold(part) for part in kept if part)


def _account(segments: tuple[str, ...], query: str) -> str:
    if not segments:
        return ""
    first = segments[0]
    if first == "profile.php":
        return fold(parse_qs(query).get("id", [""])[0])
    named = segments[1] if first in _BEFORE_NAMES and len(segments) > 1 else first
    return named.removeprefix("@")
