"""Posts of a subscription: each order that a provider makes for one becomes an order of ours, charged when it is made.

A subscription lies at its provider whole. What the provider tells of it is bounded like everything it says: an order is
taken in once, never for more or less than the subscription allows, and never where another order has it already.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.base.ids import CustomerId, OrderId, ProviderId, ServiceId, order_key
from opensmm.base.money import Money
from opensmm.domain import links, pricing
from opensmm.domain.dispatch import ACCEPTED_STATES, DeliveryState
from opensmm.domain.orders import OrderState, OrderStatus

WAITS: Final = timedelta(hours=24)
"""How long a post's order waits for funds, or for its provider to tell how much it is for."""
ASK_AGAIN: Final = timedelta(minutes=1)
"""The longest pause between looks for new posts."""
MOST_LISTED: Final = 1000
"""Orders of one subscription that are read of an answer, and told in one: the newest."""


class PostState(StrEnum):
    """``untold``: its provider has not said how much it is for. ``unpaid``: its customer cannot pay for it now.
    ``made``: it is an order of ours. ``taken``: another order of ours bears its id. ``lost``: it waited too long."""

    UNTOLD = "untold"
    UNPAID = "unpaid"
    MADE = "made"
    TAKEN = "taken"
    LOST = "lost"


WAITING: Final = frozenset((PostState.UNTOLD, PostState.UNPAID))


class Watched(Struct, frozen=True):
    """What a provider said of a subscription, or of a post's order. ``orders`` are those made for posts, oldest first;
    ``quantity`` and ``link`` are told by few."""

    status: OrderStatus
    remains: int | None = None
    quantity: int | None = None
    link: str = ""
    orders: tuple[str, ...] = ()


class KnownPost(Struct, frozen=True):
    """A post's order that was told before. ``missing``: its provider listed it once, and does no longer."""

    provider_order: str
    state: PostState
    seen: datetime
    missing: bool = False


class Subscription(Struct, frozen=True):
    """A subscription under lock, with what its customer can spend and is charged at this moment.

    ``newest``: nobody else was told of it since it was asked after.
    """

    order: OrderId
    customer: CustomerId
    service: ServiceId
    provider: ProviderId
    provider_service: str
    link: str
    min: int
    max: int
    rate: Decimal
    available: int
    suspended: bool
    newest: bool = True


class Post(Struct, frozen=True):
    """What becomes of a post's order. One that is ``made`` has a quantity, and a charge unless the service is free."""

    provider_order: str
    state: PostState
    quantity: int = 0
    charge: Money = Money(0)
    link: str = ""


def to_ask(listed: Iterable[str], known: Iterable[KnownPost]) -> list[str]:
    """The posts' orders that are new, or that wait; each once, those that wait first."""
    before = list(known)
    waiting = [post.provider_order for post in before if post.state in WAITING]
    keys = {order_key(post.provider_order) for post in before}
    new = {order_key(order): order for order in listed if order_key(order) not in keys}
    return [*waiting, *new.values()]


def gone(listed: Iterable[str], known: Iterable[KnownPost]) -> dict[str, bool]:
    """The known posts whose being listed has changed: True for one that is missing now, False for one that is back."""
    there = {order_key(order) for order in listed}
    full = len(there) >= MOST_LISTED
    now = {post: order_key(post.provider_order) not in there and not full for post in known}
    return {post.provider_order: missing for post, missing in now.items() if post.missing != missing}


def quantity(said: Watched, least: int, most: int) -> int | None:
    """How much a post's order is for, or None while that is not told. In doubt it is the less, for the customer's good.

    Most panels tell what remains and not what was ordered: before the delivery begins that is the same.
    """
    least = max(least, 1)
    if said.quantity is not None and least <= said.quantity <= most:
        return said.quantity
    if least == most:
        return least
    told = 0 if said.remains is None else said.remains
    if least <= told <= most:
        return told
    if said.status in (OrderStatus.PENDING, OrderStatus.PROCESSING):
        return None
    return min(max(told, least), most)


def take_in(
    subscription: Subscription,
    said: Mapping[str, Watched | None],
    known: Iterable[KnownPost],
    taken: frozenset[str],
    now: datetime,
) -> list[Post]:
    """What becomes of posts' orders that are new or wait, in the order asked about; what stays as it was is left out.

    From the first that cannot be paid on, the others wait behind it.
    """
    before = {post.provider_order: post for post in known}
    available = -1 if subscription.suspended else subscription.available
    changed: list[Post] = []
    for order, answer in said.items():
        was = before.get(order)
        if was is not None and was.state not in WAITING:
            continue
        post = _decide(subscription, order, answer, available, taken)
        if post.state is PostState.MADE:
            available -= post.charge
        elif post.state is PostState.UNPAID:
            available = -1
        if post.state in WAITING and was is not None and now - was.seen >= WAITS:
            post = Post(order, PostState.LOST)
        if was is None or post.state is not was.state:
            changed.append(post)
    return changed


def _decide(
    subscription: Subscription, order: str, said: Watched | None, available: int, taken: frozenset[str]
) -> Post:
    if order in taken:
        return Post(order, PostState.TAKEN)
    wanted = None if said is None else quantity(said, subscription.min, subscription.max)
    if said is None or wanted is None:
        return Post(order, PostState.UNTOLD)
    charge = pricing.charge(subscription.rate, wanted)
    if charge > available:
        return Post(order, PostState.UNPAID)
    link = said.link if links.acceptable(said.link) else subscription.link
    return Post(order, PostState.MADE, wanted, charge, link)


class Standing(Struct, frozen=True):
    """Where a subscription stands after its posts were looked at. ``give_up``: its provider is asked to cancel it."""

    delivery: DeliveryState
    order: OrderState
    give_up: bool


def stand(told: DeliveryState, known: Iterable[KnownPost], changed: Iterable[Post]) -> Standing:
    """A subscription ends when none of its posts waits any more; without funds it pauses.

    A provider cannot be told to pause: where funds stay away for too long, it is asked to stop.
    """
    before = {post.provider_order: post.state for post in known}
    after = before | {post.provider_order: post.state for post in changed}
    lost_money = any(
        post.state is PostState.LOST and before.get(post.provider_order) is PostState.UNPAID for post in changed
    )
    waits = WAITING.intersection(after.values())
    ended = told not in ACCEPTED_STATES
    delivery = DeliveryState.PROCESSING if ended and waits and told is not DeliveryState.HELD else told
    paused = PostState.UNPAID in waits or (told is DeliveryState.PROCESSING)
    return Standing(delivery, OrderState.PAUSED if paused else OrderState.ACTIVE, lost_money and not ended)
