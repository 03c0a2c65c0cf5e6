"""What a request asks, and with whose key."""

from typing import Final

from msgspec import Struct

from opensmm.api.http import HttpRequest
from opensmm.domain.refusals import Refusal, Refused
from opensmm.domain.requests import GetBalance, ListServices, Request
from opensmm.wire.dialect import Dialect
from opensmm.wire.form import Fields, read_form
from opensmm.wire.requests import is_absent

SHORT: Final = 128
"""Bytes of a body that may be remembered: a key and an action, with room to spare."""
MAX_REMEMBERED: Final = 10_000
MALFORMED: Final = Refused(Refusal.MALFORMED_REQUEST)


READ_AT_ONCE: Final = 4 << 10
"""Bytes of a body and a query that are understood before it is known whose they are."""


class DecodedRequest(Struct):
    """``key`` is empty where none came; ``ask`` is None until a long request is understood."""

    key: str
    ask: Request | Refused | None
    fields: Fields

    def understood(self, dialect: Dialect) -> Request | Refused:
        if self.ask is None:
            self.ask = dialect.read_request(self.fields)
        return self.ask


class RequestDecoder:
    """Reads requests. Programs ask for their balance and the price list in the same bytes each time; it reads those
    once. The most frequent asks that never come again are not looked for among them."""

    def __init__(self) -> None:
        self._remembered: dict[tuple[Dialect, bytes, bytes, bytes, bytes], DecodedRequest] = {}

    def read(self, dialect: Dialect, asked: HttpRequest) -> DecodedRequest | Refused:
        """Refused: not even the form can be read."""
        body, headers = asked.body, asked.headers
        if len(body) > SHORT or b"=add" in body or b"=status" in body:
            return _read(dialect, asked)
        beside = headers.get(b"content-type", b""), headers.get(b"authorization", b""), asked.query
        said = (dialect, *beside, body)
        request = self._remembered.get(said)
        if request is not None:
            return request
        read = _read(dialect, asked)
        short = all(len(part) <= SHORT for part in beside)
        if short and isinstance(read, DecodedRequest) and isinstance(read.ask, GetBalance | ListServices):
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[said] = read
        return read


def _read(dialect: Dialect, asked: HttpRequest) -> DecodedRequest | Refused:
    headers = asked.headers
    fields = read_form(headers.get(b"content-type", b""), asked.query, asked.body)
    if fields is None:
        return MALFORMED
    key = fields.pop("key", "")
    if not isinstance(key, str):
        key = ""
    elif is_absent(key):
        key = _bearer(headers.get(b"authorization", b""))
    idempotency_key = headers.get(b"idempotency-key")
    if idempotency_key:
        told = fields.get("idempotency_key", "")
        if isinstance(told, str) and is_absent(told):
            # What is no UTF-8 becomes lone surrogates, which an add refuses and no other action looks at.
            fields["idempotency_key"] = idempotency_key.decode("utf-8", "surrogateescape")
    short = len(asked.body) + len(asked.query) <= READ_AT_ONCE
    return DecodedRequest(key, dialect.read_request(fields) if short else None, fields)


def _bearer(authorization: bytes) -> str:
    scheme, _, token = authorization.partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""
