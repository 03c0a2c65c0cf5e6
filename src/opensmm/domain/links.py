"""What counts as a link: an address, or a name on a network. Nothing is looked up."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qs, unquote

import idna
from msgspec import Struct

MAX_LINK: Final = 2048
"""Characters in a link, or in a word that a service type asks for."""

_SCHEMES: Final = ("http", "https", "tg")
_PORT: Final = re.compile(r"[0-9]{1,5}(?:[/?#]|\Z)")
_NO_COLON: Final = re.compile(r"(?:https?|tg);?//", re.IGNORECASE)
"""A scheme whose colon was lost."""
_UNFIT: Final = re.compile(r"[\s<>\"`\\^{|}\x00-\x1f\x7f]")


def is_word(text: str) -> bool:
    """True of a name or a phrase that is there and not over the bound."""
    return 0 < len(text) <= MAX_LINK


def acceptable(link: str) -> bool:
    """True of ``https://host/path``, ``host/path``, ``host:8080/x`` and ``@name``; never of another scheme.

    A scheme with a number behind its colon is told from a host with a port by the dot that hosts have.
    """
    if len(link) > MAX_LINK or _UNFIT.search(link) or _NO_COLON.match(link) or not _says_something(link):
        return False
    scheme, colon, rest = link.partition(":")
    if not colon or "/" in scheme or "?" in scheme or "#" in scheme:
        return True
    if scheme.lower() in _SCHEMES:
        return rest.startswith("//") and _says_something(rest)
    return ("." in scheme or scheme.lower() == "localhost") and _PORT.match(rest) is not None


def _says_something(text: str) -> bool:
    return any(map(str.isalnum, text))


MAX_LABEL: Final = 63
"""Letters in a part of a host's name; a longer one is no name in punycode."""


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


_LAST_PORT: Final = re.compile(r":[0-9]*\Z")


_TELEGRAM: Final = "t.me"


_TELEGRAM_NAME: Final = re.compile(r"(?!www\.)([^.]+)\.t\.me")
"""``name.t.me`` is another spelling of ``t.me/name``."""


_BEFORE_NAMES: Final = frozenset(("_n", "_u", "add", "c", "channel", "company", "groups", "in", "n")) | frozenset(
    ("p", "profile", "r", "s", "stories", "u", "user", "users")
)
"""Folders in which networks keep their accounts' pages."""


_BEFORE_NAMES_AT: Final = {
    "t.me": frozenset(("boost",)),
    "facebook.com": frozenset(("pages", "people", "pg")),
    "linkedin.com": frozenset(("school", "showcase")),
}
"""Folders that only some hosts keep them in: elsewhere somebody may be called so."""


_UNSEEN_ENDS: Final = " \t\n\v\f\r\0"
"""What may stand around a name and is not part of it."""


def host_of(link: str) -> str:
    """The host a browser would go to; of a bare name the name."""
    start = _SCHEME.match(link)
    assert start is not None
    if start[1] and start[1].lower() == "tg":
        return _TELEGRAM
    host = _host(_AUTHORITY_END.split(link[start.end() :], 1)[0])
    return _TELEGRAM if _TELEGRAM_NAME.fullmatch(host) else host


def targets(link: str) -> tuple[Target, ...]:
    """The readings of a link: one, or two where servers differ in whether an escaped slash is a slash.

    What stands behind a # counts as a path where there is none, or where it begins with an @: some sites' pages are
    found so.
    """
    start = _SCHEME.match(link)
    assert start is not None
    rest, _, fragment = link[start.end() :].partition("#")
    before_query, _, query = rest.partition("?")
    authority, _, path = before_query.partition("/")
    if start[1] and start[1].lower() == "tg":
        return (_telegram(authority, query),)
    host = _host(authority)
    bare = not start[1] and not start[2] and not path
    if telegram := _TELEGRAM_NAME.fullmatch(host):
        host, path, bare = _TELEGRAM, f"{telegram[1]}/{path}", False
    readings = [_resolved(unquote(part) for part in path.split("/"))]
    if "%2f" in path.lower():
        readings.append(_resolved(unquote(path).split("/")))
    shown = unquote(fragment)
    if fragment and not bare and (not readings[0] or shown.startswith("@")):
        readings.append(_resolved(shown.lstrip("!").partition("?")[0].split("/")))
    return tuple(Target(host, segments, host if bare else _account(host, segments, query)) for segments in readings)


def _telegram(authority: str, query: str) -> Target:
    """``tg://resolve?domain=name`` is the application's spelling of ``https://t.me/name``."""
    name = _told(query, "domain")
    return Target(_TELEGRAM, (name or fold(authority),), name)


def _host(authority: str) -> str:
    """What stands before an @ is a name to log in with; a port, the root's dots and the spelling make no difference."""
    host = authority.rpartition("@")[2]
    if ":" in host:
        host = _LAST_PORT.sub("", host)
    if host.isascii() and "%" not in host:
        host = host.lower()
        if "xn--" not in host:
            return host.strip(".")
    return ".".join(_label(label) for label in fold(unquote(host)).split(".")).strip(".")


def _label(label: str) -> str:
    if not label.startswith("xn--") or len(label) > MAX_LABEL:
        return label
    try:
        return fold(label[4:].encode("ascii").decode("punycode"))
    except (UnicodeError, ValueError, OverflowError):
        return label


class _Mapping(dict[int, str]):
    """A character's spelling by UTS 46, found when it is first met."""

    most: Final = 20_000

    def __missing__(self, code: int) -> str:
        if len(self) >= self.most:
            self.clear()
        self[code] = mapped = _mapped(chr(code))
        return mapped


def _mapped(char: str) -> str:
    """A character as browsers map it in a host's name: nothing, where it does not show."""
    if unicodedata.category(char) == "Cf" or _IGNORABLE.fullmatch(char):
        return ""
    try:
        return idna.uts46_remap(char, std3_rules=False)
    except idna.IDNAError:
        return char


# Default_Ignorable_Code_Point of Unicode.
_IGNORABLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


_MAPPING: Final = _Mapping()


def fold(text: str) -> str:
    """One spelling for what browsers and people hold for the same: widths, case, dots, characters that do not show.

    It is the mapping of UTS 46 on top of NFKC, with the two sigmas as one letter.
    """
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKC", text.translate(_MAPPING)).lower().translate(_MAPPING)
    return unicodedata.normalize("NFKC", plain.replace("ς", "σ").replace("。", "."))


def _resolved(parts: Iterable[str]) -> tuple[str, ...]:
    """The segments after ``.`` and ``..``, as browsers resolve them before they ask a server. Dots behind a name, which
    networks leave out, make no difference."""
    kept: list[str] = []
    for part in parts:
        if part == "..":
            del kept[-1:]
        elif part != ".":
            kept.append(part)
    return tuple(folded.rstrip(".") or folded for part in kept if (folded := _name(part)))


def _name(text: str) -> str:
    return fold(text).strip(_UNSEEN_ENDS)


def _told(query: str, parameter: str) -> str:
    """The account that a query names."""
    return _name(parse_qs(query.lower()).get(parameter, [""])[0]).removeprefix("@")


def _account(host: str, segments: tuple[str, ...], query: str) -> str:
    if not segments:
        return ""
    first = segments[0]
    if first == "profile.php":
        return _told(query, "id")
    if first == "intent":
        return _told(query, "screen_name")
    of_host = _BEFORE_NAMES_AT.get(".".join(host.split(".")[-2:]), ())
    named = segments[1] if len(segments) > 1 and (first in _BEFORE_NAMES or first in of_host) else first
    return named.removeprefix("@")
