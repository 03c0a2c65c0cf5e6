"""Doubts that keep a price list from being applied, as a text column of the provider stores them."""

from opensmm.domain.price_sync import DoubtCode, ListDoubt
from opensmm.store import coded


def encode(doubt: ListDoubt) -> str:
    return coded.encode(doubt.code, doubt.fields)


def decode(stored: str) -> ListDoubt | str:
    """Returns the stored doubt; an empty text if the newest list was applied.

    A text of an older release, and a doubt with a code that this release does not know, are returned as they are.
    """
    doubt = coded.decode(stored, DoubtCode, dict[str, str | int])
    return stored if doubt is None else ListDoubt(*doubt)
