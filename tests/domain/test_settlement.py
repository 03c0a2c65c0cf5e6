"""Ending: what was earned and what is given back are exactly the run's share of the charge."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmm.base.ids import CustomerId, OrderId
from opensmm.base.money import Money
from opensmm.domain import pricing
from opensmm.domain.ledger import COSTS, EARNED, HELD, PROVIDERS, AccountId, Transfer, TransferKind
from opensmm.domain.orders import OrderState
from opensmm.domain.polling import OrderEnd
from opensmm.domain.settlement import MOST_COST, EndedRun, OrderAtEnd, compute_earnings, settle

ANN, ORDER = CustomerId(1), OrderId(5)


def sold(rate="0.90", *, quantity=100, runs=1, runs_open=0, remains=0, packaged=False):
    return OrderAtEnd(ORDER, ANN, Decimal(rate), packaged, quantity, runs, runs_open, remains)


def earn(amount, run=1):
    return Transfer(HELD, EARNED, Money(amount), TransferKind.EARN, ANN, ORDER, run)


def give_back(amount, run=1):
    return Transfer(HELD, AccountId(ANN), Money(amount), TransferKind.REFUND, ANN, ORDER, run)


@pytest.mark.parametrize(
    ("remains", "transfers", "end"),
    [
        (0, (earn(9_000),), OrderEnd(OrderState.COMPLETED, 0)),
        (40, (earn(5_400), give_back(3_600)), OrderEnd(OrderState.PARTIAL, 40)),
        (100, (give_back(9_000),), OrderEnd(OrderState.CANCELED, 100)),
    ],
)
def test_what_was_delivered_is_earned_and_the_rest_goes_back(remains, transfers, end):
    made = settle(sold(remains=remains), [EndedRun(ORDER, 1, remains)])
    assert (transfers, end) == (made.transfers, made.end)


def test_the_refund_of_one_run_is_rounded_down():
    """A unit costs half of the smallest amount: of a charge of 2 for four units, 0.5 are earned and 1.5 are not."""
    made = settle(sold("0.005", quantity=4, remains=3), [EndedRun(ORDER, 1, 3)])
    assert (earn(1), give_back(1)) == made.transfers


def test_a_part_of_a_later_run_is_off_by_less_than_the_smallest_amount_either_way():
    """Each run delivers a unit of 0.5: exact totals go from 0 to 0.5, then from 1.5 to 2, and are rounded up."""
    made = [settle(sold("0.005", quantity=3, runs=2), [EndedRun(ORDER, run, 2)]) for run in (1, 2)]
    assert [(earn(1), give_back(1)), (give_back(1, run=2),)] == [settlement.transfers for settlement in made]


def test_a_package_goes_back_whole():
    made = settle(sold("4.75", quantity=1, remains=1, packaged=True), [EndedRun(ORDER, 1, 1)])
    assert ((give_back(475_000),), OrderEnd(OrderState.CANCELED, 1)) == (made.transfers, made.end)


def test_what_was_free_moves_no_money():
    made = settle(sold("0", remains=40), [EndedRun(ORDER, 1, 40)])
    assert ((), 0, 0, OrderEnd(OrderState.PARTIAL, 40)) == (made.transfers, made.earned, made.refunded, made.end)


def test_an_order_stays_open_while_a_run_is():
    made = settle(sold(runs=3, runs_open=2), [EndedRun(ORDER, 1, 0)])
    assert ((earn(9_000),), None) == (made.transfers, made.end)


def test_the_last_run_ends_the_order_by_what_all_runs_left():
    made = settle(sold(runs=3, remains=150), [EndedRun(ORDER, 3, 100), EndedRun(ORDER, 2, 50)])
    assert (give_back(9_000, 3), earn(4_500, 2), give_back(4_500, 2)) == made.transfers
    assert OrderEnd(OrderState.PARTIAL, 150) == made.end


def test_runs_of_which_nothing_was_delivered_are_one_transfer():
    ends = [EndedRun(ORDER, 4, 100), EndedRun(ORDER, 5, 40), *(EndedRun(ORDER, run, 100) for run in range(6, 1001))]
    made = settle(sold(runs=1000, remains=99_640), ends)
    assert (give_back(9_000 * 996, 4), earn(5_400, 5), give_back(3_600, 5)) == made.transfers
    assert (5_400, 9_000 * 996 + 3_600) == (made.earned, made.refunded)


@pytest.mark.parametrize(
    ("cost", "rate", "amount"),
    [("0.01", "1", 1_000), ("0.01", "1.1", 1_100), ("0.000001", "1", 1), ("1000000000000", "1", 10**17)],
)
def test_the_providers_cost_is_booked_in_our_currency(cost, rate, amount):
    made = settle(sold(), [EndedRun(ORDER, 1, 0, Decimal(cost), Decimal(rate))])
    assert Transfer(COSTS, PROVIDERS, Money(amount), TransferKind.COST, ANN, ORDER, 1) == made.transfers[-1]


@pytest.mark.parametrize("cost", [None, Decimal(0), Decimal(10) ** 13, Decimal("1e14")])
def test_no_cost_and_a_mad_cost_are_not_booked(cost):
    assert (earn(9_000),) == settle(sold(), [EndedRun(ORDER, 1, 0, cost)]).transfers
    assert MOST_COST < 2**63


RATES = st.decimals(min_value=Decimal("0.000001"), max_value=Decimal(10_000), places=6)


@given(RATES, st.integers(1, 10_000), st.lists(st.floats(0, 1), min_size=1, max_size=8), st.booleans())
def test_earned_and_given_back_are_the_whole_charge_however_the_runs_ended(rate, quantity, parts, at_once):
    runs = len(parts)
    ends = [EndedRun(ORDER, run, int(quantity * part)) for run, part in enumerate(parts, 1)]
    order = OrderAtEnd(ORDER, ANN, rate, False, quantity, runs, 0, sum(end.remains for end in ends))
    groups = [ends] if at_once else [[end] for end in ends]
    made = [settle(order, group) for group in groups]
    total = pricing.charge(rate, quantity * runs)
    assert total == sum(one.earned + one.refunded for one in made)
    assert all(transfer.amount > 0 for one in made for transfer in one.transfers)
    assert 0 <= sum(one.refunded for one in made) <= total


@given(RATES, st.integers(1, 300), st.integers(1, 5))
def test_every_partial_of_every_run_shares_the_charge_exactly(rate, quantity, run):
    share = compute_earnings(rate, quantity, run, quantity)
    order = OrderAtEnd(ORDER, ANN, rate, False, quantity, run, 1, 0)
    for remains in range(quantity + 1):
        made = settle(order, [EndedRun(ORDER, run, remains)])
        assert (share, None) == (made.earned + made.refunded, made.end)
