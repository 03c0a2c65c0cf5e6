"""``make simulate``: many seeds on all cores, the planted bugs, or one seed again, step by step."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import islice
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from tests.simulation import coverage, shrink
from tests.simulation.mutations import MUTATIONS
from tests.simulation.shrink import Finding, Outcome

MUTATION_SEEDS = 60
TRACE_LINES = 60
console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    arguments = _arguments()
    if arguments.seed is not None:
        return _replay(arguments.seed, arguments.events, arguments.mutation)
    if arguments.mutations:
        return _plant()
    return _simulate(range(arguments.first, arguments.first + arguments.seeds), arguments.events, arguments.seconds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many scenarios")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--events", type=int, default=10_000, help="events in a scenario")
    parser.add_argument("--seconds", type=float, default=0, help="begin no further scenario after so long; 0: no bound")
    parser.add_argument("--seed", type=int, help="one scenario again, shrunk where it fails")
    parser.add_argument("--mutations", action="store_true", help="plant every known bug, and see each one caught")
    parser.add_argument("--mutation", help="with --seed: the bug to plant")
    return parser.parse_args()


def _simulate(seeds: Sequence[int], events: int, seconds: float) -> int:
    began = time.monotonic()
    met: Counter[tuple[str, str]] = Counter()
    done = orders = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("scenarios", total=len(seeds))
        for outcome in outcomes(seeds, events, seconds):
            done, orders = done + outcome.events, orders + outcome.orders
            met += outcome.coverage
            rate = done / (time.monotonic() - began)
            progress.update(bar, advance=1, description=f"{done:,} events, {orders:,} orders, {rate:,.0f}/s")
            if outcome.finding is not None:
                progress.stop()
                _show(outcome.finding, None)
                return 1
    lacking = coverage.missing(met)
    console.print(f"{done:,} events, {orders:,} orders, {sum(met.values()):,} faults and oddities: every check held")
    console.print(coverage.settled(met))
    for fault, state in lacking:
        console.print(f"[yellow]never met: {escape(fault)} ({escape(state)})[/]")
    return 0


def outcomes(seeds: Sequence[int], events: int, seconds: float = 0) -> Iterator[Outcome]:
    """Scenarios on all cores, as they come to their end; a few more than there are cores are under way."""
    cores, until = os.cpu_count() or 1, time.monotonic() + (seconds or float("inf"))
    left = iter(seeds)
    with ProcessPoolExecutor(cores) as pool:
        running = {pool.submit(shrink.run, seed, events) for seed in islice(left, 2 * cores)}
        while running:
            ended = next(as_completed(running))
            running.remove(ended)
            if time.monotonic() < until and (seed := next(left, None)) is not None:
                running.add(pool.submit(shrink.run, seed, events))
            yield ended.result()


def _replay(seed: int, events: int, mutation: str | None) -> int:
    outcome = shrink.run(seed, events, mutation)
    if outcome.finding is None:
        console.print(f"seed {seed}: {outcome.events:,} events, {outcome.orders} orders: every check held")
        return 0
    _show(outcome.finding, mutation)
    return 1


def _show(finding: Finding, mutation: str | None) -> None:
    console.print(f"[bold red]{finding.check}[/] seed {finding.seed}, event {finding.event}: {escape(finding.says)}")
    shrunk = shrink.shrink(finding, mutation)
    console.print(f"{len(shrunk.kept)} of {finding.event} events are enough. Of the orders concerned:")
    for line in shrunk.trace[-TRACE_LINES:]:
        orders = ", ".join(map(str, line.orders))
        console.print(f"  [dim]{line.event:>6} {line.at:%d %H:%M:%S}[/] order {orders}: {escape(line.says)}")
    console.print(f"  [red]{escape(shrunk.finding.check)}: {escape(shrunk.finding.says)}[/]")
    planted = f" --mutation '{mutation}'" if mutation else ""
    console.print(f"Again: python -m tests.simulation --seed {finding.seed} --events {finding.events}{planted}")


def _plant() -> int:
    table = Table("planted bug", "what it did", "check", "seed", "event", title="Known bugs, each planted alone")
    missed = 0
    with ProcessPoolExecutor() as pool:
        for mutation, finding in zip(MUTATIONS, pool.map(hunt, [one.name for one in MUTATIONS]), strict=True):
            missed += finding is None
            caught = (
                ("[red]missed[/]", "", "")
                if finding is None
                else (finding.check, str(finding.seed), str(finding.event))
            )
            table.add_row(mutation.name, mutation.history, *caught)
    console.print(table)
    console.print(f"{len(MUTATIONS) - missed} of {len(MUTATIONS)} caught")
    return 1 if missed else 0


def kept_seeds() -> list[tuple[int, int, str]]:
    """Seeds that found something once: seed, events, and what it was."""
    lines = Path(__file__).with_name("seeds.txt").read_text().splitlines()
    seeds = [line.split(maxsplit=2) for line in lines if not line.startswith("#")]
    return [(int(seed), int(events), what) for seed, events, what in seeds]


def hunt(mutation: str, events: int = 10_000) -> Finding | None:
    """What the first seed found that catches a planted bug; the one that is known to is the first."""
    seeds = [seed for seed, _, what in kept_seeds() if what == mutation]
    result = (shrink.run(seed, events, mutation).finding for seed in (*seeds, *range(MUTATION_SEEDS)))
    return next((one for one in result if one is not None), None)


if __name__ == "__main__":
    sys.exit(main())
