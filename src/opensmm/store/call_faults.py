"""Answers of calls as a text column stores them: another panel's words verbatim, a fault as JSON."""

from typing import Final

import msgspec

from opensmm.domain.call_faults import CallAnswer, CallCode, CallFault

_MARK: Final = '{"fault":'
"""The beginning of a stored fault. Another panel's words with this beginning are stored with a blank in it."""
_CODES: Final = frozenset(CallCode)


def encode(answer: CallAnswer) -> str:
    """Returns the text that is stored for an answer."""
    if isinstance(answer, CallFault):
        return msgspec.json.encode({"fault": answer.code, **answer.fields}).decode()
    return f"{{ {answer[1:]}" if answer.startswith(_MARK) else answer


def decode(stored: str) -> CallAnswer:
    """Returns the answer that a text stands for.

    Texts that older releases stored for faults, and faults with a code that this release does not know, are returned as
    they are.
    """
    if not stored.startswith(_MARK):
        return stored
    try:
        fields = msgspec.json.decode(stored, type=dict[str, str | int])
    except msgspec.DecodeError:
        return stored
    code = fields.pop("fault")
    return CallFault(CallCode(code), fields) if code in _CODES else stored
