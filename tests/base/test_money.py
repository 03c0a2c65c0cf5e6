"""Money counts hundred-thousandths exactly, and is written as the wire has it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmm.base.money import Money, ceiling, five_decimals, format_amount, four_decimals_up, money

ANY = st.integers(-(10**15), 10**15).map(Money)
NOT_NEGATIVE = st.integers(0, 10**15).map(Money)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("10.00", 1_000_000),
        ("0.00001", 1),
        ("-2.5", -250_000),
        ("100.84292", 10_084_292),
    ],
)
def test_an_amount_is_read_exactly(text, amount):
    assert amount == money(text)


@pytest.mark.parametrize("text", ["0.000001", "1.123456", "NaN", "Infinity", "-Infinity"])
def test_what_is_no_exact_amount_is_refused(text):
    with pytest.raises((ValueError, ArithmeticError)):
        money(text)


@pytest.mark.parametrize(
    "text", ["", "x", "1,5", "1.2.3", "1e3", "1_0", "١٠", "１", "+5", " 5", "5\n", ".5", "5.", "--5"]
)
def test_what_is_not_written_plainly_is_refused(text):
    with pytest.raises(ValueError, match="is not a number"):
        money(text)


@pytest.mark.parametrize(
    ("exact", "amount"), [("0.000001", 1), ("0.00001", 1), ("0.000011", 2), ("-0.000011", -1), ("1", 100_000)]
)
def test_a_ceiling_is_never_less_than_the_amount(exact, amount):
    assert amount == ceiling(Decimal(exact))


def test_a_ceiling_is_exact_where_a_context_of_28_digits_would_not_be():
    assert 12345678901234567890123456789000002 == ceiling(Decimal("123456789012345678901234567890.000011"))


@pytest.mark.parametrize(
    ("amount", "five", "four"),
    [
        (0, "0.00000", "0.0000"),
        (1, "0.00001", "0.0001"),
        (10, "0.00010", "0.0001"),
        (11, "0.00011", "0.0002"),
        (27_819, "0.27819", "0.2782"),
        (3_600, "0.03600", "0.0360"),
        (126_000, "1.26000", "1.2600"),
        (99_999, "0.99999", "1.0000"),
        (123_456_789, "1234.56789", "1234.5679"),
    ],
)
def test_charges_are_written_with_five_decimals_or_four_rounded_up(amount, five, four):
    assert (five, four) == (five_decimals(Money(amount)), four_decimals_up(Money(amount)))


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00"),
        (1, "0.00001"),
        (3_000, "0.03"),
        (10_084_292, "100.84292"),
        (100_000, "1.00"),
        (110_000, "1.10"),
        (123_400, "1.234"),
        (-50_000, "-0.50"),
        (-1, "-0.00001"),
        (1_000_000_000, "10000.00"),
    ],
)
def test_a_balance_has_two_to_five_decimals(amount, text):
    assert text == format_amount(Money(amount))


@given(ANY)
def test_what_is_written_reads_back_as_the_same_money(amount):
    assert (amount, amount) == (money(five_decimals(amount)), money(format_amount(amount)))


@given(NOT_NEGATIVE)
def test_four_decimals_never_say_less_and_at_most_a_unit_more(amount):
    shown = money(four_decimals_up(amount))
    assert amount <= shown < amount + 10
