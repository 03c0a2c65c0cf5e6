"""Answers of the API as HTTP sends them."""

from functools import lru_cache
from http import HTTPStatus
from typing import Final

from msgspec import Struct

Header = tuple[bytes, bytes]

CLOSE: Final[Header] = (b"connection", b"close")


class Reply(Struct, frozen=True):
    """``headers`` are all there are; ``head`` is what stands before the body on the wire."""

    body: bytes
    status: int
    headers: list[Header]
    head: bytes

    def also(self, *more: Header) -> "Reply":
        """The same with more headers behind its own."""
        headers = [*self.headers, *more]
        return Reply(self.body, self.status, headers, _head(self.status, headers))


def reply(body: bytes, status: int = 200, *more: Header) -> Reply:
    """JSON that nobody may keep; ``more`` headers come behind the usual ones."""
    said = Reply(body, status, *_usual(status, len(body)))
    return said.also(*more) if more else said


@lru_cache(maxsize=4096)
def _usual(status: int, length: int) -> tuple[list[Header], bytes]:
    """Shared by all answers of a status and a length: nobody changes what was replied."""
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", str(length).encode()),
    ]
    return headers, _head(status, headers)


def _head(status: int, headers: list[Header]) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, HTTPStatus(status).phrase.encode(), lines)
