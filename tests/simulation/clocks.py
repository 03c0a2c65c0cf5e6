"""Clocks of the simulation: the database's, and one on the wall of every process's machine. Each steps by itself."""

from collections.abc import Callable
from datetime import datetime, timedelta

from opensmm.actions import clock

MILLISECOND = timedelta(milliseconds=1)


class ProcessClock(clock.DatabaseClock):
    """The panel's own clock in a process whose machine's clock is ``off`` at this moment."""

    def __init__(
        self,
        now: Callable[[], datetime],
        database: Callable[[], datetime],
        off: Callable[[], timedelta],
        rest: timedelta,
    ) -> None:
        self._database = database
        self._began = now()
        super().__init__(lambda: now() + off(), lambda: now().timestamp(), rest)

    def __call__(self) -> datetime:
        """To the millisecond, in which the world's time goes."""
        return self._began + round((super().__call__() - self._began) / MILLISECOND) * MILLISECOND

    def overriding_time(self) -> datetime | None:
        return self._database()
