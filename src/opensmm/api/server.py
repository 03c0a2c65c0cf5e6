"""The HTTP server, uvicorn, with what it lacks: an end to patience."""

from typing import Final

import uvicorn
from uvicorn.server import ServerState

from opensmm.api.connections import ConnectionTable, file_bound
from opensmm.api.protocol import Protocol

PATIENCE_S: Final = 10
"""How long a request may take to arrive, head and body."""


class State(ServerState):
    """What the connections of a server share; ``table`` bounds how many there are."""

    def __init__(self) -> None:
        super().__init__()
        self.table = ConnectionTable(file_bound())


class Server(uvicorn.Server):
    """A server that shows out clients who take forever to say what they want. One sweep a second looks at them all."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.server_state = State()

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
            seconds = seconds + 1 if known == awaited else 0
            waiting[connection] = (awaited, seconds)
            _, has_long = awaited
            if seconds >= (self.config.timeout_keep_alive if has_long else PATIENCE_S):
                connection.show_out()
        self._waiting = waiting
