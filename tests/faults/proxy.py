"""A proxy on the database's socket that cuts a connection at an exact message of the client."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import Enum, auto
from typing import Final
from urllib.parse import parse_qs, urlsplit

KEEP: Final = re.compile(rb"insert into batch \(id, created, orders\)", re.IGNORECASE)
"""The statement that keeps orders; where it commits by itself there is no COMMIT to be seen."""
COMMIT: Final = re.compile(rb"\A\s*commit\b", re.IGNORECASE)
"""The statement itself: the word may also stand in another statement's comment."""


class Cut(Enum):
    """Where a connection ends: the marked message is not sent on; it is, and nobody waits for what becomes of it; or
    the server has done it and its answer is swallowed."""

    BEFORE = auto()
    AFTER = auto()
    ANSWERED = auto()


class Proxy:
    """Stands before a PostgreSQL on a unix socket. It reads what clients send, message by message."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._port = 0
        self._next: tuple[Cut, re.Pattern[bytes]] | None = None
        self.cuts = 0
        self.shuts = False
        """After a cut nobody gets through any more, until it is ``up`` again."""

    @property
    def port(self) -> int:
        return self._port

    async def up(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Ends every connection and takes no more."""
        if self._server is not None:
            self._server.close()
        for talk in list(self._talks):
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def cut_next(self, cut: Cut, statement: re.Pattern[bytes]) -> None:
        """Ends the connection that next runs this statement, once."""
        self._next = (cut, statement)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        theirs, ours = await asyncio.open_unix_connection(self._socket_path)
        answering = asyncio.create_task(self._answer(theirs, writer))
        try:
            await self._listen(reader, ours, answering)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            answering.cancel()
            for end in (writer, ours):
                with contextlib.suppress(Exception):
                    end.transport.abort()
            self._talks.discard(talk)

    async def _answer(self, theirs: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await theirs.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def _listen(
        self, reader: asyncio.StreamReader, ours: asyncio.StreamWriter, answering: asyncio.Task[None]
    ) -> None:
        length = await reader.readexactly(4)
        ours.write(length + await reader.readexactly(int.from_bytes(length) - 4))
        statements: dict[bytes, bytes] = {}
        marked = False
        while True:
            head = await reader.readexactly(5)
            body = await reader.readexactly(int.from_bytes(head[1:]) - 4)
            kind = head[:1]
            if kind == b"P":
                name, query = body.split(b"\0")[:2]
                statements[name] = query
            elif kind == b"B":
                marked = marked or self._is_next(statements.get(body.split(b"\0")[1], b""))
            # A COMMIT is carried out when it is executed, any other statement commits at the Sync behind it.
            soon = self._next == (Cut.BEFORE, COMMIT)
            if (marked and (kind == b"S" or soon)) or (kind == b"Q" and self._is_next(body)):
                return await self._cut(head + body, ours, answering)
            ours.write(head + body)
            await ours.drain()

    def _is_next(self, query: bytes) -> bool:
        return self._next is not None and self._next[1].search(query) is not None

    async def _cut(self, message: bytes, ours: asyncio.StreamWriter, answering: asyncio.Task[None]) -> None:
        assert self._next is not None
        (cut, _), self._next = self._next, None
        self.cuts += 1
        if self.shuts and self._server is not None:
            self._server.close()
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        if cut is Cut.BEFORE:
            return
        ours.write(message)
        await ours.drain()
        if cut is Cut.ANSWERED:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def before(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before the server of a URL, and the URL that leads through it."""
    parts = urlsplit(url)
    parameters = parse_qs(parts.query)
    proxy = Proxy(f"{parameters['host'][0]}/.s.PGSQL.{parameters['port'][0]}")
    await proxy.up()
    who = f"{parts.username}:{parts.password}"
    options = "sslmode=disable&gssencmode=disable"
    try:
        yield proxy, f"postgresql://{who}@127.0.0.1:{proxy.port}{parts.path}?{options}"
    finally:
        await proxy.down()
