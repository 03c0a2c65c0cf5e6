"""Why a price list was not taken over, as it is stored in a text column: a code and fields as JSON."""

from typing import Final

import msgspec

from opensmm.domain.sync import DoubtCode, ListDoubt

_CODES: Final = frozenset(DoubtCode)


def written(doubt: ListDoubt) -> str:
    return msgspec.json.encode({"code": doubt.code, **doubt.fields}).decode()


def read(kept: str) -> ListDoubt | str:
    """Returns a stored doubt. What older releases stored as prose, or a code that this release does not know, stays the
    text that it is; empty where the newest list was taken over."""
    try:
        fields = msgspec.json.decode(kept, type=dict[str, str | int])
    except msgspec.DecodeError:
        return kept
    code = fields.pop("code", None)
    return ListDoubt(DoubtCode(code), fields) if code in _CODES else kept
