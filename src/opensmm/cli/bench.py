"""``bench``: how fast this OpenSMM is on this machine. The benchmarks themselves come with a checkout."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

import opensmm
from opensmm.cli.frame import FAILED, MISUSED, UNAVAILABLE, Data, Json, answer, configured, fail, out

CHECKOUT: Final = Path(opensmm.__file__).parents[2]


def bench(
    rounds: Annotated[int, typer.Option("--rounds", help="How often everything is measured.", min=1, max=1000)] = 5,
    seconds: Annotated[float, typer.Option("--seconds", help="How long one reading takes.", min=0.1)] = 4.0,
    scale: Annotated[float, typer.Option("--scale", help="How much is loaded; 1: a million orders.", min=0.0)] = 1.0,
    only: Annotated[str, typer.Option("--only", metavar="NAME,...", help="Some measures, by their names.")] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Measure the speed against yardsticks of the same run, in a fresh database that is removed afterwards."""
    if not (CHECKOUT / "bench").is_dir():
        fail("the benchmarks come with a checkout of OpenSMM, and this is an installed copy", UNAVAILABLE)
    if find_spec("bench") is None:
        sys.path.insert(0, str(CHECKOUT))
    from bench.site import Failed

    from bench import measures, report, run

    names = tuple(name.strip() for name in only.split(",") if name.strip())
    known = [measure.name for measure in measures.MEASURES]
    if unknown := [name for name in names if name not in known]:
        fail(f"there is no measure {', '.join(unknown)}; there are {', '.join(known)}", MISUSED)
    wish = run.Wish(configured(data).data, rounds, seconds, scale, names)
    try:
        results = run.run(wish)
    except Failed as error:
        fail(str(error), FAILED)
    if json:
        answer({"measures": report.as_json(results)}, "", json=True)
    else:
        out.print(report.table(results))
