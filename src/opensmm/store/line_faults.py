"""Why the line of a route in its provider's price list is not read, as it is stored in a text column."""

from opensmm.domain.codes import LineCode, LineFault
from opensmm.store import coded


def written(fault: LineFault | None) -> str | None:
    return None if fault is None else coded.written(fault.code, fault.fields)


def read(kept: str) -> LineFault:
    """Returns a stored fault. Of words from before codes were stored, and of a code that is not known here, it only
    tells that the line is not understood."""
    stored = coded.read(kept, LineCode, dict[str, str | None])
    return LineFault(LineCode.UNREAD) if stored is None else LineFault(*stored)
