"""Answers of the API as HTTP sends them."""

from msgspec import Struct

Header = tuple[bytes, bytes]


class Reply(Struct, frozen=True):
    """``headers`` are all there are."""

    body: bytes
    status: int
    headers: list[Header]


def reply(body: bytes, status: int = 200, *more: Header) -> Reply:
    """JSON that nobody may keep; ``more`` headers come behind the usual ones."""
    length = (b"content-length", str(len(body)).encode())
    return Reply(body, status, [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), length, *more])
