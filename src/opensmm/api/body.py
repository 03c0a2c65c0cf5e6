"""Reading a request's body within a bound of size. The bound of time is the server's, see ``server``."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY: Final = 1 << 20
"""Bytes in a body."""
MAX_DISCARDED: Final = 16 << 20
"""Bytes of an oversized body read and thrown away, so that its sender gets to read the refusal."""


class TooLarge(Exception):
    """The body is over the bound."""


class Gone(Exception):
    """The client left, or was shown out, before its body was whole."""


async def read(receive: Receive) -> bytes:
    """The body; raises TooLarge or Gone."""
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        part: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
        if size > MAX_DISCARDED:
            break
    if size > MAX_BODY:
        raise TooLarge
    return b"".join(parts)
