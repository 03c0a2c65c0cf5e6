"""Rules for links: which texts count as links, and where they lead. Nothing is looked up on the network."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qs, unquote

import idna
from msgspec import Struct

MAX_LINK: Final = 2048
"""The most characters of a link, or of another text parameter of a service type."""
_SCHEMES: Final = ("http", "https", "tg")
_PORT: Final = re.compile(r"[0-9]{1,5}(?:[/?#]|\Z)")
_NO_COLON: Final = re.compile(r"(?:https?|tg);?//", re.IGNORECASE)
"""A scheme whose colon is missing."""
_UNFIT: Final = re.compile(r"[\s<>\"`\\^{|}\x00-\x1f\x7f]")
MAX_LABEL: Final = 63
"""The most characters of a label of a host's name; a longer one cannot be punycode."""
_SCHEME: Final = re.compile(r"(?:(https?|tg):)?(/*)", re.IGNORECASE)
_AUTHORITY_END: Final = re.compile(r"[/?#]")
_LAST_PORT: Final = re.compile(r":[0-9]*\Z")
_TELEGRAM: Final = "t.me"
_TELEGRAM_NAME: Final = re.compile(r"(?!www\.)([^.]+)\.t\.me")
"""``name.t.me`` is another spelling of ``t.me/name``."""
_BEFORE_NAMES: Final = frozenset(("_n", "_u", "add", "c", "channel", "company", "groups", "in", "n")) | frozenset(
    ("p", "profile", "r", "s", "stories", "u", "user", "users")
)
"""Folders that are followed by an account's name."""
_BEFORE_NAMES_AT: Final = {
    "t.me": frozenset(("boost",)),
    "facebook.com": frozenset(("pages", "people", "pg")),
    "linkedin.com": frozenset(("school", "showcase")),
}
"""Such folders of some hosts only: elsewhere they may be names of accounts."""
_UNSEEN_ENDS: Final = " \t\n\v\f\r\0"
"""Characters around a name that are not part of it."""
# Default_Ignorable_Code_Point of Unicode.
_IGNORABLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def is_word(text: str) -> bool:
    """Returns True for a text that is neither empty nor longer than ``MAX_LINK``."""
    return 0 < len(text) <= MAX_LINK


def acceptable(link: str) -> bool:
    """Returns True for ``https://host/path``, ``host/path``, ``host:8080/x`` and ``@name``; False for other schemes.

    A host with a port differs from a scheme with a number by its dot.
    """
    if len(link) > MAX_LINK or _UNFIT.search(link) or _NO_COLON.match(link) or not _has_letters_or_digits(link):
        return False
    scheme, colon, rest = link.partition(":")
    if not colon or "/" in scheme or "?" in scheme or "#" in scheme:
        return True
    if scheme.lower() in _SCHEMES:
        return rest.startswith("//") and _has_letters_or_digits(rest)
    return ("." in scheme or scheme.lower() == "localhost") and _PORT.match(rest) is not None


def _has_letters_or_digits(text: str) -> bool:
    return any(map(str.isalnum, text))


class Target(Struct, frozen=True):
    """One reading of a link, decoded and in lower case.

    ``account``: the name of the account whose page it seems to be; empty if it seems to be no account's.
    """

    host: str
    path: tuple[str, ...]
    account: str

    @property
    def is_bare(self) -> bool:
        """True for a single name, which may be an account or a host."""
        return bool(self.account) and not self.path


def host_of(link: str) -> str:
    """Returns the host to which a browser would go; of a bare name, the name."""
    start = _SCHEME.match(link)
    assert start is not None
    if start[1] and start[1].lower() == "tg":
        return _TELEGRAM
    host = _normalize_host(_AUTHORITY_END.split(link[start.end() :], 1)[0])
    return _TELEGRAM if _TELEGRAM_NAME.fullmatch(host) else host


def read_targets(link: str) -> tuple[Target, ...]:
    """Returns all readings of a link.

    There is a second one if the path has an escaped slash, which some servers treat as a slash. There is another one
    if the fragment begins with an @, or there is no path: some sites have the path of a page in the fragment.
    """
    start = _SCHEME.match(link)
    assert start is not None
    rest, _, fragment = link[start.end() :].partition("#")
    before_query, _, query = rest.partition("?")
    authority, _, path = before_query.partition("/")
    if start[1] and start[1].lower() == "tg":
        return (_read_telegram(authority, query),)
    host = _normalize_host(authority)
    bare = not start[1] and not start[2] and not path
    if telegram := _TELEGRAM_NAME.fullmatch(host):
        host, path, bare = _TELEGRAM, f"{telegram[1]}/{path}", False
    readings = [_resolve_path(unquote(part) for part in path.split("/"))]
    if "%2f" in path.lower():
        readings.append(_resolve_path(unquote(path).split("/")))
    shown = unquote(fragment)
    if fragment and not bare and (not readings[0] or shown.startswith("@")):
        readings.append(_resolve_path(shown.lstrip("!").partition("?")[0].split("/")))
    return tuple(
        Target(host, segments, host if bare else _find_account(host, segments, query)) for segments in readings
    )


def _read_telegram(authority: str, query: str) -> Target:
    """Reads ``tg://resolve?domain=name``, which leads to the same page as ``https://t.me/name``."""
    name = _find_parameter(query, "domain")
    return Target(_TELEGRAM, (name or fold(authority),), name)


def _normalize_host(authority: str) -> str:
    """Returns the normalized host of an authority, without user name, port and outer dots."""
    host = authority.rpartition("@")[2]
    if ":" in host:
        host = _LAST_PORT.sub("", host)
    if host.isascii() and "%" not in host:
        host = host.lower()
        if "xn--" not in host:
            return host.strip(".")
    return ".".join(_decode_label(label) for label in fold(unquote(host)).split(".")).strip(".")


def _decode_label(label: str) -> str:
    if not label.startswith("xn--") or len(label) > MAX_LABEL:
        return label
    try:
        return fold(label[4:].encode("ascii").decode("punycode"))
    except (UnicodeError, ValueError, OverflowError):
        return label


class _Mapping(dict[int, str]):
    """A cache of characters' mappings by UTS 46, filled on first use and cleared when full."""

    most: Final = 20_000

    def __missing__(self, code: int) -> str:
        if len(self) >= self.most:
            self.clear()
        self[code] = mapped = _map_character(chr(code))
        return mapped


def _map_character(char: str) -> str:
    """Maps a character as browsers do in a host's name; an invisible one to an empty text."""
    if unicodedata.category(char) == "Cf" or _IGNORABLE.fullmatch(char):
        return ""
    try:
        return idna.uts46_remap(char, std3_rules=False)
    except idna.IDNAError:
        return char


_MAPPING: Final = _Mapping()


def fold(text: str) -> str:
    """Returns one spelling for texts that browsers and people take for equal.

    Width, case, kinds of dots and invisible characters make no difference. It is the mapping of UTS 46 with NFKC, and
    with the two sigmas as one letter.
    """
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKC", text.translate(_MAPPING)).lower().translate(_MAPPING)
    return unicodedata.normalize("NFKC", plain.replace("ς", "σ").replace("。", "."))


def _resolve_path(parts: Iterable[str]) -> tuple[str, ...]:
    """Returns the segments with ``.`` and ``..`` resolved, as browsers do before they send a request.

    Dots after a name are removed, because networks ignore them.
    """
    segments: list[str] = []
    for part in parts:
        if part == "..":
            del segments[-1:]
        elif part != ".":
            segments.append(part)
    return tuple(folded.rstrip(".") or folded for part in segments if (folded := _clean_name(part)))


def _clean_name(text: str) -> str:
    return fold(text).strip(_UNSEEN_ENDS)


def _find_parameter(query: str, parameter: str) -> str:
    """Returns the account that a parameter of the query names; empty if it names none."""
    return _clean_name(parse_qs(query.lower()).get(parameter, [""])[0]).removeprefix("@")


def _find_account(host: str, segments: tuple[str, ...], query: str) -> str:
    if not segments:
        return ""
    first = segments[0]
    if first == "profile.php":
        return _find_parameter(query, "id")
    if first == "intent":
        return _find_parameter(query, "screen_name")
    folders_of_host = _BEFORE_NAMES_AT.get(".".join(host.split(".")[-2:]), ())
    has_folder = len(segments) > 1 and (first in _BEFORE_NAMES or first in folders_of_host)
    return (segments[1] if has_folder else first).removeprefix("@")
