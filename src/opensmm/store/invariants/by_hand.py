"""Invariants of the operator's transfers and of credit limits."""

from typing import Final

from opensmm.domain.audit import AuditAction
from opensmm.domain.invariants import InvariantCode
from opensmm.domain.ledger import TransferKind
from opensmm.store.invariants.invariant import Invariant, InvariantScope
from opensmm.store.state_sets import CORRECTIONS, listed

_REFERENCED: Final = listed((TransferKind.BONUS, TransferKind.PAYOUT, TransferKind.CHARGEBACK))
"""Kinds of transfers that have the operator's own reference."""

BY_HAND: Final = (
    Invariant(
        "L4",
        InvariantCode.BALANCES_WITHIN_LIMITS,
        f"""select 'customer ' || id from customer where balance < -credit_limit - overdrawn
           union all
           select 'customer ' || id || ' overdrawn by ' || overdrawn from customer c where overdrawn > coalesce(
             (select sum(amount) from transfer t where t.customer_id = c.id and t.debit = c.id
              and t.kind = '{TransferKind.CHARGEBACK}'), 0)""",
        InvariantScope.BOOKS,
    ),
    Invariant(
        "L9",
        InvariantCode.OPERATOR_TRANSFERS_REFERENCED,
        f"""-- Transfers without a reference.
           select 'top-up ' || t.id from transfer t
           where t.kind = '{TransferKind.TOPUP}' and not exists (select from deposit d where d.transfer_id = t.id)
           union all
           select t.kind || ' ' || t.id from transfer t where t.kind in {_REFERENCED}
             and not exists (select from transfer_reference r where r.transfer_id = t.id and r.kind = t.kind)
           union all
           -- References that do not fit their transfer, or whose money did not reach the other customer.
           select 'reference ' || r.kind || ' ' || r.reference from transfer_reference r
           left join transfer t on t.id = r.transfer_id
           where (t.kind, coalesce(t.corrects, 0)) is distinct from (r.kind, coalesce(r.corrects, 0))
             or r.to_customer_id is not null and not exists (select from transfer g
               where g.credit = r.to_customer_id and g.kind = '{TransferKind.ADJUSTMENT}' and g.corrects = r.corrects
                 and g.amount = t.amount)
           union all
           -- Corrections of nothing, of an order's transfer, or of another customer's.
           select t.kind || ' ' || t.id || ' of ' || coalesce(t.corrects::text, 'nothing') from transfer t
           left join transfer c on c.id = t.corrects
           where t.kind in {CORRECTIONS} and c.id is null or t.corrects is not null and (
             t.kind not in {CORRECTIONS} or c.order_id is not null
             or c.customer_id <> t.customer_id and not exists (select from transfer_reference r
               where r.to_customer_id = t.customer_id and r.corrects = t.corrects))""",
        InvariantScope.BOOKS,
    ),
    Invariant(
        "L10",
        InvariantCode.CREDIT_LIMITS_AUDITED,
        f"""select 'customer ' || c.id || ' may owe ' || c.credit_limit from customer c
           left join credit_change h on h.id = c.credit_change_id
           where c.credit_change_id is not null and (h.customer_id, h.amount) is distinct from (c.id, c.credit_limit)
             or c.credit_limit <> coalesce((
               select (a.detail #>> '{{changes,credit_limit,1}}')::bigint from audit a
               where a.subject = c.id::text and a.action = '{AuditAction.CUSTOMER_CREDIT_LIMIT}'
               order by a.id desc limit 1), 0)""",
        InvariantScope.BOOKS,
    ),
)
