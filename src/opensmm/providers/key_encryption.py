"""Encryption of providers' keys at rest, with a secret outside the database, bound to provider and address."""

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
"""The first byte of a sealed key, which names the format: AES-GCM with a key derived from the pepper."""
NONCE_BYTES: Final = 12


class UnreadableKey(PanelError):
    """A provider cannot be called: it has no key, its key does not decrypt, or its address is not allowed.

    A key decrypts with the pepper, the provider and the address that it was sealed with.
    """

    def __init__(self, code: ShutCode) -> None:
        super().__init__(code.value)
        self.code = code


def seal(pepper: bytes, provider: ProviderId, url: str, key: str) -> bytes:
    """Encrypts a key for one provider at one address. In another row it does not decrypt."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return VERSION + nonce + _cipher(pepper).encrypt(nonce, key.encode(), _associated_data(provider, url))


def unseal(pepper: bytes, provider: ProviderId, url: str, sealed: bytes) -> str:
    """Decrypts a key. Raises UnreadableKey if it was sealed with another pepper, provider or address."""
    nonce, encrypted = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    try:
        if sealed[:1] != VERSION:
            raise UnreadableKey(ShutCode.KEY_OF_OTHER_VERSION)
        return _cipher(pepper).decrypt(nonce, encrypted, _associated_data(provider, url)).decode()
    except (InvalidTag, ValueError) as error:
        raise UnreadableKey(ShutCode.KEY_DOES_NOT_OPEN) from error


def open_key(pepper: bytes, row: ProviderRow, *, private: bool) -> str:
    """Returns a panel's key. Raises UnreadableKey if it cannot be called. ``private`` allows private addresses."""
    if row.sealed_key is None:
        raise UnreadableKey(ShutCode.NO_KEY)
    if fault := url_fault(row.url, private=private):
        raise UnreadableKey(fault)  # It was allowed by the settings of the time.
    return unseal(pepper, row.id, row.url, row.sealed_key)


def _cipher(pepper: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=b"opensmm provider keys").derive(pepper))


def _associated_data(provider: ProviderId, url: str) -> bytes:
    return f"provider {provider} at {origin(url)}".encode()
