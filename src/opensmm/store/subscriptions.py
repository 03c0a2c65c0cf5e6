"""Posts of subscriptions: what was told of them, and the orders that are made for them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from psycopg.rows import TupleRow

from opensmm.base.ids import CustomerId, OrderId, ProviderId, ServiceId, order_key
from opensmm.domain.ledger import HELD
from opensmm.domain.order_views import DripFeedParts, ExtendedStatus, Parts, SubscriptionParts
from opensmm.domain.orders import OrderState
from opensmm.domain.subscriptions import MOST_LISTED, KnownPost, Post, PostState, Subscription
from opensmm.store.connection import Connection
from opensmm.store.order_keys import key_of
from opensmm.store.state_sets import ENDED, SUBSCRIBED, UNANSWERED

_KNOWN: Final = """
select order_id, provider_order, state, seen, missing is not null from post where order_id = any(%s)
order by order_id, seen, provider_order
"""


async def known(connection: Connection, subscriptions: Sequence[OrderId]) -> dict[OrderId, list[KnownPost]]:
    """What was told of the posts of subscriptions, the oldest first."""
    cursor = await connection.execute(_KNOWN, [subscriptions])
    found: dict[OrderId, list[KnownPost]] = {}
    for order, theirs, state, seen, missing in await cursor.fetchall():
        found.setdefault(OrderId(order), []).append(KnownPost(theirs, PostState(state), seen, missing))
    return found


_SUBSCRIPTION: Final = f"""
select o.id, o.customer_id, o.service_id, t.provider_id, t.provider_service, o.link, (x.details ->> 'min')::bigint,
  (x.details ->> 'max')::bigint, coalesce(p.rate, s.rate), c.balance + c.credit_limit, c.suspended,
  d.polled is not distinct from %s::timestamptz, (x.details ->> 'posts')::bigint,
  (x.details ->> 'old_posts')::bigint, (x.details ->> 'expiry')::date, d.polled
from orders o
join delivery d on d.order_id = o.id and d.run = 1 and d.attempt = %s
join attempt t on t.order_id = o.id and t.run = 1 and t.number = d.attempt
join order_detail x on x.order_id = o.id
join service s on s.id = o.service_id
join customer c on c.id = o.customer_id
left join price p on p.price_list_id = c.price_list_id and p.service_id = s.id
where o.id = %s and o.state in {SUBSCRIBED}
"""


async def subscription(
    connection: Connection, order: OrderId, attempt: int, polled: datetime | None
) -> Subscription | None:
    """A live subscription, at the price of this moment. Customer and order are locked before.

    ``polled`` is the delivery's as it was claimed.
    """
    cursor = await connection.execute(_SUBSCRIPTION, [polled, attempt, order])
    row = await cursor.fetchone()
    return None if row is None else _subscription(row)


def _subscription(row: TupleRow) -> Subscription:
    return Subscription(OrderId(row[0]), CustomerId(row[1]), ServiceId(row[2]), ProviderId(row[3]), *row[4:])


_TAKEN: Final = f"""
select provider_order_key from attempt where provider_id = %(provider)s and provider_order_key = any(%(keys)s)
union
select provider_order_key from post
where provider_id = %(provider)s and provider_order_key = any(%(keys)s) and state <> 'taken' and order_id <> %(order)s
union
select key from (
  select {key_of("(detail ->> 'provider_order')")} as key from evidence
  where provider_id = %(provider)s and conclusion = 'late_acceptance') late where key = any(%(keys)s)
"""


async def taken(connection: Connection, subscription: Subscription, orders: Sequence[str]) -> frozenset[str]:
    """Those of a provider's orders that another order, or another subscription, has already."""
    keys = {order: order_key(order) for order in orders}
    told = {"provider": subscription.provider, "keys": list(keys.values()), "order": subscription.order}
    cursor = await connection.execute(_TAKEN, told)
    found = {row[0] for row in await cursor.fetchall()}
    return frozenset(order for order, key in keys.items() if key in found)


_MAKE: Final = f"""
with made as materialized (
  select nextval('orders_id_seq') as id, a.*
  from (select * from unnest(%(orders)s::text[], %(quantities)s::bigint[], %(charges)s::bigint[], %(links)s::text[])
          with ordinality as a (provider_order, quantity, charge, link, ord) order by ord) a
), kept as (
  insert into orders (id, customer_id, service_id, link, quantity, rate, packaged, charge, created)
  select id, %(customer)s, %(service)s, link, quantity, %(rate)s, false, charge, %(now)s from made
), delivered as (
  insert into delivery (order_id, run, service_id, quantity, state, due, sent, attempt, fence)
  select id, 1, %(service)s, quantity, 'pending', %(now)s, %(now)s, 1, 1 from made
), tried as (
  insert into attempt (order_id, run, number, provider_id, provider_service, outcome, fence, sent, provider_order)
  select id, 1, 1, %(provider)s, %(provider_service)s, 'accepted', 1, %(now)s, provider_order
  from made
), charged as (
  insert into transfer (debit, credit, amount, kind, customer_id, order_id, created)
  select %(customer)s, {HELD}, charge, 'charge', %(customer)s, id, %(now)s from made where charge > 0
), paid as (
  update customer set balance = balance - (select coalesce(sum(charge), 0)::bigint from made) where id = %(customer)s
)
insert into post (order_id, provider_id, provider_order, child_id, seen, state)
select %(subscription)s, %(provider)s, provider_order, id, %(now)s, 'made' from made
on conflict (order_id, provider_order) do update set child_id = excluded.child_id, state = 'made'
"""


async def make(connection: Connection, subscription: Subscription, posts: Sequence[Post], now: datetime) -> None:
    """Makes orders for posts, each with its charge, at their provider already. The customer's row is locked.

    Such an attempt was never answered: it is nobody's neighbour where evidence looks for the order of ids and times.
    """
    if posts:
        told = {
            "orders": [post.provider_order for post in posts],
            "quantities": [post.quantity for post in posts],
            "charges": [post.charge for post in posts],
            "links": [post.link for post in posts],
            "customer": subscription.customer,
            "service": subscription.service,
            "rate": subscription.rate,
            "provider": subscription.provider,
            "provider_service": subscription.provider_service,
            "subscription": subscription.order,
            "now": now,
        }
        await connection.execute(_MAKE, told)


_NOTE: Final = """
insert into post (order_id, provider_id, provider_order, seen, state)
select %s, %s, a.provider_order, %s, a.state from unnest(%s::text[], %s::text[]) as a (provider_order, state)
on conflict (order_id, provider_order) do update set state = excluded.state
"""


async def note(connection: Connection, subscription: Subscription, posts: Sequence[Post], now: datetime) -> None:
    """Keeps what became of posts' orders that are not made."""
    if posts:
        arrays = [post.provider_order for post in posts], [post.state.value for post in posts]
        await connection.execute(_NOTE, [subscription.order, subscription.provider, now, *arrays])


_MISSING: Final = """
update post p set missing = case when a.missing then %s::timestamptz end
from unnest(%s::text[], %s::bool[]) as a (provider_order, missing)
where p.order_id = %s and p.provider_order = a.provider_order
"""


async def set_missing(connection: Connection, order: OrderId, gone: Mapping[str, bool], now: datetime) -> None:
    """Keeps which posts' orders their provider lists no longer, or again."""
    if gone:
        await connection.execute(_MISSING, [now, list(gone), list(gone.values()), order])


_STAND: Final = f"update orders set state = %s where id = %s and state in {SUBSCRIBED} and state <> %s"


async def stand(connection: Connection, order: OrderId, state: OrderState) -> None:
    await connection.execute(_STAND, [state.value, order, state.value])


_UNTOLD: Final = f"""
select exists (
  select from delivery d join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
  where d.quantity = 0 and d.state not in {ENDED} and t.provider_id = %(provider)s
    and t.sent < %(until)s and (t.outcome in {UNANSWERED}
      or t.outcome = 'accepted' and (d.polled is null or d.polled < %(until)s))
) or exists (
  select from evidence e join orders o on o.id = e.order_id and o.quantity = 0
  where e.provider_id = %(provider)s and e.kind = 'operator' and e.conclusion = 'ended' and e.at > %(since)s
)
"""
REMEMBERED: Final = timedelta(days=30)
"""A subscription that the operator ended may have gone on at its provider for this time."""


async def untold(connection: Connection, provider: ProviderId, until: datetime) -> bool:
    """Whether a provider may have made orders for posts by a time that it has not told us of."""
    told = {"provider": provider, "until": until, "since": until - REMEMBERED}
    cursor = await connection.execute(_UNTOLD, told)
    row = await cursor.fetchone()
    assert row is not None
    return bool(row[0])


_MORE: Final = """
select o.id, o.quantity * o.runs, o.link, s.type = 'Subscriptions' and o.quantity = 0,
  array(select child_id from post where order_id = o.id and child_id is not null order by child_id desc limit %s)
from orders o join service s on s.id = o.service_id where o.id = any(%s)
"""


async def more(connection: Connection, orders: Sequence[int]) -> dict[int, ExtendedStatus]:
    """What an extended status tells of orders."""
    cursor = await connection.execute(_MORE, [MOST_LISTED, orders])
    return {
        row[0]: ExtendedStatus(row[1], row[2], tuple(OrderId(child) for child in reversed(row[4])) if row[3] else None)
        for row in await cursor.fetchall()
    }


_PARTS: Final = """
select o.id, o.runs, (x.details ->> 'expiry')::date,
  -- the runs that were sent on
  case when o.runs > 1 then (
    select count(*) from delivery d where d.order_id = o.id and d.sent is not null and d.state <> 'queued') end,
  -- how many posts have orders, and the newest of these
  case when o.runs = 1 then (select count(*) from post where order_id = o.id and child_id is not null) end,
  case when o.runs = 1 then
    array(select child_id from post where order_id = o.id and child_id is not null order by child_id desc limit %s) end
from orders o join service s on s.id = o.service_id left join order_detail x on x.order_id = o.id
where o.id = any(%s) and (o.runs > 1 or s.type = 'Subscriptions' and o.quantity = 0)
"""


async def parts(connection: Connection, orders: Sequence[OrderId]) -> dict[OrderId, Parts]:
    """What subscriptions and drip-feeds have come to; other orders are left out."""
    cursor = await connection.execute(_PARTS, [MOST_LISTED, orders])
    return {OrderId(row[0]): _parts(row) for row in await cursor.fetchall()}


def _parts(row: TupleRow) -> Parts:
    _, runs, expiry, sent, posts, orders = row
    if runs > 1:
        return DripFeedParts(sent)
    return SubscriptionParts(expiry, posts, tuple(OrderId(order) for order in reversed(orders)))
