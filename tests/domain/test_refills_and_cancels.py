"""When a refill may be asked for, and what a cancel does to each delivery."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from opensmm.domain import cancels, refills
from opensmm.domain.cancels import CancelStep, CancelSubject, DeliveryPart
from opensmm.domain.dispatch import END_STATES, DeliveryState
from opensmm.domain.orders import OrderState
from opensmm.domain.refills import Refillable
from opensmm.domain.request_refusals import UNKNOWN_ORDER, Refusal, Refused

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def order(state=OrderState.COMPLETED, *, offered=True, wait_h=24, ended_h=48, open_refill=False, last_h=None):
    return Refillable(
        state,
        offered,
        wait_h,
        NOON - timedelta(hours=ended_h),
        open_refill,
        None if last_h is None else NOON - timedelta(hours=last_h),
    )


def test_without_a_wait_a_refill_is_not_too_early_for_a_clock_that_is_behind():
    assert refills.check(order(wait_h=0, ended_h=-0.001), NOON) is None


@pytest.mark.parametrize(
    "fit", [order(), order(ended_h=24), order(last_h=24), order(wait_h=0, ended_h=0), order(wait_h=0, last_h=0)]
)
def test_a_completed_order_may_be_refilled_once_the_wait_is_over(fit):
    assert None is refills.check(fit, NOON)


@pytest.mark.parametrize(
    ("subject", "why"),
    [
        (None, Refusal.ORDER_UNKNOWN),
        (order(offered=False), Refusal.REFILL_DISABLED),
        (order(offered=False, state=OrderState.OPEN), Refusal.REFILL_DISABLED),
        *((order(state), Refusal.REFILL_NOT_COMPLETED) for state in OrderState if state is not OrderState.COMPLETED),
        (order(open_refill=True), Refusal.REFILL_OPEN),
        (order(open_refill=True, ended_h=1), Refusal.REFILL_OPEN),
        (order(ended_h=23), Refusal.REFILL_TOO_EARLY),
        (order(last_h=23), Refusal.REFILL_TOO_EARLY),
    ],
)
def test_a_refill_is_refused_for_the_first_reason_there_is(subject, why):
    assert Refused(why) == refills.check(subject, NOON)


@pytest.mark.parametrize(
    ("days", "ended_h", "refused"),
    [(None, 10**5, None), (30, 720, None), (30, 721, Refused(Refusal.REFILL_DISABLED)), (1, 24, None)],
)
def test_a_refill_is_refused_beyond_its_window(days, ended_h, refused):
    answer = replace(order(wait_h=0, ended_h=ended_h), within_days=days)
    assert refused == refills.check(answer, NOON)


MOVING = (OrderState.OPEN, OrderState.ACTIVE, OrderState.PAUSED)


@pytest.mark.parametrize("state", MOVING)
def test_what_was_never_sent_ends_at_once_and_what_may_be_at_a_provider_is_asked_about(state):
    for accepted, nobodys in ((True, {DeliveryState.QUEUED}), (False, {DeliveryState.QUEUED, DeliveryState.HELD})):
        steps = cancels.decide(CancelSubject(state, True, [DeliveryPart(one, accepted) for one in DeliveryState]))
        assert not isinstance(steps, Refused)
        expected = {
            one: CancelStep.END if one in nobodys else CancelStep.LEAVE if one in END_STATES else CancelStep.ASK
            for one in DeliveryState
        }
        assert expected == dict(zip(DeliveryState, steps, strict=True))


@pytest.mark.parametrize("state", [state for state in OrderState if state not in MOVING])
def test_an_ended_order_cannot_be_cancelled(state):
    ended = [DeliveryPart(DeliveryState.COMPLETED, True)]
    assert Refused(Refusal.NOT_CANCELABLE) == cancels.decide(CancelSubject(state, True, ended))


@pytest.mark.parametrize("state", OrderState)
def test_where_no_cancel_is_offered_none_is_taken(state):
    unsent = [DeliveryPart(DeliveryState.QUEUED, False)]
    assert Refused(Refusal.NOT_CANCELABLE) == cancels.decide(CancelSubject(state, False, unsent))


def test_an_order_that_is_not_there_is_unknown():
    assert UNKNOWN_ORDER == cancels.decide(None)
