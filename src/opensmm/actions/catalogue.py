"""A process's copy of the catalogue, and the services that a price list of it sells."""

import asyncio
from typing import Final

from opensmm.base.ids import PriceListId, ServiceId
from opensmm.domain.catalogue import Catalogue, Service
from opensmm.store import catalogue
from opensmm.store.connection import Connection

EMPTY: Final = Catalogue(version=0, currency="", services={}, rates={})
SERVICES_A_TURN: Final = 250
"""Services checked before other tasks of the event loop get their turn."""


class CatalogueCache:
    """A copy of the catalogue. ``refresh`` reads the changes since the last read."""

    def __init__(self) -> None:
        self.catalogue = EMPTY

    async def refresh(self, connection: Connection) -> Catalogue:
        base = self.catalogue if self.catalogue.version else None
        fresh = await catalogue.refresh(connection, base)
        if fresh.version > self.catalogue.version:
            self.catalogue = fresh
        return self.catalogue


async def services_on_sale(catalogue: Catalogue, price_list: PriceListId) -> list[Service]:
    """Lists the services that a price list sells, by position. Other tasks get their turn on the way."""
    on_sale: list[tuple[int, ServiceId, Service]] = []
    for at, service in enumerate(catalogue.services.values()):
        if at % SERVICES_A_TURN == 0:
            await asyncio.sleep(0)
        if catalogue.sells(service, price_list):
            on_sale.append((service.position, service.id, service))
    return [service for _, _, service in sorted(on_sale)]
