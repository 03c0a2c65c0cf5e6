"""The invariants of the books, each as a statement that finds what breaks it. All are read in one snapshot."""

from collections.abc import AsyncIterator
from typing import Final

from msgspec import Struct

from opensmm.store.connection import Connection


class Check(Struct, frozen=True):
    """``broken`` selects one line of text per thing that is not as it must be."""

    name: str
    says: str
    broken: str


class Finding(Struct, frozen=True):
    check: Check
    count: int
    examples: tuple[str, ...]


_ENDED: Final = "('completed', 'partial', 'canceled')"
_LIVE: Final = "('open', 'active', 'paused')"
CHECKS: Final = (
    Check(
        "L1",
        "every transfer moves money between two known accounts, so that all accounts sum to 0",
        """select 'transfer ' || id from transfer t where debit = credit or debit not between -7 and -1 and not exists
           (select from customer where id = debit) or credit not between -7 and -1 and not exists
           (select from customer where id = credit) or debit = 0 or credit = 0""",
    ),
    Check(
        "L2",
        "the app's role may not change or remove transfers",
        """select 'may ' || p from unnest(array['update', 'delete', 'truncate']) p
           where has_table_privilege(current_user, 'transfer', p)""",
    ),
    Check(
        "L3",
        "a customer's balance is the sum of its transfers",
        """select 'customer ' || c.id || ': ' || c.balance || ' is not ' || coalesce(s.total, 0)
           from customer c left join (
             select account, sum(amount) as total from (
               select credit as account, amount from transfer where credit > 0
               union all select debit, -amount from transfer where debit > 0) m group by account
           ) s on s.account = c.id where c.balance <> coalesce(s.total, 0)""",
    ),
    Check(
        "L4",
        "no balance is below its credit limit",
        "select 'customer ' || id from customer where balance < -credit_limit",
    ),
    Check(
        "L5",
        "a payment told twice is booked once, and no money of an order moves twice under one name",
        """select 'order ' || order_id || ' ' || kind || ' ' || sequence from transfer where order_id is not null
           group by order_id, kind, sequence having count(*) > 1
           union all select 'deposit ' || gateway || ' ' || external_id from deposit d
           where not exists (select from transfer t where t.id = d.transfer_id and t.kind = 'topup')""",
    ),
    Check(
        "L6",
        "the house holds exactly what open orders have paid and not yet earned or got back",
        f"""select 'held ' || held || ' is not ' || owed from
            (select coalesce(sum(case when credit = -1 then amount else -amount end), 0) as held from transfer
             where credit = -1 or debit = -1) h,
            (select coalesce(sum(charge - earned - refunded), 0) as owed from orders where state not in {_ENDED}) o
            where held <> owed""",
    ),
    Check(
        "P1",
        "an order's charge is its rate times what was billed, rounded up; 0 only where the service is free",
        """select 'order ' || id from orders
           where charge <> ceil(rate * quantity * runs * case when packaged then 100000 else 100 end)
              or charge = 0 and rate > 0 and quantity > 0""",
    ),
    Check(
        "P2",
        "what was booked as a delivery's cost is what its provider said, at the exchange rate kept with it",
        """select 'order ' || t.order_id || ' run ' || t.sequence from transfer t
           left join delivery d on d.order_id = t.order_id and d.run = t.sequence
           left join attempt a on a.order_id = d.order_id and a.run = d.run and a.number = d.attempt
           where t.kind = 'cost' and t.amount is distinct from ceil(a.cost * a.exchange_rate * 100000)""",
    ),
    Check(
        "P3",
        "what an order earned and gave back is what the ledger says, and never more than its charge",
        """select 'order ' || o.id from orders o left join (
             select order_id, sum(case kind when 'earn' then amount when 'return' then -amount else 0 end) as earned,
                    coalesce(sum(amount) filter (where kind in ('refund', 'return')), 0) as refunded
             from transfer where kind in ('earn', 'refund', 'return') group by order_id) t on t.order_id = o.id
           where o.earned <> coalesce(t.earned, 0) or o.refunded <> coalesce(t.refunded, 0)
              or o.earned + o.refunded > o.charge""",
    ),
    Check(
        "P4",
        "nothing was sent at a known cost above what it was sold for, unless the operator approved it",
        """select 'order ' || a.order_id || ' run ' || a.run || ' try ' || a.number from attempt a
           join delivery d on d.order_id = a.order_id and d.run = a.run where a.quoted > d.ceiling
           union all
           select 'order ' || d.order_id || ' run ' || d.run from delivery d join orders o on o.id = d.order_id
           where d.ceiling is distinct from o.rate and o.rate > 0 and (d.ceiling is not null or exists (
               select from attempt a where a.order_id = d.order_id and a.run = d.run and a.quoted is not null))
             and not exists (select from audit a where a.action = 'order.resend' and a.subject = d.order_id::text
               and coalesce(a.detail #>> array['changes', 'runs.' || d.run || '.ceiling', '1'],
                            a.detail ->> 'ceiling')::numeric = d.ceiling)""",
    ),
    Check(
        "O1",
        "every order with a charge has one transfer of it, and every live order all its deliveries",
        f"""select 'order ' || o.id || ' charge' from orders o
           left join transfer t on t.order_id = o.id and t.kind = 'charge' and t.sequence = 0
           where o.charge > 0 and (t.amount is distinct from o.charge or t.debit <> o.customer_id or t.credit <> -1)
           union all
           select 'order ' || o.id || ' deliveries' from orders o
           left join (select order_id, count(*) as n from delivery group by order_id) d on d.order_id = o.id
           where o.state in {_LIVE} and coalesce(d.n, 0) <> o.runs""",
    ),
    Check(
        "O2",
        "an idempotency key stands for one order of its customer",
        """select 'customer ' || i.customer_id || ' order ' || i.order_id from idempotency i
           where not exists (select from orders o where o.id = i.order_id and o.customer_id = i.customer_id)""",
    ),
    Check(
        "O3",
        "an order is live exactly as long as one of its deliveries is",
        f"""select 'order ' || o.id from orders o join (
              select order_id, bool_or(state not in {_ENDED}) as open from delivery group by order_id) d
            on d.order_id = o.id where (o.state in {_LIVE}) <> d.open""",
    ),
    Check(
        "O4",
        "a delivery has at most one open try",
        """select 'order ' || order_id || ' run ' || run from attempt where outcome in ('sending', 'accepted', 'unsure')
           group by order_id, run having count(*) > 1""",
    ),
    Check(
        "O5",
        "what is at a provider was marked as being sent before; what never was, the operator ended",
        """select 'order ' || d.order_id || ' run ' || d.run from delivery d
           left join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
           where d.state in ('sending', 'unsure', 'pending', 'processing', 'in_progress', 'completed', 'partial')
             and t.number is null and not exists (select from evidence e where e.order_id = d.order_id
               and e.run = d.run and e.kind = 'operator' and e.conclusion = 'ended')""",
    ),
    Check(
        "O6",
        "an unsure delivery was neither sent again nor given back",
        """select 'order ' || d.order_id || ' run ' || d.run from delivery d
           left join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
           left join transfer b on b.order_id = d.order_id and b.kind = 'refund' and b.sequence = d.run
           where d.state = 'unsure' and (t.outcome is distinct from 'unsure' or b.id is not null)""",
    ),
    Check(
        "O6b",
        "an attempt is what its evidence proved",
        """select 'order ' || e.order_id || ' run ' || e.run || ' try ' || e.number from evidence e
           left join attempt t on t.order_id = e.order_id and t.run = e.run and t.number = e.number
           where e.conclusion = 'bought' and (t.outcome is distinct from 'accepted'
                or t.provider_order is distinct from e.detail ->> 'provider_order')
              or e.conclusion in ('not_bought', 'risked') and t.outcome is distinct from 'declined'""",
    ),
    Check(
        "O7",
        "two deliveries never share one provider's order",
        # Of two that shared an id before keys were kept, the later has none.
        """select 'provider ' || provider_id || ' order ' || key from (
             select provider_id, coalesce(provider_order_key, ltrim(provider_order, '0')) as key
             from attempt where provider_order is not null) theirs
           group by provider_id, key having count(*) > 1""",
    ),
    Check(
        "O8",
        "what remains lies between nothing and everything, and agrees with how it ended",
        f"""select 'order ' || order_id || ' run ' || run from delivery where remains not between 0 and quantity
              or state = 'completed' and remains <> 0 or state = 'partial' and remains = 0
            union all select 'order ' || id from orders where remains not between 0 and quantity * runs
              or state = 'completed' and remains <> 0 or state = 'partial' and remains = 0
            union all select 'order ' || o.id || ' and its runs' from orders o
              join (select order_id, sum(remains) as remains from delivery group by order_id) d on d.order_id = o.id
              where o.state in {_ENDED} and o.remains <> d.remains""",
    ),
    Check(
        "O11",
        "an ended order has earned or given back its whole charge, and has no run too many",
        f"""select 'order ' || id from orders where state in {_ENDED} and earned + refunded <> charge
            union all select 'order ' || d.order_id || ' run ' || d.run
            from delivery d join orders o on o.id = d.order_id
            where d.run not between 1 and o.runs""",
    ),
    Check(
        "O12",
        "an order has at most one open refill, and what the house buys for one is charged to nobody",
        """select 'order ' || order_id from refill where state in ('pending', 'in_progress')
           group by order_id having count(*) > 1
           union all
           select 'refill ' || r.id || ' purchase ' || r.purchase_id from refill r
           left join orders o on o.id = r.purchase_id
           where r.purchase_id is not null and (o.id is null or r.mode <> 'other' or (o.rate, o.charge) <> (0, 0)
             or o.customer_id = r.customer_id)""",
    ),
    Check(
        "O14",
        "a subscription is charged nothing, and each order made for a post is one order of its customer and service",
        """select 'subscription ' || id from orders where state in ('active', 'paused') and (quantity, charge) <> (0, 0)
           union all
           select 'post ' || p.order_id || ' ' || p.provider_order from post p
           left join orders s on s.id = p.order_id left join orders o on o.id = p.child_id
           left join attempt t on t.order_id = p.child_id and t.provider_order = p.provider_order
             and t.provider_id = p.provider_id and t.outcome = 'accepted'
           where s.id is null or (p.state = 'made') <> (p.child_id is not null)
             or p.child_id is not null and (t.order_id is null
               or (o.customer_id, o.service_id) is distinct from (s.customer_id, s.service_id))
           union all select 'order ' || child_id || ' of several posts' from post
             group by child_id having count(child_id) > 1""",
    ),
    Check(
        "R1",
        "nothing names a customer, an order or a service that does not exist",
        """select 'order ' || id from orders o where not exists (select from customer c where c.id = o.customer_id)
             or not exists (select from service s where s.id = o.service_id)
           union all select 'delivery ' || order_id from delivery d
             where not exists (select from orders o where o.id = d.order_id)
           union all select 'transfer ' || id from transfer t
             where order_id is not null and not exists (select from orders o where o.id = t.order_id)
           union all select 'key ' || id from api_key k
             where not exists (select from customer c where c.id = k.customer_id)
           union all select 'refill ' || id from refill r
             where not exists (select from orders o where o.id = r.order_id)""",
    ),
)
EXAMPLES: Final = 5


async def run(connection: Connection) -> AsyncIterator[Finding]:
    """Runs every check in one snapshot and yields what each found, in the order above."""
    await connection.execute("begin isolation level repeatable read read only")
    try:
        await connection.execute("set local statement_timeout = 0")
        for check in CHECKS:
            found = f"with broken (what) as ({check.broken}) select count(*), (array_agg(what))[1:%s] from broken"
            cursor = await connection.execute(found, [EXAMPLES])
            row = await cursor.fetchone()
            assert row is not None
            yield Finding(check, row[0], tuple(row[1] or ()))
    finally:
        await connection.execute("rollback")
