"""Conversion of responses in other charsets to UTF-8, by their Content-Type."""

import codecs
from typing import Final

_WIDE: Final = frozenset(("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"))
_LEGACY: Final = frozenset(
    (
        *(f"cp125{number}" for number in range(9)),
        *(f"iso8859-{number}" for number in (*range(1, 12), 13, 14, 15, 16)),
        *("cp866", "cp874", "koi8-r", "koi8-u", "gbk", "gb2312", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr"),
    )
)
"""The charsets of the web. Other codecs may not be text encodings, or cost too much to decode."""


def to_utf8(body: bytes, charset: str | None) -> bytes:
    """Returns the body in UTF-8. Valid UTF-8 stays as it is, since programs name charsets that they do not use."""
    try:
        name = codecs.lookup(charset).name if charset else ""
    except (LookupError, ValueError):
        return body
    if name in _WIDE or (name in _LEGACY and not _is_utf8(body)):
        return body.decode(name, "replace").encode("utf-8", "replace")
    return body


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
