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
    "late_p99_ms": "sent late, p99 ms",
    "rate": "a second",
    "api_us": "server µs",
    "postgres_us": "PostgreSQL µs",
    "client_us": "client µs",
    "worker_us": "worker µs",
    "upstream_us": "upstream µs",
    "postgres_cores": "PostgreSQL cores",
    "asked_s": "ids a second",
    "ids_a_call": "ids a call",
    "wal_bytes": "WAL bytes",
    "orders_each": "orders a transaction",
    "alone_ms": "alone, p99 ms",
    "dear": "dear asks answered",
    "dear_503": "of them 503",
    "supervisor_cores": "supervisor cores",
    "processes_cores": "API and worker cores",
}
"""What was seen beside a value, each the median of the rounds; µs are processor time a request."""
_MET: Final = {True: "yes", False: "no", None: ""}
HEAD: Final = ("measure", "ours", "held against", "", "ratio", "target", "met")


def shown(run: Run) -> Group:
    """For the terminal."""
    rows = [_row(one) for one in run.results]
    tables = [_table(_brief(HEAD), [_brief(row) for row in rows])]
    tables += [_table(head, rows) for head, rows in _profiles(run)]
    return Group(*tables, *(f"{name}: {value}" for name, value in _about(run).items()))


def _brief(row: Row) -> Row:
    """A row without the words on the yardstick, which need a wide page."""
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
        "machine": f"{'quick' if run.quick else 'slow'}; quick is one whose pgbench takes {QUICK_ORDERS_A_SECOND:,} "
        "orders a second or more",
        "loaded": f"{wish.orders:,} finished orders, {wish.customers:,} customers, {wish.services:,} services",
        "rounds": f"{wish.rounds}, a checkpoint before each reading, a vacuum before each that writes; figures and "
        "ratios are the medians of the rounds, in brackets their least and largest",
        "no worker runs": "beside the API: placed orders stay queued, on both sides alike",
        "others": f"processes that are not of the run used {median(run.neighbours or [0]):.0%} of the machine in the "
        f"middle reading, {max(run.neighbours, default=0):.0%} in the worst",
        "run": f"{run.took_s / 60:.1f} minutes; afterwards every invariant of `opensmm verify` held",
    }


def _profiles(run: Run) -> Iterator[tuple[Row, list[Row]]]:
    if run.costs:
        yield _seen(run.costs)
    for one in run.profiles:
        yield _stages(one, run.costs[one.kind]["api_us"])
        yield (
            (f"{one.kind}: PostgreSQL at work for the API", "connections on average"),
            [(name, f"{count:.2f}") for name, count in one.work.items() if count >= 0.005],
        )


def _seen(costs: Mapping[str, Mapping[str, float]]) -> tuple[Row, list[Row]]:
    columns = [name for name in SEEN if any(name in found for found in costs.values())]
    rows = [
        (probe, *(number(found[name]) if name in found else "" for name in columns)) for probe, found in costs.items()
    ]
    return ("seen beside", *(SEEN[name] for name in columns)), rows


def _stages(one: Profile, api_us: float) -> tuple[Row, list[Row]]:
    rows: list[Row] = [(name, f"{share * api_us:.1f}", f"{share:.0%}") for name, share in one.stages.items()]
    rows.append(("all of the API process", f"{api_us:.1f}", "100%"))
    return (f"{one.kind}: stage", "µs of processor a request", "share"), rows


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
