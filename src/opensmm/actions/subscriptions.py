"""Watching subscriptions at their providers: how they stand, and the orders made there for their posts, each of which
becomes an order of ours in the transaction that keeps what was learned."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import structlog
from msgspec import Struct, structs

from opensmm.actions import settlement
from opensmm.actions.clock import DatabaseClock
from opensmm.actions.poller import record, told_of
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
"""After a worker that went away while it asked, subscriptions are due again after this."""
log = structlog.get_logger()


class PostRequest(Struct, frozen=True):
    """An order made for a post, to be asked after for the first time."""

    subscription: OrderId
    provider: ProviderId
    provider_order: str


class SubscriptionAnswer(Struct, frozen=True):
    """A subscription after its provider was asked: what was said of it, and of its posts that are new or wait."""

    followee: DueDelivery
    said: SubscriptionReport
    posts: Mapping[str, SubscriptionReport | None]


class SubscriptionWatcher:
    """Asks providers after the subscriptions whose turn it is."""

    def __init__(self, line: ReconnectingConnection, registry: ProviderRegistry, clock: DatabaseClock) -> None:
        self._line = line
        self._registry = registry
        self._clock = clock

    async def step(self, limit: int) -> int:
        """One round; returns how many subscriptions were asked after."""
        asked = self._clock()
        claimed = await write(
            self._line, lambda connection: polling.claim_watched(connection, asked, asked + LEASE, limit)
        )
        if not claimed:
            return 0
        answers = await self._registry.ask_about(claimed, _watch)
        # One of which nothing was understood keeps its time: evidence must know until when its posts are told.
        unread = [(followee, told) for followee, told in answers if isinstance(told, UnreadAnswer)]
        if unread:
            notes = [(followee.order, followee.run, note_of(followee.known, told, None)) for followee, told in unread]
            await write(self._line, lambda connection: polling.note(connection, notes, asked))
        said = [(followee, told) for followee, told in answers if isinstance(told, SubscriptionReport)]
        known = await write(
            self._line, lambda connection: rows.known(connection, [followee.order for followee, _ in said])
        )
        for heard in await self._ask_after_posts(said, known):
            await self._keep(heard, asked)
        return len(claimed)

    async def _ask_after_posts(
        self, said: Sequence[tuple[DueDelivery, SubscriptionReport]], known: Mapping[OrderId, Sequence[KnownPost]]
    ) -> list[SubscriptionAnswer]:
        """Asks after the posts' orders that are new or wait, at most a hundred of each subscription.

        The others are kept as untold, and asked after at the next look.
        """
        told: dict[OrderId, dict[str, SubscriptionReport | None]] = {}
        asks: list[PostRequest] = []
        for followee, watched in said:
            wanted = subscriptions.to_ask(watched.orders, known.get(followee.order, ()))
            told[followee.order] = dict.fromkeys(wanted)
            asks += [PostRequest(followee.order, followee.provider, order) for order in wanted[:MAX_IDS]]
        for request, answer in await self._registry.ask_about(asks, _watch):
            told[request.subscription][request.provider_order] = (
                answer if isinstance(answer, SubscriptionReport) else None
            )
        return [SubscriptionAnswer(followee, watched, told[followee.order]) for followee, watched in said]

    async def _keep(self, heard: SubscriptionAnswer, asked: datetime) -> None:
        try:
            await write(self._line, lambda connection: keep(connection, heard, asked, self._clock()))
        except StatementRejected as error:
            # What another transaction took in meanwhile is seen at the next look.
            log.warning("a subscription could not be recorded", order=heard.followee.order, error=str(error))


async def _watch(
    provider: ProviderClient, group: Sequence[DueDelivery | PostRequest]
) -> Sequence[SubscriptionReport | UnreadAnswer]:
    return await provider.watch([one.provider_order for one in group])


async def keep(connection: Connection, heard: SubscriptionAnswer, asked: datetime, now: datetime) -> None:
    """Writes how a subscription stands and makes the orders of its posts, inside the caller's transaction.

    Whoever else was told the same posts meanwhile has made their orders: under the lock they are known.
    """
    followee, said = heard.followee, heard.said
    order = followee.order
    told = told_of(followee, StatusReport(said.status), asked, now)
    await settlement.lock(connection, [order])
    subscription = await rows.subscription(connection, order, followee.attempt, followee.known.polled)
    if subscription is None:
        return
    known = (await rows.known(connection, [order])).get(order, [])
    taken = await rows.taken(connection, subscription, list(heard.posts))
    changed = subscriptions.take_in(subscription, heard.posts, known, taken, now)
    told = _charged_whole(told, followee, said, has_posts=bool(said.orders or known))
    standing = subscriptions.stand(told.state, known, changed)
    for post in changed:
        if post.state is PostState.TAKEN:
            log.warning("a post's order is another's already", order=order, provider_order=post.provider_order)
        elif post.state in NOT_DUE:
            named = {"order": order, "provider_order": post.provider_order}
            log.warning("a post was made that nobody ordered", **named, why=post.state.value, sparse=order)
    await rows.make(connection, subscription, [post for post in changed if post.state is PostState.MADE], now)
    await rows.note(connection, subscription, [post for post in changed if post.state is not PostState.MADE], now)
    if subscription.newest:
        await rows.set_missing(connection, order, subscriptions.gone(said.orders, known), now)
        await rows.stand(connection, order, standing.order)
    if standing.give_up:
        await cancels.ask_provider(connection, [(order, followee.run)], now)
    await record(connection, [_next(told, standing, now)], asked, now)


def _charged_whole(
    told: PolledResult, followee: DueDelivery, said: SubscriptionReport, *, has_posts: bool
) -> PolledResult:
    """Books what a provider charges for a subscription of which it lists no posts: they are sold to nobody.

    One that is completed so is the operator's to look into. Where posts are listed their own charges count.
    """
    if has_posts:
        return structs.replace(told, cost=Decimal(0)) if followee.known.charge else told
    if said.unclear_charge:
        return _charged_unclearly(told, said)
    charge = said.charge if said.charge is not None and said.charge > 0 else None
    if told.state is DeliveryState.CANCELED and charge == followee.known.charge:
        charge = None if charge is None else Decimal(0)
    told = structs.replace(told, cost=charge, currency=said.currency)
    known = followee.known
    if told.state is not DeliveryState.COMPLETED or not (charge or known.charge):
        return told
    spent, paid_in = (charge, said.currency) if charge else (known.charge, known.currency)
    note = DeliveryNote(EventCode.NO_POSTS_LISTED, {"charge": spent, "currency": paid_in or ""})
    return structs.replace(told, state=DeliveryState.HELD, note=note)


def _charged_unclearly(told: PolledResult, said: SubscriptionReport) -> PolledResult:
    """Nothing tells what a subscription is to cost, so that neither reading fits better."""
    state = DeliveryState.HELD if told.state is DeliveryState.COMPLETED else told.state
    note = DeliveryNote(EventCode.CHARGE_UNCLEAR, {"words": said.unclear_charge})
    return structs.replace(told, state=state, unclear_charge=said.unclear_charge, note=note)


def _next(told: PolledResult, standing: subscriptions.SubscriptionStanding, now: datetime) -> PolledResult:
    """A subscription is asked after soon, however old it is; one that has posts without end no more."""
    if standing.endless and standing.delivery is DeliveryState.HELD:
        told = structs.replace(told, note=DeliveryNote(EventCode.POSTS_WITHOUT_END, {"count": standing.recorded}))
    moving = standing.delivery in ACCEPTED_STATES
    soon = now + subscriptions.ASK_AGAIN
    due = min(told.due or soon, soon) if moving else None
    return structs.replace(told, state=standing.delivery, due=due, remains=None if moving else told.remains)
