"""Bounds on open connections, in all and by address. Beyond them, idle connections of the address are closed."""

import resource
import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from opensmm.actions.rate_limit import network

MAX_PER_ADDRESS: Final = 1024
"""Connections that one address may hold open. Beyond it, those that wait for their client are closed, oldest first."""
RESERVED_FILES: Final = 256
"""Files that stay free for the database, the log and connections that are being accepted."""
MIN_CONNECTIONS: Final = 64
"""Connections allowed under the smallest limit of open files."""
LOG_INTERVAL_S: Final = 60.0
_CLOSED_SHARE: Final = 8
"""An eighth of an address's connections is closed at a time, so that a flood does not cost a search for each."""
log = structlog.get_logger()


class Connection(Protocol):
    """The part of ``protocol.Protocol`` that is needed here; see its methods."""

    def waiting_state(self) -> tuple[object, bool] | None: ...
    def close_now(self) -> None: ...


class ConnectionTable:
    """Open connections of one process: at most ``most``, and MAX_PER_ADDRESS of one address or IPv6 /64."""

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._monotonic = monotonic
        self._logged_at = float("-inf")
        self._total = 0
        self._by_network: dict[str, dict[Connection, None]] = {}

    def add(self, connection: Connection, address: str, *, bounded: bool) -> None:
        """Adds a connection, and closes others if there are too many.

        ``bounded``: MAX_PER_ADDRESS holds for the address. It does not for a trusted proxy's.
        """
        name = network(address)
        own = self._by_network.setdefault(name, {})
        own[connection] = None
        self._total += 1
        if self._total > self._most:  # The address with the most connections makes room, whoever came last.
            self._make_room(*max(self._by_network.items(), key=lambda item: len(item[1])), connection)
        elif bounded and len(own) > MAX_PER_ADDRESS:
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
        """Closes the oldest of an address's connections that wait for their client; the newest if none does."""
        bound = max(1, len(own) // _CLOSED_SHARE)
        idle = [each for each in own if each is not newest and each.waiting_state() is not None][:bound] or [newest]
        for connection in idle:
            self.remove(connection, name)
            connection.close_now()
        now = self._monotonic()
        if now - self._logged_at >= LOG_INTERVAL_S:
            self._logged_at = now
            log.warning("an address holds too many connections: idle ones are ended", address=name, ended=len(idle))


def max_connections() -> int:
    """Returns how many connections the process's limit of open files leaves room for."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(MIN_CONNECTIONS, soft - RESERVED_FILES) if soft != resource.RLIM_INFINITY else 1 << 20
