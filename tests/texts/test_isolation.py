"""Values set apart from text of the other direction."""

import pytest

from opensmm.texts.isolation import Direction, isolate, isolate_code
from opensmm.web.markup import render_prose

RTL, LTR = Direction.RIGHT_TO_LEFT, Direction.LEFT_TO_RIGHT


@pytest.mark.parametrize(
    ("value", "direction", "shown"),
    [
        ("5000", RTL, "5000"),
        ("1,234.50", RTL, "1,234.50"),
        ("-5", RTL, "\u2068-5\u2069"),
        ("2026-12-01 09:05 UTC", RTL, "\u20682026-12-01 09:05 UTC\u2069"),
        ("Far", RTL, "\u2068Far\u2069"),
        ("مزوّد", RTL, "مزوّد"),
        ("مزوّد 2", RTL, "\u2068مزوّد 2\u2069"),
        ("مزوّد", LTR, "\u2068مزوّد\u2069"),
        ("Far", LTR, "Far"),
        ("مزوّد", Direction.UNMARKED, "مزوّد"),
        ("Far\u2069 \u202eaway", RTL, "\u2068Far away\u2069"),
    ],
)
def test_a_value_is_set_apart_where_it_would_turn_the_text(value, direction, shown):
    assert shown == isolate(value, direction)


def test_code_runs_left_to_right():
    assert "\u2066`opensmm health`\u2069" == isolate_code("opensmm health", RTL)
    assert "`opensmm health`" == isolate_code("opensmm health", LTR)


def test_pages_have_elements_in_place_of_the_marks():
    assert '<bdi>Far &lt;b&gt;</bdi> <code dir="ltr">x</code>' == render_prose("\u2068Far <b>\u2069 \u2066`x`\u2069")
    assert "\u2068Far" == render_prose("\u2068Far")
