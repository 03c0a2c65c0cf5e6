"""Updates of the daily sums by a worker, one portion at a time."""

from typing import Final

from opensmm.actions.transactions import write
from opensmm.store import rollups
from opensmm.store.connection import ReconnectingConnection

MAX_PORTIONS: Final = 5
"""Portions that one step adds up at most, so that the backlog of an older release is worked off quickly."""


class RollupUpdater:
    """Adds up orders and transfers. Of several workers, one does it at a time, and the others skip it."""

    def __init__(self, connection: ReconnectingConnection) -> None:
        self._connection = connection

    async def step(self) -> int:
        """Adds up new rows, in one transaction per portion, so that a crash never counts a row twice.

        Returns the number of portions.
        """
        for count in range(MAX_PORTIONS):
            if not await write(self._connection, rollups.add_up):
                return count
        return MAX_PORTIONS
