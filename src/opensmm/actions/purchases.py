"""Refills bought at another provider: the house pays, and the customer is charged nothing."""

from opensmm.actions.clock import DatabaseClock
from opensmm.actions.transactions import write
from opensmm.base.ids import OrderId, RefillId
from opensmm.domain.audit import AuditAction, AuditEntry, By, created
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.refills import check_purchase
from opensmm.store import audit
from opensmm.store import purchases as rows
from opensmm.store.connection import Connection, ReconnectingConnection


async def buy(connection: Connection, refill: RefillId, quantity: int, *, by: By) -> OrderId:
    """Places the house's order for a refill, in one transaction with its audit row. It is sent once, like any order.

    Raises OperatorRefusal if the refill does not wait for a purchase, if no other provider fulfils the service, or if
    ``quantity`` is more than was ordered.
    """
    async with connection.transaction():
        lost = await rows.lock_wanted(connection, refill)
        if lost is None:
            raise OperatorRefusal(RefusalCode.REFILL_NOT_FOR_SALE, refill=refill)
        if lost.route is None:
            raise OperatorRefusal(RefusalCode.NO_OTHER_PROVIDER, refill=refill)
        check_purchase(refill, quantity, lost.quantity, packaged=lost.packaged)
        order = await rows.buy(connection, refill, lost, quantity, by.now)
        entry = AuditEntry(str(refill), created(purchase=order, quantity=quantity), {"order": lost.order})
        await audit.note(connection, by, AuditAction.STAFF_REFILL_BUY, [entry])
    return order


class PurchaseCloser:
    """Completes refills whose purchases were delivered; returns the others to the staff's list."""

    def __init__(self, connection: ReconnectingConnection, clock: DatabaseClock) -> None:
        self._connection = connection
        self._clock = clock

    async def step(self, limit: int) -> None:
        now = self._clock()
        await write(self._connection, lambda connection: rows.conclude(connection, now, limit))
