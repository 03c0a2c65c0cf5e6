"""Reading a request's body within a bound of size and of time."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY: Final = 1 << 20
"""Bytes in a body."""
MAX_DISCARDED: Final = 16 << 20
"""Bytes of an oversized body read and thrown away, so that its sender gets to read the refusal."""
BODY_WITHIN_S: Final = 10.0
_SWEEP_EVERY_S: Final = 1.0


class TooLarge(Exception):
    """The body is over the bound."""


class TooSlow(Exception):
    """The body did not arrive in time."""


class Gone(Exception):
    """The client left before its body was whole."""


class Bodies:
    """Reads bodies. One sweep a second looks after all of them: a timer for each would cost more than the reading."""

    def __init__(self) -> None:
        self._reading: dict[asyncio.Task[Any], float] = {}
        self._overdue: set[asyncio.Task[Any]] = set()

    async def read(self, receive: Receive) -> bytes:
        """The body; raises TooLarge, TooSlow or Gone."""
        task = asyncio.current_task()
        assert task is not None
        self._reading[task] = task.get_loop().time() + BODY_WITHIN_S
        try:
            return await _whole(receive)
        except asyncio.CancelledError:
            if task in self._overdue:
                task.uncancel()
                raise TooSlow from None
            raise
        finally:
            del self._reading[task]
            self._overdue.discard(task)

    async def sweep(self) -> None:
        """Ends the reading of bodies that are overdue; runs as long as the server does."""
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            now = asyncio.get_running_loop().time()
            for task in [task for task, until in self._reading.items() if until < now]:
                self._overdue.add(task)
                task.cancel()


async def _whole(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        part: bytes = message.get("body", b"")
        more = message.get("more_body", False)
        if not more and not parts and len(part) <= MAX_BODY:
            return part
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
        if size > MAX_DISCARDED or (size > MAX_BODY and not more):
            raise TooLarge
        if not more:
            return b"".join(parts)
