"""Orders as customers see them: statuses, and the fields of answers and lists."""

from datetime import date, datetime
from typing import Final

from msgspec import Struct

from opensmm.base.ids import OrderId
from opensmm.base.money import Money
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.orders import OrderState, OrderStatus

_STATUS_OF_DELIVERY: Final = {
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
_STATUS_OF_ORDER: Final = {
    OrderState.ACTIVE: OrderStatus.IN_PROGRESS,
    OrderState.PAUSED: OrderStatus.PROCESSING,
    OrderState.COMPLETED: OrderStatus.COMPLETED,
    OrderState.PARTIAL: OrderStatus.PARTIAL,
    OrderState.CANCELED: OrderStatus.CANCELED,
}
_NOT_ACCEPTED: Final = frozenset((DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.UNSURE))


def status_word(state: OrderState, first_run: DeliveryState | None, runs: int) -> OrderStatus:
    """Returns the status that a customer reads.

    It is an ended order's own; an open order has its delivery's, a drip-feed its first run's.
    """
    if state is not OrderState.OPEN or first_run is None:
        return _STATUS_OF_ORDER.get(state, OrderStatus.PENDING)
    if runs > 1 and first_run not in _NOT_ACCEPTED:
        return OrderStatus.IN_PROGRESS
    return _STATUS_OF_DELIVERY[first_run]


class ExtendedStatus(Struct, frozen=True):
    """Fields that ``status`` adds with ``extended=1``.

    ``quantity`` is of all runs together; ``orders`` are those made for a subscription's posts, oldest first, and None
    for any other order.
    """

    quantity: int
    link: str
    orders: tuple[OrderId, ...] | None = None


class SubscriptionParts(Struct, frozen=True):
    """Number of a subscription's ``posts`` that have orders, and the newest of these ``orders``, oldest first."""

    expiry: date | None
    posts: int
    orders: tuple[OrderId, ...]


class DripFeedParts(Struct, frozen=True):
    """Number of a drip-feed's ``runs`` that were sent. They are no orders of their own."""

    runs: int


Parts = SubscriptionParts | DripFeedParts


class OrderView(Struct, frozen=True):
    """An order as its customer sees it. ``charge`` is what was paid, less refunds.

    ``unsummed``: number of runs that must be added up before the view may be shown. ``runs``: more than one for a
    drip-feed, 0 for a subscription.
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
