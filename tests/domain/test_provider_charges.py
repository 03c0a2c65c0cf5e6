"""What a provider's charges say of its price, and everything that they do not."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import StatusReport
from opensmm.domain.provider_charges import LEAST_SAMPLES, ChargeSample, find_unit_price, is_comparable, may_cost

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENT, CLOSED = START + timedelta(seconds=100), START + timedelta(seconds=120)


def bill(at, quantity=100, charge="0.09000", *, service="7", currency="USD"):
    sent = START + timedelta(seconds=at)
    return ChargeSample(service, quantity, Decimal(charge), currency, sent, sent + timedelta(seconds=1))


SAME = [bill(at) for at in (10, 20, 30, 190, 200, 210)]
MIXED = [*SAME, bill(40, 50, "0.04500"), bill(220, 200, "0.18000")]


def find_price(bills, quantity=100, service="7"):
    return find_unit_price(bills, service, quantity, SENT, CLOSED)


def make_report(charge, *, currency="USD", status=OrderStatus.COMPLETED):
    return StatusReport(status=status, charge=None if charge is None else Decimal(charge), currency=currency)


def test_what_was_charged_the_same_for_a_unit_before_and_after_is_the_price():
    price = find_price(MIXED, 500)
    assert price is not None
    assert price.least <= Fraction(9, 10_000) <= price.most
    assert (Fraction(1, 100_000), "USD") == (price.digit, price.currency)


def test_bills_for_one_quantity_tell_of_that_one_alone():
    assert find_price(SAME, 100) is not None
    assert None is find_price(SAME, 500), "it may be the same for every quantity"


@pytest.mark.parametrize(
    "bills",
    [
        MIXED[LEAST_SAMPLES:],
        [one for one in MIXED if one.sent < SENT],
        [*MIXED, bill(50, 100, "0.08999", currency="EUR")],
        [*MIXED, bill(230, 100, "0.10000")],
        [*MIXED, bill(230, 400, "0.09000")],
        [bill(at, 100 + at, "0.1") for at in (10, 20, 30, 190, 200, 210)],
        [bill(at, 100 + at, "0.00001") for at in (10, 20, 30, 190, 200, 210)],
        [*MIXED, bill(230, 100, "0")],
        [bill(at, service="8") for at in (10, 20, 30, 190, 200, 210)],
    ],
    ids=[
        "few before",
        "none after",
        "currencies",
        "price rose",
        "by the block",
        "flat",
        "too small",
        "one free",
        "other service",
    ],
)
def test_anything_else_shows_no_price(bills):
    assert (None, None) == (find_price(bills, 100), find_price(bills, 150))


def test_a_completed_order_costs_its_price():
    price = find_price(MIXED, 500)
    assert may_cost(price, 500, make_report("0.45000"))
    assert may_cost(price, 500, make_report("0.45"))
    assert not may_cost(price, 500, make_report("0.09"))
    assert not may_cost(price, 500, make_report("0.45010"))
    assert not may_cost(price, 500, make_report("0.27"))


def test_charges_rounded_up_to_the_cent_tell_large_orders_apart_and_small_ones_not():
    rounded = [bill(at, 100 + at, f"{-(-(100 + at) * 9 // 100) / 100:.2f}") for at in (10, 20, 30, 190, 200, 210)]
    price = find_price(rounded, 500)
    assert may_cost(price, 500, make_report("0.45"))
    assert may_cost(price, 500, make_report("0.46"))
    assert not may_cost(price, 500, make_report("0.90"))


@pytest.mark.parametrize(
    "report",
    [
        make_report(None),
        make_report("0"),
        make_report("0.00000"),
        make_report("-0.45"),
        make_report("0.45", currency="EUR"),
    ],
)
def test_no_charge_another_currency_and_what_is_not_completed_compare_with_nothing(report):
    assert not is_comparable(report, find_price(MIXED, 500))
    assert is_comparable(make_report("0.45"), find_price(MIXED, 500))
    assert is_comparable(make_report("0.45", currency=""), find_price(MIXED, 500))
