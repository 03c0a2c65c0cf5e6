"""The one rule for names and longer texts that an operator types."""

import pytest

from opensmm.domain.codes import FieldCode
from opensmm.domain.names import check_name, check_range, check_text, clean_name, clean_text, name_refusal, text_refusal
from opensmm.domain.operator_refusals import MISUSES, OperatorRefusal, RefusalCode

UNFIT = ("a\x00b", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b", "a\u202eb", "a\u2066b", "a\ud800b")


def code(refused):
    return None if refused is None else refused.code


@pytest.mark.parametrize(
    "name", ["Likes", " Likes ", "مشاهدات", "می\u200cخواهم", "👩\u200d🚀 views", "a\u200eb", "x" * 5 + " " * 3]
)
def test_a_name_on_one_line_will_do(name):
    assert None is name_refusal(name, 20)
    check_name(name, 20)


@pytest.mark.parametrize("name", [*UNFIT, "a\nb", "a\tb", "a\rb"])
def test_a_name_has_no_control_characters_and_none_that_turn_its_direction(name):
    assert RefusalCode.FIELD_UNFIT is code(name_refusal(name, 20))


@pytest.mark.parametrize("name", ["", " ", "\n", "\u00a0"])
def test_a_blank_name_is_refused(name):
    assert RefusalCode.FIELD_BLANK is code(name_refusal(name, 20))


def test_a_refusal_names_the_field_and_its_limit():
    with pytest.raises(OperatorRefusal) as refused:
        check_name("x" * 21, 20, FieldCode.CATEGORY)
    assert (RefusalCode.FIELD_TOO_LONG, {"field": FieldCode.CATEGORY, "most": 20}) == (
        refused.value.code,
        refused.value.fields,
    )
    assert refused.value.code in MISUSES
    check_name("x" * 20, 20, FieldCode.CATEGORY)


def test_a_longer_text_may_be_empty_and_have_lines():
    assert None is text_refusal("", 20, FieldCode.DESCRIPTION)
    check_text("two\n\tlines", 20, FieldCode.DESCRIPTION)
    assert RefusalCode.FIELD_TOO_LONG is code(text_refusal("x" * 21, 20, FieldCode.DESCRIPTION))


@pytest.mark.parametrize("text", [*UNFIT, "a\rb"])
def test_a_longer_text_has_no_other_control_characters(text):
    with pytest.raises(OperatorRefusal) as refused:
        check_text(text, 20, FieldCode.DESCRIPTION)
    assert RefusalCode.FIELD_UNFIT is refused.value.code


@pytest.mark.parametrize(
    ("text", "name"),
    [(" a\nb\t", "a b"), ("\u202ea\u2066b\x00", "ab"), ("\u202e", ""), ("می\u200cخواهم", "می\u200cخواهم")],
)
def test_a_name_that_somebody_else_gave_is_taken_without_what_no_name_has(text, name):
    assert name == clean_name(text)
    assert not name or name_refusal(name, 20) is None


def test_a_text_that_somebody_else_gave_keeps_its_lines():
    assert "a\nb" == clean_text("\u202ea\r\nb\x00\n")


@pytest.mark.parametrize("number", [0, 5])
def test_a_number_lies_in_its_range(number):
    check_range(number, 0, 5, FieldCode.NAME)
    with pytest.raises(OperatorRefusal):
        check_range(number, 1, 4, FieldCode.NAME)
