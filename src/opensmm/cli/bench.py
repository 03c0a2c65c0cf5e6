"""``bench``: measures the speed of this OpenSMM on this machine. The benchmarks come with a checkout."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

import opensmm
from opensmm.cli.context import FAILED, MISUSED, Data, Json, answer, fail, out, read_config
from opensmm.runtime.crashes import UNAVAILABLE

CHECKOUT: Final = Path(opensmm.__file__).parents[2]
PAGE: Final = CHECKOUT / "docs" / "performance.md"


def bench(
    rounds: Annotated[int, typer.Option("--rounds", help="Rounds of all measures.", min=1, max=1000)] = 5,
    seconds: Annotated[float, typer.Option("--seconds", help="Length of one reading.", min=0.1)] = 3.0,
    scale: Annotated[float, typer.Option("--scale", help="Size of the database; 1: a million orders.", min=0.0)] = 1.0,
    only: Annotated[str, typer.Option("--only", metavar="NAME,...", help="Only these measures.")] = "",
    patience: Annotated[float, typer.Option("--patience", help="Seconds to wait for a quiet machine.", min=0.0)] = 60.0,
    to: Annotated[Path | None, typer.Option("--out", help="Write the results as JSON to this file.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Measure the speed against references in the same run, in a new database that is removed afterwards.

    A whole run (all measures at scale 1, five rounds or more) also writes bench.json and docs/performance.md.
    """
    if not (CHECKOUT / "bench").is_dir():
        fail("the benchmarks come with a checkout of OpenSMM, and this is an installed copy", UNAVAILABLE)
    if find_spec("bench") is None:
        sys.path.insert(0, str(CHECKOUT))
    from bench.run import Wish, run
    from bench.site import Failed

    from bench import report

    wish = Wish(read_config(data).data, rounds, seconds, scale, _read_measures(only), patience)
    try:
        done = run(wish)
    except Failed as error:
        fail(str(error), FAILED)
    if to is not None or wish.whole:
        report.write_rows(to or CHECKOUT / "bench.json", done)
    if wish.whole:
        report.write_page(PAGE, done)
    if json:
        answer({"measures": report.as_rows(done)}, "", json=True)
    else:
        out.print(report.shown(done))


def _read_measures(only: str) -> tuple[str, ...]:
    from bench.measures import MEASURES

    names = tuple(name.strip() for name in only.split(",") if name.strip())
    present = [measure.name for measure in MEASURES]
    if unknown := [name for name in names if name not in present]:
        fail(f"there is no measure {', '.join(unknown)}; there are {', '.join(present)}", MISUSED)
    return names
