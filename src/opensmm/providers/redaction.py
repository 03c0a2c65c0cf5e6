"""Keeps a provider's key out of what is stored, logged and shown of its answers."""

import json
import re
from typing import Final
from urllib.parse import quote

from opensmm.domain.providers import KEY_CHARS
from opensmm.wire.lenient import fit

BLOT: Final = "[key]"


class Redaction:
    """Blots one key out, in whatever spelling it is echoed."""

    def __init__(self, key: str) -> None:
        percent = quote(key, safe="")
        escaped = json.dumps(key)[1:-1]
        lower = re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), percent)
        spellings = {key, percent, lower, escaped, escaped.replace("/", r"\/")}
        self._spellings = [spelling.encode() for spelling in spellings if len(spelling) >= KEY_CHARS[0]]
        self._plain = key.replace("\\", "")
        self._begins = re.compile(r"\\*".join(map(re.escape, self._plain[: KEY_CHARS[0]])))

    def body(self, body: bytes) -> bytes:
        for spelling in self._spellings:
            body = body.replace(spelling, BLOT.encode())
        return body

    def error(self, error: Exception) -> str:
        """The words of an exception, fit to be stored. They quote a malformed head with backslashes of their own, one
        quotation inside another, and cut a long line off wherever that is: the beginning of a key is one."""
        text = self.body(str(error).encode("utf-8", "replace")).decode()
        for found in reversed(list(self._begins.finditer(text))):
            text = text[: found.start()] + BLOT + text[self._end(text, found.end()) :]
        return fit(text)

    def _end(self, text: str, end: int) -> int:
        """Where the key ends of which the beginning was found."""
        known = KEY_CHARS[0]
        while end < len(text) and known < len(self._plain) and text[end] in ("\\", self._plain[known]):
            known += text[end] != "\\"
            end += 1
        return end
