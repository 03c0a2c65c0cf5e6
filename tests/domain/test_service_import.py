"""Importing a price list: what a plan says, before anything is written."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.panel import service

from opensmm.domain.catalogue import ServiceType
from opensmm.domain.codes import LineCode, LineFault
from opensmm.domain.pricing import PriceTerms, resale_rate
from opensmm.domain.provider_services import ProviderService, UnreadLine
from opensmm.domain.service_import import ImportTerms, plan

LIKES = ProviderService(
    "7", "Likes", "Theirs", ServiceType.DEFAULT, Decimal("0.90"), 10, 1000, refill=True, dripfeed=True
)
PLAIN = PriceTerms(Decimal(1))
TERMS = ImportTerms(PLAIN)


@pytest.mark.parametrize(
    ("rate", "terms", "ours"),
    [
        ("0.90", PLAIN, "0.9000"),
        ("0.90", PriceTerms(Decimal(1), Decimal(20)), "1.0800"),
        ("0.90", PriceTerms(Decimal(1), Decimal(20), Decimal("0.5")), "1.5800"),
        ("85", PriceTerms(Decimal("0.0119"), Decimal("12.5"), decimals=2), "1.14"),
        ("0.00001", PLAIN, "0.0001"),
        ("0.33333", PriceTerms(Decimal(1), decimals=0), "1"),
    ],
)
def test_our_rate_is_theirs_with_the_margin_rounded_up(rate, terms, ours):
    assert ours == str(resale_rate(Decimal(rate), terms))


@given(
    st.decimals(0, 10**6, places=5), st.decimals(0, 10**4, places=3), st.decimals(0, 100, places=4), st.integers(0, 8)
)
def test_rounding_never_eats_into_the_margin(rate, percent, fixed, decimals):
    ours = resale_rate(rate, PriceTerms(Decimal(1), percent, fixed, decimals))
    wanted = rate * (100 + percent) / 100 + fixed
    assert wanted <= ours < wanted + Decimal(1).scaleb(-decimals)


def test_what_is_new_comes_off_sale_and_under_the_name_of_our_category():
    answer = plan([LIKES], {}, [], structs.replace(TERMS, categories={"Theirs": "Ours"}), ["7"])
    (new,) = answer.new
    made = new.service
    assert (0, "Likes", "Ours", Decimal("0.9000"), 10, 1000) == (
        made.id, made.name, made.category, made.rate, made.min, made.max,
    )  # fmt: skip
    assert (False, True, False, True) == (made.on_sale, made.refill, made.cancel, made.dripfeed)


@pytest.mark.parametrize(
    "change", [{"type": None}, {"rate": Decimal(0)}, {"rate": Decimal(10**14)}], ids=["type", "free", "dear"]
)
def test_what_cannot_be_sold_is_left_out_and_named(change):
    answer = plan([structs.replace(LIKES, **change)], {}, [], TERMS, ["7"])
    assert ((), 1) == (answer.new, len(answer.left_out))


def test_ranges_follow_the_provider_and_prices_only_when_they_are_to():
    before = service(3, rate="2", min=50, max=500, name="My likes", dripfeed=True, refill=True)
    result = plan([LIKES], {"7": [before]}, [before.id], TERMS, ["7"])
    (unpriced,), (moved,) = result.to_write(reprice=False), result.to_write(reprice=True)
    assert structs.replace(before, min=10, max=1000) == unpriced
    assert structs.replace(unpriced, rate=Decimal("0.9000")) == moved
    assert result.changed[0].moved


def test_what_stands_as_it_should_is_not_touched():
    before = service(3, min=10, max=1000, refill=True, dripfeed=True)
    result = plan([LIKES], {"7": [before]}, [before.id], TERMS, ["7"])
    assert (1, (), []) == (result.same, result.changed, result.to_write(reprice=True))


def test_what_is_gone_is_told_where_nobody_else_has_it():
    alone, shared, filtered = service(1), service(2), service(3)
    result = plan([], {"7": [alone], "8": [shared], "9": [filtered]}, [alone.id, filtered.id], TERMS, ["9"])
    assert ((alone,), []) == (result.gone, result.to_write(reprice=False))


def test_the_price_of_another_type_is_none_of_ours():
    before, package = service(3), service(4, ServiceType.PACKAGE, min=1, max=1)
    dear = structs.replace(LIKES, type=ServiceType.PACKAGE, rate=Decimal(30), min=1, max=1)
    result = plan([dear], {"7": [before, package]}, [before.id], TERMS, ["7"])
    assert [package.id] == [one.before.id for one in result.changed]
    assert ((), 0, (UnreadLine("7", "Likes", LineFault(LineCode.OTHER_TYPE)),)) == (
        result.new,
        result.same,
        result.left_out,
    )
