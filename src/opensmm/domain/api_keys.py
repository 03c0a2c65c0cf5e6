"""API keys: their holders, hashes and the rules for keys, labels and addresses."""

from collections.abc import Sequence
from hashlib import blake2b
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from opensmm.base.ids import CustomerId, KeyId, PriceListId
from opensmm.domain.codes import FieldCode
from opensmm.domain.names import check_name
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode

IMPORTED_KEY_CHARS: Final = (32, 64)
"""The least and the most characters of a key that is imported from another panel."""
MAX_LABEL: Final = 100
MAX_ADDRESSES: Final = 100
"""The most IP addresses that one key may be restricted to."""


class KeyHolder(Struct, frozen=True):
    """A live key and its customer.

    ``addresses``: the only IP addresses that may use it; empty: any. ``title_case``: v1 answers with v2's status words.
    ``as_panel``: the client is served as a panel of the v1 family. None: decided by the client's User-Agent.
    """

    customer: CustomerId
    key: KeyId
    price_list: PriceListId
    suspended: bool = False
    title_case: bool | None = None
    addresses: tuple[str, ...] = ()
    as_panel: bool | None = None


def pepper_mark(pepper: bytes) -> bytes:
    """Returns the fingerprint that identifies a pepper without revealing it.

    It cannot equal a key's hash, because it is personalised and shorter. It confirms a guess of the pepper, as each
    sealed key does.
    """
    return blake2b(b"", key=pepper, digest_size=16, person=b"opensmm pepper").digest()


def digest(pepper: bytes, key: str) -> bytes:
    """Returns the keyed hash under which a key is stored."""
    return blake2b(key.encode(), key=pepper, digest_size=32).digest()


def is_key(text: str, chars: tuple[int, int]) -> bool:
    """Returns True for visible ASCII characters only. ``chars``: the least and the most of them."""
    least, most = chars
    return least <= len(text) <= most and text.isascii() and text.isprintable() and " " not in text


def is_importable(key: str) -> bool:
    """Returns True for 32 to 64 visible ASCII characters."""
    return is_key(key, IMPORTED_KEY_CHARS)


def check_importable(key: str) -> None:
    """Raises OperatorRefusal for a text that cannot become a key."""
    if not is_importable(key):
        least, most = IMPORTED_KEY_CHARS
        raise OperatorRefusal(RefusalCode.BAD_KEY, least=least, most=most)


def check_label(label: str) -> None:
    """Raises OperatorRefusal for a label that cannot be used. An empty one is allowed."""
    if label:
        check_name(label, MAX_LABEL, FieldCode.LABEL)


def read_addresses(texts: Sequence[str]) -> tuple[str, ...]:
    """Reads single IP addresses and returns their canonical spelling; raises OperatorRefusal if one is malformed."""
    if len(texts) > MAX_ADDRESSES:
        raise OperatorRefusal(RefusalCode.TOO_MANY_KEY_ADDRESSES, most=MAX_ADDRESSES)
    return tuple(map(_read_address, texts))


def _read_address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise OperatorRefusal(RefusalCode.BAD_KEY_ADDRESS, address=text) from error
