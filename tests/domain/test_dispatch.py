"""The closed table of what a delivery may become, and what becomes of it after a try."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensmm.domain import dripfeed
from opensmm.domain.dispatch import (
    ACCEPTED_STATES,
    END_STATES,
    TRANSITIONS,
    Accepted,
    Declined,
    Deferred,
    DeliveryState,
    Unsure,
    Verdict,
    after_sending,
    retry_after_s,
)


def test_every_state_has_its_line():
    assert set(DeliveryState) == set(TRANSITIONS)


def test_the_end_states_end():
    assert set() == {after for state in END_STATES for after in TRANSITIONS[state]}


def test_nothing_is_sent_but_what_is_queued():
    assert {DeliveryState.QUEUED} == {state for state, after in TRANSITIONS.items() if DeliveryState.SENDING in after}


def test_what_is_at_a_provider_is_never_queued_again():
    assert all(DeliveryState.QUEUED not in TRANSITIONS[state] for state in ACCEPTED_STATES)


@pytest.mark.parametrize(
    ("outcome", "routes_left", "hold", "verdict"),
    [
        (Accepted("7"), False, False, Verdict(DeliveryState.PENDING)),
        (Accepted("7"), True, True, Verdict(DeliveryState.PENDING)),
        (Unsure(""), True, False, Verdict(DeliveryState.UNSURE)),
        (Unsure(""), False, True, Verdict(DeliveryState.UNSURE)),
        (Deferred(""), True, True, Verdict(DeliveryState.QUEUED, later=True)),
        (Deferred(""), False, False, Verdict(DeliveryState.QUEUED, later=True)),
        (Declined(""), True, True, Verdict(DeliveryState.QUEUED, next_route=True)),
        (Declined(""), True, False, Verdict(DeliveryState.QUEUED, next_route=True)),
        (Declined(""), False, True, Verdict(DeliveryState.HELD)),
        (Declined(""), False, False, Verdict(DeliveryState.CANCELED)),
    ],
)
def test_only_a_proved_refusal_goes_on_to_the_next_provider(outcome, routes_left, hold, verdict):
    made = after_sending(outcome, routes_left=routes_left, hold_when_refused=hold)
    assert verdict == made
    assert made.state in TRANSITIONS[DeliveryState.SENDING]


def test_a_provider_that_fails_is_left_alone_for_a_growing_while():
    assert [1, 2, 5, 15, 30, 60, 60, 60] == [retry_after_s(failures) for failures in range(1, 9)]


DUE = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("late", "next_after"),
    [
        (timedelta(0), timedelta(minutes=10)),
        (timedelta(seconds=3), timedelta(minutes=10)),
        (timedelta(minutes=9), timedelta(minutes=10)),
        (timedelta(minutes=10), timedelta(minutes=20)),
        (timedelta(hours=5), timedelta(hours=5, minutes=10)),
    ],
)
def test_small_delays_do_not_add_up_and_missed_runs_are_not_fired_in_a_burst(late, next_after):
    assert DUE + next_after == dripfeed.next_due(DUE, DUE + late, 10)


@given(st.integers(0, 10**6), st.integers(1, 10**4))
def test_two_runs_are_never_released_at_once(late_s, interval_min):
    released = DUE + timedelta(seconds=late_s)
    following = dripfeed.next_due(DUE, released, interval_min)
    assert released < following <= released + timedelta(minutes=interval_min)
