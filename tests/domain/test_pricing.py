"""What an order costs and what of it goes back: exact, rounded up, and never cheaper in parts."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmm.domain.pricing import charge
from opensmm.domain.settlement import compute_earnings

RATES = st.decimals(min_value=Decimal("0.000001"), max_value=Decimal(10_000), places=6)
QUANTITIES = st.integers(1, 10_000_000)


@pytest.mark.parametrize(
    ("rate", "billed", "packaged", "amount"),
    [
        ("0.90", 1000, False, 90_000),
        ("0.90", 100, False, 9_000),
        ("8", 3, False, 2_400),
        ("0.01", 1, False, 1),
        ("0.001", 1, False, 1),
        ("0.001", 11, False, 2),
        ("0.0000001", 1, False, 1),
        ("4.75", 1, True, 475_000),
        ("0.000001", 1, True, 1),
        ("0", 1000, False, 0),
        ("0.90", 0, False, 0),
        ("1e2", 10, False, 100_000),
    ],
)
def test_a_charge_is_the_rate_per_thousand_rounded_up(rate, billed, packaged, amount):
    assert amount == charge(Decimal(rate), billed, packaged=packaged)


@given(RATES, QUANTITIES, st.booleans())
def test_a_charge_is_the_least_money_that_is_not_less(rate, billed, packaged):
    exact = Fraction(rate) * billed * (100_000 if packaged else 100)
    assert 0 <= charge(rate, billed, packaged=packaged) - exact < 1


@given(RATES, QUANTITIES, st.booleans())
def test_what_is_not_free_costs_something(rate, billed, packaged):
    assert charge(rate, billed, packaged=packaged) > 0


@given(RATES, st.lists(QUANTITIES, min_size=1, max_size=6))
def test_splitting_an_order_is_never_cheaper(rate, parts):
    assert charge(rate, sum(parts)) <= sum(charge(rate, part) for part in parts)


@given(RATES, st.integers(1, 100_000), st.integers(1, 20))
def test_the_shares_of_all_runs_add_up_to_the_charge(rate, quantity, runs):
    shares = [compute_earnings(rate, quantity, run, quantity) for run in range(1, runs + 1)]
    assert charge(rate, quantity * runs) == sum(shares)


@given(RATES, st.integers(1, 100_000), st.integers(1, 20), st.data())
def test_what_is_earned_grows_with_what_is_delivered_and_stays_inside_the_share(rate, quantity, run, data):
    less = data.draw(st.integers(0, quantity))
    more = data.draw(st.integers(less, quantity))
    share = compute_earnings(rate, quantity, run, quantity)
    assert 0 <= compute_earnings(rate, quantity, run, less) <= compute_earnings(rate, quantity, run, more) <= share


@given(RATES, st.integers(1, 100_000), st.integers(1, 20))
def test_what_is_not_delivered_earns_nothing(rate, quantity, run):
    assert 0 == compute_earnings(rate, quantity, run, 0)


def test_a_package_is_earned_whole_or_not_at_all():
    rate = Decimal("4.75")
    assert (0, 475_000) == (
        compute_earnings(rate, 1, 1, 0, packaged=True),
        compute_earnings(rate, 1, 1, 1, packaged=True),
    )
