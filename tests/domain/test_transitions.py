"""The tables of transitions name every state, and the core moves along them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest

from opensmm.base.ids import CustomerId, OrderId, ProviderId, ServiceId
from opensmm.domain.dispatch import TRANSITIONS, DeliveryState
from opensmm.domain.orders import ENDED_ORDER_STATES, LIVE_ORDER_STATES, ORDER_TRANSITIONS, OrderState, OrderStatus
from opensmm.domain.refills import ENDED_REFILLS, OPEN_REFILLS, REFILL_TRANSITIONS, RefillStatus
from opensmm.domain.subscriptions import (
    POST_TRANSITIONS,
    POST_WAITS,
    WAITING,
    KnownPost,
    PostState,
    Subscription,
    SubscriptionReport,
    take_in,
)
from opensmm.domain.transitions import before, final, passing

NOW = datetime(2026, 12, 1, tzinfo=UTC)
TABLES = [
    (TRANSITIONS, DeliveryState),
    (ORDER_TRANSITIONS, OrderState),
    (REFILL_TRANSITIONS, RefillStatus),
    (POST_TRANSITIONS, PostState),
]


@pytest.mark.parametrize(("table", "states"), TABLES, ids=lambda part: getattr(part, "__name__", ""))
def test_a_table_has_every_state_and_an_end_that_can_be_reached_from_each(table, states):
    assert set(states) == set(table)
    assert set(states) == final(table) | passing(table)
    assert all(final(table) & table[state] for state in passing(table))


def test_the_sets_that_the_core_asks_for_are_those_of_the_tables():
    assert {OrderState.OPEN, OrderState.ACTIVE, OrderState.PAUSED} == LIVE_ORDER_STATES
    assert {OrderState.COMPLETED, OrderState.PARTIAL, OrderState.CANCELED} == ENDED_ORDER_STATES
    assert {RefillStatus.PENDING, RefillStatus.IN_PROGRESS} == OPEN_REFILLS
    assert {RefillStatus.COMPLETED, RefillStatus.REJECTED, RefillStatus.CANCELED} == ENDED_REFILLS
    assert {PostState.UNTOLD, PostState.UNPAID} == WAITING


def test_before_are_the_states_from_which_all_targets_are_one_step_away():
    assert {DeliveryState.QUEUED} == before(TRANSITIONS, DeliveryState.SENDING)
    assert {DeliveryState.SENDING, DeliveryState.UNSURE} == before(
        TRANSITIONS, DeliveryState.QUEUED, DeliveryState.PENDING, DeliveryState.CANCELED, DeliveryState.HELD
    )
    assert {OrderState.ACTIVE} == before(ORDER_TRANSITIONS, OrderState.PAUSED)


def subscription(available):
    ids = OrderId(1), CustomerId(1), ServiceId(1), ProviderId(1)
    return Subscription(*ids, "1", "https://x.test/a", 10, 20, Decimal(1), available, suspended=False)


ANSWERS = (
    None,
    SubscriptionReport(OrderStatus.PENDING),
    SubscriptionReport(OrderStatus.PENDING, remains=15),
    SubscriptionReport(OrderStatus.COMPLETED, remains=0),
)


def test_a_post_moves_along_the_table_whatever_its_provider_and_its_customer_do():
    seen = set()
    choices = product(PostState, ANSWERS, (0, 10**9), (frozenset(), frozenset({"7"})), (timedelta(0), POST_WAITS))
    for state, answer, available, taken, age in choices:
        posts = [KnownPost("7", state, NOW - age)]
        for post in take_in(subscription(available), {"7": answer}, posts, taken, NOW):
            seen.add((state, post.state))
    assert {(state, after) for state, steps in POST_TRANSITIONS.items() for after in steps} == seen
