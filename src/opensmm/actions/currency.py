"""Setting the panel's currency, once: rates and balances are numbers, and none is converted."""

from opensmm.domain.audit import AuditAction, AuditEntry, By
from opensmm.domain.currencies import currency_code
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.store import audit, catalogue
from opensmm.store import currency as rows
from opensmm.store.connection import Connection


async def set_currency(owner: Connection, text: str, *, by: By) -> str:
    """Sets the panel's currency in one transaction with its audit row; returns its code.

    ``owner`` is a connection of the role that owns the tables. Raises OperatorRefusal if ``text`` is no currency, or
    another one than before although money has moved.
    """
    code = currency_code(text.strip())
    async with owner.transaction():
        before = await catalogue.currency(owner)
        if before == code:
            return code
        if await rows.has_money_moved(owner):
            raise OperatorRefusal(RefusalCode.CURRENCY_FIXED, currency=before)
        before = await rows.set_currency(owner, code) or before
        entry = AuditEntry("panel", {"currency": (before, code)})
        await audit.note(owner, by, AuditAction.PANEL_CURRENCY, [entry])
    return code
