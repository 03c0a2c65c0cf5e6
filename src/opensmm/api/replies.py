"""Answers of the API as HTTP sends them."""

from functools import lru_cache
from typing import Final

from msgspec import Struct

Header = tuple[bytes, bytes]

WHOLE: Final = "opensmm.whole"
"""The ASGI extension by which our server takes a whole answer, a ``Callable[[Reply], bool]``: see ``server``."""


class Reply(Struct, frozen=True):
    """``headers`` are all there are."""

    body: bytes
    status: int
    headers: list[Header]


def reply(body: bytes, status: int = 200, *more: Header) -> Reply:
    """JSON that nobody may keep; ``more`` headers come behind the usual ones."""
    headers = _usual(len(body))
    return Reply(body, status, [*headers, *more] if more else headers)


@lru_cache(maxsize=4096)
def _usual(length: int) -> list[Header]:
    """Shared by all answers of a length: nobody changes what was replied."""
    return [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (b"content-length", str(length).encode()),
    ]
