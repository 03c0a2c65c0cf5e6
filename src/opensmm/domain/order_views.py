"""."""

from datetime import date, datetime
from typing import Final

from msgspec import Struct

from opensmm.base.ids import OrderId
from opensmm.base.money import Money
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.orders import OrderState, OrderStatus

_WORD: Final = {
    DeliveryState.QUEUED: OrderStatus.PENDING,
    DeliveryState.SENDING: OrderStatus.PROCESSING,
    DeliveryState.UNSURE: OrderStatus.PROCESSING,
    DeliveryState.HELD: OrderStatus.PROCESSING,
    DeliveryState.PENDING: OrderStatus.PENDING,
    DeliveryState.PROCESSING: OrderStatus.PROCESSING,
    DeliveryState.IN_PROGRESS: OrderStatus.IN_PROGRESS,
    DeliveryState.COMPLETED: OrderStatus.COMPLETED,
    DeliveryState.PARTIAL: OrderStatus.PARTIAL,
    DeliveryState.CANCELED: OrderStatus.CANCELED,
}


_OWN_WORD: Final = {
    OrderState.ACTIVE: OrderStatus.IN_PROGRESS,
    OrderState.PAUSED: OrderStatus.PROCESSING,
    OrderState.COMPLETED: OrderStatus.COMPLETED,
    OrderState.PARTIAL: OrderStatus.PARTIAL,
    OrderState.CANCELED: OrderStatus.CANCELED,
}


_UNSENT: Final = frozenset((DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNSURE))


def status_word(state: OrderState, first_run: DeliveryState | None, runs: int) -> OrderStatus:
    """The customer's word: an ended order's own; of an open one its delivery's; of a drip-feed its first run's."""
    if state is not OrderState.OPEN or first_run is None:
        return _OWN_WORD.get(state, OrderStatus.PENDING)
    if runs > 1 and first_run not in _UNSENT:
        return OrderStatus.IN_PROGRESS
    return _WORD[first_run]


class ExtendedStatus(Struct, frozen=True):
    """What ``status`` tells of an order with ``extended=1``.

    ``quantity`` is of all runs together; ``orders`` are those made for the posts of a subscription, oldest first, and
    None of any other order.
    """

    quantity: int
    link: str
    orders: tuple[OrderId, ...] | None = None


class SubscriptionParts(Struct, frozen=True):
    """How many ``posts`` of a subscription have orders, and the newest of these ``orders``, oldest first."""

    expiry: date | None
    posts: int
    orders: tuple[OrderId, ...]


class DripFeedParts(Struct, frozen=True):
    """How many ``runs`` of a drip-feed have been sent on. They are no orders of their own."""

    runs: int


Parts = SubscriptionParts | DripFeedParts


class OrderView(Struct, frozen=True):
    """An order as its customer sees it. ``charge`` is what has been paid after refunds.

    ``unsummed``: so many runs have to be added up yet before it may be shown. ``runs``: more than one of a drip-feed,
    none of a subscription.
    """

    order: OrderId
    status: OrderStatus
    charge: Money
    start_count: int
    remains: int
    currency: str
    more: ExtendedStatus | Parts | None = None
    unsummed: int = 0
    runs: int = 1


class ListedOrder(Struct, frozen=True):
    """One line of the ``orders`` listing. ``quantity`` is of all runs together."""

    view: OrderView
    service: int
    link: str
    quantity: int
    created: datetime
