"""The HTTP server, uvicorn on httptools, with what it lacks: answers in one piece, and an end to patience."""

import asyncio
from typing import Any, Final, cast

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from opensmm.api.replies import WHOLE, Reply, reply
from opensmm.api.requests import MALFORMED
from opensmm.wire.v2 import V2

PATIENCE_S: Final = 10
"""How long a request may take to arrive, head and body."""

_MALFORMED: Final = reply(V2.write_refusal(MALFORMED), 200, (b"connection", b"close"))


class OneWrite:
    """A transport that sends what was written in one turn of the loop together.

    uvicorn writes the head and the body of an answer one after the other, and the loop sends each at once: two system
    calls here, and two reads at the client, where one does. The parts are handed over as they are: a price list is
    long, and joining it to its head would copy it once more.
    """

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
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


class Protocol(HttpToolsProtocol):
    """uvicorn's own protocol over such a transport, with an extension of ASGI: a whole answer handed over at once."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(cast("asyncio.Transport", OneWrite(transport, self.loop)))
        self._extensions = {WHOLE: self.answer}

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)["extensions"] = self._extensions

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("")

    def _should_upgrade(self) -> bool:
        """uvicorn leaves a request that asks for another protocol alone, for ``data_received`` to go on with."""
        return True

    def _stay(self, rest: bytes) -> None:
        """Reads a request that asks for another protocol as one that does not: we speak no other.

        The parser takes what follows such a head for that protocol. The body of a client that offers HTTP/2, as Java's
        does, would be lost, or read as the next request.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("")
            return
        lines = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                lines.append(b"connection: " + _without_upgrade(value))
            elif name not in (b"upgrade", b"http2-settings"):
                lines.append(b"%b: %b" % (name, value))
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join((*lines, b"", rest)))

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is refused in the words for a form that is none, and the connection ends."""
        self.transport.writelines([_MALFORMED.head, _MALFORMED.body])
        self.transport.close()

    def answer(self, said: Reply) -> bool:
        """Sends an answer as it is, without ASGI's two messages and what uvicorn must look for in them.

        False, and nothing is sent, where it must go that way: what is not plainly a 200 to a whole request on a
        connection that stays open, or what the server has headers of its own for. While others wait in the pipeline,
        ``cycle`` is the last of them and not the one that is answered.
        """
        cycle = self.cycle
        if said.status != 200 or self.pipeline or not cycle.keep_alive or cycle.more_body or cycle.disconnected:
            return False
        if self.flow.write_paused or cycle.scope["method"] == "HEAD" or cycle.default_headers:
            return False
        cycle.response_started = cycle.response_complete = True
        self.transport.writelines([said.head, said.body])
        cycle.message_event.set()
        cycle.on_response()
        return True

    def awaited(self) -> object:
        """What this connection waits for its client to finish: its first request, a body or the next head; or None."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None:
            return self
        if not cycle.response_complete:
            return cycle if cycle.more_body else None
        return cycle if self.timeout_keep_alive_task is None else None


def _without_upgrade(connection: bytes) -> bytes:
    tokens = (token.strip() for token in connection.split(b","))
    return b", ".join(token for token in tokens if token.lower() not in (b"upgrade", b"http2-settings"))


class Server(uvicorn.Server):
    """A server that shows out clients who take forever to say what they want. One sweep a second looks at them all."""

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # uvicorn ticks ten times a second
            self._sweep()
        return await super().on_tick(counter)

    def _sweep(self) -> None:
        before: dict[Protocol, tuple[object, int]] = getattr(self, "_waiting", {})
        waiting: dict[Protocol, tuple[object, int]] = {}
        for connection in list(self.server_state.connections):
            if not isinstance(connection, Protocol) or (awaited := connection.awaited()) is None:
                continue
            known, seconds = before.get(connection, (None, 0))
            seconds = seconds + 1 if known is awaited else 0
            waiting[connection] = (awaited, seconds)
            if seconds >= PATIENCE_S:
                connection.transport.close()
        self._waiting = waiting
