"""What a run comes to: a table for people, rows for programs, and the block of `docs/performance.md`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
from rich.console import Group
from rich.table import Table

from bench.measures import QUICK_ORDERS_A_SECOND, Result
from bench.profile import Profile
from bench.run import Run

BEGIN: Final = "<!-- begin: written by `make bench` -->"
END: Final = "<!-- end -->"
Row = tuple[str, ...]
SEEN: Final = {
    "mean_ms": "mean ms",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "p999_ms": "p99.9 ms",
    "max_ms": "max ms",
    "late_p99_ms": "schedule lag p99 ms",
    "rate": "per second",
    "api_us": "server µs",
    "postgres_us": "PostgreSQL µs",
    "client_us": "client µs",
    "worker_us": "worker µs",
    "upstream_us": "upstream µs",
    "postgres_cores": "PostgreSQL cores",
    "asked_s": "ids per second",
    "ids_a_call": "ids per call",
    "wal_bytes": "WAL bytes",
    "orders_each": "orders per transaction",
    "alone_ms": "p99 alone ms",
    "dear": "costly requests answered",
    "dear_503": "of these with 503",
    "supervisor_cores": "supervisor cores",
    "processes_cores": "API and worker cores",
}
"""Columns of the table of probes, each the median of the rounds; µs are processor time per request."""
_MET: Final = {True: "yes", False: "no", None: ""}
HEAD: Final = ("measure", "ours", "reference", "", "ratio", "target", "met")


def shown(run: Run) -> Group:
    """For the terminal."""
    rows = [_row(one) for one in run.results]
    tables = [_table(_brief(HEAD), [_brief(row) for row in rows])]
    tables += [_table(head, rows) for head, rows in _profiles(run)]
    return Group(*tables, *(f"{name}: {value}" for name, value in _about(run).items()))


def _brief(row: Row) -> Row:
    """Returns a row without the description of its reference, which needs a wide page."""
    return row[:3] + row[4:]


def _table(head: Row, rows: Sequence[Row]) -> Table:
    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table


def _row(one: Result) -> Row:
    sign = "≤" if one.measure.at_most else "≥"
    ratios = [ours / yardstick for ours, yardstick in one.rounds]
    spread = f" ({min(ratios):.2f}–{max(ratios):.2f})" if len(ratios) > 1 else ""
    return (
        one.measure.says,
        f"{number(one.ours)} {one.measure.unit}",
        f"{number(one.yardstick)} {one.measure.unit}",
        one.measure.against,
        f"{one.ratio:.2f} ×{spread}",
        "none" if one.target is None else f"{sign} {one.target:g} ×",
        _MET[one.met],
    )


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _about(run: Run) -> dict[str, str]:
    wish = run.wish
    return {
        **run.environment,
        "machine": f"{'quick' if run.quick else 'slow'}; on a quick one pgbench takes {QUICK_ORDERS_A_SECOND:,} "
        "orders a second or more",
        "loaded": f"{wish.orders:,} finished orders, {wish.customers:,} customers, {wish.services:,} services",
        "rounds": f"{wish.rounds}, with a checkpoint before each reading, and a vacuum before each reading of writes; "
        "figures and ratios are medians of the rounds, with the smallest and largest ratio in brackets",
        "worker": "none runs beside the API, so placed orders stay queued, on both sides",
        "other processes": f"used {median(run.neighbours or [0]):.0%} of the machine in the median reading, "
        f"{max(run.neighbours, default=0):.0%} in the worst",
        "run": f"{run.took_s / 60:.1f} minutes; afterwards every invariant of `opensmm verify` held",
    }


def _profiles(run: Run) -> Iterator[tuple[Row, list[Row]]]:
    if run.costs:
        yield _seen(run.costs)
    for one in run.profiles:
        yield _stages(one, run.costs[one.kind]["api_us"])
        yield (
            (f"{one.kind}: activity of the API's PostgreSQL connections", "connections on average"),
            [(name, f"{count:.2f}") for name, count in one.work.items() if count >= 0.005],
        )


def _seen(costs: Mapping[str, Mapping[str, float]]) -> tuple[Row, list[Row]]:
    columns = [name for name in SEEN if any(name in found for found in costs.values())]
    rows = [
        (probe, *(number(found[name]) if name in found else "" for name in columns)) for probe, found in costs.items()
    ]
    return ("probe", *(SEEN[name] for name in columns)), rows


def _stages(one: Profile, api_us: float) -> tuple[Row, list[Row]]:
    rows: list[Row] = [(name, f"{share * api_us:.1f}", f"{share:.0%}") for name, share in one.stages.items()]
    rows.append(("the whole API process", f"{api_us:.1f}", "100%"))
    return (f"{one.kind}: stage", "processor µs per request", "share"), rows


def as_rows(run: Run) -> list[dict[str, Any]]:
    """``ours`` and ``yardstick`` are medians in ``unit``; ``rounds`` are the pairs they come from. ``target`` and
    ``met`` are None where nothing is promised."""
    return [
        {
            "measure": one.measure.name,
            "ratio": round(one.ratio, 4),
            "target": one.target,
            "met": one.met,
            "at_most": one.measure.at_most,
            "unit": one.measure.unit,
            "ours": round(one.ours, 4),
            "yardstick": round(one.yardstick, 4),
            "rounds": [(round(ours, 4), round(yardstick, 4)) for ours, yardstick in one.rounds],
        }
        for one in run.results
    ]


def write_rows(path: Path, run: Run) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(as_rows(run)), indent=1) + b"\n")


def write_page(path: Path, run: Run) -> None:
    """Puts this run in the place of the last one; what people wrote around it stays."""
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n\n{as_markdown(run)}\n\n{END}{after}")


def as_markdown(run: Run) -> str:
    parts = [_markdown(HEAD, [_row(one) for one in run.results])]
    parts.append("\n".join(f"- {name}: {value}" for name, value in _about(run).items()))
    parts += [_markdown(head, rows) for head, rows in _profiles(run)]
    return "\n\n".join(parts)


def _markdown(head: Row, rows: Sequence[Row]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
