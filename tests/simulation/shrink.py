"""Running a seed, and making a failure small enough to be read."""

import time
from collections import Counter
from collections.abc import Collection, Sequence

from msgspec import Struct
from tests.simulation.mutations import MUTATIONS
from tests.simulation.planting import Mutation, planted
from tests.simulation.running import Broken
from tests.simulation.world import Moment, World

SHRINK_WITHIN_S = 20.0


class Finding(Struct, frozen=True):
    """A check that failed. ``event``: at which event; ``orders``: those concerned."""

    seed: int
    events: int
    check: str
    says: str
    event: int
    orders: tuple[int, ...] = ()


class Outcome(Struct, frozen=True):
    """What a seed came to. ``coverage`` counts each fault in each state it met."""

    seed: int
    events: int
    orders: int
    coverage: Counter[tuple[str, str]]
    finding: Finding | None


def run(seed: int, events: int, mutation: str | None = None) -> Outcome:
    """One scenario, with a bug planted where one is named."""
    with planted(named(mutation)):
        return _run(World(seed), events, ())


def named(mutation: str | None) -> Mutation | None:
    return None if mutation is None else next(one for one in MUTATIONS if one.name == mutation)


def _run(world: World, events: int, skip: Collection[int]) -> Outcome:
    finding = None
    try:
        world.run(events, skip)
    except Broken as broken:
        finding = Finding(world.seed, events, broken.check, broken.says, world.event, broken.orders)
    except Exception as error:  # a fault of the panel's code under the scenario is a finding like any other
        finding = Finding(world.seed, events, type(error).__name__, str(error), world.event)
    return Outcome(world.seed, world.event, len(world.store.orders), world.coverage, finding)


class Shrunk(Struct, frozen=True):
    """The few events that are enough for the same check to fail, and what happened to the orders concerned."""

    finding: Finding
    kept: Sequence[int]
    trace: Sequence[Moment]


def shrink(finding: Finding, mutation: str | None = None, within_s: float = SHRINK_WITHIN_S) -> Shrunk:
    """Leaves events out, big pieces first, as long as the same check fails; then runs the rest with notes."""
    until = time.monotonic() + within_s
    with planted(named(mutation)):
        skip: set[int] = set()
        events = list(range(1, finding.event + 1))
        size = len(events) // 2
        while size and time.monotonic() < until:
            at = 0
            while at < len(events) and time.monotonic() < until:
                piece = events[at : at + size]
                smaller = _run(World(finding.seed), finding.event, skip.union(piece)).finding
                if smaller is not None and smaller.check == finding.check:
                    skip.update(piece)
                    del events[at : at + size]
                else:
                    at += size
            size //= 2
        world = World(finding.seed, trace=True)
        last = _run(world, finding.event, skip).finding or finding
    concerned = set(last.orders)
    trace = [one for one in world.trace or () if not concerned or concerned & set(one.orders)]
    return Shrunk(last, events, trace)
