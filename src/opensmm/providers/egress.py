"""Egress: connections to providers' addresses, made only to public ones, and to the very address that was checked."""

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
"""Seconds until an idle connection is closed. Servers wait longer: a race with their close makes an ``add`` unsure."""

MAX_INTERIM: Final = 8
"""Interim responses (1xx) that are read before the final one."""

MAX_RECEIVED: Final = 64 << 20
"""Bytes received for one response: the longest price list, and bytes that HTTP discards. Blank lines before a response,
and extensions of chunks, have no limit of their own."""

AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[str | int | bytes, ...]]
"""A resolved address, in the form of ``socket.getaddrinfo``."""


NOT_PUBLIC: Final = -1
"""The ``errno`` of NotPublic, which no system uses. aiohttp joins several errors into one with their common number, and
drops their types."""


class NotPublic(OSError):
    """The address is not public."""

    def __init__(self, host: object) -> None:
        super().__init__(NOT_PUBLIC, f"not public: {host!r}")


class TooManyInterim(aiohttp.ServerConnectionError):
    """An error after more than MAX_INTERIM interim responses."""

    most = MAX_INTERIM


class TooMuchReceived(aiohttp.ServerConnectionError):
    """An error after more than MAX_RECEIVED bytes of one response."""

    most = MAX_RECEIVED


class _CountedReads:
    """The protocol of a connection, with a bound on the heads that are read from it."""

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
    """A connection for one response, with such a protocol."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.protocol = _CountedReads(connection.protocol)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Response(aiohttp.ClientResponse):
    """A response after a bounded number of interim ones. aiohttp reads any number, in a loop without a pause."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        return await super().start(cast("Connection", _CountedConnection(connection)))


class _BoundedHandler(ResponseHandler):
    """A connection with a bound on the bytes received for each response, of whatever kind."""

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
    """A connector that makes ``_BoundedHandler`` connections."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # aiohttp has no setting for the class of its connections.
        handler: type[ResponseHandler] = _BoundedHandler
        self._factory = partial(handler, loop=self._loop)


def _public_socket(address: AddressInfo) -> socket.socket:
    """Opens a socket for one address; raises NotPublic.

    aiohttp connects it to this very address, so that no second resolution can lead elsewhere.
    """
    host = address[4][0]
    if not isinstance(host, str) or not is_public(ip_address(host.partition("%")[0])):
        raise NotPublic(host)
    return _any_socket(address)


def _any_socket(address: AddressInfo) -> socket.socket:
    opened = socket.socket(family=address[0], type=address[1], proto=address[2])
    opened.setblocking(False)
    return opened


def open_session(
    concurrency: int, *, private: bool = False, resolver: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """Opens a session for one provider: no cookies, no proxy settings, TLS verified against the system's roots.

    ``private``: loopback and private addresses are allowed too.
    """
    # The system's resolver, in a thread: it knows the hosts file and the search domains of this machine.
    connector = _Connector(
        limit=concurrency,
        keepalive_timeout=IDLE_CONNECTION_S,
        resolver=resolver or aiohttp.ThreadedResolver(),
        socket_factory=_any_socket if private else _public_socket,
    )
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, response_class=_Response
    )
