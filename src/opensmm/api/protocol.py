"""HTTP by uvicorn on httptools, with a direct way for the requests that come in crowds, and answers in one piece."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast

import httptools
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from opensmm.api import heads
from opensmm.api.connections import ConnectionTable
from opensmm.api.http import CLOSE, MAX_DISCARDED, Answer, HttpRequest, HttpResponse, joined, json_response
from opensmm.wire.dialect import UNAVAILABLE

MOST_HELD: Final = 64 * 1024
"""Bytes of an address or a body that are kept for the direct way; what is longer goes by ASGI, which bounds it."""
METHODS: Final = {b"POST": "POST", b"GET": "GET"}

_STOPPED: Final = json_response(UNAVAILABLE, 503)


class Forbidden(Exception):
    """The request is refused by its head or its trailers alone."""

    def __init__(self, said: HttpResponse) -> None:
        super().__init__(said.status)
        self.said = said


class OneWrite:
    """A transport that sends what was written in one turn of the loop together.

    uvicorn writes the head and the body of an answer one after the other, and the loop sends each at once: two system
    calls here, and two reads at the client, where one does. The parts are handed over as they are: a price list is
    long, and joining it to its head would copy it once more.
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
    """One request on the direct way, until it is answered. For uvicorn it stands where a cycle of its own would."""

    body: bytes | bytearray = b""
    more_body = True
    keep_alive = True
    response_complete = False
    disconnected = False
    message_event: Final = asyncio.Event()
    """uvicorn sets it for who waits for a body; nobody does here."""
    task: asyncio.Task[None]

    def __init__(self, answer: Answer, method: str, query: bytes) -> None:
        self.answer = answer
        self.method = method
        self.query = query


class Protocol(HttpToolsProtocol):
    """uvicorn's own protocol over such a transport.

    An application may have ``direct``: by path, what answers a whole request without ASGI's messages and what uvicorn
    keeps for them. What is not plainly a request on a connection that stays open goes by ASGI, to the same answers.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app: Any = self.app
        self._proxies = app if isinstance(app, ProxyHeadersMiddleware) else None
        app = app.app if self._proxies else app
        self._direct: Mapping[bytes, Answer] = getattr(app, "direct", {})
        self._in_head = self._in_request = self._idle = self._deaf = self._ending = self._has_moved = False
        self._chunk = self._unseen = self._trailed = self._discarded = 0
        self._before: RequestResponseCycle | None = None
        self._last_reply: HttpResponse | None = None
        self._joined: Mapping[bytes, bytes] = {}
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
        self._idle = self._has_moved = False
        self._chunk = len(data)
        while data and not self._deaf:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:
                data = self._staying(data[upgrade.args[0] :])
            except httptools.HttpParserError as error:
                cause = error.__context__
                self._refuse(cause.said if isinstance(cause, Forbidden) else heads.NO_HTTP)
        if self._in_request and not self._deaf:
            self._bound_unfinished()
        elif self._ending:
            self._discarded += self._chunk
            if self._discarded > MAX_DISCARDED:
                self.transport.close()

    def _bound_unfinished(self) -> None:
        """Refuses a request whose head, chunk line or trailers have grown too long before they ended."""
        self._unseen = 0 if self._has_moved else self._unseen + self._chunk
        if not self._in_head:
            if self._unseen > heads.MAX_HEAD:
                self._refuse(heads.HEAD_TOO_LARGE)
        elif len(self.url) > heads.MAX_TARGET:
            self._refuse(heads.TARGET_TOO_LONG)
        elif len(self.headers) > heads.MAX_LINES or self._unseen > heads.MAX_TARGET + heads.MAX_HEAD:
            self._refuse(heads.HEAD_TOO_LARGE)

    def eof_received(self) -> Any:
        """Keeps a connection open whose client has sent all that it will, until what it asked is answered.

        asyncio reads the answer as a bool; uvicorn's own gives none.
        """
        if self._ending:
            return False
        self._deaf = True
        due = self._newest_due()
        if due is None:
            return False
        due.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        self._in_head = self._in_request = self._has_moved = True
        self._unseen = self._trailed = 0
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
        # What trails a body tells nothing of who asks. A short line counts for its share of the lines.
        self._trailed += max(len(name) + len(value), heads.MAX_HEAD // heads.MAX_LINES)
        if self._trailed > heads.MAX_HEAD:
            raise Forbidden(heads.HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        headers = self.headers
        self._joined = by_name = joined(headers)
        if len(by_name) != len(headers) or by_name.get(b"host") != self._host or len(headers) > heads.MAX_LINES:
            self._check_lines()
        if self._unseen + self._chunk > heads.MAX_HEAD:  # Only what came in many bytes needs to be measured.
            self._check_size()
        self._in_head, self._has_moved = False, True
        path, _, query = self.url.partition(b"?")
        answer, method = self._direct.get(path), self.parser.get_method()
        if answer is not None and method in METHODS and self._is_plain():
            self.cycle = cast("RequestResponseCycle", Exchange(answer, METHODS[method], query.partition(b"#")[0]))
        elif method == b"CONNECT":
            raise Forbidden(heads.BAD_REQUEST)
        else:
            self._go_by_asgi()

    def _check_lines(self) -> None:
        if len(self.headers) > heads.MAX_LINES:
            raise Forbidden(heads.HEAD_TOO_LARGE)
        if not heads.counts_one_host(self.headers, self._joined, self.parser.get_http_version()):
            raise Forbidden(heads.BAD_REQUEST)
        host = self._joined.get(b"host", b"")
        if host.strip(heads.IN_HOSTS):
            raise Forbidden(heads.BAD_REQUEST)
        self._host = host

    def _check_size(self) -> None:
        if len(self.url) > heads.MAX_TARGET:
            raise Forbidden(heads.TARGET_TOO_LONG)
        if heads.size(self.headers) > heads.MAX_HEAD:
            raise Forbidden(heads.HEAD_TOO_LARGE)

    def _is_plain(self) -> bool:
        """Whether a request of a method that is answered directly comes with nothing that needs uvicorn."""
        parser, before = self.parser, cast("RequestResponseCycle | None", self.cycle)
        return (
            (before is None or before.response_complete)
            and not self.expect_100_continue
            and not parser.should_upgrade()
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and len(self.url) <= MOST_HELD
        )

    def _go_by_asgi(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        self._before = cast("RequestResponseCycle | None", self.cycle)
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._has_moved = True
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
        if len(exchange.body) > MOST_HELD:
            self.cycle = cast("RequestResponseCycle", None)
            self._go_by_asgi()
            self.cycle.keep_alive &= exchange.keep_alive
            super().on_body(bytes(exchange.body))

    def on_message_complete(self) -> None:
        self._in_request = False
        exchange: object = self.cycle
        if not isinstance(exchange, Exchange) or not exchange.more_body:
            super().on_message_complete()
            return
        exchange.more_body = False
        headers = self._joined
        address = self._address if self._proxies is None else self._forwarded(self._proxies, headers)
        asked = HttpRequest(exchange.method, exchange.query, headers, bytes(exchange.body), address)
        exchange.body = b""
        exchange.task = self.loop.create_task(self._answer(exchange, asked))
        self.tasks.add(exchange.task)

    def _forwarded(self, by: ProxyHeadersMiddleware, headers: Mapping[bytes, bytes]) -> str:
        """The address of whoever asks: behind a proxy that is trusted, the one it tells."""
        if self._address not in by.trusted_hosts:
            return self._address
        told = headers.get(b"x-forwarded-for", b"").decode("latin-1")
        return by.trusted_hosts.get_trusted_client_address(told)[0] or self._address

    async def _answer(self, exchange: Exchange, asked: HttpRequest) -> None:
        try:
            said = await exchange.answer(asked)
            if self.flow.write_paused:
                await self.flow.drain()
        except asyncio.CancelledError:  # the server's patience is over; a proxy that got nothing might ask elsewhere
            said, exchange.keep_alive = _STOPPED, False
        finally:
            self.tasks.discard(exchange.task)
        exchange.response_complete = True
        if exchange.disconnected:
            return
        if not exchange.keep_alive:  # the server has been told to stop
            said = said.also(CLOSE)
        self.transport.writelines([said.head, said.body])
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, but it reads on only when what was read is answered.

        There is no timer a request either: who is idle for long is found by the sweep, see ``server``.
        """
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if len(self.pipeline) <= 1:  # Reading on while many wait would queue requests faster than they are answered.
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self._last_reply is not None:
            self._end(self._last_reply)
        else:
            self._idle = not self._in_request

    def _should_upgrade(self) -> bool:
        """uvicorn leaves a request that asks for another protocol alone, for ``data_received`` to go on with."""
        return True

    def _staying(self, rest: bytes) -> bytes:
        """A request that asks for another protocol, and what follows, as one that does not: we speak no other.

        The parser takes what follows such a head for that protocol. The body of a client that offers HTTP/2, as Java's
        does, would be lost, or read as the next request.
        """
        method = self.parser.get_method()
        lines = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                lines.append(b"connection: " + _without_upgrade(value))
            elif name not in (b"upgrade", b"http2-settings"):
                lines.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        return b"\r\n".join((*lines, b"", rest))

    def _refuse(self, said: HttpResponse) -> None:
        """Refuses what cannot be understood, behind the answers that are still due, and reads no further.

        What is no HTTP behind a request that is being answered, as when a client counts the letters of its body and
        not the bytes, is not worth an answer of its own: the client might take that for the answer to its next request.
        """
        self._deaf = True
        is_stray = said is heads.NO_HTTP and (self._in_head or not self._in_request)
        due = self._newest_due()
        if due is None:
            self._end(said)
        elif is_stray:
            due.keep_alive = False
        else:
            self._last_reply = said

    def _newest_due(self) -> "RequestResponseCycle | None":
        """The newest whole request that is not answered yet. One whose body did not end is given up."""
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

    def _end(self, said: HttpResponse) -> None:
        """Says the last words of a connection. What its client goes on to send is thrown away for a while: a connection
        that is closed at once is reset, and its client would not get to read them."""
        self._ending = True
        self.transport.writelines([said.head, said.body])
        self.transport.write_eof()

    def show_out(self) -> None:
        """Ends the connection; what its client does not read is not waited for."""
        if self.flow.write_paused:
            self.transport.abort()
        else:
            self.transport.close()

    def awaited(self) -> tuple[object, bool] | None:
        """What this connection waits for its client to do, and whether it has long for that; None: it is our turn.

        Long has who may send a next request, or has an answer to read. Otherwise it is the very first request, or the
        rest of a head or of a body.
        """
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if self._ending:
            return self, False
        if self.flow.write_paused:
            return (cycle, self.transport.get_write_buffer_size()), True
        if cycle is None or (not cycle.response_complete and cycle.more_body):
            return self, False
        return (cycle, self._idle) if cycle.response_complete else None


def _without_upgrade(connection: bytes) -> bytes:
    tokens = (token.strip() for token in connection.split(b","))
    return b", ".join(token for token in tokens if token.lower() not in (b"upgrade", b"http2-settings"))
