"""The identity of a link: one text for all spellings that lead to the same page."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl, unquote

from opensmm.domain.links import host_of

_SCHEME: Final = re.compile(r"(?:(https?):)?//", re.IGNORECASE)
_AUTHORITY_END: Final = re.compile(r"[/?#]")
_PORT: Final = re.compile(r":([0-9]{1,5})\Z")
_DEFAULT_PORTS: Final = frozenset(("80", "443"))
_PREFIXES: Final = ("www.", "m.", "mobile.")
"""Subdomains that show the same pages as the host without them."""
_ALIASES: Final = {
    "x.com": "twitter.com", "instagr.am": "instagram.com", "fb.com": "facebook.com", "telegram.me": "t.me",
    "telegram.dog": "t.me", "youtube-nocookie.com": "youtube.com", "threads.com": "threads.net",
}  # fmt: skip
_FOLDS_ACCOUNTS: Final = frozenset(
    ("instagram.com", "twitter.com", "tiktok.com", "facebook.com", "t.me", "youtube.com", "threads.net", "twitch.tv")
) | frozenset(("pinterest.com", "reddit.com", "snapchat.com", "soundcloud.com", "linkedin.com", "vk.com", "kick.com"))
"""Hosts that ignore the case of account names."""
_FOLDERS: Final = frozenset(
    """add c channel clip clips company e embed events explore groups hashtag highlights i in live p pages permalink.php
    photo photo.php photos pin playlist post posts profile.php r reel reels s share shorts status stories story.php t
    tag tv u user users v video videos watch""".split()  # noqa: SIM905 - a list of words is read better so
)
_WITH_ACCOUNT: Final = frozenset(("add", "c", "company", "in", "r", "s", "stories", "u", "user", "users"))
"""Folders that are followed by an account's name."""
_MEDIA: Final = frozenset(("p", "reel", "reels", "tv"))
_VIDEO: Final = frozenset(("embed", "live", "shorts", "v"))
_PAGE_PARAMETERS: Final = {
    "youtube.com": ("v", "list"),
    "facebook.com": ("id", "story_fbid", "fbid", "v", "set"),
    "t.me": ("comment",),
}
"""Parameters of a query that select the page. On the other hosts of ``_FOLDS_ACCOUNTS`` none does."""
_TRACKING: Final = re.compile(
    r"utm_.*|igsh|igshid|fbclid|gclid|dclid|msclkid|yclid|twclid|ttclid|mc_[ce]id|_ga|ref|ref_src|ref_url|si|mibextid",
    re.IGNORECASE,
)


def identity(link: str) -> str:
    """Returns one text for all spellings of a link that lead to the same page.

    The scheme, aliases of the host, default ports, doubled slashes, escapes, fragments and tracking parameters make no
    difference, nor does the case of an account's name on hosts that ignore it. The rest of a path stays as it is.
    """
    text = unicodedata.normalize("NFC", link.strip())
    start = _SCHEME.match(text)
    if start is None and text.startswith("@"):
        return text.casefold()
    rest = text[start.end() :] if start else text
    before, _, fragment = rest.partition("#")
    before, _, query = before.partition("?")
    authority = _AUTHORITY_END.split(before, maxsplit=1)[0]
    host = _normalize_host(text)
    path = _split_path(before[len(authority) :])
    if not path and fragment.startswith(("/", "!")):
        path = _split_path(fragment.lstrip("!"))
    host, path, parameters = _normalize(host, path, parse_qsl(query, keep_blank_values=True))
    query = "&".join(f"{name}={value}" for name, value in sorted(parameters))
    return "/".join((host + _find_port(authority), *path)) + (f"?{query}" if query else "")


def _normalize_host(link: str) -> str:
    host = host_of(link)
    for prefix in _PREFIXES:
        if host.startswith(prefix) and "." in host[len(prefix) :]:
            host = host[len(prefix) :]
            break
    return _ALIASES.get(host, host)


def _find_port(authority: str) -> str:
    port = _PORT.search(authority)
    return f":{port[1]}" if port is not None and port[1] not in _DEFAULT_PORTS else ""


def _split_path(path: str) -> list[str]:
    """Returns the decoded segments of a path, with ``.`` and ``..`` resolved. An escaped slash stays escaped."""
    segments: list[str] = []
    for part in path.split("/"):
        text = unquote(part)
        if text == "..":
            del segments[-1:]
        elif text not in ("", "."):
            segments.append(text.replace("/", "%2F"))
    return segments


def _normalize(
    host: str, path: list[str], query: Iterable[tuple[str, str]]
) -> tuple[str, list[str], list[tuple[str, str]]]:
    """Applies what is known of networks: the case of accounts, equivalent paths, and relevant parameters."""
    if host == "youtu.be" and path:
        return "youtube.com", ["watch"], [("v", path[0])]
    if host not in _FOLDS_ACCOUNTS:
        return host, path, [(name, value) for name, value in query if not _TRACKING.fullmatch(name)]
    path = _fold_case(path)
    parameters = [(name, value) for name, value in query if name in _PAGE_PARAMETERS.get(host, ())]
    if host == "youtube.com" and len(path) > 1 and path[0] in _VIDEO:
        return host, ["watch"], [("v", path[1])]
    if host == "instagram.com":
        path = _unify_media(path)
    if host in ("instagram.com", "t.me") and path:
        path = [path[0].removeprefix("@"), *path[1:]]
    return host, path, parameters


def _fold_case(path: list[str]) -> list[str]:
    """Returns the path with folders and accounts' names in lower case."""
    if not path:
        return path
    first = path[0].lower()
    if first in _WITH_ACCOUNT and len(path) > 1:
        return [first, path[1].lower(), *path[2:]]
    if first in _FOLDERS:
        return [first, *path[1:]]
    return [first, *(part.lower() if part.lower() in _FOLDERS else part for part in path[1:])]


def _unify_media(path: list[str]) -> list[str]:
    """Returns one path for a post of Instagram, which has several folders, with or without the account before them."""
    for at in (0, 1):
        if len(path) > at + 1 and path[at].lower() in _MEDIA:
            return ["p", path[at + 1]]
    return path
