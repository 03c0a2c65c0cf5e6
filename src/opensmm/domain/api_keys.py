"""Who calls the API: a key, and the customer it speaks for."""

from collections.abc import Sequence
from hashlib import blake2b
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from opensmm.base.ids import CustomerId, KeyId, PriceListId
from opensmm.domain.codes import FieldCode, OperatorRefusal, RefusalCode
from opensmm.domain.names import check_name

IMPORTED_KEY_CHARS: Final = (32, 64)
"""The shortest and the longest key that a panel may bring along from elsewhere."""
MAX_LABEL: Final = 100
MAX_ADDRESSES: Final = 100
"""Addresses that one key may be bound to."""


class KeyHolder(Struct, frozen=True):
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


def check_importable(key: str) -> None:
    """Raises OperatorRefusal for a text that cannot become a key."""
    if not importable(key):
        least, most = IMPORTED_KEY_CHARS
        raise OperatorRefusal(RefusalCode.BAD_KEY, least=least, most=most)


def check_label(label: str) -> None:
    """Raises OperatorRefusal for a label that will not do; a key need not have one."""
    if label:
        check_name(label, MAX_LABEL, FieldCode.LABEL)


def read_addresses(texts: Sequence[str]) -> tuple[str, ...]:
    """Single IP addresses in the one spelling that requests are compared in; raises OperatorRefusal."""
    if len(texts) > MAX_ADDRESSES:
        raise OperatorRefusal(RefusalCode.TOO_MANY_KEY_ADDRESSES, most=MAX_ADDRESSES)
    return tuple(map(_read_address, texts))


def _read_address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise OperatorRefusal(RefusalCode.BAD_KEY_ADDRESS, address=text) from error
