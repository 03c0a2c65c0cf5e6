"""API keys: kept as keyed hashes, never as they are."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from opensmm.base.ids import CustomerId, KeyId, PriceListId
from opensmm.domain.callers import Caller
from opensmm.store import arrays
from opensmm.store.connection import Connection
from opensmm.store.crowds import Crowd

_FIND: Final = Crowd(
    "keys",
    """
select k.hash, k.customer_id, k.id, c.price_list_id, c.suspended, k.title_case, k.addresses
from api_key k join customer c on c.id = k.customer_id
where k.hash = any(%s::bytea[]) and k.revoked is null
""",
)


async def find(connection: Connection, hashes: Sequence[bytes]) -> list[Caller | None]:
    """The caller behind each key's hash; None where no live key has it."""
    rows = await _FIND.rows(connection, [arrays.hashes(hashes)])
    found = {
        bytes(row[0]): Caller(CustomerId(row[1]), KeyId(row[2]), PriceListId(row[3]), row[4], row[5], tuple(row[6]))
        for row in rows
    }
    return [found.get(digest) for digest in hashes]


_ADD: Final = """
insert into api_key (customer_id, hash, hint, label, title_case, addresses, created)
values (%s, %s, %s, %s, %s, %s, %s) returning id
"""


async def add(
    connection: Connection,
    customer: CustomerId,
    digest: bytes,
    *,
    hint: str,
    label: str,
    title_case: bool,
    addresses: Sequence[str],
    now: datetime,
) -> KeyId:
    """Raises psycopg's UniqueViolation where the same key exists already."""
    cursor = await connection.execute(_ADD, [customer, digest, hint, label, title_case, list(addresses), now])
    row = await cursor.fetchone()
    assert row is not None
    return KeyId(row[0])


_EDIT: Final = """
update api_key set title_case = coalesce(%s, title_case), addresses = coalesce(%s::text[], addresses)
where id = %s and revoked is null returning id
"""


async def edit(connection: Connection, key: KeyId, *, title_case: bool | None, addresses: Sequence[str] | None) -> bool:
    """Changes what is not None of a live key; False where there is none."""
    wanted = [title_case, None if addresses is None else list(addresses), key]
    return await (await connection.execute(_EDIT, wanted)).fetchone() is not None


_REVOKE: Final = "update api_key set revoked = %s where id = any(%s) and revoked is null returning id"


async def revoke(connection: Connection, keys: Sequence[KeyId], now: datetime) -> list[KeyId]:
    """The keys that were live and are so no more."""
    cursor = await connection.execute(_REVOKE, [now, list(keys)])
    return [KeyId(row[0]) for row in await cursor.fetchall()]
