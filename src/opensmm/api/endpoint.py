"""The API: one bare ASGI endpoint for both dialects."""

import asyncio
import gc
import re
from collections.abc import Sequence
from typing import Final

import structlog
from msgspec import Struct

from opensmm.actions.panel import Panel
from opensmm.api import body as bodies
from opensmm.api.body import Gone, Receive, Scope, Send, TooLarge
from opensmm.api.keys import Door
from opensmm.api.limits import Exceeded
from opensmm.api.pricelists import PriceLists
from opensmm.base.faults import Unavailable
from opensmm.domain import asks
from opensmm.domain.callers import Caller
from opensmm.domain.refusals import Refusal, Refused
from opensmm.wire.dialect import TOO_LARGE, TOO_MANY, UNAVAILABLE, Dialect
from opensmm.wire.form import Fields, read_form
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

DIALECTS: Final[dict[str, Dialect]] = {"/api/v2": V2, "/api/v2/": V2, "/api/v1": V1, "/api/v1/": V1}
RETRY_AFTER_S: Final = 1
CATALOGUE_LOOK_S: Final = 0.1
"""Between looks at the catalogue's version."""

Headers = Sequence[tuple[bytes, bytes]]
_MALFORMED: Final = Refused(Refusal.MALFORMED_REQUEST)
_NO_KEY: Final = Refused(Refusal.UNKNOWN_KEY)
_ADDRESS: Final = Refused(Refusal.ADDRESS)
_GZIP: Final = re.compile(rb"(?:^|,)[ \t]*gzip[ \t]*(?:;[ \t]*q=(?!0(?:\.0*)?[ \t]*(?:,|$))|,|$)", re.IGNORECASE)
_PLAIN: Final = ((b"vary", b"accept-encoding"),)
_PACKED: Final = ((b"content-encoding", b"gzip"), (b"vary", b"accept-encoding"))
log = structlog.get_logger()


class Reply(Struct, frozen=True):
    body: bytes
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()


_TOO_LARGE: Final = Reply(TOO_LARGE, 413, ((b"connection", b"close"),))
_NOT_FOUND: Final = Reply(b'{"error":"Not found"}', 404)
_UNAVAILABLE: Final = Reply(UNAVAILABLE, 503, ((b"retry-after", str(RETRY_AFTER_S).encode()),))


class Endpoint:
    """Reads a form, finds its key, does what it asks and writes the answer in its dialect."""

    def __init__(self, panel: Panel, pepper: bytes, requests_per_second: int = 0) -> None:
        self._panel = panel
        self._door = Door(panel, pepper, requests_per_second)
        self._price_lists = PriceLists(panel)
        self._chores: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connects and begins to watch the catalogue; an unreachable database is no reason to fail."""
        try:
            await self._panel.open()
        except Unavailable as error:
            log.warning("started without the database", error=str(error))
        _leave_to_itself()
        self._chores = [asyncio.create_task(self._watch_catalogue())]

    async def stop(self) -> None:
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await self._panel.close()

    async def _watch_catalogue(self) -> None:
        while True:
            await asyncio.sleep(CATALOGUE_LOOK_S)
            try:
                await self._panel.look_at_catalogue()
            except Unavailable as error:
                log.warning("the catalogue could not be looked at", error=str(error))
            except Exception:
                log.exception("the catalogue could not be looked at")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        dialect = DIALECTS.get(scope["path"])
        if dialect is None:
            reply = _NOT_FOUND
        else:
            try:
                reply = await self._reply(dialect, scope, receive)
            except Gone:
                return
            except TooLarge:
                reply = _TOO_LARGE
            except Exceeded as error:
                reply = _too_many(error.retry_after_s)
            except Unavailable as error:
                log.warning("refused for a fault of the moment", error=str(error))
                reply = _UNAVAILABLE
            except Exception:
                log.exception("a request failed")
                reply = _UNAVAILABLE
        await _send(send, reply)

    async def _reply(self, dialect: Dialect, scope: Scope, receive: Receive) -> Reply:
        body = await bodies.read(receive)
        content_type = authorization = idempotency_key = b""
        for name, value in scope["headers"]:
            if name == b"content-type":
                content_type = value
            elif name == b"authorization":
                authorization = value
            elif name == b"idempotency-key":
                idempotency_key = value
        fields = read_form(content_type, scope["query_string"], body)
        if fields is None:
            return Reply(dialect.write_refusal(_MALFORMED))
        key = fields.pop("key", "") or _bearer(authorization)
        address = scope["client"][0] if scope["client"] else ""
        caller = await self._door.caller(key, address) if isinstance(key, str) else None
        if caller is None:
            return Reply(dialect.write_refusal(_NO_KEY))
        if caller.addresses and address not in caller.addresses:
            return Reply(dialect.write_refusal(_ADDRESS))
        if idempotency_key and not fields.get("idempotency_key"):
            fields["idempotency_key"] = idempotency_key.decode("latin-1")
        return await self._answer(dialect, caller, fields, scope)

    async def _answer(self, dialect: Dialect, caller: Caller, fields: Fields, scope: Scope) -> Reply:
        ask = dialect.read_ask(fields)
        match ask:
            case Refused():
                return Reply(dialect.write_refusal(ask))
            case asks.Add():
                placed = await self._panel.place(caller, ask, dialect.habits)
                if isinstance(placed, Refused):
                    return Reply(dialect.write_refusal(placed))
                return Reply(dialect.write_order(placed))
            case asks.Status(orders=ids):
                views = await self._panel.statuses(caller, ids)
                return Reply(dialect.write_statuses(ids, views, title_case=caller.title_case))
            case asks.Services():
                return await self._services(dialect, caller, ask, scope)
            case asks.Balance():
                return Reply(dialect.write_balance(await self._panel.balance(caller)))
            case asks.OrderList():
                listed = await self._panel.orders(caller, ask)
                return Reply(dialect.write_order_list(listed, title_case=caller.title_case))
            case asks.RefillOrders(orders=ids):
                return Reply(dialect.write_refills(ids, await self._panel.refill(caller, ids)))
            case asks.RefillStatus():
                found = await self._panel.refill_statuses(caller, ask)
                return Reply(dialect.write_refill_statuses(ask.order or ask.refills, found))
            case asks.Cancel(orders=ids):
                return Reply(dialect.write_cancels(ids, await self._panel.cancel(caller, ids)))

    async def _services(self, dialect: Dialect, caller: Caller, ask: asks.Services, scope: Scope) -> Reply:
        rendered = await self._price_lists.get(dialect, caller.price_list, extended=ask.extended)
        packed = _accepts_gzip(scope)
        body, headers = (rendered.packed, _PACKED) if packed else (rendered.plain, _PLAIN)
        if scope["method"] != "GET":
            return Reply(body, headers=headers)
        etag = rendered.packed_tag if packed else rendered.plain_tag
        if any(name == b"if-none-match" and value == etag for name, value in scope["headers"]):
            return Reply(b"", 304, ((b"etag", etag),))
        return Reply(body, headers=(*headers, (b"etag", etag)))


def _accepts_gzip(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            return value == b"gzip" or _GZIP.search(value) is not None
    return False


def _leave_to_itself() -> None:
    """What lives as long as the process is never looked through again: with a big price list that took 20 ms a time."""
    gc.collect()
    gc.freeze()


def _bearer(authorization: bytes) -> str:
    scheme, _, token = authorization.partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""


def _too_many(retry_after_s: int) -> Reply:
    return Reply(TOO_MANY, 429, ((b"retry-after", str(retry_after_s).encode()),))


_JSON: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


async def _send(send: Send, reply: Reply) -> None:
    headers = [*_JSON, (b"content-length", str(len(reply.body)).encode()), *reply.headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
