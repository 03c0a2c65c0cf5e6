"""Pages of a list: no row is left out or shown twice, whichever way one goes."""

import pytest

from opensmm.base.pages import MAX_ID, MAX_PAGE_SIZE, Keyset, Page, page

IDS = [3, 4, 8, 15, 16, 23, 42]


def read(place):
    """What a statement finds, one row more than the page holds."""
    if place.ascends:
        numbers = [number for number in IDS if number > place.after]
    else:
        numbers = [number for number in reversed(IDS) if place.before is None or number < place.before]
    return page(place, numbers[: place.size + 1], int)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_a_walk_down_and_up_again_meets_every_row_once(size):
    pages = [read(Keyset(size=size))]
    while (older := pages[-1].older) is not None:
        pages.append(read(older))
    assert IDS[::-1] == [row for one in pages for row in one.rows]
    back = [pages[-1]]
    while (newer := back[-1].newer) is not None:
        back.append(read(newer))
    assert IDS == [row for one in back for row in reversed(one.rows)]


def test_the_first_page_has_nothing_newer_and_the_last_nothing_older():
    assert Page((42, 23), None, Keyset(before=23, size=2)) == read(Keyset(size=2))
    assert Page((4, 3), Keyset(after=4, size=2), None) == read(Keyset(before=8, size=2))
    assert Page((), None, None) == page(Keyset(), [], int)


def test_a_search_that_stopped_goes_on_where_it_stopped():
    assert Page((), None, Keyset(before=17)) == page(Keyset(), [], int, stopped_at=17)
    assert Page((9,), Keyset(after=9), Keyset(before=7)) == page(Keyset(before=20), [9], int, stopped_at=7)
    assert Page((), Keyset(after=30), Keyset(before=21)) == page(Keyset(after=20), [], int, stopped_at=30)


@pytest.mark.parametrize(
    "fields",
    [{"before": 1, "after": 1}, {"before": -1}, {"after": MAX_ID + 1}, {"size": 0}, {"size": MAX_PAGE_SIZE + 1}],
)
def test_a_place_that_is_none_is_refused(fields):
    with pytest.raises(ValueError, match="page"):
        Keyset(**fields)
