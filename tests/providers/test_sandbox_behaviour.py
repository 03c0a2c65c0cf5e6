"""How an order at the sandbox goes, by its link and its age."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmm.domain.orders import OrderStatus
from opensmm.domain.refills import RefillStatus
from opensmm.providers.sandbox.behaviour import (
    BEGINS_S,
    ENDS_S,
    MOST_POSTS,
    POST_EVERY_S,
    SLOW,
    Behaviour,
    DeliveryPlan,
    SandboxState,
    plan,
    posts_at,
    refill_at,
    state_at,
)

B, W, R = Behaviour, OrderStatus, RefillStatus
END = ENDS_S + 0.1


@pytest.mark.parametrize(
    ("link", "made"),
    [
        ("https://example.com/me", DeliveryPlan(B.COMPLETE)),
        ("https://example.com/", DeliveryPlan(B.COMPLETE)),
        ("https://example.com/complete", DeliveryPlan(B.COMPLETE)),
        ("https://example.com/partial-40", DeliveryPlan(B.PARTIAL, 40)),
        ("https://example.com/PARTIAL-40/", DeliveryPlan(B.PARTIAL, 40)),
        ("https://example.com/partial-0", DeliveryPlan(B.PARTIAL, 0)),
        ("https://example.com/partial-100", DeliveryPlan(B.COMPLETE)),
        ("https://example.com/partial", DeliveryPlan(B.COMPLETE)),
        ("https://example.com/canceled", DeliveryPlan(B.CANCELED)),
        ("https://example.com/slow?x=/stuck", DeliveryPlan(B.SLOW)),
        ("https://example.com/stuck#/slow", DeliveryPlan(B.STUCK)),
        ("https://example.com/refuse", DeliveryPlan(B.REFUSE)),
        ("https://example.com/timeout", DeliveryPlan(B.TIMEOUT)),
        ("https://example.com/lost", DeliveryPlan(B.LOST)),
        ("https://example.com/garbage", DeliveryPlan(B.GARBAGE)),
        ("https://example.com/lost-once", DeliveryPlan(B.LOST_ONCE)),
        ("https://example.com/drop", DeliveryPlan(B.DROP)),
        ("https://example.com/slow/me", DeliveryPlan(B.COMPLETE)),
        ("slow", DeliveryPlan(B.SLOW)),
        ("@slow", DeliveryPlan(B.COMPLETE)),
        ("", DeliveryPlan(B.COMPLETE)),
    ],
)
def test_the_last_segment_of_the_link_chooses_what_happens(link, made):
    assert made == plan(link)


@pytest.mark.parametrize(
    ("behaviour", "moments"),
    [
        (DeliveryPlan(B.COMPLETE), [(W.PENDING, 100), (W.IN_PROGRESS, 100), (W.IN_PROGRESS, 50), (W.COMPLETED, 0)]),
        (DeliveryPlan(B.DROP), [(W.PENDING, 100), (W.IN_PROGRESS, 100), (W.IN_PROGRESS, 50), (W.COMPLETED, 0)]),
        (DeliveryPlan(B.TIMEOUT), [(W.PENDING, 100), (W.IN_PROGRESS, 100), (W.IN_PROGRESS, 50), (W.COMPLETED, 0)]),
        (DeliveryPlan(B.PARTIAL, 40), [(W.PENDING, 100), (W.IN_PROGRESS, 100), (W.IN_PROGRESS, 80), (W.PARTIAL, 60)]),
        (DeliveryPlan(B.PARTIAL, 0), [(W.PENDING, 100), (W.IN_PROGRESS, 100), (W.IN_PROGRESS, 100), (W.CANCELED, 100)]),
        (DeliveryPlan(B.CANCELED), [(W.PENDING, 100), (W.IN_PROGRESS, 100), (W.CANCELED, 100), (W.CANCELED, 100)]),
        (DeliveryPlan(B.STUCK), [(W.PENDING, 100), (W.PENDING, 100), (W.PENDING, 100), (W.PENDING, 100)]),
        (DeliveryPlan(B.SLOW), [(W.PENDING, 100), (W.IN_PROGRESS, 100), (W.IN_PROGRESS, 100), (W.IN_PROGRESS, 99)]),
    ],
)
def test_an_order_goes_through_its_moments(behaviour, moments):
    ages = (0, BEGINS_S, (BEGINS_S + ENDS_S) / 2, END)
    assert [SandboxState(*moment) for moment in moments] == [state_at(behaviour, 100, age) for age in ages]


def test_slow_ends_too():
    assert SandboxState(W.COMPLETED, 0) == state_at(DeliveryPlan(B.SLOW), 100, ENDS_S * SLOW)


@pytest.mark.parametrize(
    ("canceled_at", "moment"),
    [(1, (W.CANCELED, 100)), (5, (W.PARTIAL, 50)), (END, (W.COMPLETED, 0))],
)
def test_a_cancel_stops_an_order_where_it_was(canceled_at, moment):
    assert SandboxState(*moment) == state_at(DeliveryPlan(B.COMPLETE), 100, 1000, canceled_at)


@given(
    st.sampled_from([DeliveryPlan(b) for b in B] + [DeliveryPlan(B.PARTIAL, 40)]),
    st.integers(1, 10**6),
    st.floats(0, 1000),
    st.floats(0, 1000),
)
def test_what_remains_only_shrinks_and_stays_in_range(behaviour, quantity, step, other):
    earlier, later = (state_at(behaviour, quantity, age) for age in sorted((step, other)))
    assert 0 <= later.remains <= earlier.remains <= quantity


@pytest.mark.parametrize(
    ("behaviour", "statuses"),
    [
        (DeliveryPlan(B.DROP), [R.PENDING, R.IN_PROGRESS, R.COMPLETED]),
        (DeliveryPlan(B.COMPLETE), [R.PENDING, R.COMPLETED, R.COMPLETED]),
        (DeliveryPlan(B.NO_REFILL), [R.PENDING, R.REJECTED, R.REJECTED]),
    ],
)
def test_a_refill_takes_its_time_where_something_was_lost(behaviour, statuses):
    assert statuses == [refill_at(behaviour, age) for age in (0, 5, END)]


SOON = BEGINS_S + POST_EVERY_S + 0.1


@pytest.mark.parametrize(
    ("behaviour", "wanted", "old", "age_s", "made"),
    [
        (B.COMPLETE, 3, 2, BEGINS_S - 0.1, (0, False)),
        (B.COMPLETE, 3, 2, BEGINS_S, (2, False)),
        (B.COMPLETE, 3, 2, SOON, (3, False)),
        (B.COMPLETE, 3, 2, 1000, (5, True)),
        (B.COMPLETE, 0, 2, BEGINS_S, (2, True)),
        (B.COMPLETE, None, 0, SOON, (1, False)),
        (B.COMPLETE, None, 0, 10**6, (MOST_POSTS, False)),
        (B.COMPLETE, MOST_POSTS, 0, 10**6, (MOST_POSTS, True)),
        (B.COMPLETE, MOST_POSTS + 1, 0, 10**6, (MOST_POSTS, False)),
        (B.SLOW, 3, 0, SOON, (0, False)),
        (B.SLOW, 3, 0, BEGINS_S + POST_EVERY_S * SLOW, (1, False)),
        (B.STUCK, 3, 2, 10**6, (0, False)),
    ],
)
def test_posts_appear_one_after_the_other(behaviour, wanted, old, age_s, made):
    assert made == posts_at(DeliveryPlan(behaviour), wanted, old, age_s)
