"""The provider of the worker's measures: ``python -m bench.upstream FD`` takes everything and says so a while later.

It answers as cheaply as it can: no HTTP server, one protocol that knows the four forms which reach it.
"""

import asyncio
import socket
import sys
import time
from typing import Final, cast

import uvloop

from opensmm.runtime.processes import stop_event, watch_leash

ANSWERS_AFTER_S: Final = 0.2
FIRST_ORDER: Final = 10**9
"""Ids of what is bought here grow from here on; what was loaded lies below."""
CHARGE: Final = "0.45000"
MOVING: Final = 10
"""One in so many of the orders has moved on whenever it is asked after; the others are where they were."""
REMAINS: Final = 50
COUNT: Final = b"key=none&action=count"
_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_MOST_AT_ONCE: Final = 4096


class Book:
    """``answered``: purchases whose answers have been sent. ``asked``: orders asked after, in so many ``calls``."""

    answered = 0
    asked = 0
    calls = 0
    taken = FIRST_ORDER


class Upstream(asyncio.Protocol):
    def __init__(self, book: Book, later: asyncio.AbstractEventLoop) -> None:
        self._book = book
        self._later = later
        self._begun = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's own class is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        data = self._begun + data
        head = data.find(b"\r\n\r\n")
        length = data[data.lower().find(b"content-length: ") + 16 : head].split(b"\r", 1)[0]
        if head < 0 or len(data) < head + 4 + int(length):
            self._begun = data
            return
        self._begun = b""
        form = data[head + 4 :]
        if b"action=add" in form:
            self._later.call_later(ANSWERS_AFTER_S, self._sell)
        elif form == COUNT:
            told = (self._book.answered, self._book.asked, self._book.calls, time.monotonic_ns())
            self._answer(b'{"answered":%d,"asked":%d,"calls":%d,"at_ns":%d}' % told)
        elif b"&orders=" in form:
            orders = form.partition(b"&orders=")[2].partition(b"&")[0].split(b"%2C")
            self._book.asked += len(orders)
            self._book.calls += 1
            self._later.call_later(ANSWERS_AFTER_S, self._answer, b"{%b}" % b",".join(map(_status, orders)))
        else:
            self._answer(b'{"balance":"100000","currency":"USD"}')

    def _sell(self) -> None:
        self._book.taken += 1
        self._answer(b'{"order":%d}' % self._book.taken)
        self._book.answered += 1

    def _answer(self, body: bytes) -> None:
        if self._transport is not None:
            self._transport.write(_HEAD % (len(body), body))


def _status(order: bytes) -> bytes:
    remains = REMAINS - int(time.monotonic()) % REMAINS if int(order) % MOVING == 0 else REMAINS
    return (
        f'"{order.decode()}":{{"charge":"{CHARGE}","start_count":"7","status":"In progress","remains":"{remains}",'
        '"currency":"USD"}'
    ).encode()


async def serve(listening: socket.socket) -> None:
    watch_leash()
    stop, book, loop = stop_event(), Book(), asyncio.get_running_loop()
    await loop.create_server(lambda: Upstream(book, loop), sock=listening, backlog=_MOST_AT_ONCE)
    await stop.wait()


if __name__ == "__main__":
    uvloop.run(serve(socket.socket(fileno=int(sys.argv[1]))))
