"""What counts as a link: an address, or a name on a network. Nothing is looked up."""

import re
from typing import Final

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
