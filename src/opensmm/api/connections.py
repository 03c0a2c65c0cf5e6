"""The open connections by the address they come from: an address that only holds them makes room for others."""

import resource
import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from opensmm.actions.rate_limit import network

MOST_OF_ONE: Final = 1024
"""Connections that one address may hold open. Beyond it those that wait for their client are ended, oldest first."""
RESERVED_FILES: Final = 256
"""Files that stay free for the database, the log and connections that are being accepted."""
FEWEST: Final = 64
LOGGED_EACH_S: Final = 60.0
_ROOM: Final = 8
"""One in so many connections is ended at a time, so that a flood is not answered with a pass for each of its calls."""
log = structlog.get_logger()


class Connection(Protocol):
    """A connection as it is seen here."""

    def awaited(self) -> tuple[object, bool] | None: ...
    def show_out(self) -> None: ...


class ConnectionTable:
    """Open connections of one process, at most ``most`` together and MOST_OF_ONE of one address or IPv6 /64."""

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._monotonic = monotonic
        self._logged_at = float("-inf")
        self._total = 0
        self._by_network: dict[str, dict[Connection, None]] = {}

    def add(self, connection: Connection, address: str, *, bounded: bool) -> None:
        """Counts a new connection. ``bounded``: its address may hold MOST_OF_ONE; a trusted proxy's may hold more."""
        name = network(address)
        own = self._by_network.setdefault(name, {})
        own[connection] = None
        self._total += 1
        if self._total > self._most:
            self._make_room(*max(self._by_network.items(), key=lambda item: len(item[1])), connection)
        elif bounded and len(own) > MOST_OF_ONE:
            self._make_room(name, own, connection)

    def remove(self, connection: Connection, address: str) -> None:
        name = network(address)
        own = self._by_network.get(name, {})
        if connection in own:
            del own[connection]
            self._total -= 1
            if not own:
                self._by_network.pop(name, None)

    def _make_room(self, name: str, own: dict[Connection, None], newest: Connection) -> None:
        """Ends the oldest of an address's connections that wait for their client; the newest where none does."""
        bound = max(1, len(own) // _ROOM)
        ended = [each for each in own if each is not newest and each.awaited() is not None][:bound] or [newest]
        for connection in ended:
            self.remove(connection, name)
            connection.show_out()
        now = self._monotonic()
        if now - self._logged_at >= LOGGED_EACH_S:
            self._logged_at = now
            log.warning("an address holds too many connections: idle ones are ended", address=name, ended=len(ended))


def file_bound() -> int:
    """The connections that this process may hold by its limit of open files."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(FEWEST, soft - RESERVED_FILES) if soft != resource.RLIM_INFINITY else 1 << 20
