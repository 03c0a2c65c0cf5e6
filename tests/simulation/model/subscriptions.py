"""store.posts, on the model's rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tests.simulation.model.connection import Connection
from tests.simulation.model.customers import book, hold
from tests.simulation.model.tables import AttemptRow, DeliveryRow, OrderRow, PostRow, Store

from opensmm.base.ids import CustomerId, OrderId, ProviderId, ServiceId
from opensmm.domain.orders import OrderState
from opensmm.domain.subscriptions import KnownPost, Post, PostState, Subscription


async def may_have_unreported(connection: Connection, provider: ProviderId, until: datetime) -> bool:
    """No subscriptions are sold where evidence is simulated."""
    return False


async def list_known(connection: Connection, subscriptions: Sequence[OrderId]) -> dict[OrderId, list[KnownPost]]:
    posts: dict[OrderId, list[KnownPost]] = {}
    rows = sorted(connection.store.posts.values(), key=lambda row: (row.order, row.seen, row.provider_order))
    for row in rows:
        if row.order in subscriptions:
            post = KnownPost(row.provider_order, PostState(row.state), row.seen, row.missing is not None)
            posts.setdefault(OrderId(row.order), []).append(post)
    return posts


async def subscription(
    connection: Connection, order: OrderId, attempt: int, polled: datetime | None
) -> Subscription | None:
    store = connection.store
    row, delivery, details = store.orders[order], store.deliveries[order, 1], store.details[order]
    if row.state not in ("active", "paused") or delivery.attempt != attempt:
        return None
    tried, customer = store.attempts[order, 1, attempt], store.customers[row.customer]
    assert details.min is not None
    assert details.max is not None
    return Subscription(
        order=order,
        customer=CustomerId(row.customer),
        service=ServiceId(row.service),
        provider=ProviderId(tried.provider),
        provider_service=tried.provider_service,
        link=row.link,
        min=details.min,
        max=details.max,
        rate=row.rate,
        available=customer.balance + customer.credit_limit,
        suspended=customer.suspended,
        newest=delivery.polled == polled,
        posts=details.posts,
        old_posts=details.old_posts,
        expiry=details.expiry,
        polled=delivery.polled,
    )


async def find_taken(connection: Connection, subscription: Subscription, orders: Sequence[str]) -> frozenset[str]:
    store, provider = connection.store, subscription.provider
    posts = {
        row.provider_order
        for row in store.posts.values()
        if (row.provider, row.state != "taken") == (provider, True) and row.order != subscription.order
    }
    return frozenset(one for one in orders if one in posts or (provider, one) in store.provider_orders)


async def make(connection: Connection, subscription: Subscription, posts: Sequence[Post], now: datetime) -> None:
    for post in posts:
        child = _make(connection.store, subscription, post, now)
        _note(connection.store, subscription, post, now, child)


def _make(store: Store, subscription: Subscription, post: Post, now: datetime) -> OrderId:
    child = OrderId(next(store.order_ids))
    row = OrderRow(
        id=child,
        customer=subscription.customer,
        service=subscription.service,
        quantity=post.quantity,
        charge=post.charge,
        created=now,
        runs=1,
        interval_min=0,
        packaged=False,
        state="open",
        rate=subscription.rate,
        link=post.link,
    )
    store.insert(store.orders, child, row)
    delivery = DeliveryRow(child, 1, row.service, row.quantity, now, "pending", sent=now, attempt=1, fence=1)
    store.insert(store.deliveries, (child, 1), delivery)
    tried = AttemptRow(
        child, 1, 1, subscription.provider, subscription.provider_service, 1, now, "accepted", None, post.provider_order
    )
    store.insert(store.attempts, (child, 1, 1), tried)
    store.insert(store.provider_orders, (subscription.provider, post.provider_order), tried)
    if post.charge:
        book(store, [hold(subscription.customer, child, post.charge)])
    return child


async def note(connection: Connection, subscription: Subscription, posts: Sequence[Post], now: datetime) -> None:
    for post in posts:
        _note(connection.store, subscription, post, now, None)


def _note(store: Store, subscription: Subscription, post: Post, now: datetime, child: int | None) -> None:
    name = subscription.order, post.provider_order
    if name not in store.posts:
        row = PostRow(subscription.order, subscription.provider, post.provider_order, now, post.state.value, child)
        store.insert(store.posts, name, row)
    else:
        row = store.edit(store.posts[name])
        row.state, row.child = post.state.value, child or row.child


async def set_missing(connection: Connection, order: OrderId, gone: Mapping[str, bool], now: datetime) -> None:
    for theirs, missing in gone.items():
        connection.store.edit(connection.store.posts[order, theirs]).missing = now if missing else None


async def set_state(connection: Connection, order: OrderId, state: OrderState) -> None:
    row = connection.store.orders[order]
    if row.state in ("active", "paused") and row.state != state:
        connection.store.edit(row).state = state.value
