"""A run: a fresh folder, the load, the rounds, what is measured once, and the proof that the books still hold."""

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from msgspec import Struct
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import books, idle, loading, proc, working
from bench.asks import World
from bench.environment import Neighbours, environment
from bench.measures import MEASURES, Measure, Result, is_quick, result
from bench.probes import EMPTY, GROUPS, NEEDS, RESTED, Probe, Reading, Round, mean
from bench.profile import Profile, costs, profile
from bench.site import Server, Site
from opensmm.cli.context import err
from opensmm.store import invariants
from opensmm.store.embedded import DATABASE

STARTS: Final = 3
FOLLOWED_FOR: Final = 20
"""Times as long as another reading: what a worker does now and then is to come about."""
SHOWN: Final = (
    "add",
    "pgbench",
    "add-empty",
    "add-one",
    "pgbench-one",
    "p99-paced",
    "p99-pgbench",
    "p99-add",
    "p99-bare",
    "status",
    "bare-status",
    "balance",
    "statuses",
    "services-gzip",
    "bare-services-gzip",
    "dispatch",
    "caller",
    "poll",
    "fair-crowded",
    "idle",
)
"""The probes whose details are shown."""
_COLUMNS: Final = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


class Wish(Struct, frozen=True):
    """What to run. ``scale`` shrinks what is loaded; ``only`` empty: every measure.

    ``patience_s``: how long to wait, in all, for other processes to leave the machine alone.
    """

    data: Path
    rounds: int = 5
    seconds: float = 3.0
    scale: float = 1.0
    only: tuple[str, ...] = ()
    patience_s: float = 60.0

    @property
    def orders(self) -> int:
        return max(2000, round(1_000_000 * self.scale))

    @property
    def services(self) -> int:
        return max(200, round(10_000 * min(1.0, self.scale)))

    @property
    def customers(self) -> int:
        return max(20, round(1000 * min(1.0, self.scale)))

    @property
    def followed(self) -> int:
        """Open orders that a worker follows."""
        return max(2000, round(200_000 * min(1.0, self.scale)))

    @property
    def whole(self) -> bool:
        """Whether the run is the one that the figures of the documentation stand for."""
        return self.scale == 1 and self.rounds >= 5 and not self.only

    def measures(self) -> list[Measure]:
        return [measure for measure in MEASURES if not self.only or measure.name in self.only]

    def probes(self) -> set[str]:
        asked = {name for measure in self.measures() for name in (measure.ours, *measure.yardstick)}
        return asked | {need for name in asked for need in NEEDS.get(name, ())}


class Run(Struct, frozen=True):
    """``quick``: the machine has the targets of quick ones. ``costs``: medians of each probe's details.
    ``neighbours``: the share of the machine that others used, by reading."""

    wish: Wish
    environment: dict[str, str]
    results: list[Result]
    quick: bool
    costs: dict[str, dict[str, float]]
    profiles: list[Profile]
    neighbours: list[float]
    took_s: float


def run(wish: Wish) -> Run:
    """Raises Failed where a reading cannot count, or where the books do not hold afterwards."""
    signal.signal(signal.SIGTERM, _interrupt)
    began = time.monotonic()
    with fresh_folder(wish.data) as folder, Progress(*_COLUMNS, console=err) as progress, Site(folder) as site:
        fill(site, wish, progress)
        neighbours = Neighbours(site, wish.patience_s)
        rounds = take(site, wish, progress, neighbours)
        after = once(site, wish, progress)
        told = environment(site)
        profiles = [] if wish.only else profile(site, wish.seconds)
        verify(site, progress)
    return Run(
        wish=wish,
        environment=told,
        results=[result(measure, [*rounds, *after]) for measure in wish.measures()],
        quick=is_quick(rounds),
        costs={name: found for name in SHOWN if (found := costs([*rounds, *after], name))},
        profiles=profiles,
        neighbours=neighbours.shares,
        took_s=time.monotonic() - began,
    )


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def fresh_folder(under: Path) -> Iterator[Path]:
    """An empty folder on the disk that the data folder is on; gone afterwards."""
    under.mkdir(mode=0o711, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=under))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fill(site: Site, wish: Wish, progress: Progress) -> None:
    """The price list and the customers, in a database that is then copied, and the orders."""
    task = progress.add_task("loading services", total=wish.services)
    services = loading.fill_price_list(site, wish.services, lambda count: progress.advance(task, count))
    keys = loading.fill_customers(site, wish.customers)
    loading.tidy(site)
    site.copy(EMPTY, DATABASE)
    task = progress.add_task("loading finished orders", total=wish.orders)
    loading.fill_orders(site, wish.orders, services, wish.customers, lambda count: progress.advance(task, count))
    loading.tidy(site)
    site.world = World(keys, services, wish.orders)


def take(site: Site, wish: Wish, progress: Progress, neighbours: Neighbours) -> list[dict[str, Reading]]:
    wanted = wish.probes()
    groups = [
        (names, group)
        for group in GROUPS
        if (names := {name: probe for name, probe in group.probes.items() if name in wanted})
    ]
    readings = wish.rounds * sum(len(names) * group.turns for names, group in groups)
    task = progress.add_task("measuring", total=readings, visible=bool(groups))
    rounds = []
    for number in range(1, wish.rounds + 1):
        now = Round(site, number, wish.seconds, {})
        for probes, group in groups:
            turns: dict[str, list[Reading]] = {name: [] for name in probes}
            for turn in range(group.turns):
                for name, probe in probes.items():
                    progress.update(task, description=f"round {number}: {name}")
                    turns[name].append(undisturbed(now, probe, neighbours, rested=name in RESTED and not turn))
                    now.taken[name] = mean(turns[name])
                    progress.advance(task)
        rounds.append(now.taken)
    return rounds


def undisturbed(now: Round, probe: Probe, neighbours: Neighbours, *, rested: bool) -> Reading:
    """A reading on a quiet machine and a database at rest: all of it written out, and vacuumed where ``rested``."""
    while True:
        if rested:
            loading.tidy(now.site)
        now.site.checkpoint()
        neighbours.wait()
        neighbours.begin()
        began = time.monotonic()
        reading = probe(now)
        if not neighbours.disturbed(time.monotonic() - began):
            return reading


def once(site: Site, wish: Wish, progress: Progress) -> list[dict[str, Reading]]:
    """What is measured after the rounds: the memory of the API process that answered them, what following open orders
    costs, then the API's start."""
    found = []
    if "memory" in wish.probes():
        memory = proc.memory_mib(site.api().pid)
        found.append({"memory": Reading(memory["rss"], memory)})
    if not wish.probes().isdisjoint(("poll", "poll-oldest", "poll-young")):
        task = progress.add_task("following open orders", total=1)
        done = working.follow(site, EMPTY, wish.followed, FOLLOWED_FOR * wish.seconds)
        ages = {"poll-oldest": Reading(done.oldest_s), "poll-young": Reading(done.young_s)}
        found.append({"poll": Reading(done.cores, done.detail)} | ages)
        progress.advance(task)
    if "idle" in wish.probes():
        task = progress.add_task("an idle panel", total=1)
        looked = idle.measure(site.config.data, min(1.0, wish.scale))
        found.append({"idle": Reading(looked.cores, looked.detail)})
        progress.advance(task)
    if "start" in wish.probes():
        starts = min(STARTS, wish.rounds)
        task = progress.add_task("starting on the existing folder", total=starts)
        for _ in range(starts):
            found.append({"start": Reading(start_s(site))})
            progress.advance(task)
    return found


def start_s(site: Site) -> float:
    """From nothing running to the first answer: `opensmm api` starts PostgreSQL, reads the price list and answers."""
    site.halt()
    began = time.monotonic()
    server = Server(["-m", "opensmm", "api", "--fd", "FD", "--data", str(site.config.data)])
    try:
        server.wait(site.form("balance"))
        return time.monotonic() - began
    finally:
        server.stop()
        site.embedded.start()


def verify(site: Site, progress: Progress) -> None:
    task = progress.add_task("recomputing the books", total=len(invariants.INVARIANTS))
    books.prove(site, DATABASE, lambda count: progress.advance(task, count))
