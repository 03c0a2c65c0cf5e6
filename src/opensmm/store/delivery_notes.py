"""Notes on deliveries: a code and fields for the operator, and since when they hold."""

from collections.abc import Iterable
from typing import Final

from opensmm.domain.codes import DeliveryNote, EventCode
from opensmm.store import coded
from opensmm.store.arrays import texts

NOTE: Final = "nullif(told.note, '')::jsonb"
NOTED: Final = """case when told.note = '' then null
    when d.note->>'code' = told.note::jsonb->>'code' then d.noted
    else coalesce(%s::timestamptz, clock_timestamp()) end"""
"""Since when delivery ``d`` has the note that is ``told``: another answer of the same kind does not count anew."""


def notes(told: Iterable[DeliveryNote | None]) -> str:
    """Notes for an array of texts, empty where there is none."""
    return texts("" if note is None else written(note) for note in told)


def written(note: DeliveryNote) -> str:
    fields = {name: None if value is None else str(value) for name, value in note.fields.items()}
    return coded.written(note.code, fields)


def read(kept: object) -> DeliveryNote | None:
    """A note as it was kept; None where there is none, or of a code that this version does not know."""
    if not isinstance(kept, dict) or kept.get("code") not in set(EventCode):
        return None
    return DeliveryNote(EventCode(kept["code"]), {name: value for name, value in kept.items() if name != "code"})
