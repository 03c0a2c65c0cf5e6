"""Entries of the audit trail: the actor, the action, its subject, and each field before and after."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from msgspec import Struct, structs

from opensmm.domain.codes import FieldCode
from opensmm.domain.names import check_name

MAX_REASON: Final = 500


class ActorKind(StrEnum):
    """Kinds of actors, by the interface through which they act."""

    COMMAND_LINE = "command line"
    WORKER = "worker"
    STAFF_USER = "staff user"
    CUSTOMER = "customer"


class Actor(Struct, frozen=True):
    """The party that acts. ``name`` identifies the actor among those of its kind."""

    kind: ActorKind
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.kind})"


class By(Struct, frozen=True):
    """The actor, reason and time of an action. ``reason`` is empty if the action needs none."""

    actor: Actor
    reason: str
    now: datetime


def read_reason(text: str) -> str:
    """Trims a reason; raises OperatorRefusal if it is empty, too long, or more than a line of plain text."""
    reason = text.strip()
    check_name(reason, MAX_REASON, FieldCode.REASON)
    return reason


def with_reason(by: By) -> By:
    """Returns ``by`` with its reason trimmed, for actions that need one; raises OperatorRefusal as ``read_reason``."""
    return structs.replace(by, reason=read_reason(by.reason))


class AuditAction(StrEnum):
    """Actions in the audit trail. The part before the dot is the kind of thing that a row's subject identifies."""

    CUSTOMER_ADD = "customer.add"
    CUSTOMER_SUSPEND = "customer.suspend"
    CUSTOMER_RESUME = "customer.resume"
    CUSTOMER_TOPUP = "customer.topup"
    CUSTOMER_ADJUST = "customer.adjust"
    CUSTOMER_CHARGEBACK = "customer.chargeback"
    CUSTOMER_PAYOUT = "customer.payout"
    CUSTOMER_BONUS = "customer.bonus"
    CUSTOMER_CREDIT_LIMIT = "customer.credit_limit"
    CUSTOMER_PRICE_LIST = "customer.price_list"
    KEY_ADD = "key.add"
    KEY_EDIT = "key.edit"
    KEY_REVOKE = "key.revoke"
    SERVICE_SAVE = "service.save"
    SERVICE_DELIVER = "service.deliver"
    SERVICE_REFILL = "service.refill"
    SERVICE_APPROVE = "service.approve"
    SERVICE_SYNC = "service.sync"
    SERVICE_PROHIBIT = "service.prohibit"
    ROUTE_SET = "route.set"
    ROUTE_BY_COST = "route.by_cost"
    PROVIDER_ADD = "provider.add"
    PROVIDER_EDIT = "provider.edit"
    PROVIDER_FOLLOW = "provider.follow"
    PROVIDER_CHECK = "provider.check"
    PROVIDER_BALANCE = "provider.balance"
    PRICE_LIST_ADD = "price_list.add"
    PRICE_LIST_RATE = "price_list.rate"
    PANEL_BELOW_COST = "panel.below_cost"
    PANEL_REFUSED_WAIT = "panel.refused_wait"
    PANEL_PEPPER = "panel.pepper"
    PANEL_CURRENCY = "panel.currency"
    POLICY_ADD = "policy.add"
    POLICY_REMOVE = "policy.remove"
    ORDER_CANCEL = "order.cancel"
    ORDER_COMPLETE = "order.complete"
    ORDER_PARTIAL = "order.partial"
    ORDER_RESEND = "order.resend"
    ORDER_SETTLE = "order.settle"
    ORDER_REFUND = "order.refund"
    ORDER_DEAL_WITH = "order.deal_with"
    STAFF_ASSIGN = "staff.assign"
    STAFF_START = "staff.start"
    STAFF_PROGRESS = "staff.progress"
    STAFF_DONE = "staff.done"
    STAFF_PARTIAL = "staff.partial"
    STAFF_CANCEL = "staff.cancel"
    STAFF_REFILL_COMPLETED = "staff.refill_completed"
    STAFF_REFILL_REJECTED = "staff.refill_rejected"
    STAFF_REFILL_BUY = "staff.refill_buy"


Change = tuple[object, object]
Changes = Mapping[str, Change]
Context = Mapping[str, object]
NO_CONTEXT: Final[Context] = MappingProxyType({})
WITHHELD: Final = "(withheld)"
"""The placeholder of a secret value."""


class AuditEntry(Struct, frozen=True):
    """A change of one thing.

    ``changes``: each changed field, before and after; None if it did not exist. ``context``: facts that are no fields
    of the subject. Amounts of money are whole numbers, as stored.
    """

    subject: str
    changes: Changes
    context: Context = NO_CONTEXT

    def detail(self, reason: str) -> dict[str, object]:
        """Returns the stored form, the same for every action."""
        return {"changes": dict(self.changes), **({"reason": reason} if reason else {}), **self.context}


def diff(before: Struct | None, after: Struct | None, leave_out: frozenset[str] = frozenset()) -> Changes:
    """Returns the fields in which two rows differ; of a new or removed row, all fields that are set.

    ``leave_out``: secrets, and fields that nobody edits.
    """
    row = before if before is not None else after
    names = [] if row is None else [field.name for field in structs.fields(row) if field.name not in leave_out]
    pairs = {name: (getattr(before, name, None), getattr(after, name, None)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def created(**fields: object) -> Changes:
    """Returns the changes of a thing that did not exist before."""
    return {name: (None, value) for name, value in fields.items()}


def secret_change(before: object, after: object) -> Changes:
    """Records that a key changed, without either value."""
    return {} if before == after else {"key": (before and WITHHELD, after and WITHHELD)}
