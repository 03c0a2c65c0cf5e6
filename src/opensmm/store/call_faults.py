"""Answers of calls as they are stored in a text column: another panel's words as they are, a fault as JSON."""

from typing import Final

import msgspec

from opensmm.domain.call_faults import CallAnswer, CallCode, CallFault

_MARK: Final = '{"fault":'
"""The beginning of a stored fault. Words of another panel that begin so get a blank, so that none passes for one."""
_CODES: Final = frozenset(CallCode)


def written(answer: CallAnswer) -> str:
    """Returns an answer as it is stored."""
    if isinstance(answer, CallFault):
        return msgspec.json.encode({"fault": answer.code, **answer.fields}).decode()
    return f"{{ {answer[1:]}" if answer.startswith(_MARK) else answer


def read(kept: str) -> CallAnswer:
    """Returns a stored answer. Faults that older releases stored as prose, and those with a code that this release
    does not know, stay the text that they are."""
    if not kept.startswith(_MARK):
        return kept
    try:
        fields = msgspec.json.decode(kept, type=dict[str, str | int])
    except msgspec.DecodeError:
        return kept
    code = fields.pop("fault")
    return CallFault(CallCode(code), fields) if code in _CODES else kept
