"""The panel's currency. Only the owner's role may set it."""

from typing import Final

from opensmm.store.connection import Connection

_HOLD: Final = "lock table transfer in share mode"
_MOVED: Final = "select exists (select from transfer)"
_SET: Final = """
with before as (select currency from panel for update)
update panel set currency = %s, catalogue_version = catalogue_version + 1 from before
where panel.currency <> %s returning before.currency
"""


async def has_money_moved(connection: Connection) -> bool:
    """Returns True if money has moved; no transfer can be written until the caller's transaction ends."""
    await connection.execute(_HOLD)
    row = await (await connection.execute(_MOVED)).fetchone()
    return row is not None and bool(row[0])


async def set_currency(connection: Connection, code: str) -> str | None:
    """Sets the currency under a new version of the catalogue. Returns the currency before; None if it is the same."""
    row = await (await connection.execute(_SET, [code, code])).fetchone()
    return None if row is None else str(row[0])
