"""Why the line of a route in its provider's price list is not read, as it is kept: a code and fields."""

from collections.abc import Mapping

import msgspec

from opensmm.domain.codes import LineCode, LineFault


def written(fault: LineFault | None) -> str | None:
    return None if fault is None else msgspec.json.encode({"code": fault.code, **fault.fields}).decode()


def read(kept: str) -> LineFault:
    """What was kept. Of words from before codes were kept, and of a code that is not known here, it is only told that
    the line is not understood."""
    try:
        told: Mapping[str, str | None] = msgspec.json.decode(kept, type=dict[str, str | None])
    except msgspec.DecodeError:
        told = {}
    code = told.get("code")
    if code not in set(LineCode):
        return LineFault(LineCode.UNREAD)
    return LineFault(LineCode(code), {name: value for name, value in told.items() if name != "code"})
