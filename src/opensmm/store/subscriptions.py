"""Posts of subscriptions, as their providers reported them, and the orders made for them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from opensmm.base.ids import OrderId, ProviderId, order_key
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.evidence import Conclusion, EvidenceKind
from opensmm.domain.ledger import HELD, TransferKind
from opensmm.domain.orders import OrderState
from opensmm.domain.subscriptions import KnownPost, Post, PostState, Subscription
from opensmm.store.connection import Connection
from opensmm.store.order_keys import key_of
from opensmm.store.rows import first_row
from opensmm.store.state_sets import ENDED, SUBSCRIBED, UNANSWERED

_KNOWN: Final = """
select order_id, provider_order, state, seen, missing is not null from post where order_id = any(%s)
order by order_id, seen, provider_order
"""


async def list_known(connection: Connection, subscriptions: Sequence[OrderId]) -> dict[OrderId, list[KnownPost]]:
    """Returns the posts of subscriptions that are known from earlier reports, oldest first."""
    cursor = await connection.execute(_KNOWN, [subscriptions])
    posts: dict[OrderId, list[KnownPost]] = {}
    for order, theirs, state, seen, missing in await cursor.fetchall():
        posts.setdefault(OrderId(order), []).append(KnownPost(theirs, PostState(state), seen, missing))
    return posts


_SUBSCRIPTION: Final = f"""
select o.id as order, o.customer_id as customer, o.service_id as service, t.provider_id as provider,
  t.provider_service, o.link,
  -- the customer's terms
  coalesce(p.rate, s.rate) as rate, c.balance + c.credit_limit as available, c.suspended,
  d.polled, d.polled is not distinct from %s::timestamptz as newest,
  -- the order's details
  (x.details ->> 'min')::bigint as min, (x.details ->> 'max')::bigint as max,
  (x.details ->> 'posts')::bigint as posts, (x.details ->> 'old_posts')::bigint as old_posts,
  (x.details ->> 'expiry')::date as expiry
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
    """Returns a live subscription at its current rate; None if it has ended or has another attempt by now.

    The caller has locked the customer's row and the order's. ``polled`` is the delivery's as it was claimed.
    """
    return await first_row(connection, Subscription, _SUBSCRIPTION, [polled, attempt, order])


_TAKEN: Final = f"""
select provider_order_key from attempt where provider_id = %(provider)s and provider_order_key = any(%(keys)s)
union
select provider_order_key from post
where provider_id = %(provider)s and provider_order_key = any(%(keys)s)
  and state <> '{PostState.TAKEN}' and order_id <> %(order)s
union
select key from (
  select {key_of("(detail ->> 'provider_order')")} as key from evidence
  where provider_id = %(provider)s and conclusion = '{Conclusion.LATE_ACCEPTANCE}') late where key = any(%(keys)s)
"""


async def find_taken(connection: Connection, subscription: Subscription, orders: Sequence[str]) -> frozenset[str]:
    """Returns those of a provider's orders that belong to another order or subscription of ours already."""
    keys = {order: order_key(order) for order in orders}
    values = {"provider": subscription.provider, "keys": list(keys.values()), "order": subscription.order}
    cursor = await connection.execute(_TAKEN, values)
    taken_keys = {row[0] for row in await cursor.fetchall()}
    return frozenset(order for order, key in keys.items() if key in taken_keys)


_MAKE: Final = f"""
-- The orders get ids in the order given.
with made as materialized (
  select nextval('orders_id_seq') as id, a.*
  from (select * from unnest(%(orders)s::text[], %(quantities)s::bigint[], %(charges)s::bigint[], %(links)s::text[])
          with ordinality as a (provider_order, quantity, charge, link, ord) order by ord) a
), stored as (
  insert into orders (id, customer_id, service_id, link, quantity, rate, packaged, charge, created)
  select id, %(customer)s, %(service)s, link, quantity, %(rate)s, false, charge, %(now)s from made
-- Their deliveries are at the provider already.
), delivered as (
  insert into delivery (order_id, run, service_id, quantity, state, due, sent, attempt, fence)
  select id, 1, %(service)s, quantity, '{DeliveryState.PENDING}', %(now)s, %(now)s, 1, 1 from made
), tried as (
  insert into attempt (order_id, run, number, provider_id, provider_service, outcome, fence, sent, provider_order)
  select id, 1, 1, %(provider)s, %(provider_service)s, '{AttemptOutcome.ACCEPTED}', 1, %(now)s, provider_order
  from made
-- Their charges.
), charged as (
  insert into transfer (debit, credit, amount, kind, customer_id, order_id, created)
  select %(customer)s, {HELD}, charge, '{TransferKind.CHARGE}', %(customer)s, id, %(now)s from made where charge > 0
), paid as (
  update customer set balance = balance - (select coalesce(sum(charge), 0)::bigint from made) where id = %(customer)s
)
-- Their posts, which may have waited for funds or a quantity.
insert into post (order_id, provider_id, provider_order, child_id, seen, state)
select %(subscription)s, %(provider)s, provider_order, id, %(now)s, '{PostState.MADE}' from made
on conflict (order_id, provider_order) do update set child_id = excluded.child_id, state = '{PostState.MADE}'
"""


async def make(connection: Connection, subscription: Subscription, posts: Sequence[Post], now: datetime) -> None:
    """Makes orders for posts, with their charges, as accepted by their provider. The customer's row is locked.

    Their attempts have no time of an answer, so that they are no neighbours in evidence about unsure attempts.
    """
    if posts:
        values = {
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
        await connection.execute(_MAKE, values)


_NOTE: Final = """
insert into post (order_id, provider_id, provider_order, seen, state)
select %s, %s, a.provider_order, %s, a.state from unnest(%s::text[], %s::text[]) as a (provider_order, state)
on conflict (order_id, provider_order) do update set state = excluded.state
"""


async def note(connection: Connection, subscription: Subscription, posts: Sequence[Post], now: datetime) -> None:
    """Writes the states of posts for which no order is made."""
    if posts:
        arrays = [post.provider_order for post in posts], [post.state.value for post in posts]
        await connection.execute(_NOTE, [subscription.order, subscription.provider, now, *arrays])


_MISSING: Final = """
update post p set missing = case when a.missing then %s::timestamptz end
from unnest(%s::text[], %s::bool[]) as a (provider_order, missing)
where p.order_id = %s and p.provider_order = a.provider_order
"""


async def set_missing(connection: Connection, order: OrderId, gone: Mapping[str, bool], now: datetime) -> None:
    """Writes by provider's order if a post is missing from its provider's list (True), or is listed again (False)."""
    if gone:
        await connection.execute(_MISSING, [now, list(gone), list(gone.values()), order])


_STAND: Final = f"update orders set state = %s where id = %s and state in {SUBSCRIBED} and state <> %s"


async def set_state(connection: Connection, order: OrderId, state: OrderState) -> None:
    """Sets the state of a live subscription."""
    await connection.execute(_STAND, [state.value, order, state.value])


_UNTOLD: Final = f"""
-- A subscription that its provider may have, or has, and was not polled for since the time.
select exists (
  select from delivery d join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
  where d.quantity = 0 and d.state not in {ENDED} and t.provider_id = %(provider)s
    and t.sent < %(until)s and (t.outcome in {UNANSWERED}
      or t.outcome = '{AttemptOutcome.ACCEPTED}' and (d.polled is null or d.polled < %(until)s))
-- A subscription that the operator ended, and that may go on there.
) or exists (
  select from evidence e join orders o on o.id = e.order_id and o.quantity = 0
  where e.provider_id = %(provider)s and e.kind = '{EvidenceKind.OPERATOR}' and e.conclusion = '{Conclusion.ENDED}'
    and e.at > %(since)s
)
"""
REMEMBERED: Final = timedelta(days=30)
"""The time that a subscription may go on at its provider after the operator ended it."""


async def may_have_unreported(connection: Connection, provider: ProviderId, until: datetime) -> bool:
    """Returns True if a provider may have made orders for posts before ``until`` that it has not reported."""
    values = {"provider": provider, "until": until, "since": until - REMEMBERED}
    cursor = await connection.execute(_UNTOLD, values)
    row = await cursor.fetchone()
    assert row is not None
    return bool(row[0])
