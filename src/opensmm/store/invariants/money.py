"""Invariants of the ledger and of prices."""

from collections.abc import Iterable
from typing import Final

from opensmm.domain.audit import AuditAction
from opensmm.domain.invariants import InvariantCode
from opensmm.domain.ledger import HELD, MOVES, OF_ORDERS, PROVIDERS, TransferKind
from opensmm.store.invariants.invariant import Invariant, InvariantScope, within
from opensmm.store.state_sets import ENDED, listed


def _moves(kinds: Iterable[TransferKind]) -> str:
    """Returns the condition that transfer ``t`` has one of the kinds and moves money between that kind's accounts.

    A customer's account is that of the transfer's own customer.
    """
    sides = [
        f"t.kind = '{kind}' and t.debit = {'t.customer_id' if debit is None else debit} "
        f"and t.credit = {'t.customer_id' if credit is None else credit}"
        for kind in kinds
        for debit, credit in MOVES[kind]
    ]
    return "(" + " or ".join(f"({side})" for side in sides) + ")"


_GIVEN_BACK: Final = listed((TransferKind.REFUND, TransferKind.RETURN))
_PAID_OUT: Final = listed((TransferKind.EARN, TransferKind.REFUND, TransferKind.RETURN))
_OF_RUNS: Final = listed((TransferKind.EARN, TransferKind.REFUND, TransferKind.COST))
"""Kinds of transfers whose sequence is the number of a run."""
_PRICE: Final = "ceil(o.rate * ({units}) * case when o.packaged then 100000 else 100 end)"
_BEFORE: Final = _PRICE.format(units="d.quantity * (d.run - 1)")
_DELIVERED: Final = _PRICE.format(units="d.quantity * d.run - d.remains")
_SHARE: Final = _PRICE.format(units="d.quantity * d.run")

MONEY: Final = (
    Invariant(
        "L1",
        InvariantCode.TRANSFERS_BETWEEN_KNOWN_ACCOUNTS,
        f"""select 'transfer ' || id from transfer t
            where debit = credit or debit = 0 or credit = 0
              or debit not between {PROVIDERS} and {HELD} and not exists (select from customer where id = debit)
              or credit not between {PROVIDERS} and {HELD} and not exists (select from customer where id = credit)""",
        InvariantScope.BOOKS,
    ),
    Invariant(
        "L2",
        InvariantCode.TRANSFERS_STAY,
        """select 'may ' || p from unnest(array['update', 'delete', 'truncate']) p
           where has_table_privilege(current_user, 'transfer', p)""",
        InvariantScope.BOOKS,
    ),
    Invariant(
        "L3",
        InvariantCode.BALANCES_ARE_SUMS,
        """select 'customer ' || c.id || ': ' || c.balance || ' is not ' || coalesce(s.total, 0)
           from customer c left join (
             select account, sum(amount) as total from (
               select credit as account, amount from transfer where credit > 0
               union all select debit, -amount from transfer where debit > 0) m group by account
           ) s on s.account = c.id where c.balance <> coalesce(s.total, 0)""",
        InvariantScope.BOOKS,
    ),
    Invariant(
        "L5",
        InvariantCode.NOTHING_BOOKED_TWICE,
        f"""select 'order ' || order_id || ' ' || kind || ' ' || sequence from transfer where order_id is not null
           group by order_id, kind, sequence having count(*) > 1
           union all select 'deposit ' || gateway || ' ' || external_id from deposit d
           where not exists (select from transfer t where t.id = d.transfer_id and t.kind = '{TransferKind.TOPUP}')""",
        InvariantScope.BOOKS,
    ),
    Invariant(
        "L6",
        InvariantCode.HELD_MONEY_IS_OWED,
        f"""select 'held ' || held || ' is not ' || owed from
            (select coalesce(sum(case when credit = {HELD} then amount else -amount end), 0) as held from transfer
             where credit = {HELD} or debit = {HELD}) h,
            (select coalesce(sum(charge - earned - refunded), 0) as owed from orders where state not in {ENDED}) o
            where held <> owed""",
        InvariantScope.BOOKS,
    ),
    Invariant(
        "L7",
        InvariantCode.ORDER_TRANSFERS_BY_KIND,
        f"""select 'transfer ' || t.id || ' of order ' || t.order_id from transfer t
            left join orders o on o.id = t.order_id and {within("o.id")}
            where {within("t.order_id")}
              and (not {_moves(TransferKind)} or t.customer_id is distinct from o.customer_id)""",
    ),
    Invariant(
        "L8",
        InvariantCode.OTHER_TRANSFERS_BY_KIND,
        f"""select 'transfer ' || t.id from transfer t where t.order_id is null
            and not {_moves(kind for kind in TransferKind if kind not in OF_ORDERS)}""",
        InvariantScope.BOOKS,
    ),
    Invariant(
        "P1",
        InvariantCode.CHARGES_ARE_PRICES,
        f"""select 'order ' || id from orders
            where {within("id")} and (
              charge <> ceil(rate * quantity * runs * case when packaged then 100000 else 100 end)
              or charge = 0 and rate > 0 and quantity > 0)""",
    ),
    Invariant(
        "P2",
        InvariantCode.COSTS_AS_STATED,
        f"""select 'order ' || t.order_id || ' run ' || t.sequence from transfer t
            left join delivery d on d.order_id = t.order_id and d.run = t.sequence and {within("d.order_id")}
            left join attempt a on a.order_id = d.order_id and a.run = d.run and a.number = d.attempt
              and {within("a.order_id")}
            where {within("t.order_id")} and t.kind = '{TransferKind.COST}'
              and t.amount is distinct from ceil(a.cost * a.exchange_rate * 100000)""",
    ),
    Invariant(
        "P3",
        InvariantCode.ORDER_SUMS_MATCH_LEDGER,
        f"""select 'order ' || o.id from orders o left join (
              select order_id, sum(case kind when '{TransferKind.EARN}' then amount
                       when '{TransferKind.RETURN}' then -amount else 0 end) as earned,
                     coalesce(sum(amount) filter (where kind in {_GIVEN_BACK}), 0) as refunded
              from transfer where kind in {_PAID_OUT} and {within("order_id")} group by order_id
            ) t on t.order_id = o.id
            where {within("o.id")} and (o.earned <> coalesce(t.earned, 0) or o.refunded <> coalesce(t.refunded, 0)
              or o.earned + o.refunded > o.charge)""",
    ),
    Invariant(
        "P4",
        InvariantCode.NOTHING_SENT_ABOVE_CEILING,
        f"""-- Attempts that cost more than the ceiling.
            select 'order ' || a.order_id || ' run ' || a.run || ' attempt ' || a.number from attempt a
            join delivery d on d.order_id = a.order_id and d.run = a.run and {within("d.order_id")}
            where {within("a.order_id")} and a.quoted > d.ceiling
            union all
            -- Ceilings that are neither the order's rate nor what the operator approved.
            select 'order ' || d.order_id || ' run ' || d.run from delivery d
            join orders o on o.id = d.order_id and {within("o.id")}
            where {within("d.order_id")} and d.ceiling is distinct from o.rate and o.rate > 0
              and (d.ceiling is not null or exists (
                select from attempt a where {within("a.order_id")} and a.order_id = d.order_id and a.run = d.run
                  and a.quoted is not null))
              and not exists (select from audit a
                where a.action = '{AuditAction.ORDER_RESEND}' and a.subject = d.order_id::text
                and coalesce(a.detail #>> array['changes', 'runs.' || d.run || '.ceiling', '1'],
                             a.detail ->> 'ceiling')::numeric = d.ceiling)""",
    ),
    Invariant(
        "P5",
        InvariantCode.RUNS_SETTLED,
        # Runs of which nothing was delivered are refunded together, under the number of one of them.
        f"""-- What was earned and refunded, and what is due by the quantities.
            select 'order ' || order_id || ' run ' || run from (
            select order_id, run, earned <> earned_due as is_odd,
              sum(back) over alike <> sum(back_due) over alike as are_odd
            from (
              select d.order_id, d.run, coalesce(e.amount, 0) as earned, coalesce(b.amount, 0) as back,
                case when d.state in {ENDED} then {_DELIVERED} - {_BEFORE} else 0 end as earned_due,
                case when d.state in {ENDED} then {_SHARE} - {_DELIVERED} else 0 end as back_due,
                case when d.state in {ENDED} and d.remains = d.quantity then 0 else d.run end as together
              from delivery d
              join orders o on o.id = d.order_id and {within("o.id")}
              left join transfer e on e.order_id = d.order_id and e.kind = '{TransferKind.EARN}'
                and e.sequence = d.run and {within("e.order_id")}
              left join transfer b on b.order_id = d.order_id and b.kind = '{TransferKind.REFUND}'
                and b.sequence = d.run and {within("b.order_id")}
              where {within("d.order_id")}) runs
            window alike as (partition by order_id, together)) looked_at
            where is_odd or are_odd
            union all
            -- Transfers of runs that do not exist.
            select 'transfer ' || t.id || ' of order ' || t.order_id from transfer t
            left join delivery d on d.order_id = t.order_id and d.run = t.sequence and {within("d.order_id")}
            where {within("t.order_id")} and t.kind in {_OF_RUNS} and d.order_id is null""",
    ),
)
