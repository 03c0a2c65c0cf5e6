"""Notices on the operator's list, which the operator marks as dealt with."""

from opensmm.base.ids import OrderId
from opensmm.domain.audit import AuditAction, AuditEntry, By, with_reason
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.store import audit
from opensmm.store import notices as rows
from opensmm.store.connection import Connection


async def deal_with(connection: Connection, order: OrderId, by: By) -> bool:
    """Takes an order's notices off the list, in one transaction with an audit row.

    Returns False if they were off it before. Raises OperatorRefusal for an order that never had one.
    """
    by = with_reason(by)
    async with connection.transaction():
        closed = await rows.deal_with(connection, order, by.now)
        if not closed:
            if not await rows.has_notices(connection, order):
                raise OperatorRefusal(RefusalCode.NO_NOTICE, order=order)
            return False
        changes = {f"runs.{run}.tries.{number}.notice": (conclusion, None) for run, number, conclusion, _ in closed}
        context = {"provider_orders": [theirs for *_, theirs in closed]}
        await audit.note(connection, by, AuditAction.ORDER_DEAL_WITH, [AuditEntry(str(order), changes, context)])
    return True
