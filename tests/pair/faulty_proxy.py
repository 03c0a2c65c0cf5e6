"""A proxy between two panels that treats requests as bad networks do: it drops, delays, cuts and repeats them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from random import Random
from typing import Final
from urllib.parse import urlsplit

DELAY_S: Final = 0.05


class Fault(StrEnum):
    """What becomes of one request. ``lost``: it never arrives. ``unanswered``: it is carried out and the answer is
    swallowed. ``half``: half of the answer arrives. ``late``: the client has given up by then. ``twice``: it arrives
    a second time, on a connection of its own."""

    NONE = "none"
    DELAYED = "delayed"
    LOST = "lost"
    UNANSWERED = "unanswered"
    HALF = "half"
    LATE = "late"
    TWICE = "twice"


FAULTS: Final = tuple(fault for fault in Fault if fault is not Fault.NONE)


class FaultyProxy:
    """One request at a time on each connection. ``share`` of the requests meet a fault while it storms."""

    def __init__(self, url: str, dice: Random, share: float, give_up_s: float) -> None:
        self._to = urlsplit(url)
        self._dice = dice
        self._share = share
        self._give_up_s = give_up_s
        self.storms = True
        self.seen: Counter[Fault] = Counter()
        self._deck: list[Fault] = []

    def _draw(self) -> Fault:
        """From a shuffled deck, so that a short storm brings every kind of fault too."""
        fault = Fault.NONE
        if self.storms and self._dice.random() < self._share:
            self._deck = self._deck or self._dice.sample(FAULTS, len(FAULTS))
            fault = self._deck.pop()
        self.seen[fault] += 1
        return fault

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            while await self._pass_on(await _message(reader), writer):
                pass
        writer.transport.abort()

    async def _pass_on(self, request: bytes, writer: asyncio.StreamWriter) -> bool:
        """Whether the connection lives on."""
        fault = self._draw()
        if fault is Fault.LOST:
            return False
        if fault is Fault.DELAYED:
            await asyncio.sleep(DELAY_S)
        if fault is Fault.TWICE:
            await self._ask(request)
        answer = await self._ask(request)
        if fault is Fault.LATE:
            await asyncio.sleep(2 * self._give_up_s)
        if fault is Fault.UNANSWERED:
            return False
        writer.write(answer[: len(answer) // 2] if fault is Fault.HALF else answer)
        await writer.drain()
        return fault is not Fault.HALF

    async def _ask(self, request: bytes) -> bytes:
        theirs, ours = await asyncio.open_connection(self._to.hostname, self._to.port)
        try:
            ours.write(request)
            return await _message(theirs)
        finally:
            ours.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    """A request or an answer with a length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    return head + await reader.readexactly(int(length or 0))


@asynccontextmanager
async def before(url: str, dice: Random, share: float, give_up_s: float) -> AsyncIterator[tuple[FaultyProxy, str]]:
    """The weather before a server, and the address that leads through it."""
    weather = FaultyProxy(url, dice, share, give_up_s)
    server = await asyncio.start_server(weather.talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield weather, f"http://127.0.0.1:{port}{urlsplit(url).path}"
    finally:
        server.close()
