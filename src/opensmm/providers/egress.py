"""Connections to addresses that somebody typed: made to the public internet only, and to exactly what was looked at."""

import socket
from functools import partial
from ipaddress import ip_address
from typing import Any, Final, TypeAlias, cast

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from opensmm.domain.providers import is_public

IDLE_CONNECTION_S: Final = 3.0
"""Shorter than servers keep idle connections: one that the other side is closing would make an ``add`` unsure."""

MAX_INTERIM: Final = 8
"""Interim answers (1xx) before the answer itself; one that sends more is not listened to."""

MAX_RECEIVED: Final = 64 << 20
"""Bytes of an answer as they come, the longest price list's and those that HTTP throws away: blank lines before it, and
extensions of chunks, have no end of their own."""

Found: TypeAlias = tuple[int, int, int, str, tuple[str | int | bytes, ...]]
"""What a name was resolved to, as ``socket.getaddrinfo`` has it."""


NOT_PUBLIC: Final = -1
"""The ``errno`` of NotPublic, no system's own: of several errors aiohttp hands on their common number, no type."""


class NotPublic(OSError):
    """The address is not one of the public internet."""

    def __init__(self, host: object) -> None:
        super().__init__(NOT_PUBLIC, f"not public: {host!r}")


class TooManyInterim(aiohttp.ServerConnectionError):
    """More interim answers came than are allowed before an answer."""

    most = MAX_INTERIM


class TooMuchReceived(aiohttp.ServerConnectionError):
    """An answer had more bytes, as they came, than are allowed."""

    most = MAX_RECEIVED


class _CountedReads:
    """The protocol of a connection; it hands on a bounded number of heads."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._left = 1 + MAX_INTERIM

    def __getattr__(self, name: str) -> Any:
        return getattr(self._protocol, name)

    async def read(self) -> Any:
        self._left -= 1
        if self._left < 0:
            raise TooManyInterim
        return await self._protocol.read()


class _CountedConnection:
    """A connection for the time of one answer."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.protocol = _CountedReads(connection.protocol)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Response(aiohttp.ClientResponse):
    """An answer that comes after a bounded number of interim ones: aiohttp goes through them without letting go."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        return await super().start(cast("Connection", _CountedConnection(connection)))


class _BoundedHandler(ResponseHandler):
    """A connection that takes a bounded number of bytes of each answer, whatever these are."""

    _received = 0

    def set_response_params(self, **settings: Any) -> None:
        self._received = 0
        super().set_response_params(**settings)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received <= MAX_RECEIVED:
            return super().data_received(data)
        error = TooMuchReceived()
        self.set_exception(error)
        if self._payload is not None:
            self._payload.set_exception(error)
        if self.transport is not None:
            self.transport.abort()
        return None


class _Connector(aiohttp.TCPConnector):
    """Makes such connections."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        handler: type[ResponseHandler] = _BoundedHandler
        self._factory = partial(handler, loop=self._loop)


def _public_socket(found: Found) -> socket.socket:
    """A socket for one address. The connection is made to this very address, so nothing resolves again in between."""
    host = found[4][0]
    if not isinstance(host, str) or not is_public(ip_address(host.partition("%")[0])):
        raise NotPublic(host)
    return _any_socket(found)


def _any_socket(found: Found) -> socket.socket:
    made = socket.socket(family=found[0], type=found[1], proto=found[2])
    made.setblocking(False)
    return made


def open_session(
    concurrency: int, *, private: bool = False, resolver: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """A session for one provider: no cookies, no proxy of the environment, TLS verified against the system's roots.

    ``private``: loopback and private addresses may be called too. Connections are dropped before the far side does so.
    """
    connector = _Connector(
        limit=concurrency,
        keepalive_timeout=IDLE_CONNECTION_S,
        resolver=resolver or aiohttp.ThreadedResolver(),
        socket_factory=_any_socket if private else _public_socket,
    )
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, response_class=_Response
    )
