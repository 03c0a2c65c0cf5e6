"""Keys of providers at rest: sealed with a secret that lies outside of the database, and bound to where they go."""

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from opensmm.base.errors import PanelError
from opensmm.base.ids import ProviderId
from opensmm.domain.codes import ShutCode
from opensmm.domain.providers import origin, url_fault
from opensmm.store.providers import ProviderRow

VERSION: Final = b"\x01"
NONCE_BYTES: Final = 12


class UnreadableKey(PanelError):
    """There is no key, or it does not open: another pepper, another provider or another address than it was sealed for;
    or the address is not one to call."""

    def __init__(self, code: ShutCode) -> None:
        super().__init__(code.value)
        self.code = code


def seal(pepper: bytes, provider: ProviderId, url: str, key: str) -> bytes:
    """The key as it is kept. Moved to another row, or to another address, it does not open."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return VERSION + nonce + _cipher(pepper).encrypt(nonce, key.encode(), _bound(provider, url))


def unseal(pepper: bytes, provider: ProviderId, url: str, sealed: bytes) -> str:
    """Raises UnreadableKey where the key was not sealed with this pepper for this provider at this address."""
    nonce, kept = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    try:
        if sealed[:1] != VERSION:
            raise UnreadableKey(ShutCode.KEY_OF_OTHER_VERSION)
        return _cipher(pepper).decrypt(nonce, kept, _bound(provider, url)).decode()
    except (InvalidTag, ValueError) as error:
        raise UnreadableKey(ShutCode.KEY_DOES_NOT_OPEN) from error


def open_key(pepper: bytes, row: ProviderRow, *, private: bool) -> str:
    """The key of a panel. Raises UnreadableKey where with this pepper and this setting it cannot be called."""
    if row.sealed_key is None:
        raise UnreadableKey(ShutCode.NO_KEY)
    if fault := url_fault(row.url, private=private):
        raise UnreadableKey(fault)  # it was kept when another setting held
    return unseal(pepper, row.id, row.url, row.sealed_key)


def _cipher(pepper: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=b"opensmm provider keys").derive(pepper))


def _bound(provider: ProviderId, url: str) -> bytes:
    return f"provider {provider} at {origin(url)}".encode()
