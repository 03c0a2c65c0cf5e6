"""HTTP by uvicorn on httptools, with a direct way for the requests that come in crowds, and answers in one piece."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast

import httptools
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from opensmm.api.asked import Answer, Asked, joined
from opensmm.api.replies import CLOSE, reply
from opensmm.api.requests import MALFORMED
from opensmm.wire.dialect import UNAVAILABLE
from opensmm.wire.v2 import V2

MOST_HELD: Final = 64 * 1024
"""Bytes of an address or a body that are kept for the direct way; what is longer goes by ASGI, which bounds it."""
METHODS: Final = (b"POST", b"GET")

_MALFORMED: Final = reply(V2.write_refusal(MALFORMED), 200, CLOSE)
_STOPPED: Final = reply(UNAVAILABLE, 503)


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

    def close(self) -> None:
        self._flush()
        self._transport.close()


class Exchange:
    """One request on the direct way, until it is answered. For uvicorn it stands where a cycle of its own would."""

    body = b""
    more_body = True
    keep_alive = True
    response_complete = False
    disconnected = False
    message_event: Final = asyncio.Event()
    """uvicorn sets it for who waits for a body; nobody does here."""
    task: asyncio.Task[None]

    def __init__(self, answer: Answer, query: bytes) -> None:
        self.answer = answer
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
        self._in_head = self._in_request = self._idle = self._deaf = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(cast("asyncio.Transport", OneWrite(transport, self.loop)))
        self._address = self.client[0] if self.client else ""

    def data_received(self, data: bytes) -> None:
        self._idle = False
        while data and not self._deaf:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                data = self._staying(data[upgrade.args[0] :])
            except httptools.HttpParserError:
                self.send_400_response("")
                return

    def on_message_begin(self) -> None:
        self._in_head = self._in_request = True
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what trails a body tells nothing of who asks
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        path, _, query = self.url.partition(b"?")
        answer = self._direct.get(path)
        if answer is not None and self._is_plain():
            self.cycle = cast("RequestResponseCycle", Exchange(answer, query.partition(b"#")[0]))
        else:
            self._go_by_asgi()

    def _is_plain(self) -> bool:
        parser, before = self.parser, cast("RequestResponseCycle | None", self.cycle)
        return (
            (before is None or before.response_complete)
            and not self.expect_100_continue
            and not parser.should_upgrade()
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and parser.get_method() in METHODS
            and len(self.url) <= MOST_HELD
        )

    def _go_by_asgi(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        exchange: object = self.cycle
        if not isinstance(exchange, Exchange) or not exchange.more_body:
            super().on_body(body)
            return
        exchange.body += body
        if len(exchange.body) > MOST_HELD:
            self.cycle = cast("RequestResponseCycle", None)
            self._go_by_asgi()
            self.cycle.keep_alive &= exchange.keep_alive
            super().on_body(exchange.body)

    def on_message_complete(self) -> None:
        self._in_request = False
        exchange: object = self.cycle
        if not isinstance(exchange, Exchange) or not exchange.more_body:
            super().on_message_complete()
            return
        exchange.more_body = False
        headers = joined(self.headers)
        address = self._address if self._proxies is None else self._forwarded(self._proxies, headers)
        method = self.parser.get_method().decode()
        asked = Asked(method, exchange.query, headers, exchange.body, address)
        exchange.body = b""
        exchange.task = self.loop.create_task(self._answer(exchange, asked))
        self.tasks.add(exchange.task)

    def _forwarded(self, by: ProxyHeadersMiddleware, headers: Mapping[bytes, bytes]) -> str:
        """The address of whoever asks: behind a proxy that is trusted, the one it tells."""
        if self._address not in by.trusted_hosts:
            return self._address
        told = headers.get(b"x-forwarded-for", b"").decode("latin-1")
        return by.trusted_hosts.get_trusted_client_address(told)[0] or self._address

    async def _answer(self, exchange: Exchange, asked: Asked) -> None:
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
        """As uvicorn's, without a timer a request: who is idle for long is found by the sweep, see ``server``."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
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
        if method == b"CONNECT":
            self.send_400_response("")
            return b""
        lines = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                lines.append(b"connection: " + _without_upgrade(value))
            elif name not in (b"upgrade", b"http2-settings"):
                lines.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        return b"\r\n".join((*lines, b"", rest))

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused in the words for a form that is none, and the connection ends.

        Behind a request that is being answered, as when a client counts the letters of its body and not the bytes, it
        is not read any more: that answer comes, and ends the connection.
        """
        self._deaf = True
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            cycle.keep_alive = False
        else:
            self.transport.writelines([_MALFORMED.head, _MALFORMED.body])
            self.transport.close()

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
        if self.flow.write_paused:
            return (cycle, self.transport.get_write_buffer_size()), True
        if cycle is None or (not cycle.response_complete and cycle.more_body):
            return self, False
        return (cycle, self._idle) if cycle.response_complete else None


def _without_upgrade(connection: bytes) -> bytes:
    tokens = (token.strip() for token in connection.split(b","))
    return b", ".join(token for token in tokens if token.lower() not in (b"upgrade", b"http2-settings"))
