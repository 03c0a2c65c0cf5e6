"""The price list that a process sells from."""

from typing import Final

from opensmm.domain.catalogue import Catalogue
from opensmm.store import catalogue
from opensmm.store.connection import Connection

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
