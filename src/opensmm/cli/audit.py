"""``audit``: who did what, and each field before and after."""

from typing import Annotated, Final

import typer
from msgspec.structs import asdict

from opensmm.cli.context import Data, Json, answer, out, standing, with_database
from opensmm.store import audit
from opensmm.store.audit import AuditRow
from opensmm.texts.speech import ENGLISH

audit_verbs: Final = typer.Typer(help="The audit trail.", no_args_is_help=True)

MOST_LISTED: Final = 10_000


@audit_verbs.command("list")
def list_rows(
    subject: Annotated[
        str | None, typer.Option("--subject", help="The id of a customer, service, order …; narrow it with --action.")
    ] = None,
    action: Annotated[
        str | None, typer.Option("--action", help="Such as service.save, or service for all that befell services.")
    ] = None,
    before: Annotated[int | None, typer.Option("--before", metavar="ID", help="Rows older than this one.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="How many, newest first.", min=1, max=MOST_LISTED)] = 50,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show who changed what, newest first, with each field before and after."""
    found = with_database(
        standing(data),
        lambda connection: audit.listed(connection, subject=subject, action=action, before=before, limit=limit),
    )
    if json:
        answer({"rows": [asdict(one) for one in found]}, "", json=True)
        return
    if not found:
        out.print("nothing was changed that fits")
    for one in found:
        out.print(_told(one), markup=False)


def _told(row: AuditRow) -> str:
    who, did = ENGLISH.actor(row.actor, row.actor_kind), ENGLISH.audit_action(row.action, row.subject)
    head = f"{row.id}  {ENGLISH.value(row.at)}  {who} {did}"
    return "\n".join([head, *(f"    {line}" for line in ENGLISH.audit_detail(row.detail))])
