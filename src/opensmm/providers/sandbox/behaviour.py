"""The state of an order at the sandbox: a pure function of its behaviour and its age, so that no timer is needed."""

import re
from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.domain.orders import OrderStatus
from opensmm.domain.refills import RefillStatus

BEGINS_S: Final = 2.0
"""The age at which an order is no longer pending."""
ENDS_S: Final = 8.0
SLOW: Final = 60.0
"""The factor by which ``slow`` is slower."""
POST_EVERY_S: Final = 4.0
"""Seconds between two posts of a subscribed account."""
MOST_POSTS: Final = 10
"""New posts of one account. An unlimited subscription must not make orders without end."""
_PARTIAL: Final = re.compile(r"partial-([0-9]{1,2})")


class Behaviour(StrEnum):
    """The behaviour of an order, chosen by the last segment of its link."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    CANCELED = "canceled"
    SLOW = "slow"
    STUCK = "stuck"
    REFUSE = "refuse"
    TIMEOUT = "timeout"
    LOST = "lost"
    LOST_ONCE = "lost-once"
    GARBAGE = "garbage"
    DROP = "drop"
    NO_REFILL = "no-refill"


class DeliveryPlan(Struct, frozen=True):
    """The behaviour of an order, and the ``percent`` of its quantity that will be delivered."""

    behaviour: Behaviour
    percent: int = 100


_NAMED: Final = {
    behaviour.value: behaviour for behaviour in Behaviour if behaviour not in (Behaviour.COMPLETE, Behaviour.PARTIAL)
}


def last_segment(link: str) -> str:
    return link.partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2]


def plan(link: str) -> DeliveryPlan:
    """Reads the plan from a link. An order with any other link completes."""
    segment = last_segment(link).lower()
    partial = _PARTIAL.fullmatch(segment)
    if partial:
        return DeliveryPlan(Behaviour.PARTIAL, int(partial[1]))
    return DeliveryPlan(_NAMED.get(segment, Behaviour.COMPLETE))


class SandboxState(Struct, frozen=True):
    status: OrderStatus
    remains: int


def state_at(order: DeliveryPlan, quantity: int, age_s: float, canceled_age_s: float | None = None) -> SandboxState:
    """Returns the state of an order of ``quantity`` units, at an age in the sandbox's own seconds.

    A cancel keeps the state of its own moment.
    """
    if canceled_age_s is not None:
        stopped = state_at(order, quantity, canceled_age_s)
        if stopped.status in (OrderStatus.PENDING, OrderStatus.IN_PROGRESS):
            status = OrderStatus.CANCELED if stopped.remains == quantity else OrderStatus.PARTIAL
            return SandboxState(status, stopped.remains)
        return stopped
    if age_s < BEGINS_S or order.behaviour is Behaviour.STUCK:
        return SandboxState(OrderStatus.PENDING, quantity)
    ends_s = ENDS_S * SLOW if order.behaviour is Behaviour.SLOW else ENDS_S
    done = min(1.0, (age_s - BEGINS_S) / (ends_s - BEGINS_S))
    if order.behaviour is Behaviour.CANCELED:
        return SandboxState(OrderStatus.IN_PROGRESS if done < 0.5 else OrderStatus.CANCELED, quantity)
    goal = quantity * order.percent // 100
    if done < 1.0:
        return SandboxState(OrderStatus.IN_PROGRESS, quantity - int(goal * done))
    return _ended(quantity, goal)


def _ended(quantity: int, goal: int) -> SandboxState:
    if goal == quantity:
        return SandboxState(OrderStatus.COMPLETED, 0)
    return SandboxState(OrderStatus.PARTIAL if goal else OrderStatus.CANCELED, quantity - goal)


def refill_at(order: DeliveryPlan, age_s: float) -> RefillStatus:
    """Returns the status of a refill at an age in the sandbox's own seconds. Only a refill of ``drop`` takes time."""
    if age_s < BEGINS_S:
        return RefillStatus.PENDING
    if order.behaviour is Behaviour.NO_REFILL:
        return RefillStatus.REJECTED
    if order.behaviour is Behaviour.DROP and age_s < ENDS_S:
        return RefillStatus.IN_PROGRESS
    return RefillStatus.COMPLETED


def posts_at(order: DeliveryPlan, new_wanted: int | None, old: int, age_s: float) -> tuple[int, bool]:
    """Returns how many posts of a subscription have orders at an age, and True if all ``new_wanted`` ones are there.

    The ``old`` posts come at once. ``stuck`` makes none; ``slow`` makes new ones more slowly.
    """
    if age_s < BEGINS_S or order.behaviour is Behaviour.STUCK:
        return 0, False
    pause_s = POST_EVERY_S * (SLOW if order.behaviour is Behaviour.SLOW else 1.0)
    most = MOST_POSTS if new_wanted is None else min(new_wanted, MOST_POSTS)
    new = min(int((age_s - BEGINS_S) / pause_s), most)
    return min(old, MOST_POSTS) + new, new == new_wanted
