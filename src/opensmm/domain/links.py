"""What counts as a link: an address, or a name on a network. Nothing is looked up."""

import re
from typing import Final

MAX_LINK: Final = 2048
"""Characters in a link, or in a word that a service type asks for."""

_SCHEMES: Final = ("http", "https", "tg")
_UNFIT: Final = re.compile(r"[\s<>\"`\\^{|}\x00-\x1f\x7f]")


def is_word(text: str) -> bool:
    """True of a name or a phrase that is there and not over the bound."""
    return 0 < len(text) <= MAX_LINK


def acceptable(link: str) -> bool:
    """True of ``https://host/path``, ``host/path``, ``host:8080/x`` and ``@name``; never of another scheme."""
    if not link or len(link) > MAX_LINK or _UNFIT.search(link):
        return False
    scheme, colon, rest = link.partition(":")
    if not colon or "/" in scheme or "?" in scheme or "#" in scheme:
        return True
    if scheme.lower() in _SCHEMES:
        return rest.startswith("//") and len(rest.lstrip("/")) > 0
    return rest[:1].isdigit()
