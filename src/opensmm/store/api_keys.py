"""API keys. Only their keyed hashes are stored."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from opensmm.base.ids import CustomerId, KeyId, PriceListId
from opensmm.domain.api_keys import KeyHolder
from opensmm.store import arrays
from opensmm.store.connection import Connection
from opensmm.store.prepared import PreparedStatement
from opensmm.store.rows import first_row

_FIND: Final = PreparedStatement(
    "keys",
    """
select k.hash, k.customer_id, k.id, c.price_list_id, c.suspended, k.title_case, k.addresses, k.as_panel
from api_key k join customer c on c.id = k.customer_id
where k.hash = any(%s::bytea[]) and k.revoked is null
""",
)


async def find(connection: Connection, hashes: Sequence[bytes]) -> list[KeyHolder | None]:
    """Returns the holder of each key, by the key's hash; None if no live key has that hash."""
    rows = await _FIND.rows(connection, [arrays.hashes(hashes)])
    # By position: requests wait for this statement.
    holders = {
        bytes(row[0]): KeyHolder(
            CustomerId(row[1]), KeyId(row[2]), PriceListId(row[3]), row[4], row[5], tuple(row[6]), row[7]
        )
        for row in rows
    }
    return [holders.get(digest) for digest in hashes]


class KeySettings(Struct, frozen=True):
    """The form of a key's answers, and the addresses that it may be used from.

    None: the form that its client needs. ``addresses`` empty: from anywhere.
    """

    title_case: bool | None = None
    addresses: tuple[str, ...] = ()
    as_panel: bool | None = None


DEFAULT_SETTINGS: Final = KeySettings()
_ADD: Final = """
insert into api_key (customer_id, hash, hint, label, title_case, as_panel, addresses, created)
values (%s, %s, %s, %s, %s, %s, %s, %s) returning id
"""


async def add(
    connection: Connection,
    customer: CustomerId,
    digest: bytes,
    *,
    hint: str,
    label: str,
    settings: KeySettings,
    now: datetime,
) -> KeyId:
    """Adds a key and returns its id; raises psycopg's UniqueViolation if the same key exists already."""
    columns = [settings.title_case, settings.as_panel, list(settings.addresses)]
    cursor = await connection.execute(_ADD, [customer, digest, hint, label, *columns, now])
    row = await cursor.fetchone()
    assert row is not None
    return KeyId(row[0])


_LOCK: Final = "select title_case, addresses, as_panel from api_key where id = %s and revoked is null for update"
_EDIT: Final = "update api_key set title_case = %s, addresses = %s, as_panel = %s where id = %s"


async def lock(connection: Connection, key: KeyId) -> KeySettings | None:
    """Locks a live key and returns its settings; None if there is no such key."""
    return await first_row(connection, KeySettings, _LOCK, [key])


async def edit(connection: Connection, key: KeyId, settings: KeySettings) -> None:
    columns = [settings.title_case, list(settings.addresses), settings.as_panel]
    await connection.execute(_EDIT, [*columns, key])


_REVOKE: Final = "update api_key set revoked = %s where id = any(%s) and revoked is null returning id"


async def revoke(connection: Connection, keys: Sequence[KeyId], now: datetime) -> list[KeyId]:
    """Revokes keys; returns those that were live until now."""
    cursor = await connection.execute(_REVOKE, [now, list(keys)])
    return [KeyId(row[0]) for row in await cursor.fetchall()]
