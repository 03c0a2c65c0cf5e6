"""Answers of the API as HTTP sends them."""

from functools import lru_cache
from typing import Final

from msgspec import Struct

Header = tuple[bytes, bytes]

WHOLE: Final = "opensmm.whole"
"""The ASGI extension by which our server takes a whole answer, a ``Callable[[Reply], bool]``: see ``server``."""


class Reply(Struct, frozen=True):
    """``headers`` are all there are; ``head`` is what stands before the body on the wire where the status is 200."""

    body: bytes
    status: int
    headers: list[Header]
    head: bytes

    def also(self, *more: Header) -> "Reply":
        """The same with more headers behind its own."""
        headers = [*self.headers, *more]
        return Reply(self.body, self.status, headers, _head(headers))


def reply(body: bytes, status: int = 200, *more: Header) -> Reply:
    """JSON that nobody may keep; ``more`` headers come behind the usual ones."""
    said = Reply(body, status, *_usual(len(body)))
    return said.also(*more) if more else said


@lru_cache(maxsize=4096)
def _usual(length: int) -> tuple[list[Header], bytes]:
    """Shared by all answers of a length: nobody changes what was replied."""
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", str(length).encode()),
    ]
    return headers, _head(headers)


def _head(headers: list[Header]) -> bytes:
    return b"HTTP/1.1 200 OK\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % header for header in headers)
