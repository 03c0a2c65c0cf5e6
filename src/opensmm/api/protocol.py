"""HTTP by uvicorn on httptools, with a direct path past ASGI for plain requests, and one write for each response."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast

import httptools
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from opensmm.api import heads
from opensmm.api.connections import ConnectionTable
from opensmm.api.http import CLOSE, MAX_DISCARDED, Answer, HttpRequest, HttpResponse, join_repeated, json_response
from opensmm.wire.dialect import UNAVAILABLE

MAX_DIRECT: Final = 64 * 1024
"""Bytes of a target or a body on the direct path. Longer ones take the ASGI path, which bounds them."""
METHODS: Final = {b"POST": "POST", b"GET": "GET"}

_STOPPED: Final = json_response(UNAVAILABLE, 503)


class Forbidden(Exception):
    """A request that is refused for its head or its trailers, with the response."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(response.status)
        self.response = response


class OneWrite:
    """A transport that sends everything written in one turn of the event loop together.

    uvicorn writes the head and the body of a response one after the other, and the loop sends each at once. That costs
    two system calls here and two reads at the client, instead of one each. The parts are passed on unjoined: a price
    list is long, and joining would copy it once more.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self.is_closing = transport.is_closing
        self._parts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)

    def writelines(self, parts: list[bytes]) -> None:
        self._parts += parts
        self._flush()

    def _flush(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.writelines(parts)

    def write_eof(self) -> None:
        self._flush()
        if not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        self._flush()
        self._transport.close()


class Exchange:
    """A request on the direct path, until it is answered. uvicorn sees it in place of its own request cycle."""

    body: bytes | bytearray = b""
    more_body = True
    keep_alive = True
    response_complete = False
    disconnected = False
    message_event: Final = asyncio.Event()
    """uvicorn sets the event for a task that waits for a body; there is none here."""
    task: asyncio.Task[None]

    def __init__(self, answer: Answer, method: str, query: bytes) -> None:
        self.answer = answer
        self.method = method
        self.query = query


class Protocol(HttpToolsProtocol):
    """uvicorn's own protocol over ``OneWrite``, with a direct path.

    An application may have ``handlers_by_path``: functions that each answer a whole request without ASGI's messages
    and uvicorn's objects for them. All but plain requests on connections that stay open take the ASGI path, with the
    same responses.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app: Any = self.app
        self._proxies = app if isinstance(app, ProxyHeadersMiddleware) else None
        app = app.app if self._proxies else app
        self._handlers_by_path: Mapping[bytes, Answer] = getattr(app, "handlers_by_path", {})
        # ``_has_progress``: the newest bytes completed a part of the request, so it is not endless as a whole.
        self._in_head = self._in_request = self._has_progress = False
        self._idle = self._stopped_reading = self._discarding = False
        self._read_bytes = self._stalled_bytes = self._trailer_bytes = self._discarded = 0
        self._before: RequestResponseCycle | None = None
        self._last_response: HttpResponse | None = None
        self._headers_by_name: Mapping[bytes, bytes] = {}
        self._host = b""
        self._table: ConnectionTable | None = getattr(self.server_state, "table", None)

    def connection_made(self, transport: Any) -> None:
        super().connection_made(cast("asyncio.Transport", OneWrite(transport, self.loop)))
        self._address = self.client[0] if self.client else ""
        if self._table is not None:
            trusted = self._proxies is not None and self._address in self._proxies.trusted_hosts
            self._table.add(self, self._address, bounded=not trusted)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._table is not None:
            self._table.remove(self, self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._idle = self._has_progress = False
        self._read_bytes = len(data)
        while data and not self._stopped_reading:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade(data[upgrade.args[0] :])
            except httptools.HttpParserError as error:
                cause = error.__context__
                self._refuse(cause.response if isinstance(cause, Forbidden) else heads.NO_HTTP)
        if self._in_request and not self._stopped_reading:
            self._bound_unfinished()
        elif self._discarding:
            self._discarded += self._read_bytes
            if self._discarded > MAX_DISCARDED:
                self.transport.close()

    def _bound_unfinished(self) -> None:
        """Refuses a request whose head, chunk line or trailers exceed their bounds before they end."""
        self._stalled_bytes = 0 if self._has_progress else self._stalled_bytes + self._read_bytes
        if not self._in_head:
            if self._stalled_bytes > heads.MAX_HEAD:
                self._refuse(heads.HEAD_TOO_LARGE)
        elif len(self.url) > heads.MAX_TARGET:
            self._refuse(heads.TARGET_TOO_LONG)
        elif len(self.headers) > heads.MAX_LINES or self._stalled_bytes > heads.MAX_TARGET + heads.MAX_HEAD:
            self._refuse(heads.HEAD_TOO_LARGE)

    def eof_received(self) -> Any:
        """Keeps a half-closed connection open until the requests on it are answered.

        asyncio reads the result as a bool; uvicorn's own method returns none.
        """
        if self._discarding:
            return False
        self._stopped_reading = True
        due = self._newest_due()
        if due is None:
            return False
        due.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        self._in_head = self._in_request = self._has_progress = True
        self._stalled_bytes = self._trailer_bytes = 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))
            return
        # Trailers are measured and dropped: nothing here reads them. A short one counts as its share of MAX_LINES.
        self._trailer_bytes += max(len(name) + len(value), heads.MAX_HEAD // heads.MAX_LINES)
        if self._trailer_bytes > heads.MAX_HEAD:
            raise Forbidden(heads.HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        headers = self.headers
        self._headers_by_name = by_name = join_repeated(headers)
        # Almost all requests of a connection name one host, which needs no second check.
        if len(by_name) != len(headers) or by_name.get(b"host") != self._host or len(headers) > heads.MAX_LINES:
            self._check_lines()
        if self._stalled_bytes + self._read_bytes > heads.MAX_HEAD:  # A head in few bytes need not be measured.
            self._check_size()
        self._in_head, self._has_progress = False, True
        path, _, query = self.url.partition(b"?")
        answer, method = self._handlers_by_path.get(path), self.parser.get_method()
        if answer is not None and method in METHODS and self._is_plain():
            self.cycle = cast("RequestResponseCycle", Exchange(answer, METHODS[method], query.partition(b"#")[0]))
        elif method == b"CONNECT":
            raise Forbidden(heads.BAD_REQUEST)
        else:
            self._use_asgi()

    def _check_lines(self) -> None:
        if len(self.headers) > heads.MAX_LINES:
            raise Forbidden(heads.HEAD_TOO_LARGE)
        if not heads.has_one_host(self.headers, self._headers_by_name, self.parser.get_http_version()):
            raise Forbidden(heads.BAD_REQUEST)
        host = self._headers_by_name.get(b"host", b"")
        if host.strip(heads.HOST_CHARS):
            raise Forbidden(heads.BAD_REQUEST)
        self._host = host

    def _check_size(self) -> None:
        if len(self.url) > heads.MAX_TARGET:
            raise Forbidden(heads.TARGET_TOO_LONG)
        if heads.count_bytes(self.headers) > heads.MAX_HEAD:
            raise Forbidden(heads.HEAD_TOO_LARGE)

    def _is_plain(self) -> bool:
        """Returns True if a request for the direct path needs none of uvicorn's other features."""
        parser, before = self.parser, cast("RequestResponseCycle | None", self.cycle)
        return (
            (before is None or before.response_complete)
            and not self.expect_100_continue
            and not parser.should_upgrade()
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and len(self.url) <= MAX_DIRECT
        )

    def _use_asgi(self) -> None:
        # The choice of the path needs the whole head. uvicorn's own begin of a request comes now, and resets these.
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        self._before = cast("RequestResponseCycle | None", self.cycle)
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._has_progress = True
        exchange: object = self.cycle
        if not isinstance(exchange, Exchange) or not exchange.more_body:
            super().on_body(body)
            return
        if not exchange.body:
            exchange.body = body
        else:
            if isinstance(exchange.body, bytes):
                exchange.body = bytearray(exchange.body)  # Grows in place, however small its pieces are.
            exchange.body += body
        if len(exchange.body) > MAX_DIRECT:
            # uvicorn would take a cycle that is not complete for an earlier request, and queue this one behind it.
            self.cycle = cast("RequestResponseCycle", None)
            self._use_asgi()
            self.cycle.keep_alive &= exchange.keep_alive
            super().on_body(bytes(exchange.body))

    def on_message_complete(self) -> None:
        self._in_request = False
        exchange: object = self.cycle
        if not isinstance(exchange, Exchange) or not exchange.more_body:
            super().on_message_complete()
            return
        exchange.more_body = False
        headers = self._headers_by_name
        address = self._address if self._proxies is None else self._client_address(self._proxies, headers)
        request = HttpRequest(exchange.method, exchange.query, headers, bytes(exchange.body), address)
        exchange.body = b""
        exchange.task = self.loop.create_task(self._answer(exchange, request))
        self.tasks.add(exchange.task)

    def _client_address(self, proxies: ProxyHeadersMiddleware, headers: Mapping[bytes, bytes]) -> str:
        """Returns the client's address: behind a trusted proxy, the one that the proxy reports."""
        if self._address not in proxies.trusted_hosts:
            return self._address
        forwarded = headers.get(b"x-forwarded-for", b"").decode("latin-1")
        return proxies.trusted_hosts.get_trusted_client_address(forwarded)[0] or self._address

    async def _answer(self, exchange: Exchange, request: HttpRequest) -> None:
        try:
            response = await exchange.answer(request)
            if self.flow.write_paused:
                await self.flow.drain()
        except asyncio.CancelledError:  # The server stops. A proxy that gets no response might retry elsewhere.
            response, exchange.keep_alive = _STOPPED, False
        finally:
            self.tasks.discard(exchange.task)
        exchange.response_complete = True
        if exchange.disconnected:
            return
        if not exchange.keep_alive:  # The server stops, or the client has closed its side.
            response = response.with_headers(CLOSE)
        self.transport.writelines([response.head, response.body])
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """Differs from uvicorn's method in reading on only when the requests read before are answered.

        It starts no timer either: the sweep in ``server`` finds idle connections.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if len(self.pipeline) <= 1:  # Reading on while many wait would queue requests faster than they are answered.
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._last_response is not None:
            self._end(self._last_response)
        else:
            self._idle = not self._in_request

    def _should_upgrade(self) -> bool:
        """Keeps uvicorn from answering a request for another protocol; ``data_received`` goes on with it."""
        return True

    def _without_upgrade(self, rest: bytes) -> bytes:
        """Returns the head of a request for another protocol, without that wish, and the bytes that follow it.

        The parser takes the bytes after such a head for the other protocol. The body of a client that offers HTTP/2,
        as Java's does, would be lost, or read as the next request.
        """
        method = self.parser.get_method()
        lines = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                lines.append(b"connection: " + _other_tokens(value))
            elif name not in (b"upgrade", b"http2-settings"):
                lines.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        return b"\r\n".join((*lines, b"", rest))

    def _refuse(self, response: HttpResponse) -> None:
        """Sends a refusal after the responses that are still due, and reads no further.

        Stray bytes behind a whole request, as of a client that counts its body in characters, get no response of
        their own: the client would take it for the response to its next request.
        """
        self._stopped_reading = True
        is_stray = response is heads.NO_HTTP and (self._in_head or not self._in_request)
        due = self._newest_due()
        if due is None:
            self._end(response)
        elif is_stray:
            due.keep_alive = False
        else:
            self._last_response = response

    def _newest_due(self) -> "RequestResponseCycle | None":
        """Returns the newest whole request that is not answered yet. Gives up one whose body has not ended."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and cycle.more_body and not cycle.response_complete:
            if not self.pipeline or self.pipeline[0][0] is not cycle:
                cycle.disconnected = True
                cycle.message_event.set()
                return None
            self.pipeline.popleft()
            cycle = self._before
            self.cycle = cast("RequestResponseCycle", cycle)
        return None if cycle is None or cycle.response_complete else cycle

    def _end(self, response: HttpResponse) -> None:
        """Sends the last response of a connection, and discards what the client still sends.

        Closing at once would reset the connection, and the client would not get to read the response.
        """
        self._discarding = True
        self.transport.writelines([response.head, response.body])
        self.transport.write_eof()

    def close_now(self) -> None:
        """Closes the connection, without waiting for a client that does not read."""
        if self.flow.write_paused:
            self.transport.abort()
        else:
            self.transport.close()

    def waiting_state(self) -> tuple[object, bool] | None:
        """Returns the state in which the connection waits for its client; None if it does not wait.

        The state compares equal as long as the client makes no progress. The bool is True if the client has the long
        time limit: for its next request, or to read a response. The first request, and the rest of a head or of a body,
        have the short one.
        """
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if self._discarding:
            return self, False
        if self.flow.write_paused:
            return (cycle, self.transport.get_write_buffer_size()), True
        if cycle is None or (not cycle.response_complete and cycle.more_body):
            return self, False
        return (cycle, self._idle) if cycle.response_complete else None


def _other_tokens(connection: bytes) -> bytes:
    """Returns a Connection header without the tokens of an upgrade."""
    tokens = (token.strip() for token in connection.split(b","))
    return b", ".join(token for token in tokens if token.lower() not in (b"upgrade", b"http2-settings"))
