"""Faults of lines in providers' price lists, as a text column of the route stores them."""

from opensmm.domain.codes import LineCode, LineFault
from opensmm.store import coded


def encode(fault: LineFault | None) -> str | None:
    return None if fault is None else coded.encode(fault.code, fault.fields)


def decode(stored: str) -> LineFault:
    """Returns the stored fault.

    A text of an older release, and a code that this release does not know, become ``LineCode.UNREAD``.
    """
    fault = coded.decode(stored, LineCode, dict[str, str | None])
    return LineFault(LineCode.UNREAD) if fault is None else LineFault(*fault)
