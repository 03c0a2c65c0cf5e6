"""The audit trail: one row per thing an operator did, in the transaction that did it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from opensmm.store.connection import Connection

_NOTE: Final = """
insert into audit (at, actor, action, subject, detail) select %s, %s, %s, subject, %s::jsonb
from unnest(%s::text[]) as subject
"""


async def note(
    connection: Connection, actor: str, action: str, subjects: Sequence[str], now: datetime, detail: str = "{}"
) -> None:
    """Appends one row per subject; ``detail`` is a JSON object without secrets."""
    await connection.execute(_NOTE, [now, actor, action, detail, list(subjects)])
