"""Who calls the API: a key, and the customer it speaks for."""

from hashlib import blake2b
from typing import Final

from msgspec import Struct

from opensmm.base.ids import CustomerId, KeyId, PriceListId

IMPORTED_KEY_CHARS: Final = (32, 64)
"""The shortest and the longest key that a panel may bring along from elsewhere."""


class Caller(Struct, frozen=True):
    """A live key. ``addresses`` empty: from anywhere. ``title_case``: whether v1 answers in v2's status words;
    ``as_panel``: whether it is served as a panel of the v1 family. None: as the client needs it."""

    customer: CustomerId
    key: KeyId
    price_list: PriceListId
    suspended: bool = False
    title_case: bool | None = None
    addresses: tuple[str, ...] = ()
    as_panel: bool | None = None


def pepper_mark(pepper: bytes) -> bytes:
    """By what a pepper is known without being told. No key's hash can be it: it is personalised, and of another length.
    It tells whether a guess is right, as each sealed key does."""
    return blake2b(b"", key=pepper, digest_size=16, person=b"opensmm pepper").digest()


def digest(pepper: bytes, key: str) -> bytes:
    """The keyed hash that a key is stored under."""
    return blake2b(key.encode(), key=pepper, digest_size=32).digest()


def is_key(text: str, chars: tuple[int, int]) -> bool:
    """True of visible ASCII characters alone, at least and at most so many."""
    least, most = chars
    return least <= len(text) <= most and text.isascii() and text.isprintable() and " " not in text


def importable(key: str) -> bool:
    """True of 32 to 64 visible ASCII characters."""
    return is_key(key, IMPORTED_KEY_CHARS)
