"""Translation of the HTTP library's errors into codes for failed calls."""

import errno
from typing import TYPE_CHECKING, Final

from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.providers.redaction import Redaction

if TYPE_CHECKING:  # The command line imports users of this module for their names, and must not load an HTTP client.
    import aiohttp

CONNECT_WITHIN_S: Final = 5.0
_NO_ROUTE: Final = frozenset((errno.ENETUNREACH, errno.EHOSTUNREACH))


class NoAnswer(Exception):
    """The provider could not be reached, or its response could not be read."""

    def __init__(self, fault: CallFault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def call_fault(error: Exception, redaction: Redaction, within_s: float) -> CallFault:
    """Returns the reason for a failed call. ``within_s``: its timeout."""
    import aiohttp

    from opensmm.providers.egress import TooManyInterim, TooMuchReceived

    match error:
        case NoAnswer():
            return error.fault
        case aiohttp.ClientConnectorError():
            return _connect_failure(error, redaction)
        case aiohttp.ConnectionTimeoutError():
            return CallFault(CallCode.NO_CONNECTION_IN_TIME, {"within_s": f"{CONNECT_WITHIN_S:g}"})
        case TimeoutError():
            return CallFault(CallCode.NO_ANSWER_IN_TIME, {"within_s": f"{within_s:g}"})
        case TooManyInterim():
            return CallFault(CallCode.TOO_MANY_INTERIM, {"most": error.most})
        case TooMuchReceived():
            return CallFault(CallCode.TOO_MANY_RECEIVED, {"most": error.most})
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return CallFault(CallCode.CLOSED)
    return CallFault(CallCode.FAILED, {"type": type(error).__name__, "words": redaction.redact_error(error)})


def _connect_failure(error: "aiohttp.ClientConnectorError", redaction: Redaction) -> CallFault:
    import aiohttp

    from opensmm.providers.egress import NOT_PUBLIC

    at = f"{error.host}:{error.port}"
    match error:
        case aiohttp.ClientConnectorCertificateError():
            words = redaction.redact_error(error.certificate_error)
            return CallFault(CallCode.CERTIFICATE_NOT_TRUSTED, {"at": at, "words": words})
        case aiohttp.ClientConnectorSSLError():
            return CallFault(CallCode.NO_TLS, {"at": at, "words": redaction.redact_error(error.os_error)})
        case aiohttp.ClientConnectorDNSError():
            return CallFault(CallCode.NAME_WITHOUT_ADDRESS, {"host": error.host})
    cause = error.os_error
    if cause.errno == NOT_PUBLIC:
        return CallFault(CallCode.ADDRESS_NOT_PUBLIC, {"host": error.host})
    if cause.errno == errno.ECONNREFUSED:
        return CallFault(CallCode.NOBODY_LISTENS, {"at": at})
    if cause.errno in _NO_ROUTE:
        return CallFault(CallCode.NO_WAY, {"at": at})
    return CallFault(CallCode.NO_CONNECTION, {"at": at, "words": redaction.redact_error(cause)})
