"""store.posts. No subscriptions are sold in a scenario."""

from datetime import datetime

from tests.simulation.twin.connection import Connection

from opensmm.base.ids import ProviderId


async def untold(connection: Connection, provider: ProviderId, until: datetime) -> bool:
    return False
