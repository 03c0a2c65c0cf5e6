"""The API: one endpoint for both dialects, as a bare ASGI application and as a function of whole requests."""

import asyncio
import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from time import perf_counter_ns
from typing import Final, assert_never

import structlog

from opensmm.actions import gc_tuning
from opensmm.actions.api_facade import ApiOperations
from opensmm.actions.rate_limit import RateExceeded
from opensmm.api.authentication import Authenticator
from opensmm.api.decoding import MALFORMED, DecodedRequest, RequestDecoder
from opensmm.api.http import (
    CLOSE,
    Answer,
    Gone,
    HttpRequest,
    HttpResponse,
    TooLarge,
    joined,
    json_response,
    read_body,
    request_id,
    with_request_id,
)
from opensmm.api.metrics import FAILED, LIMITED, OK, OVERSIZED, REFUSALS, REFUSED, REQUESTS, UNREADY, count_refused
from opensmm.api.services_cache import RenderedServices, ServicesCache
from opensmm.base.asgi import Receive, Scope, Send
from opensmm.base.errors import Unavailable
from opensmm.domain import requests, subscription_parameters
from opensmm.domain.api_keys import KeyHolder
from opensmm.domain.client_programs import acts_as_panel, reads_title_case
from opensmm.domain.refusals import Refusal, Refused
from opensmm.wire.dialect import TOO_LARGE, TOO_MANY, UNAVAILABLE, Dialect
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

DIALECTS: Final[dict[str, Dialect]] = {"/api/v2": V2, "/api/v2/": V2, "/api/v1": V1, "/api/v1/": V1}
METHODS: Final = frozenset(("GET", "POST"))
"""What a request may come as. Any other is refused unread: a HEAD would buy and lose the order's id."""
RETRY_AFTER_S: Final = 1
LOOK_S: Final = 0.1
"""Between looks at the catalogue's version."""
QUIET_S: Final = 30.0
"""After so long without a key in use nobody is waiting for what the looks find."""
QUIET_LOOK_S: Final = 0.5
"""Between looks then. Whoever asks first meets a price list that is at most so old, and has the next look begin."""
LOOKS_A_REFRESH: Final = 6
"""Looks at the catalogue for one at the keys in use."""
HEALTH: Final = "/healthz"
TRIES_A_LOOK: Final = 10
"""Looks at the catalogue for one try to write, while the database takes no orders."""
LOOKED_WITHIN_S: Final = 3.0
"""A process whose last look at the catalogue is older has lost its database."""

_NO_KEY: Final = Refused(Refusal.UNKNOWN_KEY)
_ADDRESS: Final = Refused(Refusal.ADDRESS)
_GZIP: Final = re.compile(rb"(?:^|,)[ \t]*gzip[ \t]*(?:;[ \t]*q=(?!0(?:\.0*)?[ \t]*(?:,|$))|,|$)", re.IGNORECASE)
_TOO_LARGE: Final = json_response(TOO_LARGE, 413, CLOSE)
_NOT_FOUND: Final = json_response(b'{"error":"Not found"}', 404)
_WELL: Final = json_response(b'{"status":"ok"}')
_UNWELL: Final = json_response(b'{"status":"the database does not answer"}', 503)
_READ_ONLY: Final = json_response(b'{"status":"the database takes no orders"}', 503)
_UNAVAILABLE: Final = json_response(UNAVAILABLE, 503, (b"retry-after", str(RETRY_AFTER_S).encode()))
log = structlog.get_logger()


class Endpoint:
    """Reads a form, finds its key, does what it asks and writes the answer in its dialect."""

    def __init__(
        self,
        panel: ApiOperations,
        pepper: bytes,
        requests_per_second: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._panel = panel
        self._monotonic = monotonic
        self._looked_at = float("-inf")
        self._tells = False
        self._authenticator = Authenticator(panel, pepper, requests_per_second)
        self._services_cache = ServicesCache(panel)
        self._decoder = RequestDecoder()
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connects and begins to watch catalogue and keys in use; an unreachable database is no reason to fail."""
        try:
            await self._panel.open()
            self._looked_at = self._monotonic()
        except Unavailable as error:
            log.warning("started without the database", error=str(error))
        self._tells = log.is_enabled_for(logging.DEBUG)
        gc_tuning.leave_alone()
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        await self._panel.close()

    async def _watch(self) -> None:
        for number in count():
            await self._rest()
            try:
                await self._panel.look_at_catalogue()
                self._looked_at = self._monotonic()
                if number % LOOKS_A_REFRESH == 0:
                    await self._authenticator.refresh()
                if not self._panel.takes_orders and number % TRIES_A_LOOK == 0:
                    await self._panel.try_writing()
            except Unavailable as error:
                log.warning("the catalogue and the keys could not be looked at", error=str(error), sparse=True)
            except Exception:
                log.exception("the catalogue and the keys could not be looked at", sparse=True)

    async def _rest(self) -> None:
        """Pauses between two looks; a long pause ends when a key is looked up."""
        if self._authenticator.rested_s < QUIET_S or not self._panel.takes_orders:
            await asyncio.sleep(LOOK_S)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET_LOOK_S):
                await self._authenticator.next_look_up()

    def direct(self) -> dict[bytes, Answer]:
        """What answers a whole request, by path: for a server that hands it over so."""
        return {path.encode(): partial(self.answer, dialect) for path, dialect in DIALECTS.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        dialect = DIALECTS.get(scope["path"])
        if dialect is None:
            said = self._health() if scope["path"] == HEALTH else _NOT_FOUND
        else:
            began = perf_counter_ns()
            try:
                body = await read_body(receive)
            except Gone:
                return
            except TooLarge:
                REQUESTS[dialect.name, None, OVERSIZED].observe(perf_counter_ns() - began)
                said = with_request_id(_TOO_LARGE, joined(scope["headers"]))
            else:
                said = await self.answer(dialect, _asked(scope, body))
        await send({"type": "http.response.start", "status": said.status, "headers": said.headers})
        await send({"type": "http.response.body", "body": said.body})

    async def answer(self, dialect: Dialect, asked: HttpRequest) -> HttpResponse:
        """The answer to a request, whatever becomes of it."""
        request: DecodedRequest | Refused = MALFORMED
        began = perf_counter_ns()
        try:
            request = self._decoder.read(dialect, asked) if asked.method in METHODS else MALFORMED
            if isinstance(request, Refused):
                said, outcome = _refused(dialect, request)
            else:
                said, outcome = await self._reply(dialect, asked, request)
        except RateExceeded as error:
            said, outcome = _too_many(error.retry_after_s), LIMITED
        except Unavailable as error:
            told = {"request": request_id(asked.headers), "error": str(error)}
            log.warning("refused for a fault of the moment", **told, sparse=True)
            said, outcome = _UNAVAILABLE, UNREADY
        except Exception:
            log.exception("a request failed", request=request_id(asked.headers), sparse=True)
            said, outcome = _UNAVAILABLE, FAILED
        kind = None if isinstance(request, Refused) or request.ask is None else type(request.ask)
        REQUESTS[dialect.name, kind, outcome].observe(perf_counter_ns() - began)
        return with_request_id(said, asked.headers)

    def _health(self) -> HttpResponse:
        """Whether this process is of use: it answers, its database did a moment ago, and that takes orders."""
        if self._monotonic() - self._looked_at > LOOKED_WITHIN_S:
            return _UNWELL
        return _WELL if self._panel.takes_orders else _READ_ONLY

    async def _reply(self, dialect: Dialect, asked: HttpRequest, request: DecodedRequest) -> tuple[HttpResponse, str]:
        """The answer to what was understood, and its outcome."""
        caller = self._authenticator.known(request.key) or await self._authenticator.look_up(request.key, asked.client)
        if caller is None:
            return _refused(dialect, _NO_KEY)
        if caller.addresses and asked.client not in caller.addresses:
            return _refused(dialect, _ADDRESS)
        match request.understood(dialect):
            case Refused() as refused:
                return _refused(dialect, refused)
            case requests.ListServices(extended=extended):
                drips = dialect is V2 and not extended and _as_panel(caller, asked)
                rendered = self._services_cache.ready(dialect, caller.price_list, extended=extended, drips=drips)
                if rendered is None:
                    rendered = await self._services_cache.render(
                        dialect, caller.price_list, extended=extended, drips=drips
                    )
                return _services(rendered, asked), OK
            case requests.AddOrder() as add:
                if dialect is V1 and add.details.posts == 0 and _as_panel(caller, asked):
                    add = subscription_parameters.unbounded(add)
                placed = await self._panel.place(caller, add, dialect.dialect_rules)
                if isinstance(placed, Refused):
                    return _refused(dialect, placed)
                if self._tells:
                    log.debug("placed", request=request_id(asked.headers), order=placed, customer=caller.customer)
                said = dialect.write_order(placed)
            case requests.GetStatus(orders=ids, extended=extended):
                views = await self._panel.statuses(caller, ids)
                count_refused(views)
                if extended:
                    views = await self._panel.extended(caller, views)
                elif dialect is V1 and _as_panel(caller, asked):
                    views = await self._panel.with_parts(caller, views)
                said = dialect.write_statuses(ids, views, title_case=_title_case(dialect, caller, asked))
            case requests.GetBalance():
                said = dialect.write_balance(await self._panel.balance(caller))
            case requests.ListOrders() as wanted:
                orders = await self._panel.orders(caller, wanted)
                said = dialect.write_order_list(orders, title_case=_title_case(dialect, caller, asked))
            case requests.RequestRefills(orders=ids):
                refills = await self._panel.refill(caller, ids)
                count_refused(refills)
                said = dialect.write_refills(ids, refills)
            case requests.GetRefillStatus() as wanted:
                found = await self._panel.refill_statuses(caller, wanted)
                count_refused(found)
                said = dialect.write_refill_statuses(wanted.order or wanted.refills, found)
            case requests.CancelOrders(orders=ids):
                canceled = await self._panel.cancel(caller, ids)
                count_refused(canceled)
                said = dialect.write_cancels(ids, canceled)
            case other:
                assert_never(other)
        return json_response(said), OK


def _asked(scope: Scope, body: bytes) -> HttpRequest:
    client = scope["client"][0] if scope["client"] else ""
    return HttpRequest(scope["method"], scope["query_string"], joined(scope["headers"]), body, client)


def _title_case(dialect: Dialect, caller: KeyHolder, asked: HttpRequest) -> bool:
    """v2 knows no other words, and does not look at the client."""
    return dialect is V1 and reads_title_case(asked.headers.get(b"user-agent"), caller.title_case)


def _as_panel(caller: KeyHolder, asked: HttpRequest) -> bool:
    return acts_as_panel(asked.headers.get(b"user-agent"), caller.as_panel)


def _refused(dialect: Dialect, refused: Refused) -> tuple[HttpResponse, str]:
    REFUSALS[refused.why] += 1
    return json_response(dialect.write_refusal(refused)), REFUSED


def _services(rendered: RenderedServices, asked: HttpRequest) -> HttpResponse:
    """Packed where the caller takes that; with a tag for who asks with GET, who may have that very answer already."""
    packed = _accepts_gzip(asked.headers.get(b"accept-encoding", b""))
    whole = rendered.packed if packed else rendered.plain
    if asked.method != "GET":
        return whole
    tag = (b"etag", rendered.packed_tag if packed else rendered.plain_tag)
    if asked.headers.get(b"if-none-match") == tag[1]:
        return json_response(b"", 304, tag, *rendered.unmodified)
    return whole.also(tag)


def _accepts_gzip(coding: bytes) -> bool:
    return coding == b"gzip" or _GZIP.search(coding) is not None


def _too_many(retry_after_s: int) -> HttpResponse:
    return json_response(TOO_MANY, 429, (b"retry-after", str(retry_after_s).encode()))
