"""``migrate`` and ``verify``: the schema, and the check that the books are right."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from opensmm.cli.context import (
    FAILED,
    Data,
    Json,
    answer,
    err,
    open_database,
    out,
    read_config,
    read_existing_config,
    report_faults,
    with_database,
)
from opensmm.cli.stages import Stages
from opensmm.runtime.crashes import UNAVAILABLE
from opensmm.runtime.database import bring_up_to_date
from opensmm.store import invariants
from opensmm.store.connection import Connection
from opensmm.store.invariants import ALL, InvariantResult, OrderRange, select_checks
from opensmm.texts.speech import ENGLISH


def migrate(data: Data = None, json: Json = False) -> None:
    """Bring the database's tables up to date, as their owner, and set the rights of the app's role."""
    config = read_config(data)
    with report_faults(UNAVAILABLE), open_database(config) as urls, Stages(err) as report:
        urls.must_own()
        applied = bring_up_to_date(urls, report)
    answer({"applied": applied}, "\n".join(applied) or "nothing to do: the tables are up to date", json=json)


def verify(
    first: Annotated[
        int | None, typer.Option("--from", metavar="ORDER", help="Only this order and later ones.", min=1)
    ] = None,
    last: Annotated[
        int | None, typer.Option("--to", metavar="ORDER", help="Only orders up to this one.", min=1)
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Recompute every invariant of the books in one snapshot; exits with 1 if one does not hold. For a range of orders,
    recompute the invariants of single orders."""
    orders = OrderRange(ALL.first if first is None else first, ALL.last if last is None else last)
    findings = with_database(read_existing_config(data), lambda connection: _run_checks(connection, orders, quiet=json))
    broken = [finding for finding in findings if finding.count]
    if json:
        lines = [_encode_check(finding) for finding in findings]
        answer({"holds": not broken, "from": first, "to": last, "checks": lines}, "", json=True)
    else:
        out.print(_build_table(findings))
        held = "every invariant holds" if orders == ALL else "every invariant of these orders holds"
        out.print(held if not broken else f"{len(broken)} of {len(findings)} do not hold")
    if broken:
        raise typer.Exit(FAILED)


async def _run_checks(connection: Connection, orders: OrderRange, *, quiet: bool) -> list[InvariantResult]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    findings: list[InvariantResult] = []
    with Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as progress:
        task = progress.add_task("recomputing", total=len(select_checks(orders)))
        async for finding in invariants.run(connection, orders):
            findings.append(finding)
            progress.update(task, advance=1, description=f"checked {finding.check.name}")
    return findings


def _encode_check(finding: InvariantResult) -> dict[str, object]:
    code = finding.check.code
    return {
        "name": finding.check.name,
        "code": code,
        "message": ENGLISH.invariant(code),
        "holds": not finding.count,
        "broken": finding.count,
        "examples": finding.examples,
    }


def _build_table(findings: list[InvariantResult]) -> Table:
    table = Table("id", "invariant", "holds", box=None, pad_edge=False)
    for finding in findings:
        holds = "[green]yes[/]"
        if finding.count:
            holds = f"[red]no: {finding.count}[/] {escape(', '.join(finding.examples))}"
        table.add_row(finding.check.name, ENGLISH.invariant(finding.check.code), holds)
    return table
