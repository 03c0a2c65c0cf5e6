"""Posts of a subscription: each order that a provider makes for one becomes an order of ours, charged when it is made.

A subscription lies at its provider whole. What the provider tells of it is bounded like everything it says: an order is
taken in once, never for more or less than the subscription allows, and never where another order has it already.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.base.ids import CustomerId, OrderId, ProviderId, ServiceId, order_key
from opensmm.base.money import Money
from opensmm.domain import links, pricing
from opensmm.domain.dispatch import ACCEPTED_STATES, DeliveryState
from opensmm.domain.orders import OrderState, OrderStatus
from opensmm.domain.transitions import passing

WAITS: Final = timedelta(hours=24)
"""How long a post's order waits for funds, or for its provider to tell how much it is for."""
ASK_AGAIN: Final = timedelta(minutes=1)
"""The longest pause between looks for new posts."""
MOST_LISTED: Final = 1000
"""Orders of one subscription that are read of an answer, and told in one: the newest."""

MOST_KEPT: Final = 10 * MOST_LISTED
"""Posts' orders of one subscription beyond which its provider is asked no more: no account posts so often, and a
provider may make up new ones at each look."""


class PostState(StrEnum):
    """``untold``: its provider has not said how much it is for. ``unpaid``: its customer cannot pay for it now.
    ``made``: it is an order of ours. ``taken``: another order of ours bears its id. ``lost``: it waited too long.
    ``beyond``: more posts than were asked for. ``expired``: made after the subscription had expired."""

    UNTOLD = "untold"
    UNPAID = "unpaid"
    MADE = "made"
    TAKEN = "taken"
    LOST = "lost"
    BEYOND = "beyond"
    EXPIRED = "expired"


_DECIDED: Final = frozenset((PostState.MADE, PostState.TAKEN, PostState.LOST))
POST_TRANSITIONS: Final = {
    PostState.UNTOLD: _DECIDED | {PostState.UNPAID},
    PostState.UNPAID: _DECIDED | {PostState.UNTOLD},
    **dict.fromkeys(
        (PostState.MADE, PostState.TAKEN, PostState.LOST, PostState.BEYOND, PostState.EXPIRED), frozenset[PostState]()
    ),
}
"""The closed table: what a post's order may become. It may begin as anything but lost."""
WAITING: Final = passing(POST_TRANSITIONS)
NOT_DUE: Final = frozenset((PostState.BEYOND, PostState.EXPIRED))
"""Nobody ordered these: they are not charged, and their provider is asked to stop."""
UNBOUNDED: Final = 10**18
EXPIRY_GRACE: Final = timedelta(days=2)
"""After the beginning of its last day a subscription takes posts in for this time: that day, wherever it lasts the
longest, and the delay of its provider."""


class SubscriptionReport(Struct, frozen=True):
    """What a provider said of a subscription, or of a post's order. ``orders`` are those made for posts, oldest first;
    ``quantity`` and ``link`` are told by few. ``charge`` is of the subscription itself, where it is charged whole;
    ``unclear_charge`` as it was spelt, where it may be read in two ways."""

    status: OrderStatus
    remains: int | None = None
    quantity: int | None = None
    link: str = ""
    orders: tuple[str, ...] = ()
    charge: Decimal | None = None
    currency: str = ""
    unclear_charge: str = ""


class KnownPost(Struct, frozen=True):
    """A post's order that was told before. ``missing``: its provider listed it once, and does no longer."""

    provider_order: str
    state: PostState
    seen: datetime
    missing: bool = False


class Subscription(Struct, frozen=True):
    """A subscription under lock, with what its customer can spend and is charged at this moment.

    ``newest``: nobody else was told of it since it was asked after. ``posts``: how many yet to be made were ordered,
    None for as many as there are until it expires; ``old_posts``: of those that were there. ``polled``: when it was
    asked after before.
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
    posts: int | None = None
    old_posts: int | None = None
    expiry: date | None = None
    polled: datetime | None = None

    @property
    def most(self) -> int | None:
        """Posts that are taken in, old and new together; None where nothing bounds them."""
        return None if self.posts is None else self.posts + (self.old_posts or 0)

    @property
    def is_over(self) -> bool:
        """It expired before it was last asked after: what is new since was made for nobody."""
        if self.expiry is None or self.polled is None:
            return False
        return self.polled > datetime.combine(self.expiry, time(), UTC) + EXPIRY_GRACE


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


def quantity(said: SubscriptionReport, least: int, most: int) -> int | None:
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
    said: Mapping[str, SubscriptionReport | None],
    known: Iterable[KnownPost],
    taken: frozenset[str],
    now: datetime,
) -> list[Post]:
    """What becomes of posts' orders that are new or wait, in the order asked about; what stays as it was is left out.

    From the first that cannot be paid on, the others wait behind it. The oldest are taken in, as many as were ordered.
    """
    before = {post.provider_order: post for post in known}
    available = -1 if subscription.suspended else subscription.available
    room = _room(subscription, before.values())
    changed: list[Post] = []
    for order, answer in said.items():
        was = before.get(order)
        if was is not None and was.state not in WAITING:
            continue
        post = _not_due(subscription, order, taken, room) if was is None else None
        post = post or _decide(subscription, order, answer, available, taken)
        if was is None and post.state not in _TAKES_NO_ROOM:
            room -= 1
        if post.state is PostState.MADE:
            available -= post.charge
        elif post.state is PostState.UNPAID:
            available = -1
        if post.state in WAITING and was is not None and now - was.seen >= WAITS:
            post = Post(order, PostState.LOST)
        if was is None or post.state is not was.state:
            changed.append(post)
    return changed


_TAKES_NO_ROOM: Final = NOT_DUE | {PostState.TAKEN}


def _room(subscription: Subscription, known: Iterable[KnownPost]) -> int:
    """How many more posts are due. One that was lost was delivered all the same."""
    most = UNBOUNDED if subscription.most is None else subscription.most
    return most - sum(post.state not in _TAKES_NO_ROOM for post in known)


def _not_due(subscription: Subscription, order: str, taken: frozenset[str], room: int) -> Post | None:
    """A post's order, told for the first time, that nobody asked for; None where it is due, or another's."""
    if order in taken:
        return None
    if subscription.is_over:
        return Post(order, PostState.EXPIRED)
    return Post(order, PostState.BEYOND) if room <= 0 else None


def _decide(
    subscription: Subscription, order: str, said: SubscriptionReport | None, available: int, taken: frozenset[str]
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


class SubscriptionStanding(Struct, frozen=True):
    """Where a subscription stands after its posts were looked at. ``give_up``: its provider is asked to cancel it,
    where nobody pays for what it makes, or that has no end. ``kept``: posts' orders that are known of by now."""

    delivery: DeliveryState
    order: OrderState
    give_up: bool
    kept: int

    @property
    def endless(self) -> bool:
        return self.kept > MOST_KEPT


def stand(told: DeliveryState, known: Iterable[KnownPost], changed: Iterable[Post]) -> SubscriptionStanding:
    """A subscription ends when none of its posts waits any more; without funds it pauses.

    A provider cannot be told to pause: where funds stay away for too long, or where it makes more than was ordered, it
    is asked to stop. One that lists posts without end is asked after it no more: the operator is.
    """
    changed = list(changed)
    before = {post.provider_order: post.state for post in known}
    after = before | {post.provider_order: post.state for post in changed}
    lost_money = any(
        post.state is PostState.LOST and before.get(post.provider_order) is PostState.UNPAID for post in changed
    )
    waits = WAITING.intersection(after.values())
    lost_money = lost_money or any(post.state in NOT_DUE for post in changed)
    ended = told not in ACCEPTED_STATES
    delivery = DeliveryState.PROCESSING if ended and waits and told is not DeliveryState.HELD else told
    endless = len(after) > MOST_KEPT
    paused = PostState.UNPAID in waits or (told is DeliveryState.PROCESSING)
    return SubscriptionStanding(
        DeliveryState.HELD if endless and delivery in ACCEPTED_STATES else delivery,
        OrderState.PAUSED if paused else OrderState.ACTIVE,
        give_up=(lost_money or endless) and not ended,
        kept=len(after),
    )
