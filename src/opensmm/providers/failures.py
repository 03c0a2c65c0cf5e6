"""Why a call came to nothing, in words of ours: those of an HTTP library tell an operator little."""

import errno
from typing import TYPE_CHECKING, Final

from opensmm.providers.blotting import Blotting

if TYPE_CHECKING:  # the command line imports this module's users for their names, and need not load an HTTP client
    import aiohttp

CONNECT_WITHIN_S: Final = 5.0
_NO_WAY: Final = frozenset((errno.ENETUNREACH, errno.EHOSTUNREACH))


def failure(error: Exception, blotting: Blotting, within_s: float) -> str:
    """Says why there was no answer. ``within_s``: how long the call might take."""
    import aiohttp

    match error:
        case aiohttp.ClientConnectorError():
            return _unconnected(error, blotting)
        case aiohttp.ConnectionTimeoutError():
            return f"no connection within {CONNECT_WITHIN_S:g} s"
        case TimeoutError():
            return f"no answer within {within_s:g} s"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "it closed the connection without an answer"
    return f"{type(error).__name__}: {blotting.error(error)}"


def _unconnected(error: "aiohttp.ClientConnectorError", blotting: Blotting) -> str:
    import aiohttp

    from opensmm.providers.outside import NOT_PUBLIC

    at = f"{error.host}:{error.port}"
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate at {at} is not trusted: {blotting.error(error.certificate_error)}"
        case aiohttp.ClientConnectorSSLError():
            return f"no TLS is spoken at {at}: {blotting.error(error.os_error)}"
        case aiohttp.ClientConnectorDNSError():
            return f"the name {error.host} leads to no address"
    why = error.os_error
    if why.errno == NOT_PUBLIC:
        return (
            f"{error.host} is not at an address of the public internet, and only OPENSMM_PRIVATE_PROVIDERS=1 allows it"
        )
    if why.errno == errno.ECONNREFUSED:
        return f"nobody answers at {at}"
    if why.errno in _NO_WAY:
        return f"no way leads to {at}"
    return f"no connection to {at}: {blotting.error(why)}"
