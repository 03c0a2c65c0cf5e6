"""``audit``: who did what, and each field before and after."""

from typing import Annotated, Final

import typer
from msgspec.structs import asdict

from opensmm.cli.context import Data, Json, answer, out, read_existing_config, with_database
from opensmm.store import audit
from opensmm.store.audit import AuditRow
from opensmm.texts.speech import ENGLISH

audit_verbs: Final = typer.Typer(help="The audit trail.", no_args_is_help=True)

MOST_LISTED: Final = 10_000


@audit_verbs.command("list")
def list_rows(
    subject: Annotated[
        str | None, typer.Option("--subject", help="The id of a customer, service, order …; use it with --action.")
    ] = None,
    action: Annotated[
        str | None, typer.Option("--action", help="Such as service.save, or service for all changes of services.")
    ] = None,
    before: Annotated[int | None, typer.Option("--before", metavar="ID", help="Rows older than this one.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="Rows at most, newest first.", min=1, max=MOST_LISTED)] = 50,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show who changed what, newest first, with each field before and after."""
    rows = with_database(
        read_existing_config(data),
        lambda connection: audit.read_page(connection, subject=subject, action=action, before=before, limit=limit),
    )
    if json:
        answer({"rows": [asdict(row) for row in rows]}, "", json=True)
        return
    if not rows:
        out.print("no change fits")
    for row in rows:
        out.print(_format_row(row), markup=False)


def _format_row(row: AuditRow) -> str:
    who, did = ENGLISH.actor(row.actor, row.actor_kind), ENGLISH.audit_action(row.action, row.subject)
    head = f"{row.id}  {ENGLISH.value(row.at)}  {who} {did}"
    return "\n".join([head, *(f"    {line}" for line in ENGLISH.audit_detail(row.detail))])
