"""Invariants of deliveries, attempts and evidence."""

from typing import Final

from opensmm.domain.audit import AuditAction
from opensmm.domain.dispatch import ACCEPTED_STATES, AttemptOutcome, DeliveryState
from opensmm.domain.evidence import Conclusion, EvidenceKind
from opensmm.domain.invariants import InvariantCode
from opensmm.domain.ledger import TransferKind
from opensmm.domain.providers import MANUAL
from opensmm.store.invariants.invariant import NOTICE, Invariant, within
from opensmm.store.order_keys import key_of
from opensmm.store.state_sets import AT_PROVIDER, DELIVERED, ENDED, SET_NOT_BOUGHT, UNANSWERED, listed

_OPEN: Final = listed((AttemptOutcome.SENDING, AttemptOutcome.ACCEPTED, AttemptOutcome.UNSURE))
"""Attempts of which a delivery has at most one."""
_HANDED_ON: Final = listed(
    ACCEPTED_STATES | {DeliveryState.SENDING, DeliveryState.UNSURE, DeliveryState.COMPLETED, DeliveryState.PARTIAL}
)
"""Deliveries that a provider has or may have, or has delivered."""
_NEWEST: Final = f"""delivery d
            left join attempt t on t.order_id = d.order_id and t.run = d.run and t.number = d.attempt
              and {within("t.order_id")}"""
_ENDED_BY_HAND: Final = f"""exists (select from evidence e where e.order_id = d.order_id
                and e.run = d.run and e.kind = '{EvidenceKind.OPERATOR}' and e.conclusion = '{Conclusion.ENDED}')"""

ATTEMPTS: Final = (
    Invariant(
        "O4",
        InvariantCode.ONE_OPEN_ATTEMPT,
        f"""select 'order ' || order_id || ' run ' || run from attempt
            where {within("order_id")} and outcome in {_OPEN}
            group by order_id, run having count(*) > 1
            union all
            select 'order ' || t.order_id || ' run ' || t.run || ' attempt ' || t.number from attempt t
            join delivery d on d.order_id = t.order_id and d.run = t.run and {within("d.order_id")}
            where {within("t.order_id")} and t.number > d.attempt""",
    ),
    Invariant(
        "O5",
        InvariantCode.SENT_BEFORE_ACCEPTED,
        f"""select 'order ' || d.order_id || ' run ' || d.run from {_NEWEST}
            where {within("d.order_id")}
              and d.state in {_HANDED_ON}
              and t.number is null and not {_ENDED_BY_HAND}""",
    ),
    Invariant(
        "O5b",
        InvariantCode.DELIVERIES_MATCH_ATTEMPTS,
        f"""-- A delivery's state and the outcome of its newest attempt.
            select 'order ' || d.order_id || ' run ' || d.run || ': ' || d.state || ', its attempt ' || t.outcome
            from {_NEWEST}
            where {within("d.order_id")} and (
              d.state in {AT_PROVIDER} and t.outcome <> '{AttemptOutcome.ACCEPTED}'
              or d.state in {DELIVERED} and t.outcome <> '{AttemptOutcome.ACCEPTED}' and not {_ENDED_BY_HAND}
              or d.state = '{DeliveryState.SENDING}' and t.outcome <> '{AttemptOutcome.SENDING}'
              or d.state = '{DeliveryState.QUEUED}' and t.outcome <> '{AttemptOutcome.NOT_BOUGHT}'
              or d.state = '{DeliveryState.HELD}' and t.outcome in {UNANSWERED}
              or d.state = '{DeliveryState.CANCELED}' and t.outcome in {UNANSWERED})
            union all
            -- Accepted attempts, and no others, have an id at the provider.
            select 'order ' || order_id || ' run ' || run || ' attempt ' || number from attempt
            where {within("order_id")} and (outcome = '{AttemptOutcome.ACCEPTED}') <> (provider_order is not null)
            union all
            -- Fence and time of sending.
            select 'order ' || d.order_id || ' run ' || d.run || ' and its newest attempt' from {_NEWEST}
            where {within("d.order_id")} and t.number is not null
              and (t.fence <> d.fence or t.sent is null or d.sent is null)""",
    ),
    Invariant(
        "O6",
        InvariantCode.UNSURE_LEFT_ALONE,
        f"""select 'order ' || d.order_id || ' run ' || d.run from {_NEWEST}
            left join transfer b on b.order_id = d.order_id and b.kind = '{TransferKind.REFUND}' and b.sequence = d.run
              and {within("b.order_id")}
            where {within("d.order_id")} and d.state = '{DeliveryState.UNSURE}'
              and (t.outcome is distinct from '{AttemptOutcome.UNSURE}' or b.id is not null)""",
    ),
    Invariant(
        "O6b",
        InvariantCode.ATTEMPTS_MATCH_EVIDENCE,
        f"""-- Proofs and the operator's decisions determine the outcome; only notices are dealt with.
            select 'order ' || e.order_id || ' run ' || e.run || ' attempt ' || e.number from evidence e
            left join attempt t on t.order_id = e.order_id and t.run = e.run and t.number = e.number
              and {within("t.order_id")}
            where {within("e.order_id")} and (
              e.conclusion = '{Conclusion.BOUGHT}' and (t.outcome is distinct from '{AttemptOutcome.ACCEPTED}'
                or t.provider_order is distinct from e.detail ->> 'provider_order')
              or e.conclusion in {SET_NOT_BOUGHT} and t.outcome is distinct from '{AttemptOutcome.NOT_BOUGHT}'
              or t.number is not null and e.provider_id is distinct from t.provider_id
              or (e.kind = '{EvidenceKind.ANSWER}') <> (e.conclusion in {NOTICE})
              or e.dealt_with is not null and (e.kind <> '{EvidenceKind.ANSWER}' or not exists (
                select from audit a
                where a.action = '{AuditAction.ORDER_DEAL_WITH}' and a.subject = e.order_id::text)))""",
    ),
    Invariant(
        "O7",
        InvariantCode.PROVIDER_ORDERS_UNSHARED,
        # If two attempts shared an id before keys were stored, the later one has no key.
        f"""select 'provider ' || a.provider_id || ' order ' || a.provider_order_key from attempt a
            join attempt b on b.provider_id = a.provider_id and b.provider_order_key = a.provider_order_key
              and (b.order_id, b.run, b.number) <> (a.order_id, a.run, a.number)
            where {within("a.order_id")}
            union all
            select 'provider ' || a.provider_id || ' order ' || a.provider_order from attempt a
            join attempt b on b.provider_id = a.provider_id and b.provider_order_key = {key_of("a.provider_order")}
              and (b.order_id, b.run, b.number) <> (a.order_id, a.run, a.number)
            where {within("a.order_id")} and a.provider_order is not null and a.provider_order_key is null""",
    ),
    Invariant(
        "O10",
        InvariantCode.DELIVERIES_DUE,
        f"""-- A queued run without a time waits for an earlier run.
            select 'order ' || d.order_id || ' run ' || d.run || ' is never due' from delivery d
            where {within("d.order_id")} and d.state = '{DeliveryState.QUEUED}' and d.due is null and not exists (
              select from delivery p where p.order_id = d.order_id and p.run < d.run
                and (p.state = '{DeliveryState.QUEUED}' or p.state = '{DeliveryState.HELD}' and not exists (
                  select from attempt t where t.order_id = p.order_id and t.run = p.run and t.number = p.attempt)))
            union all
            -- Only the manual provider is not polled.
            select 'order ' || d.order_id || ' run ' || d.run || ' is never polled' from {_NEWEST}
            left join provider w on w.id = t.provider_id
            where {within("d.order_id")} and d.state in {AT_PROVIDER} and d.due is null
              and w.kind is distinct from '{MANUAL}'
            union all
            -- Times that do not fit the state.
            select 'order ' || order_id || ' run ' || run || ' and its times' from delivery
            where {within("order_id")} and (state = '{DeliveryState.SENDING}' and lease_until is null
              or state in {ENDED} and (due is not null or lease_until is not null)
              or cancel_passed is not null and cancel_asked is null)""",
    ),
)
