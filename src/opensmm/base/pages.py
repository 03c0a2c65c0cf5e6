"""Keyset pagination: a page starts before or after an id, and never at a row's position."""

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from msgspec import Struct

Row = TypeVar("Row")

PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 200
MAX_ID: Final = 2**63 - 1


class Keyset(Struct, frozen=True):
    """The place of a page in a list with the highest id first.

    ``before``: the rows next below an id. ``after``: the rows next above an id. Neither: the newest rows. Raises
    ValueError if both are given, if an id is not from 0 to ``MAX_ID``, or if ``size`` is not from 1 to
    ``MAX_PAGE_SIZE``.
    """

    before: int | None = None
    after: int | None = None
    size: int = PAGE_SIZE

    def __post_init__(self) -> None:
        if self.before is not None and self.after is not None:
            raise ValueError("a page lies before an id or after one, not both")
        if not all(0 <= bound <= MAX_ID for bound in (self.before, self.after) if bound is not None):
            raise ValueError("an id of a page is from 0 to 2**63 - 1")
        if not 1 <= self.size <= MAX_PAGE_SIZE:
            raise ValueError(f"a page has from 1 to {MAX_PAGE_SIZE} rows")

    @property
    def ascends(self) -> bool:
        """True if the rows are read from the lowest id up."""
        return self.after is not None


class Page(Struct, Generic[Row], frozen=True):
    """Rows, highest id first, and the places of the newer and the older page; None if there is none.

    A page may have fewer rows than its size, even none, and still be followed by another: a filtered list reads a
    bounded number of rows at a time.
    """

    rows: tuple[Row, ...]
    newer: Keyset | None
    older: Keyset | None


def page(
    place: Keyset, read_rows: Sequence[Row], id_of: Callable[[Row], int], stopped_at: int | None = None
) -> Page[Row]:
    """Returns the page at ``place``.

    ``read_rows``: the rows in the direction of reading, one more than the page holds if there are more. ``stopped_at``:
    the id at which the search stopped before the end of the list; None if it reached the end.
    """
    rows = list(read_rows[: place.size])
    edge = id_of(rows[-1]) if len(read_rows) > place.size else stopped_at
    if place.ascends:
        assert place.after is not None
        rows.reverse()
        newer = None if edge is None else Keyset(after=edge, size=place.size)
        behind = id_of(rows[-1]) if rows else min(place.after + 1, MAX_ID)
        return Page(tuple(rows), newer, Keyset(before=behind, size=place.size))
    older = None if edge is None else Keyset(before=edge, size=place.size)
    if place.before is None:
        return Page(tuple(rows), None, older)
    ahead = id_of(rows[0]) if rows else max(place.before - 1, 0)
    return Page(tuple(rows), Keyset(after=ahead, size=place.size), older)
