"""Keeping the daily sums: a worker's duty, a piece at a time."""

from typing import Final

from opensmm.actions.transactions import write
from opensmm.store import rollups
from opensmm.store.connection import ReconnectingConnection

MOST_PIECES: Final = 5
"""Pieces that are added up in one step: what an older release left is caught up with in little time."""


class RollupUpdater:
    """Adds up what was placed and moved. Any number of workers may: one at a time does, the others pass on."""

    def __init__(self, connection: ReconnectingConnection) -> None:
        self._connection = connection

    async def step(self) -> int:
        """Adds up what there is, in one transaction a piece: a crash leaves it added up once or not at all. Returns how
        many pieces there were."""
        for count in range(MOST_PIECES):
            if not await write(self._connection, rollups.add_up):
                return count
        return MOST_PIECES
