"""The pepper: the one that a database's keys were made with, or none of its keys opens anything."""

from collections.abc import Callable

from opensmm.domain.api_keys import pepper_mark
from opensmm.domain.audit import WITHHELD, AuditAction, AuditEntry, By, reasoned
from opensmm.domain.codes import OperatorRefusal, RefusalCode
from opensmm.providers.key_encryption import UnreadableKey, unseal
from opensmm.store import audit, catalogue, peppers, providers
from opensmm.store.connection import Connection


async def settle_pepper(connection: Connection, known: bytes | None, make: Callable[[], bytes]) -> bytes:
    """The pepper to work with. The first one is kept as a mark; ``make`` makes one where there is none, and no key
    either. Of several who come first, one keeps its own.

    Raises OperatorRefusal where the one that is ``known`` is another than the database's keys were made with, and
    where none is known beside a database that has keys.
    """
    async with connection.transaction():
        await catalogue.hold(connection)
        kept = await peppers.marked(connection)
        if known is None and (kept.used or kept.mark is not None):
            raise OperatorRefusal(RefusalCode.PEPPER_LOST)
        pepper = make() if known is None else known
        mark = pepper_mark(pepper)
        if kept.mark is None and not await _opens_none(connection, pepper):
            await peppers.keep(connection, mark)
        elif kept.mark != mark:
            raise OperatorRefusal(RefusalCode.PEPPER_DIFFERS)
    return pepper


async def _opens_none(connection: Connection, pepper: bytes) -> bool:
    """Whether providers' keys are kept and none opens: the pepper they were sealed with was another one."""
    sealed = [row for row in await providers.providers(connection) if row.sealed_key is not None]
    for row in sealed:
        try:
            unseal(pepper, row.id, row.url, row.sealed_key or b"")
        except UnreadableKey:
            continue
        return False
    return bool(sealed)


async def renew_pepper(connection: Connection, pepper: bytes, by: By) -> None:
    """Takes another pepper from now on: keys that were made with the one before open nothing any more."""
    by = reasoned(by)
    async with connection.transaction():
        await catalogue.hold(connection)
        kept = await peppers.marked(connection)
        await peppers.keep(connection, pepper_mark(pepper))
        before = WITHHELD if kept.used or kept.mark is not None else None
        entry = AuditEntry("panel", {"pepper": (before, WITHHELD)})
        await audit.note(connection, by, AuditAction.PANEL_PEPPER, [entry])
