"""The audit trail: one row for each change, written by the transaction that makes the change."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from opensmm.domain.audit import AuditAction, AuditEntry, By
from opensmm.store.connection import Connection
from opensmm.store.rows import rows

_NOTE: Final = """
insert into audit (at, actor, actor_kind, action, subject, detail) select %s, %s, %s, %s, subject, detail::jsonb
from unnest(%s::text[], %s::text[]) with ordinality as a (subject, detail, ord) order by ord
"""


async def note(connection: Connection, by: By, action: AuditAction, entries: Sequence[AuditEntry]) -> None:
    """Appends one row for each entry, in order. No entry may hold a secret."""
    if entries:
        details = [msgspec.json.encode(entry.detail(by.reason)).decode() for entry in entries]
        values = [by.now, by.actor.name, by.actor.kind.value, action.value]
        await connection.execute(_NOTE, [*values, [entry.subject for entry in entries], details])


class AuditRow(Struct, frozen=True):
    """A row as it is stored. In rows of older releases ``actor_kind`` is None, and ``detail`` has another form."""

    id: int
    at: datetime
    actor: str
    actor_kind: str | None
    action: str
    subject: str
    detail: dict[str, Any]


_LISTED: Final = """
select id, at, actor, actor_kind, action, subject, detail from audit
where (%(subject)s::text is null or subject = %(subject)s)
  and (%(action)s::text is null or action = %(action)s or split_part(action, '.', 1) = %(action)s)
  and (%(before)s::bigint is null or id < %(before)s)
order by id desc limit %(limit)s
"""


async def read_page(
    connection: Connection, *, subject: str | None, action: str | None, before: int | None, limit: int
) -> list[AuditRow]:
    """Returns a page of the trail, newest first: rows with an id below ``before``.

    ``action`` is a whole action, or its part before the dot.
    """
    values = {"subject": subject, "action": action, "before": before, "limit": limit}
    return await rows(connection, AuditRow, _LISTED, values)
