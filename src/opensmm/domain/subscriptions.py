"""Posts of subscriptions: each order that a provider makes for a post becomes an order of ours, charged when it is
made.

A provider takes a subscription whole. Its reports are bounded like all its answers: a post's order is taken in once,
never for more or less than the subscription allows, and never if another order has it already.
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

POST_WAITS: Final = timedelta(hours=24)
"""Longest wait of a post's order for funds, or for its provider to report the quantity."""
LONGEST_POLL_PAUSE: Final = timedelta(minutes=1)
"""Longest pause between two polls for new posts."""
MOST_LISTED: Final = 1000
"""Most posts' orders of one subscription that are read from an answer, or written into one: the newest."""
MOST_RECORDED: Final = 10 * MOST_LISTED
"""Most posts' orders of one subscription; with more its provider is no longer polled. No account posts so often, and a
provider may invent new ones at each poll."""


class PostState(StrEnum):
    """State of a post's order.

    ``untold``: its provider has not reported the quantity. ``unpaid``: its customer cannot pay for it now. ``made``: it
    is an order of ours. ``taken``: another order of ours has its id. ``lost``: it waited too long. ``beyond``: more
    posts than were ordered. ``expired``: made after the subscription had expired.
    """

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
"""States that a post's order may go to next. It may begin in any state but lost."""
WAITING: Final = passing(POST_TRANSITIONS)
NOT_DUE: Final = frozenset((PostState.BEYOND, PostState.EXPIRED))
"""Nobody ordered these posts: they are not charged, and their provider is asked to stop."""
UNBOUNDED: Final = 10**18
EXPIRY_GRACE: Final = timedelta(days=2)
"""Time after the beginning of the last day in which posts are still taken in: that day in any time zone, and the
provider's delay."""


class SubscriptionReport(Struct, frozen=True):
    """A provider's report on a subscription, or on a post's order.

    ``orders`` are those made for posts, oldest first. Few providers state ``quantity`` and ``link``. ``charge`` is of
    the subscription itself, if it is charged as a whole; ``unclear_charge`` is its text as spelt, if it can be read in
    two ways.
    """

    status: OrderStatus
    remains: int | None = None
    quantity: int | None = None
    link: str = ""
    orders: tuple[str, ...] = ()
    charge: Decimal | None = None
    currency: str = ""
    unclear_charge: str = ""


class KnownPost(Struct, frozen=True):
    """A post's order from an earlier report. ``missing``: its provider listed it once, and no longer does."""

    provider_order: str
    state: PostState
    seen: datetime
    missing: bool = False


class Subscription(Struct, frozen=True):
    """A subscription under its row's lock, with its customer's funds and rate at this moment.

    ``newest``: no newer answer has been applied since this poll was sent. ``posts``: how many future posts were
    ordered, None for all until it expires; ``old_posts``: how many existing ones. ``polled``: when the previous poll
    was sent.
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
        """Most posts that are taken in, old and new together; None without a bound."""
        return None if self.posts is None else self.posts + (self.old_posts or 0)

    @property
    def is_over(self) -> bool:
        """True if the previous poll was after the expiry: posts that are new since were not ordered."""
        if self.expiry is None or self.polled is None:
            return False
        return self.polled > datetime.combine(self.expiry, time(), UTC) + EXPIRY_GRACE


class Post(Struct, frozen=True):
    """Outcome for a post's order. One that is ``made`` has a quantity, and a charge unless the service is free."""

    provider_order: str
    state: PostState
    quantity: int = 0
    charge: Money = Money(0)
    link: str = ""


def orders_to_poll(listed: Iterable[str], posts: Iterable[KnownPost]) -> list[str]:
    """Returns the posts' orders to poll: each that waits, then each that is new."""
    earlier = list(posts)
    waiting = [post.provider_order for post in earlier if post.state in WAITING]
    keys = {order_key(post.provider_order) for post in earlier}
    new = {order_key(order): order for order in listed if order_key(order) not in keys}
    return [*waiting, *new.values()]


def list_missing_changes(listed: Iterable[str], posts: Iterable[KnownPost]) -> dict[str, bool]:
    """Returns the changes of ``missing``, by provider order: True for a post no longer listed, False for one listed
    again.

    A list as long as can be read proves nothing missing.
    """
    there = {order_key(order) for order in listed}
    # A list of the newest orders only does not show which older ones are gone.
    full = len(there) >= MOST_LISTED
    now = {post: order_key(post.provider_order) not in there and not full for post in posts}
    return {post.provider_order: missing for post, missing in now.items() if post.missing != missing}


def post_quantity(report: SubscriptionReport, least: int, most: int) -> int | None:
    """Returns the quantity of a post's order; None while the provider has not stated it. In doubt it is the smaller
    one, in the customer's favour.

    Most panels state the remains and not the quantity: before delivery begins the two are equal.
    """
    least = max(least, 1)
    if report.quantity is not None and least <= report.quantity <= most:
        return report.quantity
    if least == most:
        return least
    remains = 0 if report.remains is None else report.remains
    if least <= remains <= most:
        return remains
    if report.status in (OrderStatus.PENDING, OrderStatus.PROCESSING):
        return None
    return min(max(remains, least), most)


def take_in(
    subscription: Subscription,
    reports: Mapping[str, SubscriptionReport | None],
    posts: Iterable[KnownPost],
    taken: frozenset[str],
    now: datetime,
) -> list[Post]:
    """Decides on posts' orders that are new or wait, in the order of ``reports``; returns the changes only.

    After the first that cannot be paid, all others wait. The oldest are taken in, as many as were ordered.
    """
    before = {post.provider_order: post for post in posts}
    # Below 0 even a post that costs nothing waits.
    available = -1 if subscription.suspended else subscription.available
    room = _count_room(subscription, before.values())
    changed: list[Post] = []
    for order, report in reports.items():
        was = before.get(order)
        if was is not None and was.state not in WAITING:
            continue
        outcome = _find_undue(subscription, order, taken, room) if was is None else None
        outcome = outcome or _decide(subscription, order, report, available, taken)
        if was is None and outcome.state not in _TAKES_NO_ROOM:
            room -= 1
        if outcome.state is PostState.MADE:
            available -= outcome.charge
        # No later post overtakes one that waits for money.
        elif outcome.state is PostState.UNPAID:
            available = -1
        if outcome.state in WAITING and was is not None and now - was.seen >= POST_WAITS:
            outcome = Post(order, PostState.LOST)
        if was is None or outcome.state is not was.state:
            changed.append(outcome)
    return changed


_TAKES_NO_ROOM: Final = NOT_DUE | {PostState.TAKEN}


def _count_room(subscription: Subscription, posts: Iterable[KnownPost]) -> int:
    """Returns how many more posts are due. A lost post was delivered all the same."""
    most = UNBOUNDED if subscription.most is None else subscription.most
    return most - sum(post.state not in _TAKES_NO_ROOM for post in posts)


def _find_undue(subscription: Subscription, order: str, taken: frozenset[str], room: int) -> Post | None:
    """Returns the outcome for a new post's order that nobody ordered; None if it is due, or another order has it."""
    if order in taken:
        return None
    if subscription.is_over:
        return Post(order, PostState.EXPIRED)
    return Post(order, PostState.BEYOND) if room <= 0 else None


def _decide(
    subscription: Subscription, order: str, report: SubscriptionReport | None, available: int, taken: frozenset[str]
) -> Post:
    if order in taken:
        return Post(order, PostState.TAKEN)
    units = None if report is None else post_quantity(report, subscription.min, subscription.max)
    if report is None or units is None:
        return Post(order, PostState.UNTOLD)
    charge = pricing.charge(subscription.rate, units)
    if charge > available:
        return Post(order, PostState.UNPAID)
    link = report.link if links.acceptable(report.link) else subscription.link
    return Post(order, PostState.MADE, units, charge, link)


class SubscriptionStanding(Struct, frozen=True):
    """A subscription after its posts were decided on.

    ``give_up``: its provider is asked to cancel it, because nobody pays for its posts or they have no end.
    ``recorded``: number of posts' orders on record.
    """

    delivery: DeliveryState
    order: OrderState
    give_up: bool
    recorded: int

    @property
    def endless(self) -> bool:
        """True if its provider lists posts without end: it is no longer polled."""
        return self.recorded > MOST_RECORDED


def next_standing(reported: DeliveryState, posts: Iterable[KnownPost], changed: Iterable[Post]) -> SubscriptionStanding:
    """Returns the state of a subscription after ``changed`` posts.

    It ends when none of its posts waits any more; without funds it pauses. A provider cannot be told to pause: if funds
    stay away for too long, or if it makes more than was ordered, it is asked to cancel. One that lists posts without
    end is held for the operator.
    """
    changed = list(changed)
    before = {post.provider_order: post.state for post in posts}
    after = before | {post.provider_order: post.state for post in changed}
    unpaid = any(
        post.state is PostState.LOST and before.get(post.provider_order) is PostState.UNPAID for post in changed
    )
    not_due = any(post.state in NOT_DUE for post in changed)
    waits = WAITING.intersection(after.values())
    ended = reported not in ACCEPTED_STATES
    # While a post waits, the end of its subscription is put off, so that it stays polled.
    delivery = DeliveryState.PROCESSING if ended and waits and reported is not DeliveryState.HELD else reported
    endless = len(after) > MOST_RECORDED
    paused = PostState.UNPAID in waits or reported is DeliveryState.PROCESSING
    return SubscriptionStanding(
        DeliveryState.HELD if endless and delivery in ACCEPTED_STATES else delivery,
        OrderState.PAUSED if paused else OrderState.ACTIVE,
        give_up=(unpaid or not_due or endless) and not ended,
        recorded=len(after),
    )
