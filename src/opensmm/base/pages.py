"""Pages of long lists, found by an id: before it or after it, never by counting rows."""

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from msgspec import Struct

Row = TypeVar("Row")

PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 200
MAX_ID: Final = 2**63 - 1


class Keyset(Struct, frozen=True):
    """The place of a page in a list that runs from the highest id down to the lowest.

    ``before``: the rows next below an id. ``after``: the rows next above one. Neither: the newest rows. Raises
    ValueError where both are given, where an id is below 0, or where ``size`` is not from 1 to ``MAX_PAGE_SIZE``.
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
        """True where the rows are to be read upwards, from the lowest id."""
        return self.after is not None


class Page(Struct, Generic[Row], frozen=True):
    """Rows, highest id first, and the pages beside them: None where there is none.

    A page may hold fewer rows than its size, even none, and still have a next one: whoever filters looks through a
    bounded number of rows at a time.
    """

    rows: tuple[Row, ...]
    newer: Keyset | None
    older: Keyset | None


def page(place: Keyset, found: Sequence[Row], id_of: Callable[[Row], int], looked_to: int | None = None) -> Page[Row]:
    """The page at ``place``. ``found``: rows in the direction of reading, one more than the page holds where there are
    more. ``looked_to``: the id at which the search stopped before the list ended, None where it did not."""
    rows = list(found[: place.size])
    edge = id_of(rows[-1]) if len(found) > place.size else looked_to
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
