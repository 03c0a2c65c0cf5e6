"""The fingerprint by which a database recognizes the pepper that its keys were hashed with."""

from typing import Final

from msgspec import Struct

from opensmm.store.connection import Connection


class PepperMark(Struct, frozen=True):
    """``mark`` is the pepper's fingerprint, None if none is stored. ``used``: some key is hashed or sealed with it."""

    mark: bytes | None
    used: bool


_MARKED: Final = """
select pepper_mark, exists(select from api_key) or exists(select from provider where sealed_key is not null) from panel
"""
_KEEP: Final = "update panel set pepper_mark = %s"


async def read_mark(connection: Connection) -> PepperMark:
    """Returns the stored mark. To store one, lock the panel's row before."""
    row = await (await connection.execute(_MARKED)).fetchone()
    assert row is not None
    return PepperMark(None if row[0] is None else bytes(row[0]), row[1])


async def keep(connection: Connection, mark: bytes) -> None:
    await connection.execute(_KEEP, [mark])
