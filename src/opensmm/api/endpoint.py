"""The API: one endpoint for both dialects, as a bare ASGI application, and as functions that answer
one whole request each, for our own server."""

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
from opensmm.api.decoding import MALFORMED_REQUEST, FormParser, ParsedForm
from opensmm.api.http import (
    CLOSE,
    Answer,
    Gone,
    HttpRequest,
    HttpResponse,
    TooLarge,
    join_repeated,
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
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.wire.dialect import TOO_LARGE, TOO_MANY, UNAVAILABLE, Dialect
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

DIALECTS: Final[dict[str, Dialect]] = {"/api/v2": V2, "/api/v2/": V2, "/api/v1": V1, "/api/v1/": V1}
METHODS: Final = frozenset(("GET", "POST"))
"""The methods that are accepted. Any other is refused unread: a HEAD would buy, and lose the order's id."""
RETRY_AFTER_S: Final = 1
CHECK_INTERVAL_S: Final = 0.1
"""Seconds between checks of the catalogue's version."""
IDLE_AFTER_S: Final = 30.0
"""Seconds without a key in use after which the process counts as idle."""
IDLE_CHECK_INTERVAL_S: Final = 0.5
"""Seconds between checks of an idle process. While idle, the first request may see a price list this old; looking up
its key ends the pause."""
CHECKS_PER_REFRESH: Final = 6
"""Checks of the catalogue for each refresh of the keys in use."""
HEALTH: Final = "/healthz"
CHECKS_PER_WRITE_TEST: Final = 10
"""Checks of the catalogue for each test write, while the database takes no orders."""
HEALTHY_WITHIN_S: Final = 3.0
"""The greatest age, in seconds, of a healthy process's last check of the catalogue."""

_UNKNOWN_KEY: Final = Refused(Refusal.UNKNOWN_KEY)
_ADDRESS: Final = Refused(Refusal.ADDRESS)
_GZIP: Final = re.compile(rb"(?:^|,)[ \t]*gzip[ \t]*(?:;[ \t]*q=(?!0(?:\.0*)?[ \t]*(?:,|$))|,|$)", re.IGNORECASE)
_TOO_LARGE: Final = json_response(TOO_LARGE, 413, CLOSE)
_NOT_FOUND: Final = json_response(b'{"error":"Not found"}', 404)
_HEALTHY: Final = json_response(b'{"status":"ok"}')
_UNHEALTHY: Final = json_response(b'{"status":"the database does not answer"}', 503)
_READ_ONLY: Final = json_response(b'{"status":"the database takes no orders"}', 503)
_UNAVAILABLE: Final = json_response(UNAVAILABLE, 503, (b"retry-after", str(RETRY_AFTER_S).encode()))
log = structlog.get_logger()


class Endpoint:
    """The application of both dialects: reads a request, authenticates its key, carries it out and writes the response.

    ``requests_per_second`` limits each key; 0 is no limit.
    """

    def __init__(
        self,
        operations: ApiOperations,
        pepper: bytes,
        requests_per_second: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._operations = operations
        self._monotonic = monotonic
        self._checked_at = float("-inf")
        self._logs_orders = False
        self._authenticator = Authenticator(operations, pepper, requests_per_second)
        self._services_cache = ServicesCache(operations)
        self._form_parser = FormParser()
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connects, and starts to watch the catalogue and the keys in use. The database may be down."""
        try:
            await self._operations.open()
            self._checked_at = self._monotonic()
        except Unavailable as error:
            log.warning("started without the database", error=str(error))
        self._logs_orders = log.is_enabled_for(logging.DEBUG)
        gc_tuning.tune_gc()
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        await self._operations.close()

    async def _watch(self) -> None:
        for number in count():
            await self._pause()
            try:
                await self._operations.refresh_catalogue()
                self._checked_at = self._monotonic()
                # All checks use one connection, and so take turns.
                if number % CHECKS_PER_REFRESH == 0:
                    await self._authenticator.refresh()
                if not self._operations.takes_orders and number % CHECKS_PER_WRITE_TEST == 0:
                    await self._operations.try_writing()
            except Unavailable as error:
                log.warning("the catalogue and the keys could not be looked at", error=str(error), sparse=True)
            except Exception:
                log.exception("the catalogue and the keys could not be looked at", sparse=True)

    async def _pause(self) -> None:
        """Pauses until the next check. An idle process pauses longer, until a key is looked up."""
        if self._authenticator.idle_s < IDLE_AFTER_S or not self._operations.takes_orders:
            await asyncio.sleep(CHECK_INTERVAL_S)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_CHECK_INTERVAL_S):
                await self._authenticator.wait_for_look_up()

    def handlers_by_path(self) -> dict[bytes, Answer]:
        """Returns the functions that answer whole requests, by path, for a server that bypasses ASGI."""
        return {path.encode(): partial(self.answer, dialect) for path, dialect in DIALECTS.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        dialect = DIALECTS.get(scope["path"])
        if dialect is None:
            response = self._report_health() if scope["path"] == HEALTH else _NOT_FOUND
        else:
            began = perf_counter_ns()
            try:
                body = await read_body(receive)
            except Gone:
                return
            except TooLarge:
                REQUESTS[dialect.name, None, OVERSIZED].observe(perf_counter_ns() - began)
                response = with_request_id(_TOO_LARGE, join_repeated(scope["headers"]))
            else:
                response = await self.answer(dialect, _http_request(scope, body))
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": response.body})

    async def answer(self, dialect: Dialect, http_request: HttpRequest) -> HttpResponse:
        """Answers a request in any case: a refusal, a rate limit, an outage and a bug have responses too."""
        form: ParsedForm | Refused = MALFORMED_REQUEST
        began = perf_counter_ns()
        try:
            if http_request.method in METHODS:
                form = self._form_parser.parse(dialect, http_request)
            if isinstance(form, Refused):
                response, outcome = _refuse(dialect, form)
            else:
                response, outcome = await self._carry_out(dialect, http_request, form)
        except RateExceeded as error:
            response, outcome = _limit_rate(error.retry_after_s), LIMITED
        except Unavailable as error:
            fields = {"request": request_id(http_request.headers), "error": str(error)}
            log.warning("refused for a fault of the moment", **fields, sparse=True)
            response, outcome = _UNAVAILABLE, UNREADY
        except Exception:
            log.exception("a request failed", request=request_id(http_request.headers), sparse=True)
            response, outcome = _UNAVAILABLE, FAILED
        kind = None if isinstance(form, Refused) or form.request is None else type(form.request)
        REQUESTS[dialect.name, kind, outcome].observe(perf_counter_ns() - began)
        return with_request_id(response, http_request.headers)

    def _report_health(self) -> HttpResponse:
        """Reports whether the database answered a moment ago and takes orders."""
        if self._monotonic() - self._checked_at > HEALTHY_WITHIN_S:
            return _UNHEALTHY
        return _HEALTHY if self._operations.takes_orders else _READ_ONLY

    async def _carry_out(
        self, dialect: Dialect, http_request: HttpRequest, form: ParsedForm
    ) -> tuple[HttpResponse, str]:
        """Authenticates and carries out a request. Returns the response, and the outcome that the metrics count."""
        key, client = form.key, http_request.client
        caller = self._authenticator.get_cached(key) or await self._authenticator.look_up(key, client)
        if caller is None:
            return _refuse(dialect, _UNKNOWN_KEY)
        if caller.addresses and client not in caller.addresses:
            return _refuse(dialect, _ADDRESS)
        # A long form's request is read only now, so that strangers cannot make the process read it.
        match form.read_request(dialect):
            case Refused() as refused:
                return _refuse(dialect, refused)
            case requests.ListServices(extended=extended):
                return await self._list_services(dialect, caller, http_request, extended=extended), OK
            case requests.AddOrder() as add:
                # Panels of the v1 family mean no limit by posts=0 (``ClientProgram``).
                if dialect is V1 and add.details.posts == 0 and _acts_as_panel(caller, http_request):
                    add = subscription_parameters.without_zero_posts(add)
                placed = await self._operations.place(caller, add, dialect.dialect_rules)
                if isinstance(placed, Refused):
                    return _refuse(dialect, placed)
                if self._logs_orders:
                    name = request_id(http_request.headers)
                    log.debug("placed", request=name, order=placed, customer=caller.customer)
                body = dialect.write_order(placed)
            case requests.GetStatus(orders=ids, extended=extended):
                views = await self._operations.statuses(caller, ids)
                count_refused(views)
                if extended:
                    views = await self._operations.extended(caller, views)
                # Panels of the v1 family need their own forms of drip-feeds and subscriptions.
                elif dialect is V1 and _acts_as_panel(caller, http_request):
                    views = await self._operations.with_parts(caller, views)
                body = dialect.write_statuses(ids, views, title_case=_reads_title_case(dialect, caller, http_request))
            case requests.GetBalance():
                body = dialect.write_balance(await self._operations.balance(caller))
            case requests.ListOrders() as request:
                orders = await self._operations.orders(caller, request)
                body = dialect.write_order_list(orders, title_case=_reads_title_case(dialect, caller, http_request))
            case requests.RequestRefills(orders=ids):
                refills = await self._operations.refill(caller, ids)
                count_refused(refills)
                body = dialect.write_refills(ids, refills)
            case requests.GetRefillStatus() as request:
                statuses = await self._operations.refill_statuses(caller, request)
                count_refused(statuses)
                body = dialect.write_refill_statuses(request.order or request.refills, statuses)
            case requests.CancelOrders(orders=ids):
                cancels = await self._operations.cancel(caller, ids)
                count_refused(cancels)
                body = dialect.write_cancels(ids, cancels)
            case other:
                assert_never(other)
        return json_response(body), OK

    async def _list_services(
        self, dialect: Dialect, caller: KeyHolder, http_request: HttpRequest, *, extended: bool
    ) -> HttpResponse:
        cache, price_list = self._services_cache, caller.price_list
        # Panels of the v1 family sell drip-feeds only if the price list names the services that have them.
        shows_dripfeed = dialect is V2 and not extended and _acts_as_panel(caller, http_request)
        rendered = cache.get_current(dialect, price_list, extended=extended, shows_dripfeed=shows_dripfeed)
        if rendered is None:
            rendered = await cache.render(dialect, price_list, extended=extended, shows_dripfeed=shows_dripfeed)
        return _services_response(rendered, http_request)


def _http_request(scope: Scope, body: bytes) -> HttpRequest:
    client = scope["client"][0] if scope["client"] else ""
    return HttpRequest(scope["method"], scope["query_string"], join_repeated(scope["headers"]), body, client)


def _reads_title_case(dialect: Dialect, caller: KeyHolder, http_request: HttpRequest) -> bool:
    """Returns True if v1 is to answer with v2's status words. v2 has no others, whatever the client is."""
    return dialect is V1 and reads_title_case(http_request.headers.get(b"user-agent"), caller.title_case)


def _acts_as_panel(caller: KeyHolder, http_request: HttpRequest) -> bool:
    return acts_as_panel(http_request.headers.get(b"user-agent"), caller.as_panel)


def _refuse(dialect: Dialect, refused: Refused) -> tuple[HttpResponse, str]:
    REFUSALS[refused.why] += 1
    return json_response(dialect.write_refusal(refused)), REFUSED


def _services_response(rendered: RenderedServices, http_request: HttpRequest) -> HttpResponse:
    """Returns the price list, compressed if the client accepts it. A GET gets an entity tag, or a 304 if it matches."""
    compressed = _accepts_gzip(http_request.headers.get(b"accept-encoding", b""))
    whole = rendered.compressed if compressed else rendered.plain
    if http_request.method != "GET":
        return whole
    tag = (b"etag", rendered.compressed_tag if compressed else rendered.plain_tag)
    if http_request.headers.get(b"if-none-match") == tag[1]:
        return json_response(b"", 304, tag, *rendered.unmodified)
    return whole.with_headers(tag)


def _accepts_gzip(accept_encoding: bytes) -> bool:
    # Most clients send the bare word; the pattern reads lists and weights.
    return accept_encoding == b"gzip" or _GZIP.search(accept_encoding) is not None


def _limit_rate(retry_after_s: int) -> HttpResponse:
    return json_response(TOO_MANY, 429, (b"retry-after", str(retry_after_s).encode()))
