"""Notes on deliveries: a code with fields for the operator, and the time from which it holds."""

from collections.abc import Iterable
from typing import Final

from opensmm.domain.codes import DeliveryNote, EventCode
from opensmm.store import coded
from opensmm.store.arrays import texts

_CODES: Final = frozenset(EventCode)
NOTE: Final = "nullif(told.note, '')::jsonb"
"""The note in a row ``told`` of a statement's parameters; null for an empty text."""
NOTED: Final = """case when told.note = '' then null
    when d.note->>'code' = told.note::jsonb->>'code' then d.noted
    else coalesce(%s::timestamptz, clock_timestamp()) end"""
"""The time from which delivery ``d`` has the note in ``told``. A newer note with the same code keeps that time."""


def encode_all(entries: Iterable[DeliveryNote | None]) -> str:
    """Returns notes as an array of texts, with an empty text for None."""
    return texts("" if note is None else encode(note) for note in entries)


def encode(note: DeliveryNote) -> str:
    fields = {name: None if value is None else str(value) for name, value in note.fields.items()}
    return coded.encode(note.code, fields)


def decode(stored: object) -> DeliveryNote | None:
    """Returns the stored note; None if there is none, or if this release does not know its code."""
    if not isinstance(stored, dict) or stored.get("code") not in _CODES:
        return None
    return DeliveryNote(EventCode(stored["code"]), {name: value for name, value in stored.items() if name != "code"})
