"""Bugs of clocks: the one on a machine's wall believed, and the database's where it stepped."""

from collections.abc import Sequence
from typing import Any

from tests.simulation.clocks import ProcessClock
from tests.simulation.planting import Mutation

from opensmm.actions import housekeeping, sending
from opensmm.actions import unsure as inquiries
from opensmm.domain import evidence
from opensmm.worker import loops

_look = ProcessClock.look


class OnTheWall:
    """The clock of a worker's machine, which nobody doubts."""

    steady = True

    def __init__(self, clock: ProcessClock) -> None:
        self._clock = clock
        self.overriding_time = clock._wall
        self.monotonic = clock.monotonic

    def __call__(self) -> Any:
        return self.overriding_time()

    async def look(self, line: Any) -> bool:
        await self._clock.look(line)
        return True


_dispatching: Any = sending.DeliverySender
_inquiring: Any = inquiries.UnsureResolver
_chores: Any = housekeeping.Housekeeper


async def _noted_and_trusted(self: Any, line: Any) -> bool:
    await _look(self, line)
    self.steady = True
    return True


def _as_written(steps: Any, suspect: Any, patience: Any) -> Any:
    return suspect


def _never(*arguments: Any) -> bool:
    return False


def _nothing_in_flight() -> Sequence[Any]:
    return ()


CLOCKS: Sequence[Mutation] = (
    Mutation(
        "the clock on the worker's wall",
        "it jumped: a live send was called lost, and the ids that were not there yet proved it: bought twice",
        [
            (loops, "DeliverySender", lambda *told: _dispatching(*told[:-1], OnTheWall(told[-1]))),
            (
                loops,
                "UnsureResolver",
                lambda line, registry, clock, *told: _inquiring(line, registry, OnTheWall(clock), *told),
            ),
            (
                loops,
                "Housekeeper",
                lambda line, registry, clock, *told: _chores(line, registry, OnTheWall(clock), _nothing_in_flight),
            ),
        ],
    ),
    Mutation(
        "neighbours on two sides of a step",
        "another node took over, whose clock was ahead: minutes had not passed that seemed to have",
        [
            (evidence, "widen_over_steps", _as_written),
            (evidence._Location, "spans", _never),
            (ProcessClock, "look", _noted_and_trusted),
        ],
    ),
)
