"""Decoding of HTTP requests: form, key and idempotency key, and then the request that the form describes."""

from typing import Final

from msgspec import Struct

from opensmm.api.http import HttpRequest
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import GetBalance, ListServices, Request
from opensmm.wire.dialect import Dialect
from opensmm.wire.form import Fields, read_form
from opensmm.wire.requests import is_absent

SHORT: Final = 128
"""Bytes of the longest body that is cached: a key and an action, with room to spare."""
MAX_CACHED: Final = 10_000
MALFORMED_REQUEST: Final = Refused(Refusal.MALFORMED_REQUEST)
DECODED_AT_ONCE: Final = 4 << 10
"""Bytes of a body and a query that are decoded whole before authentication. A stranger's long request is not."""


class ParsedForm(Struct):
    """A parsed form with its key. ``key`` is empty if none came.

    ``request`` is read from a short form at once, and from a long one's ``fields`` only by ``read_request``.
    """

    key: str
    request: Request | Refused | None
    fields: Fields

    def read_request(self, dialect: Dialect) -> Request | Refused:
        if self.request is None:
            self.request = dialect.read_request(self.fields)
        return self.request


class FormParser:
    """Parses forms, and caches those for a balance or the price list, whose bytes are the same each time.

    Orders and polls are the most frequent requests and seldom repeat, so the cache is not searched for them.
    """

    def __init__(self) -> None:
        self._cache: dict[tuple[Dialect, bytes, bytes, bytes, bytes], ParsedForm] = {}

    def parse(self, dialect: Dialect, http_request: HttpRequest) -> ParsedForm | Refused:
        """Parses a request's form. Returns Refused if it cannot be parsed."""
        body, headers = http_request.body, http_request.headers
        if len(body) > SHORT or b"=add" in body or b"=status" in body:
            return _parse(dialect, http_request)
        beside = headers.get(b"content-type", b""), headers.get(b"authorization", b""), http_request.query
        cache_key = (dialect, *beside, body)
        cached = self._cache.get(cache_key)
        if cached is not None:
            return cached
        form = _parse(dialect, http_request)
        short = all(len(part) <= SHORT for part in beside)
        if short and isinstance(form, ParsedForm) and isinstance(form.request, GetBalance | ListServices):
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[cache_key] = form
        return form


def _parse(dialect: Dialect, http_request: HttpRequest) -> ParsedForm | Refused:
    headers = http_request.headers
    fields = read_form(headers.get(b"content-type", b""), http_request.query, http_request.body)
    if fields is None:
        return MALFORMED_REQUEST
    key = fields.pop("key", "")
    if not isinstance(key, str):
        key = ""
    elif is_absent(key):
        key = _bearer(headers.get(b"authorization", b""))
    idempotency_key = headers.get(b"idempotency-key")
    if idempotency_key:
        parameter = fields.get("idempotency_key", "")
        if isinstance(parameter, str) and is_absent(parameter):
            # Bytes that are no UTF-8 become lone surrogates, which ``add`` refuses and no other action reads.
            fields["idempotency_key"] = idempotency_key.decode("utf-8", "surrogateescape")
    short = len(http_request.body) + len(http_request.query) <= DECODED_AT_ONCE
    return ParsedForm(key, dialect.read_request(fields) if short else None, fields)


def _bearer(authorization: bytes) -> str:
    scheme, _, token = authorization.partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""
