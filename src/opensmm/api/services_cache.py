"""The answer to ``services``: rendered once per price list and form, kept ready to send, plain and compressed."""

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
MAX_KEPT: Final = 256
"""Answers kept; a panel has as many as price lists in use times forms."""


class RenderedServices(Struct, frozen=True):
    """An answer in two codings, each with a tag of its own. ``unmodified``: headers of a 304 beside the tag."""

    version: int
    plain: HttpResponse
    packed: HttpResponse
    plain_tag: bytes
    packed_tag: bytes
    unmodified: tuple[Header, ...] = ()


Form = tuple[PriceListId, str, bool, bool]
"""A price list, a dialect's name, whether the answer is extended, and whether it tells which services may drip."""
_BY_CODING: Final[Header] = (b"vary", b"accept-encoding")
# Both lists are chosen by the client. One alone needs to say so: no cache may keep either, and the page's stays.
_BY_CLIENT: Final[Header] = (b"vary", b"accept-encoding, user-agent")


class ServicesCache:
    """Answers, each rendered anew when the catalogue has moved. A service that has not changed is not written again."""

    def __init__(self, panel: ApiOperations) -> None:
        self._panel = panel
        self._kept: dict[Form, RenderedServices] = {}
        self._pieces: dict[Form, dict[ServiceId, tuple[Service, object, bytes]]] = {}
        self._rendering: dict[Form, asyncio.Task[RenderedServices]] = {}

    def ready(
        self, dialect: Dialect, price_list: PriceListId, *, extended: bool, drips: bool = False
    ) -> RenderedServices | None:
        """The answer for a price list, as of the catalogue this process knows; None where it must be rendered."""
        kept = self._kept.get((price_list, dialect.name, extended, drips))
        return kept if kept is not None and kept.version == self._panel.shelf.catalogue.version else None

    async def render(
        self, dialect: Dialect, price_list: PriceListId, *, extended: bool, drips: bool = False
    ) -> RenderedServices:
        """Renders it, once for all who ask meanwhile."""
        form = (price_list, dialect.name, extended, drips)
        running = self._rendering.get(form)
        if running is None:
            running = asyncio.create_task(self._render(form, dialect))
            self._rendering[form] = running
            running.add_done_callback(lambda _: self._rendering.pop(form, None))
        return await asyncio.shield(running)

    async def _render(self, form: Form, dialect: Dialect) -> RenderedServices:
        catalogue = self._panel.shelf.catalogue
        pieces = await self._render_pieces(form, dialect, catalogue)
        plain = dialect.write_services(pieces)
        packed = await asyncio.to_thread(gzip.compress, plain, GZIP_LEVEL, mtime=0)
        digest = blake2b(plain, digest_size=12).hexdigest()
        tags = f'"{digest}"'.encode(), f'"{digest}-gzip"'.encode()
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
            self._pieces.clear()
        _, _, _, drips = form
        vary = _BY_CLIENT if drips else _BY_CODING
        self._kept[form] = RenderedServices(
            catalogue.version,
            json_response(plain, 200, vary),
            json_response(packed, 200, (b"content-encoding", b"gzip"), vary),
            *tags,
            unmodified=(vary,) if drips else (),
        )
        return self._kept[form]

    async def _render_pieces(self, form: Form, dialect: Dialect, catalogue: Catalogue) -> list[bytes]:
        price_list, _, extended, drips = form
        before = self._pieces.get(form, {})
        now: dict[ServiceId, tuple[Service, object, bytes]] = {}
        for at, service in enumerate(await services_on_sale(catalogue, price_list)):
            if at % SERVICES_A_TURN == 0:
                await asyncio.sleep(0)
            rate = catalogue.rate(price_list, service)
            known = before.get(service.id)
            if known is None or known[0] is not service or known[1] is not rate:
                known = (service, rate, dialect.write_service(service, rate, extended, drips=drips))
            now[service.id] = known
        self._pieces[form] = now
        return [piece for _, _, piece in now.values()]
