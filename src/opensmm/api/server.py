"""The HTTP server: uvicorn, with time limits for slow clients and a shutdown that waits for the database."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import uvicorn
from uvicorn.server import ServerState

from opensmm.actions import batcher
from opensmm.api.connections import ConnectionTable, max_connections
from opensmm.api.protocol import Protocol

REQUEST_WITHIN_S: Final = 10
"""Seconds in which a whole request, head and body, must arrive."""
GRACE_S: Final = 2.0
"""Seconds for open requests when the server stops."""
COMMIT_GRACE_S: Final = 6
"""Seconds for open requests while the database works on a batch: an order that it may commit must not be refused."""
CHECK_INTERVAL_S: Final = 0.05
TICK_S: Final = 1.0


class State(ServerState):
    """State that the connections of a server share. ``table`` bounds their number."""

    def __init__(self) -> None:
        super().__init__()
        self.table = ConnectionTable(max_connections())


class Server(uvicorn.Server):
    """An HTTP server that closes the connections of slow clients. One sweep a second checks them all."""

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
        """Ticks once a second until ``should_exit`` is set. uvicorn's own loop wakes ten times a second to check it."""
        exiting, loop = asyncio.Event(), asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(exiting.set)  # A signal handler may be the caller.
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await exiting.wait()

    async def on_tick(self, counter: int) -> bool:
        self._sweep()
        return await super().on_tick(counter)

    async def _wait_tasks_to_complete(self) -> None:
        """Waits for open requests. Raises TimeoutError after ``GRACE_S``, or when the database has ended its batches.

        uvicorn calls this with a timeout of ``COMMIT_GRACE_S``, and cancels the requests that are left.
        """
        waiting = asyncio.ensure_future(super()._wait_tasks_to_complete())
        try:
            await asyncio.wait([waiting], timeout=GRACE_S)
            while not waiting.done() and batcher.are_under_way():
                await asyncio.wait([waiting], timeout=CHECK_INTERVAL_S)
            if not waiting.done():
                await asyncio.wait([waiting], timeout=CHECK_INTERVAL_S)  # The last responses are still to be sent.
        finally:
            if not waiting.done():
                waiting.cancel()
        if waiting.cancelled() or not waiting.done():
            raise TimeoutError
        waiting.result()

    def _sweep(self) -> None:
        """Closes the connections that have waited for their client too long, counted in sweeps without progress."""
        before: dict[Protocol, tuple[object, int]] = getattr(self, "_waiting", {})
        waiting: dict[Protocol, tuple[object, int]] = {}
        for connection in list(self.server_state.connections):
            if not isinstance(connection, Protocol) or (state := connection.waiting_state()) is None:
                continue
            last_state, seconds = before.get(connection, (None, 0))
            seconds = seconds + 1 if last_state == state else 0
            waiting[connection] = (state, seconds)
            _, is_long = state
            if seconds >= (self.config.timeout_keep_alive if is_long else REQUEST_WITHIN_S):
                connection.close_now()
        self._waiting = waiting
