"""Invariants of orders, refills and subscriptions."""

from typing import Final

from opensmm.domain.catalogue import RefillMode
from opensmm.domain.dispatch import AttemptOutcome, DeliveryState
from opensmm.domain.invariants import InvariantCode
from opensmm.domain.ledger import HELD, TransferKind
from opensmm.domain.providers import MANUAL
from opensmm.domain.subscriptions import PostState
from opensmm.store.invariants.invariant import LEFT_TO_OPERATOR, Invariant, InvariantScope, within
from opensmm.store.state_sets import ENDED, ENDED_REFILL, LIVE, OPEN_REFILL, SUBSCRIBED

_POSTS_BOUND_SINCE: Final = """(
  select applied from django_migrations where app = 'store' and name = '0012_post_bounds')"""
"""The time from which a provider's posts are checked against what was ordered."""

ORDERS: Final = (
    Invariant(
        "O1",
        InvariantCode.ORDERS_COMPLETE,
        f"""-- The charge is held; each run has a delivery, of what was ordered.
            select 'order ' || o.id || ' charge' from orders o
            left join transfer t on t.order_id = o.id and t.kind = '{TransferKind.CHARGE}' and t.sequence = 0
              and {within("t.order_id")}
            where {within("o.id")} and o.charge > 0
              and (t.amount is distinct from o.charge or t.debit <> o.customer_id or t.credit <> {HELD})
            union all
            select 'order ' || o.id || ' deliveries' from orders o
            left join (select order_id, count(*) as n from delivery where {within("order_id")} group by order_id) d
              on d.order_id = o.id
            where {within("o.id")} and o.state in {LIVE} and coalesce(d.n, 0) <> o.runs
            union all
            select 'order ' || d.order_id || ' run ' || d.run || ' is not what was ordered' from delivery d
            join orders o on o.id = d.order_id and {within("o.id")}
            where {within("d.order_id")} and (d.service_id, d.quantity) is distinct from (o.service_id, o.quantity)""",
    ),
    Invariant(
        "O2",
        InvariantCode.IDEMPOTENCY_KEYS_FIT,
        """select 'customer ' || i.customer_id || ' order ' || i.order_id from idempotency i
           where not exists (select from orders o where o.id = i.order_id and o.customer_id = i.customer_id)""",
        InvariantScope.BOOKS,
    ),
    Invariant(
        "O3",
        InvariantCode.ORDERS_LIVE_AS_DELIVERIES,
        f"""select 'order ' || o.id from orders o
            join (select order_id, bool_or(state not in {ENDED}) as open from delivery where {within("order_id")}
                  group by order_id) d on d.order_id = o.id
            where {within("o.id")} and (o.state in {LIVE}) <> d.open
            union all select 'order ' || id || ' and its time' from orders
              where {within("id")} and (state in {LIVE}) <> (ended is null)
            union all select 'order ' || a.order_id || ' and its link' from active_link a
              left join orders o on o.id = a.order_id and {within("o.id")}
              where {within("a.order_id")} and (o.state in {LIVE} and o.customer_id = a.customer_id) is not true""",
    ),
    Invariant(
        "O8",
        InvariantCode.REMAINS_WITHIN_BOUNDS,
        f"""select 'order ' || order_id || ' run ' || run from delivery where {within("order_id")} and (
              remains not between 0 and quantity or state = '{DeliveryState.COMPLETED}' and remains <> 0
              or state = '{DeliveryState.PARTIAL}' and remains = 0 or state in {ENDED} and remains is null)
            union all select 'order ' || id from orders where {within("id")} and (
              remains not between 0 and quantity * runs or state = '{DeliveryState.COMPLETED}' and remains <> 0
              or state = '{DeliveryState.PARTIAL}' and remains = 0)
            union all select 'order ' || o.id || ' and its runs' from orders o
              join (select order_id, sum(remains) as remains from delivery where {within("order_id")}
                    group by order_id) d on d.order_id = o.id
              where {within("o.id")} and o.state in {ENDED} and o.remains is distinct from d.remains""",
    ),
    Invariant(
        "O11",
        InvariantCode.ENDED_ORDERS_SETTLED,
        f"""select 'order ' || id from orders where {within("id")} and state in {ENDED} and earned + refunded <> charge
            union all select 'order ' || d.order_id || ' run ' || d.run
            from delivery d join orders o on o.id = d.order_id and {within("o.id")}
            where {within("d.order_id")} and d.run not between 1 and o.runs""",
    ),
    Invariant(
        "O12",
        InvariantCode.ONE_OPEN_REFILL,
        f"""-- One open refill an order, of the same customer; a purchase for it is the house's own, for nothing.
            select 'order ' || order_id from refill where {within("order_id")} and state in {OPEN_REFILL}
            group by order_id having count(*) > 1
            union all
            select 'refill ' || r.id || ' of another customer' from refill r
            join orders o on o.id = r.order_id and {within("o.id")}
            where {within("r.order_id")} and r.customer_id <> o.customer_id
            union all
            select 'refill ' || r.id || ' purchase ' || r.purchase_id from refill r
            left join orders o on o.id = r.purchase_id
            where {within("r.order_id")} and r.purchase_id is not null
              and (o.id is null or r.mode <> '{RefillMode.OTHER}' or (o.rate, o.charge) <> (0, 0)
                or o.customer_id = r.customer_id)""",
    ),
    Invariant(
        "O12b",
        InvariantCode.REFILLS_LIVE_AS_TASKS,
        f"""-- A refill is open as long as one of its tasks is.
            select 'refill ' || r.id from refill r
            left join (
              select t.refill_id, bool_or(t.state not in {ENDED_REFILL}) as open
              from refill r join refill_task t on t.refill_id = r.id where {within("r.order_id")} group by t.refill_id
            ) t on t.refill_id = r.id
            where {within("r.order_id")}
              and ((r.state in {OPEN_REFILL}) <> t.open or (r.state in {OPEN_REFILL}) <> (r.ended is null))
            union all
            -- A task belongs to the same order, is due while it is open, and is at the provider that its mode names.
            select 'refill ' || t.refill_id || ' run ' || t.run from refill r
            join refill_task t on t.refill_id = r.id
            left join provider p on p.id = t.provider_id
            left join lateral (
              select order_id from attempt
              where order_id = r.order_id and run = t.run and outcome = '{AttemptOutcome.ACCEPTED}'
                and provider_id = t.provider_id and provider_order = t.provider_order limit 1) a on true
            where {within("r.order_id")} and (t.order_id <> r.order_id
              or t.due is null and t.state not in {ENDED_REFILL} and r.purchase_id is null
                and t.state not in {LEFT_TO_OPERATOR}
              or r.mode <> '{RefillMode.PROVIDER}'
                and (p.kind, t.provider_order) is distinct from ('{MANUAL}', r.order_id::text)
              or r.mode = '{RefillMode.PROVIDER}' and a.order_id is null)""",
    ),
    Invariant(
        "O14",
        InvariantCode.SUBSCRIPTIONS_UNCHARGED,
        f"""-- A subscription is not charged; each post that was made has one order, of the same customer and service.
            select 'subscription ' || id from orders
            where {within("id")} and state in {SUBSCRIBED} and (quantity, charge) <> (0, 0)
            union all
            select 'post ' || p.order_id || ' ' || p.provider_order from post p
            left join orders s on s.id = p.order_id and {within("s.id")}
            left join orders o on o.id = p.child_id
            left join lateral (
              select order_id from attempt a where a.order_id = p.child_id and a.provider_order = p.provider_order
                and a.provider_id = p.provider_id and a.outcome = '{AttemptOutcome.ACCEPTED}' limit 1) t on true
            where {within("p.order_id")} and (s.id is null or (p.state = '{PostState.MADE}') <> (p.child_id is not null)
              or p.child_id is not null and (t.order_id is null
                or (o.customer_id, o.service_id) is distinct from (s.customer_id, s.service_id)))
            union all select 'order ' || p.child_id || ' of several posts' from post p
              join post other on other.child_id = p.child_id
                and (other.order_id, other.provider_order) <> (p.order_id, p.provider_order)
              where {within("p.order_id")}""",
    ),
    Invariant(
        "O15",
        InvariantCode.POSTS_WITHIN_BOUNDS,
        f"""select 'subscription ' || p.order_id || ' posts' from post p
            left join order_detail x on x.order_id = p.order_id and {within("x.order_id")}
            where {within("p.order_id")} and p.state = '{PostState.MADE}' group by p.order_id, x.details
            having count(*) > (x.details ->> 'posts')::bigint + coalesce((x.details ->> 'old_posts')::bigint, 0)
              and max(p.seen) > {_POSTS_BOUND_SINCE}
            union all
            select 'post ' || p.order_id || ' ' || p.provider_order from post p
            left join order_detail x on x.order_id = p.order_id and {within("x.order_id")}
            join orders o on o.id = p.child_id
            where {within("p.order_id")} and (o.quantity between
              greatest((x.details ->> 'min')::bigint, 1) and (x.details ->> 'max')::bigint) is not true""",
    ),
    Invariant(
        "R1",
        InvariantCode.ORDER_REFERENCES_EXIST,
        f"""-- In place of foreign keys.
            select 'order ' || id from orders o
              where {within("o.id")} and (not exists (select from customer c where c.id = o.customer_id)
                or not exists (select from service s where s.id = o.service_id))
            union all select 'delivery ' || order_id from delivery d
              where {within("d.order_id")} and not exists (select from orders o where o.id = d.order_id)
            union all select 'details ' || order_id from order_detail x
              where {within("x.order_id")} and not exists (select from orders o where o.id = x.order_id)
            union all select 'transfer ' || id from transfer t
              where {within("t.order_id")} and not exists (select from orders o where o.id = t.order_id)
            union all select 'attempt ' || order_id || ' ' || run || ' ' || number from attempt t
              where {within("t.order_id")} and (not exists (select from provider p where p.id = t.provider_id)
                or not exists (select from delivery d where d.order_id = t.order_id and d.run = t.run))
            union all select 'evidence ' || id from evidence e
              where {within("e.order_id")}
                and not exists (select from delivery d where d.order_id = e.order_id and d.run = e.run)
            union all select 'refill ' || id from refill r
              where {within("r.order_id")} and not exists (select from orders o where o.id = r.order_id)""",
    ),
    Invariant(
        "R2",
        InvariantCode.OTHER_REFERENCES_EXIST,
        """select 'key ' || id from api_key k where not exists (select from customer c where c.id = k.customer_id)
           union all select 'customer ' || id from customer c where c.price_list_id <> 1
             and not exists (select from price_list l where l.id = c.price_list_id)
           union all select 'task ' || refill_id from refill_task t
             where not exists (select from refill r where r.id = t.refill_id)
           union all select 'batch ' || b.id from batch b cross join unnest(b.orders) as kept (id)
             where kept.id is not null and not exists (select from orders o where o.id = kept.id)""",
        InvariantScope.BOOKS,
    ),
)
