"""The operator's own people as a provider, of the kind ``manual``."""

from opensmm.base.ids import ProviderId
from opensmm.domain.audit import AuditAction, AuditEntry, By, created
from opensmm.domain.providers import MANUAL
from opensmm.store import audit, manual
from opensmm.store.connection import Connection


async def have_provider_in_transaction(connection: Connection, by: By) -> ProviderId:
    """Adds the staff as a provider where it is none yet, with an audit row; returns its id."""
    provider, fresh = await manual.provide(connection)
    if fresh:
        changes = created(name=manual.NAME, kind=MANUAL)
        await audit.note(connection, by, AuditAction.PROVIDER_ADD, [AuditEntry(str(provider), changes)])
    return provider
