"""The price list a process sells from, and the operator's edits of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from opensmm.base.ids import ServiceId
from opensmm.domain.catalogue import Catalogue, Service
from opensmm.store import audit, catalogue
from opensmm.store.connection import Connection, Line

EMPTY: Final = Catalogue(version=0, currency="", services={}, rates={})


class Shelf:
    """The catalogue as this process knows it; ``refresh`` reads what has changed since."""

    def __init__(self) -> None:
        self.catalogue = EMPTY

    async def refresh(self, connection: Connection) -> Catalogue:
        known = self.catalogue if self.catalogue.version else None
        fresh = await catalogue.refresh(connection, known)
        if fresh.version > self.catalogue.version:
            self.catalogue = fresh
        return self.catalogue

    async def look(self, line: Line) -> Catalogue:
        """The catalogue as it stands in the database at this moment."""
        return await self.refresh(await line.get())


async def save_services(
    connection: Connection, services: Sequence[Service], *, actor: str, now: datetime
) -> list[ServiceId]:
    """Writes services, the catalogue's version and the audit rows in one transaction; id 0 means a new service."""
    async with connection.transaction():
        saved = await catalogue.save_services(connection, services)
        await audit.note(connection, actor, "service.save", [str(service) for service in saved], now)
    return saved
