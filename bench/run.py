"""A run: load, rounds, medians, table."""

import shutil
import signal
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import loading
from bench.asks import World
from bench.measures import MEASURES, Measure, Result, result
from bench.probes import PROBES, Reading, Round
from bench.site import Site
from opensmm.cli.frame import err


class Wish(Struct, frozen=True):
    """What to run. ``scale`` shrinks what is loaded; ``only`` empty: every measure."""

    data: Path
    rounds: int = 5
    seconds: float = 4.0
    scale: float = 1.0
    only: tuple[str, ...] = ()

    @property
    def orders(self) -> int:
        return max(2000, round(1_000_000 * self.scale))

    @property
    def services(self) -> int:
        return max(200, round(10_000 * min(1.0, self.scale)))

    @property
    def customers(self) -> int:
        return max(20, round(1000 * min(1.0, self.scale)))

    def measures(self) -> list[Measure]:
        return [measure for measure in MEASURES if not self.only or measure.name in self.only]


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


def run(wish: Wish) -> list[Result]:
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with fresh_folder(wish.data) as folder, Progress(*columns, console=err) as progress, Site(folder) as site:
        fill(site, wish, progress)
        rounds = take(site, wish, progress)
    return [result(measure, rounds) for measure in wish.measures()]


def fill(site: Site, wish: Wish, progress: Progress) -> None:
    task = progress.add_task("loading services", total=wish.services)
    services = loading.fill_price_list(site, wish.services, lambda count: progress.advance(task, count))
    keys = loading.fill_customers(site, wish.customers)
    task = progress.add_task("loading finished orders", total=wish.orders)
    loading.fill_orders(site, wish.orders, services, wish.customers, lambda count: progress.advance(task, count))
    loading.tidy(site)
    site.world = World(keys, services, wish.orders)


def take(site: Site, wish: Wish, progress: Progress) -> Sequence[dict[str, Reading]]:
    """Rounds of readings, a checkpoint before each."""
    wanted = {name for measure in wish.measures() for name in (measure.ours, *measure.yardstick)}
    probes = {name: probe for name, probe in PROBES.items() if name in wanted}
    task = progress.add_task("measuring", total=wish.rounds * len(probes))
    rounds = []
    for number in range(1, wish.rounds + 1):
        now = Round(site, number, wish.seconds, {})
        for name, probe in probes.items():
            progress.update(task, description=f"round {number} of {wish.rounds}: {name}")
            site.checkpoint()
            now.taken[name] = probe(now)
            progress.advance(task)
        rounds.append(now.taken)
    return rounds
