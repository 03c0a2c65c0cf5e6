"""The audit trail: one row per thing an operator did, in the transaction that did it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from opensmm.store.connection import Connection

_NOTE: Final = """
insert into audit (at, actor, action, subject, detail) select %s, %s, %s, subject, %s::jsonb
from unnest(%s::text[]) as subject
"""
_NOTHING: Final[Mapping[str, object]] = {}


async def note(
    connection: Connection,
    actor: str,
    action: str,
    subjects: Sequence[str],
    now: datetime,
    detail: Mapping[str, object] = _NOTHING,
) -> None:
    """Appends one row per subject; ``detail`` is kept as JSON, and holds no secrets."""
    await connection.execute(_NOTE, [now, actor, action, msgspec.json.encode(detail).decode(), list(subjects)])
