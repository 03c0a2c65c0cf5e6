"""The name of a request in the log: the client's own where it is short and plain, otherwise one of ours."""

import re
import secrets
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from opensmm.api.replies import Reply

HEADER: Final = b"x-request-id"
_PLAIN: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")


def request_id(headers: Mapping[bytes, bytes]) -> str:
    """A name of the client's that is no good is replaced by a digest of it: the same in the log and in the answer."""
    given = headers.get(HEADER)
    if given is None:
        return secrets.token_hex(8)
    return given.decode() if _PLAIN.fullmatch(given) else blake2b(given, digest_size=8).hexdigest()


def named(said: Reply, headers: Mapping[bytes, bytes]) -> Reply:
    """The answer, with the request's name for who gave one."""
    return said.also((HEADER, request_id(headers).encode())) if HEADER in headers else said
