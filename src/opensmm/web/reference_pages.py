"""The pages of the API's reference: public, in both dialects, served as bare ASGI.

New pages are an application of their own, routed in ``runtime/application.py``.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from gzip import compress
from hashlib import blake2b
from typing import Any, Final

from msgspec import Struct

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_CACHED_PAGES: Final = 32
"""Cached pages, one for each dialect and address. The least recently used one is dropped."""
MAX_HOST: Final = 260
"""Characters in a Host header."""

_HOST: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")
_DIALECTS: Final = {"/": "v2", "/v1": "v1", "/v1/": "v1"}
_CSP: Final = (
    b"default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none';"
    b" frame-ancestors 'none'"
)
_SECURITY_HEADERS: Final = (
    (b"content-security-policy", _CSP),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
_HTML: Final = b"text/html; charset=utf-8"
_IMMUTABLE: Final = b"public, max-age=31536000, immutable"
_SHORT_LIVED: Final = b"public, max-age=300"


class Document(Struct, frozen=True):
    """A response's content, plain and compressed. ``etag`` is weak, because both codings share it."""

    content: bytes
    compressed: bytes
    etag: bytes
    type: bytes = _HTML
    status: int = 200
    cache_control: bytes = _SHORT_LIVED


class ReferencePages:
    """The reference as an ASGI application: v2 in English at ``/``, v1 in Arabic at ``/v1``, their stylesheet.

    Pages show the panel's own address, by the request's Host header. One that is no host name is refused, and never
    shown.
    """

    def __init__(self) -> None:
        self._cache: OrderedDict[tuple[str, str], Document] = OrderedDict()

    def prepare(self) -> None:
        """Renders every page once, so that no file has to be read afterwards."""
        _render_not_found()
        for dialect in set(_DIALECTS.values()):
            _render_with_url(dialect, "http://localhost")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"pages are served over HTTP, not {scope['type']}")
        headers = dict(scope["headers"])
        document = await self._choose(scope, headers)
        await _send(send, document, scope["method"], headers)

    async def _choose(self, scope: Scope, headers: dict[bytes, bytes]) -> Document:
        if scope["method"] not in ("GET", "HEAD"):
            return _make_refusal(405, "405 Method Not Allowed")
        path = scope["path"]
        if path == "/static/opensmm.css":
            style = await asyncio.to_thread(load_stylesheet)
            is_versioned = scope.get("query_string", b"") == b"v=" + _content_hash(style)
            return style if is_versioned else _short_lived(style)
        dialect = _DIALECTS.get(path)
        base_url = _read_own_url(scope, headers)
        if not base_url:
            return _make_refusal(400, "400 Bad Request")
        if dialect is None:
            return await asyncio.to_thread(_render_not_found)
        return await self._find_page(dialect, base_url)

    async def _find_page(self, dialect: str, base_url: str) -> Document:
        cache_key = (dialect, base_url)
        page = self._cache.get(cache_key)
        if page is None:
            page = await asyncio.to_thread(_render_with_url, dialect, base_url)
            self._cache[cache_key] = page
            while len(self._cache) > MAX_CACHED_PAGES:
                self._cache.popitem(last=False)
        if cache_key in self._cache:  # Another request may have dropped it meanwhile.
            self._cache.move_to_end(cache_key)
        return page


def _read_own_url(scope: Scope, headers: dict[bytes, bytes]) -> str:
    """Returns the URL that the request came to; an empty text if its Host header is no host name."""
    scheme = "https" if scope.get("scheme") in ("https", "wss") else "http"
    header = headers.get(b"host")
    if header is None:
        name, port = scope.get("server") or ("localhost", None)
        name = f"[{name}]" if ":" in name else name
        header = (f"{name}:{port}" if port else name).encode()
    host = header.decode("latin-1").lower()
    return f"{scheme}://{host}" if len(host) <= MAX_HOST and _HOST.fullmatch(host) else ""


def _render_with_url(dialect: str, base_url: str) -> Document:
    """Renders a page with the panel's address. ``_HOST`` allows no character that would need escaping."""
    # Imported with the first page: Django's templates take long to load, and the API needs none.
    from opensmm.web.rendering import OWN_HOST, OWN_URL, render_page

    host = base_url.partition("://")[2]
    style = _content_hash(load_stylesheet()).decode()
    return _make_document(render_page(dialect, style).replace(OWN_URL, base_url).replace(OWN_HOST, host).encode())


@cache
def _render_not_found() -> Document:
    from opensmm.web.rendering import render_not_found

    return _make_document(render_not_found(_content_hash(load_stylesheet()).decode()).encode(), status=404)


@cache
def load_stylesheet() -> Document:
    from opensmm.web.rendering import read_stylesheet

    return _make_document(read_stylesheet(), type=b"text/css; charset=utf-8", cache_control=_IMMUTABLE)


def _short_lived(style: Document) -> Document:
    return Document(style.content, style.compressed, style.etag, style.type)


def _make_document(
    content: bytes, *, type: bytes = _HTML, status: int = 200, cache_control: bytes = _SHORT_LIVED
) -> Document:
    digest = blake2b(content, digest_size=8).hexdigest()
    etag = f'W/"{digest}"'.encode()
    return Document(content, compress(content, 6, mtime=0), etag, type, status, cache_control)


def _content_hash(document: Document) -> bytes:
    """Returns a hash of the content. It is part of the stylesheet's URL, so that caches may keep it for ever."""
    return document.etag[3:-1]


def _make_refusal(status: int, words: str) -> Document:
    content = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{words}</title><h1>{words}</h1></html>\n'
    return Document(content.encode(), b"", b"", status=status, cache_control=b"no-store")


async def _send(send: Send, document: Document, method: str, request_headers: dict[bytes, bytes]) -> None:
    headers = [*_SECURITY_HEADERS, (b"cache-control", document.cache_control)]
    status, body = document.status, document.content
    if document.etag:
        headers += [(b"etag", document.etag), (b"vary", b"accept-encoding")]
        if status == 200 and document.etag in request_headers.get(b"if-none-match", b""):
            status, body = 304, b""
        elif b"gzip" in request_headers.get(b"accept-encoding", b""):
            headers.append((b"content-encoding", b"gzip"))
            body = document.compressed
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    if status != 304:
        headers += [(b"content-type", document.type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
