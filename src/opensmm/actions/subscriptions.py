"""Polling subscriptions at their providers, and the providers' orders for their posts.

Each of those orders becomes an order of ours, in the transaction that records the poll.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import structlog
from msgspec import Struct, structs

from opensmm.actions import settlement
from opensmm.actions.clock import DatabaseClock
from opensmm.actions.poller import build_result, record
from opensmm.actions.transactions import StatementRejected, write
from opensmm.base.ids import OrderId, ProviderId
from opensmm.domain import subscriptions
from opensmm.domain.codes import DeliveryNote, EventCode
from opensmm.domain.dispatch import ACCEPTED_STATES, DeliveryState
from opensmm.domain.polling import StatusReport, UnreadAnswer, note_of
from opensmm.domain.requests import MAX_IDS
from opensmm.domain.subscriptions import NOT_DUE, KnownPost, PostState, SubscriptionReport
from opensmm.providers.client import ProviderClient
from opensmm.providers.registry import ProviderRegistry
from opensmm.store import cancels, polling
from opensmm.store import subscriptions as rows
from opensmm.store.connection import Connection, ReconnectingConnection
from opensmm.store.polling import DueDelivery, PolledResult

LEASE: Final = timedelta(seconds=60)
"""Time after which subscriptions are due again, if the worker that polled them died."""
log = structlog.get_logger()


class PostRequest(Struct, frozen=True):
    """A provider's order for a post, to be polled for the first time."""

    subscription: OrderId
    provider: ProviderId
    provider_order: str


class SubscriptionAnswer(Struct, frozen=True):
    """A subscription after a poll: the report on it, and by provider's order id those on its posts' orders.

    ``posts`` has the orders that are new or wait; None for one without a report.
    """

    delivery: DueDelivery
    report: SubscriptionReport
    posts: Mapping[str, SubscriptionReport | None]


class SubscriptionWatcher:
    """Polls due subscriptions and their posts' orders."""

    def __init__(self, connection: ReconnectingConnection, registry: ProviderRegistry, clock: DatabaseClock) -> None:
        self._connection = connection
        self._registry = registry
        self._clock = clock

    async def step(self, limit: int) -> int:
        """Polls up to ``limit`` due subscriptions; returns how many there were."""
        asked_at = self._clock()
        claimed = await write(
            self._connection,
            lambda connection: polling.claim_subscriptions(connection, asked_at, asked_at + LEASE, limit),
        )
        if not claimed:
            return 0
        answers = await self._registry.call_about(claimed, _watch_orders)
        # A subscription whose answer is not understood keeps its time of the last poll: evidence needs to know up to
        # when its posts are reported.
        unread = [(delivery, report) for delivery, report in answers if isinstance(report, UnreadAnswer)]
        if unread:
            notes = [
                (delivery.order, delivery.run, note_of(delivery.before, report, None)) for delivery, report in unread
            ]
            await write(self._connection, lambda connection: polling.note(connection, notes, asked_at))
        reports = [(delivery, report) for delivery, report in answers if isinstance(report, SubscriptionReport)]
        posts_before = await write(
            self._connection,
            lambda connection: rows.list_known(connection, [delivery.order for delivery, _ in reports]),
        )
        for answer in await self._poll_posts(reports, posts_before):
            await self._store_answer(answer, asked_at)
        return len(claimed)

    async def _poll_posts(
        self,
        reports: Sequence[tuple[DueDelivery, SubscriptionReport]],
        posts_before: Mapping[OrderId, Sequence[KnownPost]],
    ) -> list[SubscriptionAnswer]:
        """Polls the posts' orders that are new or wait, at most a hundred of each subscription.

        The others get None, are stored without a report, and are polled next time.
        """
        posts: dict[OrderId, dict[str, SubscriptionReport | None]] = {}
        requests: list[PostRequest] = []
        for delivery, report in reports:
            order_ids = subscriptions.orders_to_poll(report.orders, posts_before.get(delivery.order, ()))
            posts[delivery.order] = dict.fromkeys(order_ids)
            requests += [PostRequest(delivery.order, delivery.provider, order) for order in order_ids[:MAX_IDS]]
        for request, answer in await self._registry.call_about(requests, _watch_orders):
            posts[request.subscription][request.provider_order] = (
                answer if isinstance(answer, SubscriptionReport) else None
            )
        return [SubscriptionAnswer(delivery, report, posts[delivery.order]) for delivery, report in reports]

    async def _store_answer(self, answer: SubscriptionAnswer, asked_at: datetime) -> None:
        try:
            await write(self._connection, lambda connection: store(connection, answer, asked_at, self._clock()))
        except StatementRejected as error:
            # Posts that another transaction has stored meanwhile are read at the next poll.
            log.warning("a subscription could not be recorded", order=answer.delivery.order, error=str(error))


async def _watch_orders(
    provider: ProviderClient, group: Sequence[DueDelivery | PostRequest]
) -> Sequence[SubscriptionReport | UnreadAnswer]:
    return await provider.watch([item.provider_order for item in group])


async def store(connection: Connection, answer: SubscriptionAnswer, asked_at: datetime, now: datetime) -> None:
    """Writes the state of a subscription and places the orders of its posts, in the caller's transaction.

    The posts are read again under the lock: another worker may have placed some of these orders meanwhile.
    """
    delivery, report = answer.delivery, answer.report
    order = delivery.order
    result = build_result(delivery, StatusReport(report.status), asked_at, now)
    await settlement.lock(connection, [order])
    subscription = await rows.subscription(connection, order, delivery.attempt, delivery.before.polled)
    if subscription is None:
        return
    posts_before = (await rows.list_known(connection, [order])).get(order, [])
    taken = await rows.find_taken(connection, subscription, list(answer.posts))
    changed = subscriptions.take_in(subscription, answer.posts, posts_before, taken, now)
    result = _book_whole_charge(result, delivery, report, has_posts=bool(report.orders or posts_before))
    standing = subscriptions.next_standing(result.state, posts_before, changed)
    for post in changed:
        if post.state is PostState.TAKEN:
            log.warning("a post's order is another's already", order=order, provider_order=post.provider_order)
        elif post.state in NOT_DUE:
            fields = {"order": order, "provider_order": post.provider_order}
            log.warning("a post was made that nobody ordered", **fields, why=post.state.value, sparse=order)
    await rows.make(connection, subscription, [post for post in changed if post.state is PostState.MADE], now)
    await rows.note(connection, subscription, [post for post in changed if post.state is not PostState.MADE], now)
    if subscription.newest:
        await rows.set_missing(connection, order, subscriptions.list_missing_changes(report.orders, posts_before), now)
        await rows.set_state(connection, order, standing.order)
    if standing.give_up:
        await cancels.ask_provider(connection, [(order, delivery.run)], now)
    await record(connection, [_plan_next_poll(result, standing, now)], asked_at, now)


def _book_whole_charge(
    result: PolledResult, delivery: DueDelivery, report: SubscriptionReport, *, has_posts: bool
) -> PolledResult:
    """Books a provider's charge for a subscription without listed posts, whose posts are sold to nobody.

    If such a subscription is completed, it is held for the operator. If posts are listed, their own charges count.
    """
    if has_posts:
        return structs.replace(result, cost=Decimal(0)) if delivery.before.charge else result
    if report.unclear_charge:
        return _book_unclear_charge(result, report)
    charge = report.charge if report.charge is not None and report.charge > 0 else None
    if result.state is DeliveryState.CANCELED and charge == delivery.before.charge:
        charge = None if charge is None else Decimal(0)
    result = structs.replace(result, cost=charge, currency=report.currency)
    before = delivery.before
    if result.state is not DeliveryState.COMPLETED or not (charge or before.charge):
        return result
    spent, paid_in = (charge, report.currency) if charge else (before.charge, before.currency)
    note = DeliveryNote(EventCode.NO_POSTS_LISTED, {"charge": spent, "currency": paid_in or ""})
    return structs.replace(result, state=DeliveryState.HELD, note=note)


def _book_unclear_charge(result: PolledResult, report: SubscriptionReport) -> PolledResult:
    """Books no charge if it can be read in two ways: a subscription has no expected cost to decide between them."""
    state = DeliveryState.HELD if result.state is DeliveryState.COMPLETED else result.state
    note = DeliveryNote(EventCode.CHARGE_UNCLEAR, {"words": report.unclear_charge})
    return structs.replace(result, state=state, unclear_charge=report.unclear_charge, note=note)


def _plan_next_poll(result: PolledResult, standing: subscriptions.SubscriptionStanding, now: datetime) -> PolledResult:
    """Sets the next poll of a subscription: soon, however old it is. One that has posts without end is held."""
    if standing.endless and standing.delivery is DeliveryState.HELD:
        result = structs.replace(result, note=DeliveryNote(EventCode.POSTS_WITHOUT_END, {"count": standing.recorded}))
    moving = standing.delivery in ACCEPTED_STATES
    soon = now + subscriptions.LONGEST_POLL_PAUSE
    due = min(result.due or soon, soon) if moving else None
    return structs.replace(result, state=standing.delivery, due=due, remains=None if moving else result.remains)
