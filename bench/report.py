"""What a run comes to: a table for people, a file for programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from bench.measures import Result


def table(results: Sequence[Result]) -> Table:
    shown = Table("measure", "ours", "yardstick", "unit", "ratio", "target", "met", box=None, pad_edge=False)
    for one in results:
        sign = "≤" if one.measure.at_most else "≥"
        shown.add_row(
            one.measure.says,
            number(one.ours),
            number(one.yardstick),
            one.measure.unit,
            f"{one.ratio:.2f} ×",
            f"{sign} {one.measure.target:g} ×",
            "[green]yes[/]" if one.met else "[red]no[/]",
        )
    return shown


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def as_json(results: Sequence[Result]) -> list[dict[str, Any]]:
    return [
        {
            "measure": one.measure.name,
            "ratio": round(one.ratio, 4),
            "target": one.measure.target,
            "met": one.met,
            "at_most": one.measure.at_most,
            "unit": one.measure.unit,
            "ours": one.ours,
            "yardstick": one.yardstick,
            "rounds": one.rounds,
        }
        for one in results
    ]


def write(path: Path, said: Any) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(said)) + b"\n")
