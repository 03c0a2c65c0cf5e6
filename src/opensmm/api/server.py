"""The HTTP server, uvicorn, with what it lacks: an end to patience, and patience at the end."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import uvicorn
from uvicorn.server import ServerState

from opensmm.actions import batcher
from opensmm.api.connections import ConnectionTable, file_bound
from opensmm.api.protocol import Protocol

PATIENCE_S: Final = 10
"""How long a request may take to arrive, head and body."""
GRACE_S: Final = 2.0
"""How long open requests get to be answered when the server is told to stop."""
KEPT_WITHIN_S: Final = 6
"""How long they get while the database works on them: what it may keep is not refused."""
LOOK_S: Final = 0.05
TICK_S: Final = 1.0


class State(ServerState):
    """What the connections of a server share; ``table`` bounds how many there are."""

    def __init__(self) -> None:
        super().__init__()
        self.table = ConnectionTable(file_bound())


class Server(uvicorn.Server):
    """A server that shows out clients who take forever to say what they want. One sweep a second looks at them all."""

    _wake: Callable[[], object] | None = None

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state = State()

    @property
    def should_exit(self) -> bool:
        return self._should_exit

    @should_exit.setter
    def should_exit(self, should_exit: bool) -> None:
        self._should_exit = should_exit
        if self._wake is not None:
            self._wake()

    async def main_loop(self) -> None:
        """Ticks once a second until told to stop. uvicorn's wakes ten times a second to see whether it was."""
        told, loop = asyncio.Event(), asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(told.set)  # a signal's handler may be who tells
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await told.wait()

    async def on_tick(self, counter: int) -> bool:
        self._sweep()
        return await super().on_tick(counter)

    async def _wait_tasks_to_complete(self) -> None:
        """Raises TimeoutError after ``GRACE_S``, or later, when no more batches are with the database.

        uvicorn calls this with a time-out of ``KEPT_WITHIN_S``, and ends what is left.
        """
        waiting = asyncio.ensure_future(super()._wait_tasks_to_complete())
        try:
            await asyncio.wait([waiting], timeout=GRACE_S)
            while not waiting.done() and batcher.are_under_way():
                await asyncio.wait([waiting], timeout=LOOK_S)
            if not waiting.done():
                await asyncio.wait([waiting], timeout=LOOK_S)  # for the answers of the last batch to leave
        finally:
            if not waiting.done():
                waiting.cancel()
        if waiting.cancelled() or not waiting.done():
            raise TimeoutError
        waiting.result()

    def _sweep(self) -> None:
        before: dict[Protocol, tuple[object, int]] = getattr(self, "_waiting", {})
        waiting: dict[Protocol, tuple[object, int]] = {}
        for connection in list(self.server_state.connections):
            if not isinstance(connection, Protocol) or (awaited := connection.awaited()) is None:
                continue
            known, seconds = before.get(connection, (None, 0))
            seconds = seconds + 1 if known == awaited else 0
            waiting[connection] = (awaited, seconds)
            _, has_long = awaited
            if seconds >= (self.config.timeout_keep_alive if has_long else PATIENCE_S):
                connection.show_out()
        self._waiting = waiting
