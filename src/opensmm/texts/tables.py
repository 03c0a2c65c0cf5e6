"""The tables of the sources, by the name with which the contexts of their messages begin."""

from collections.abc import Mapping
from typing import Final, TypeVar

from opensmm.domain.codes import FieldCode, ShutCode
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.evidence import Conclusion
from opensmm.texts import (
    english,
    english_fields,
    english_findings,
    english_invariants,
    english_providers,
    english_setup,
)
from opensmm.texts.template import Words

_Code = TypeVar("_Code", bound=str)
_Text = TypeVar("_Text", Words, str)


def _by_code(table: Mapping[_Code, _Text]) -> Mapping[str, _Text]:
    return {str(code): text for code, text in table.items()}


TABLES: Final[Mapping[str, Mapping[str, Words] | Mapping[str, str]]] = {
    "finding": _by_code(english_findings.FINDINGS),
    "refusal": _by_code(english.REFUSALS),
    "setup": _by_code(english_setup.SETUP),
    "outage": _by_code(english_setup.OUTAGES),
    "power": _by_code(english_setup.POWERS),
    "invariant": _by_code(english_invariants.INVARIANTS),
    "event": _by_code(english.EVENTS),
    "change": _by_code(english.CHANGES),
    "line": _by_code(english.LINES),
    "warning": _by_code(english.WARNINGS),
    "call": _by_code(english_providers.CALLS),
    "list_doubt": _by_code(english_providers.DOUBTS),
    "stage": _by_code(english.STAGES),
    "audit": _by_code(english.ACTIONS),
    "why_shut": _by_code(english.SHUTS),
    "state": _by_code(english.STATES),
    "conclusion": _by_code(english.CONCLUSIONS),
    "limited_field": _by_code(english.FIELDS),
    "halt": _by_code(english_fields.HALTS),
    "field": _by_code(english_fields.LABELS),
    "part": _by_code(english_fields.PARTS),
    "empty": _by_code(english_fields.EMPTY),
    "form": _by_code(english_fields.FORMS),
    "delivery_method": _by_code(english_fields.METHODS),
    "refill_mode": _by_code(english_fields.REFILL_MODES),
    "kind": _by_code(english_fields.KINDS),
    "permit": _by_code(english_fields.PERMITS),
    "span": _by_code(english_fields.SPANS),
    "frame": _by_code(english_fields.FRAMES),
    "language": _by_code(english_fields.LANGUAGE),
}
"""The tables by name. A code's message has the context ``<name>.<code>``."""
TABLE_OF_TYPE: Final[Mapping[type, str]] = {
    ShutCode: "why_shut",
    Conclusion: "conclusion",
    DeliveryState: "state",
    FieldCode: "limited_field",
}
"""The table of each type of code that may be a field of a sentence."""
