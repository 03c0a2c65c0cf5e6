"""Why a price list was not taken over, as it is stored in a text column."""

from opensmm.domain.price_sync import DoubtCode, ListDoubt
from opensmm.store import coded


def written(doubt: ListDoubt) -> str:
    return coded.written(doubt.code, doubt.fields)


def read(kept: str) -> ListDoubt | str:
    """Returns a stored doubt. What older releases stored as prose, or a code that this release does not know, stays the
    text that it is; empty where the newest list was taken over."""
    stored = coded.read(kept, DoubtCode, dict[str, str | int])
    return kept if stored is None else ListDoubt(*stored)
