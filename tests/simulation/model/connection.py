"""A connection to the model for actions that expect PostgreSQL: transactions, and commits without an answer."""

from collections.abc import Callable, Generator
from contextlib import nullcontext
from datetime import datetime
from enum import StrEnum
from typing import Any

import psycopg
from tests.simulation.model.tables import Store

from opensmm.base.error_codes import OutageCode
from opensmm.base.errors import CommitUnknown, Unavailable


class Pause:
    """Where a coroutine of the panel stands still until the world lets it go on."""

    def __init__(self, at: str, until: datetime | None = None, waits_for: Any = None) -> None:
        self.at = at
        self.until = until
        self.waits_for = waits_for

    def __await__(self) -> Generator["Pause", None, None]:
        yield self


class Fate(StrEnum):
    """What becomes of a COMMIT that was sent."""

    HEARD = "heard"
    UNHEARD = "kept, its answer lost"
    LOST = "lost before it was kept"
    ALONE = "kept, its wait for the standby cancelled"


def is_in_doubt(fate: Fate) -> bool:
    """Whether a client that heard so much knows what became of its COMMIT; a cancelled wait is told as a warning."""
    return fate is not Fate.HEARD


class Connection:
    closed = False

    def __init__(self, store: Store, fate: Callable[[], Fate]) -> None:
        self.store = store
        self._fate = fate

    def transaction(self) -> "Connection":
        return self

    async def __aenter__(self) -> "Connection":
        self.store.begin()
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: object) -> bool:
        if error is None:
            await self.commit()
            return False
        self.rollback()
        return isinstance(error, psycopg.Rollback)

    async def commit(self) -> None:
        fate = self._fate()
        if fate is Fate.LOST:
            self.rollback()
            raise psycopg.OperationalError(fate)
        claims = self.store.commit(waited_for=fate is Fate.HEARD)
        await Pause("commit")
        if is_in_doubt(fate):
            self.store.unheard |= claims
            raise psycopg.OperationalError(fate)

    async def wait_for_standby(self) -> None:
        """A COMMIT that writes to the log of changes alone."""
        if is_in_doubt(self._fate()):
            raise CommitUnknown(OutageCode.COMMIT_UNKNOWN)
        self.store.alone.clear()

    def rollback(self) -> None:
        if self.store.open:
            self.store.rollback()


class Line:
    """Gives a new connection each time, so that nobody waits for a turn; ``away``: the database cannot be reached."""

    def __init__(self, store: Store, fate: Callable[[], Fate], away: Callable[[], bool]) -> None:
        self.store = store
        self._fate = fate
        self._away = away
        self.turn = nullcontext[None]()

    async def get(self) -> Connection:
        if self._away():
            raise Unavailable(OutageCode.NO_CONNECTION)
        return Connection(self.store, self._fate)

    async def drop(self) -> None:
        """What was open is rolled back by the database once the connection is gone."""
        if self.store.open:
            self.store.rollback()


def is_connection_error(error: psycopg.Error) -> bool:
    return error.sqlstate is None


async def commit(connection: Connection) -> None:
    await connection.commit()


async def rollback(connection: Connection) -> None:
    connection.rollback()
