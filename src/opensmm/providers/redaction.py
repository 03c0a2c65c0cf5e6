"""Redaction of a provider's key from its responses, before they are stored, logged or shown."""

import json
import re
from typing import Final
from urllib.parse import quote

from opensmm.domain.providers import KEY_CHARS
from opensmm.wire.lenient import clip

REDACTED: Final = "[key]"


class Redaction:
    """Redacts one key, in each spelling in which it may be echoed."""

    def __init__(self, key: str) -> None:
        percent = quote(key, safe="")
        escaped = json.dumps(key)[1:-1]
        lower = re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), percent)
        spellings = {key, percent, lower, escaped, escaped.replace("/", r"\/")}
        self._spellings = [spelling.encode() for spelling in spellings if len(spelling) >= KEY_CHARS[0]]
        self._plain = key.replace("\\", "")
        self._begins = re.compile(r"\\*".join(map(re.escape, self._plain[: KEY_CHARS[0]])))

    def redact_body(self, body: bytes) -> bytes:
        """Returns the body of a response without the key."""
        for spelling in self._spellings:
            body = body.replace(spelling, REDACTED.encode())
        return body

    def redact_error(self, error: Exception) -> str:
        """Returns the text of an exception, redacted and fit to be stored.

        The HTTP library quotes a malformed head with backslashes, one quotation inside another, and cuts long lines off
        anywhere. So the beginning of a key counts as the key.
        """
        text = self.redact_body(str(error).encode("utf-8", "replace")).decode()
        for begin in reversed(list(self._begins.finditer(text))):
            text = text[: begin.start()] + REDACTED + text[self._end(text, begin.end()) :]
        return clip(text)

    def _end(self, text: str, end: int) -> int:
        """Returns where the key ends whose first characters end at ``end``."""
        matched = KEY_CHARS[0]
        while end < len(text) and matched < len(self._plain) and text[end] in ("\\", self._plain[matched]):
            matched += text[end] != "\\"
            end += 1
        return end
