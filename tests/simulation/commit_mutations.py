"""Bugs about commits whose answer was lost, or which no standby has."""

from collections.abc import Sequence
from typing import Any

from tests.simulation.model import connection as twin_connection
from tests.simulation.planting import Mutation

from opensmm.actions import order_placing as deciding
from opensmm.actions import sending as dispatching
from opensmm.base.error_codes import OutageCode
from opensmm.base.errors import Unavailable
from opensmm.domain import orders


async def _repeat_uncommitted(self: Any, connection: Any, mark: Any, decisions: Any, now: Any) -> None:
    """What was kept before is visible, and answered from there."""
    if any(isinstance(decision, orders.PricedOrder) for decision in decisions):
        await _decide_commit(self, connection, mark, decisions, now)
    else:
        connection.rollback()


_decide_commit = deciding.LockedPlacer._commit


async def _forgotten(self: Any) -> Any:
    self._last_claim = None
    raise Unavailable(OutageCode.CONNECTION_LOST)


async def _not_waited_for(self: Any) -> None:
    return None


COMMITS: Sequence[Mutation] = (
    Mutation(
        "a repeat answered from what is visible",
        "its COMMIT was given up: no standby had the order, and the primary died",
        [(deciding.LockedPlacer, "_commit", _repeat_uncommitted)],
    ),
    Mutation(
        "a mark looked at without waiting",
        "visible here, and lost with the primary",
        [(twin_connection.Connection, "wait_for_standby", _not_waited_for)],
    ),
    Mutation(
        "a cancelled wait is a success",
        "PostgreSQL says COMMIT, with a warning beside it",
        [(twin_connection, "is_in_doubt", lambda fate: fate is twin_connection.Fate.UNHEARD)],
    ),
    Mutation(
        "a claim whose answer was lost is forgotten",
        "two hundred orders unsure that were never sent",
        [(dispatching.DeliverySender, "_recover_claim", _forgotten)],
    ),
)
