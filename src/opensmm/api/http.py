"""HTTP requests and responses as values, independent of the server."""

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from http import HTTPStatus
from typing import Final

from msgspec import Struct

from opensmm.base.asgi import Receive

Header = tuple[bytes, bytes]

CLOSE: Final[Header] = (b"connection", b"close")
REQUEST_ID: Final = b"x-request-id"
_PLAIN_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
MAX_BODY: Final = 1 << 20
"""Bytes of a request's body."""
MAX_DISCARDED: Final = 16 << 20
"""Bytes of an oversized body that are read and discarded, so that its sender gets to read the refusal."""


class HttpRequest(Struct, frozen=True):
    """A whole request. ``headers`` have lower-case names, each once; ``client`` is the address it came from, empty
    if unknown."""

    method: str
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes
    client: str


class HttpResponse(Struct, frozen=True):
    """``headers`` are complete; ``head`` is the status line and the headers as bytes, up to the body."""

    body: bytes
    status: int
    headers: list[Header]
    head: bytes

    def with_headers(self, *more: Header) -> "HttpResponse":
        """Returns the same response with ``more`` headers after its own."""
        headers = [*self.headers, *more]
        return HttpResponse(self.body, self.status, headers, _head(self.status, headers))


Answer = Callable[[HttpRequest], Awaitable[HttpResponse]]
"""A function that answers whole requests."""


class TooLarge(Exception):
    """The body exceeds MAX_BODY."""


class Gone(Exception):
    """The connection closed before the body was complete."""


def join_repeated(headers: Sequence[Header]) -> dict[bytes, bytes]:
    """Returns headers by name. Values of a repeated name are join_repeated with commas, as RFC 9110 (5.3) has it."""
    by_name = dict(headers)
    if len(by_name) == len(headers):
        return by_name
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    return {name: b", ".join(several) for name, several in values.items()}


async def read_body(receive: Receive) -> bytes:
    """Reads a request's body. Raises TooLarge or Gone. The server bounds the time, see ``server``."""
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
        if size <= MAX_BODY:  # The rest of an oversized body is read, but not kept in memory.
            parts.append(part)
        if size > MAX_DISCARDED:
            break
    if size > MAX_BODY:
        raise TooLarge
    return b"".join(parts)


def json_response(body: bytes, status: int = 200, *more: Header) -> HttpResponse:
    """Builds a response of JSON that must not be cached; ``more`` headers come after the usual ones."""
    response = HttpResponse(body, status, *_common_head(status, len(body)))
    return response.with_headers(*more) if more else response


# Most responses have one of a few lengths, and building a head costs more than finding it.
@lru_cache(maxsize=4096)
def _common_head(status: int, length: int) -> tuple[list[Header], bytes]:
    """Returns headers and head for all responses of a status and a length. Never change the headers in place."""
    headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", str(length).encode()),
    ]
    return headers, _head(status, headers)


def _head(status: int, headers: list[Header]) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, HTTPStatus(status).phrase.encode(), lines)


def request_id(headers: Mapping[bytes, bytes]) -> str:
    """Returns the id that a request has in the log: the client's own if it is short and plain, a digest of it if not,
    or a random one. The digest is the same in the log and in the response."""
    header = headers.get(REQUEST_ID)
    if header is None:
        return secrets.token_hex(8)
    # Any other text may be of any length, or a key.
    return header.decode() if _PLAIN_ID.fullmatch(header) else blake2b(header, digest_size=8).hexdigest()


def with_request_id(response: HttpResponse, headers: Mapping[bytes, bytes]) -> HttpResponse:
    """Returns the response with the request's id, if the client sent one."""
    return response.with_headers((REQUEST_ID, request_id(headers).encode())) if REQUEST_ID in headers else response
