"""The pepper with which a database's keys were made. With another one, none of them works."""

from collections.abc import Callable

from opensmm.domain.api_keys import pepper_mark
from opensmm.domain.audit import WITHHELD, AuditAction, AuditEntry, By, with_reason
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.providers.key_encryption import UnreadableKey, unseal
from opensmm.store import audit, catalogue, peppers, providers
from opensmm.store.connection import Connection


async def choose_pepper(connection: Connection, given: bytes | None, make: Callable[[], bytes]) -> bytes:
    """Returns the pepper to work with: the one ``given`` or, if the database has no keys, the one that ``make`` makes.

    The database stores a mark of the first pepper. If several processes come first at the same moment, one of them
    stores its own. Raises OperatorRefusal if the pepper given is not the one of the database's keys, or if none is
    given for a database that has keys.
    """
    async with connection.transaction():
        await catalogue.lock(connection)
        stored = await peppers.read_mark(connection)
        if given is None and (stored.used or stored.mark is not None):
            raise OperatorRefusal(RefusalCode.PEPPER_LOST)
        pepper = make() if given is None else given
        mark = pepper_mark(pepper)
        if stored.mark is None and not await _is_of_other_keys(connection, pepper):
            await peppers.keep(connection, mark)
        elif stored.mark != mark:
            raise OperatorRefusal(RefusalCode.PEPPER_DIFFERS)
    return pepper


async def _is_of_other_keys(connection: Connection, pepper: bytes) -> bool:
    """Returns True if providers' keys are stored and none can be decrypted: they were sealed with another pepper."""
    sealed = [row for row in await providers.providers(connection) if row.sealed_key is not None]
    for row in sealed:
        try:
            unseal(pepper, row.id, row.url, row.sealed_key or b"")
        except UnreadableKey:
            continue
        return False
    return bool(sealed)


async def renew_pepper(connection: Connection, pepper: bytes, by: By) -> None:
    """Stores another pepper's mark. Keys that were made with the old pepper no longer work."""
    by = with_reason(by)
    async with connection.transaction():
        await catalogue.lock(connection)
        stored = await peppers.read_mark(connection)
        await peppers.keep(connection, pepper_mark(pepper))
        before = WITHHELD if stored.used or stored.mark is not None else None
        entry = AuditEntry("panel", {"pepper": (before, WITHHELD)})
        await audit.note(connection, by, AuditAction.PANEL_PEPPER, [entry])
