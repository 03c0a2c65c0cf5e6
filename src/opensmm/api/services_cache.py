"""Cache of responses to ``services``: rendered once for each price list and form, plain and compressed."""

import asyncio
import gzip
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from opensmm.actions.api_facade import ApiOperations
from opensmm.actions.catalogue import SERVICES_A_TURN, services_on_sale
from opensmm.api.http import Header, HttpResponse, json_response
from opensmm.base.ids import PriceListId, ServiceId
from opensmm.domain.catalogue import Catalogue, Service
from opensmm.wire.dialect import Dialect

GZIP_LEVEL: Final = 4
MAX_CACHED: Final = 256
"""Cached responses. A panel has one for each price list in use and form."""


class RenderedServices(Struct, frozen=True):
    """A response in both codings, each with its entity tag. ``unmodified``: the headers of a 304, beside the tag."""

    version: int
    plain: HttpResponse
    compressed: HttpResponse
    plain_tag: bytes
    compressed_tag: bytes
    unmodified: tuple[Header, ...] = ()


Form = tuple[PriceListId, str, bool, bool]
"""Price list, name of the dialect, ``extended`` and ``shows_dripfeed`` (lines state whether they take drip-feeds)."""
_BY_CODING: Final[Header] = (b"vary", b"accept-encoding")
# Responses with and without ``shows_dripfeed`` both depend on the client, but only those with it say so: no cache may
# store either, and the header of the documented response stays as it is.
_BY_CLIENT: Final[Header] = (b"vary", b"accept-encoding, user-agent")


class ServicesCache:
    """Responses, rendered again when the catalogue has a new version. Unchanged services are not serialized again."""

    def __init__(self, operations: ApiOperations) -> None:
        self._operations = operations
        self._responses: dict[Form, RenderedServices] = {}
        self._pieces: dict[Form, dict[ServiceId, tuple[Service, object, bytes]]] = {}
        self._rendering: dict[Form, asyncio.Task[RenderedServices]] = {}

    def get_current(
        self, dialect: Dialect, price_list: PriceListId, *, extended: bool, shows_dripfeed: bool = False
    ) -> RenderedServices | None:
        """Returns the response that matches the cached catalogue's version; None if it must be rendered."""
        rendered = self._responses.get((price_list, dialect.name, extended, shows_dripfeed))
        if rendered is None or rendered.version != self._operations.catalogue_cache.catalogue.version:
            return None
        return rendered

    async def render(
        self, dialect: Dialect, price_list: PriceListId, *, extended: bool, shows_dripfeed: bool = False
    ) -> RenderedServices:
        """Renders a response. Requests that come meanwhile share the rendering."""
        form = (price_list, dialect.name, extended, shows_dripfeed)
        running = self._rendering.get(form)
        if running is None:
            running = asyncio.create_task(self._render(form, dialect))
            self._rendering[form] = running
            running.add_done_callback(lambda _: self._rendering.pop(form, None))
        return await asyncio.shield(running)  # A client that leaves must not cancel it for the others.

    async def _render(self, form: Form, dialect: Dialect) -> RenderedServices:
        catalogue = self._operations.catalogue_cache.catalogue
        pieces = await self._render_pieces(form, dialect, catalogue)
        plain = dialect.write_services(pieces)
        # In a thread: a long list takes tens of milliseconds. Without a timestamp, so that equal lists are equal bytes.
        compressed = await asyncio.to_thread(gzip.compress, plain, GZIP_LEVEL, mtime=0)
        digest = blake2b(plain, digest_size=12).hexdigest()
        tags = f'"{digest}"'.encode(), f'"{digest}-gzip"'.encode()
        if len(self._responses) >= MAX_CACHED:
            self._responses.clear()
            self._pieces.clear()
        _, _, _, shows_dripfeed = form
        vary = _BY_CLIENT if shows_dripfeed else _BY_CODING
        self._responses[form] = RenderedServices(
            catalogue.version,
            json_response(plain, 200, vary),
            json_response(compressed, 200, (b"content-encoding", b"gzip"), vary),
            *tags,
            unmodified=(vary,) if shows_dripfeed else (),
        )
        return self._responses[form]

    async def _render_pieces(self, form: Form, dialect: Dialect, catalogue: Catalogue) -> list[bytes]:
        price_list, _, extended, shows_dripfeed = form
        before = self._pieces.get(form, {})
        now: dict[ServiceId, tuple[Service, object, bytes]] = {}
        for at, service in enumerate(await services_on_sale(catalogue, price_list)):
            if at % SERVICES_A_TURN == 0:
                await asyncio.sleep(0)
            rate = catalogue.rate(price_list, service)
            piece = before.get(service.id)
            if piece is None or piece[0] is not service or piece[1] is not rate:
                piece = (service, rate, dialect.write_service(service, rate, extended, shows_dripfeed=shows_dripfeed))
            now[service.id] = piece
        self._pieces[form] = now
        return [line for _, _, line in now.values()]
