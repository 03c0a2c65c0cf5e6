"""The public pages: the API reference of both dialects, served as bare ASGI."""

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

KEPT_PAGES: Final = 32
"""Rendered pages kept, one for each page and address; the one used longest ago goes first."""
MAX_HOST: Final = 260
"""Characters in a Host header."""

_HOST: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?")
_DIALECTS: Final = {"/": "v2", "/v1": "v1", "/v1/": "v1"}
_CSP: Final = (
    b"default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none';"
    b" frame-ancestors 'none'"
)
_GUARDS: Final = (
    (b"content-security-policy", _CSP),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)
_HTML: Final = b"text/html; charset=utf-8"
_FOR_EVER: Final = b"public, max-age=31536000, immutable"
_FOR_A_WHILE: Final = b"public, max-age=300"


class Document(Struct, frozen=True):
    """Something to send, as it is and packed. ``etag`` is weak: both forms share it."""

    content: bytes
    packed: bytes
    etag: bytes
    type: bytes = _HTML
    status: int = 200
    cache_control: bytes = _FOR_A_WHILE


class Pages:
    """``/`` is the v2 page in English, ``/v1`` the v1 page in Arabic, ``/static/…`` their stylesheet.

    Pages show the panel's own address: what the request came to. A Host header that is no host name is refused and
    never shown.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Document] = OrderedDict()

    def prepare(self) -> None:
        """Renders every page once: afterwards no file is read any more."""
        _not_found()
        for dialect in set(_DIALECTS.values()):
            _addressed(dialect, "http://localhost")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(f"pages are served over HTTP, not {scope['type']}")
        headers = dict(scope["headers"])
        document = await self._document(scope, headers)
        await _send(send, document, scope["method"], headers)

    async def _document(self, scope: Scope, headers: dict[bytes, bytes]) -> Document:
        if scope["method"] not in ("GET", "HEAD"):
            return _refusal(405, "405 Method Not Allowed")
        path = scope["path"]
        if path == "/static/opensmm.css":
            style = await asyncio.to_thread(stylesheet)
            lasting = scope.get("query_string", b"") == b"v=" + _mark(style)
            return style if lasting else _for_a_while(style)
        dialect = _DIALECTS.get(path)
        base_url = _own_url(scope, headers)
        if not base_url:
            return _refusal(400, "400 Bad Request")
        if dialect is None:
            return await asyncio.to_thread(_not_found)
        return await self._page(dialect, base_url)

    async def _page(self, dialect: str, base_url: str) -> Document:
        place = (dialect, base_url)
        page = self._kept.get(place)
        if page is None:
            page = await asyncio.to_thread(_addressed, dialect, base_url)
            self._kept[place] = page
            while len(self._kept) > KEPT_PAGES:
                self._kept.popitem(last=False)
        if place in self._kept:
            self._kept.move_to_end(place)
        return page


def _own_url(scope: Scope, headers: dict[bytes, bytes]) -> str:
    """The address the request came to, or nothing where its Host header is no host name."""
    scheme = "https" if scope.get("scheme") in ("https", "wss") else "http"
    given = headers.get(b"host")
    if given is None:
        name, port = scope.get("server") or ("localhost", None)
        name = f"[{name}]" if ":" in name else name
        given = (f"{name}:{port}" if port else name).encode()
    host = given.decode("latin-1").lower()
    return f"{scheme}://{host}" if len(host) <= MAX_HOST and _HOST.fullmatch(host) else ""


def _addressed(dialect: str, base_url: str) -> Document:
    """A page with the panel's address in it: letters, digits and ``.:-_[]`` alone, so nothing needs escaping."""
    from opensmm.web.rendering import OWN_HOST, OWN_URL, page

    host = base_url.partition("://")[2]
    style = _mark(stylesheet()).decode()
    return _document(page(dialect, style).replace(OWN_URL, base_url).replace(OWN_HOST, host).encode())


@cache
def _not_found() -> Document:
    from opensmm.web.rendering import not_found

    return _document(not_found(_mark(stylesheet()).decode()).encode(), status=404)


@cache
def stylesheet() -> Document:
    from opensmm.web.rendering import read_stylesheet

    return _document(read_stylesheet(), type=b"text/css; charset=utf-8", cache_control=_FOR_EVER)


def _for_a_while(style: Document) -> Document:
    return Document(style.content, style.packed, style.etag, style.type)


def _document(
    content: bytes, *, type: bytes = _HTML, status: int = 200, cache_control: bytes = _FOR_A_WHILE
) -> Document:
    digest = blake2b(content, digest_size=8).hexdigest()
    etag = f'W/"{digest}"'.encode()
    return Document(content, compress(content, 6, mtime=0), etag, type, status, cache_control)


def _mark(document: Document) -> bytes:
    """Changes with the content: part of the stylesheet's address, so that it may be kept for ever."""
    return document.etag[3:-1]


def _refusal(status: int, words: str) -> Document:
    content = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{words}</title><h1>{words}</h1></html>\n'
    return Document(content.encode(), b"", b"", status=status, cache_control=b"no-store")


async def _send(send: Send, document: Document, method: str, asked: dict[bytes, bytes]) -> None:
    headers = [*_GUARDS, (b"cache-control", document.cache_control)]
    status, body = document.status, document.content
    if document.etag:
        headers += [(b"etag", document.etag), (b"vary", b"accept-encoding")]
        if status == 200 and document.etag in asked.get(b"if-none-match", b""):
            status, body = 304, b""
        elif b"gzip" in asked.get(b"accept-encoding", b""):
            headers.append((b"content-encoding", b"gzip"))
            body = document.packed
    if status == 405:
        headers.append((b"allow", b"GET, HEAD"))
    if status != 304:
        headers += [(b"content-type", document.type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
