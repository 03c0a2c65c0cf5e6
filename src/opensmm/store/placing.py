"""The statements of placing orders: lock the customers, look up what decides, keep what was decided."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from opensmm.base.ids import CustomerId, KeyId, OrderId, PriceListId
from opensmm.domain.asks import NO_DETAILS
from opensmm.domain.orders import Draft, Purse, Remembered, first_state
from opensmm.store.connection import Connection

_LOCK: Final = """
select c.id, c.balance + c.credit_limit, c.suspended, c.price_list_id, p.catalogue_version,
       array(select k.id from api_key k where k.id = any(%s) and k.revoked is not null)
from customer c, (select catalogue_version from panel) p
where c.id = any(%s) order by c.id for update of c
"""


class Locked(Struct):
    """The customers of a batch under their rows' locks, and what else may have moved since they were read."""

    purses: dict[CustomerId, Purse]
    revoked: frozenset[KeyId]
    catalogue_version: int


async def lock(connection: Connection, customers: Iterable[CustomerId], keys: Iterable[KeyId]) -> Locked:
    """Begins a transaction and locks the customers' rows in the order of their ids."""
    async with connection.pipeline():
        await connection.execute("begin")
        cursor = await connection.execute(_LOCK, [list(set(keys)), list(set(customers))], binary=True)
        rows = await cursor.fetchall()
    purses = {CustomerId(row[0]): Purse(row[1], row[2], PriceListId(row[3])) for row in rows}
    return Locked(purses, frozenset(rows[0][5]) if rows else frozenset(), rows[0][4] if rows else 0)


_REMEMBERED: Final = """
select i.customer_id, i.key, i.fingerprint, i.order_id
from unnest(%s::bigint[], %s::text[]) as a (customer_id, key)
join idempotency i on i.customer_id = a.customer_id and i.key = a.key
"""


async def remembered(
    connection: Connection, names: Sequence[tuple[CustomerId, str]]
) -> dict[tuple[CustomerId, str], Remembered]:
    """What the idempotency keys stand for. Only a statement after ``lock`` sees what a rival has just kept."""
    cursor = await connection.execute(_REMEMBERED, [[name[0] for name in names], [name[1] for name in names]])
    return {(CustomerId(row[0]), row[1]): Remembered(bytes(row[2]), OrderId(row[3])) for row in await cursor.fetchall()}


_ACTIVE_LINKS: Final = """
select a.ord from unnest(%s::bigint[], %s::bytea[]) with ordinality as a (customer_id, link_hash, ord)
join active_link l on l.customer_id = a.customer_id and l.link_hash = a.link_hash
"""


async def active_links(
    connection: Connection, names: Sequence[tuple[CustomerId, str]]
) -> frozenset[tuple[CustomerId, str]]:
    """Those of the (customer, link) pairs that an open order holds."""
    hashes = [_link_hash(link) for _, link in names]
    cursor = await connection.execute(_ACTIVE_LINKS, [[name[0] for name in names], hashes])
    return frozenset(names[row[0] - 1] for row in await cursor.fetchall())


def _link_hash(link: str) -> bytes:
    return blake2b(link.encode(), digest_size=16).digest()


_KEEP: Final = """
with asked as materialized (
  select nextval('orders_id_seq') as id, a.*
  from unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::int[], %s::int[], %s::numeric[], %s::bool[],
              %s::bigint[], %s::text[])
    with ordinality
      as a (customer_id, service_id, link, quantity, runs, interval_min, rate, packaged, charge, state, ord)
), kept as (
  insert into orders (id, customer_id, service_id, link, quantity, runs, interval_min, rate, packaged, charge, state,
                      created)
  select id, customer_id, service_id, link, quantity, runs, interval_min, rate, packaged, charge, state, %s from asked
), delivered as (
  insert into delivery (order_id, run, service_id, quantity, due)
  select id, run, service_id, quantity, case when run = 1 then %s::timestamptz end
  from asked, generate_series(1, runs) as run where state = 'open'
), charged as (
  insert into transfer (debit, credit, amount, kind, customer_id, order_id, created)
  select customer_id, -1, charge, 'charge', customer_id, id, %s from asked where charge > 0
), paid as (
  update customer c set balance = balance - s.total
  from (select customer_id, sum(charge)::bigint as total from asked group by customer_id) s where c.id = s.customer_id
), marked as (
  insert into batch (id, created) values (%s, %s)
)
select array_agg(id order by ord) from asked
"""


async def keep(
    connection: Connection, batch: UUID, drafts: Sequence[tuple[CustomerId, Draft]], now: datetime
) -> Sequence[OrderId]:
    """Keeps orders with their charges, deliveries and the batch's own mark in one statement; ids in the order given."""
    customers = [customer for customer, _ in drafts]
    orders = [draft for _, draft in drafts]
    arrays = (
        customers,
        [draft.service.id for draft in orders],
        [draft.link for draft in orders],
        [draft.quantity for draft in orders],
        [draft.runs for draft in orders],
        [draft.interval_min for draft in orders],
        [draft.rate for draft in orders],
        [draft.packaged for draft in orders],
        [draft.charge for draft in orders],
        [first_state(draft.service.type).value for draft in orders],
    )
    cursor = await connection.execute(_KEEP, [*arrays, now, now, now, batch, now])
    row = await cursor.fetchone()
    assert row is not None
    ids: Sequence[OrderId] = row[0]
    return ids


_DETAILS: Final = """
insert into order_detail (order_id, details)
select a.order_id, a.details::jsonb from unnest(%s::bigint[], %s::text[]) as a (order_id, details)
"""


async def keep_details(connection: Connection, orders: Sequence[tuple[OrderId, Draft]]) -> None:
    """Keeps the parameters of the types that have some, beside the order's row."""
    with_details = [(order, draft.details) for order, draft in orders if draft.details != NO_DETAILS]
    if with_details:
        texts = [msgspec.json.encode(details).decode() for _, details in with_details]
        await connection.execute(_DETAILS, [[order for order, _ in with_details], texts])


_REMEMBER: Final = """
insert into idempotency (customer_id, key, fingerprint, order_id, created)
select a.*, %s from unnest(%s::bigint[], %s::text[], %s::bytea[], %s::bigint[]) as a
"""


async def remember(connection: Connection, names: Mapping[tuple[CustomerId, str], Remembered], now: datetime) -> None:
    """Binds idempotency keys to the orders they placed."""
    if names:
        arrays = (
            [customer for customer, _ in names],
            [key for _, key in names],
            [known.fingerprint for known in names.values()],
            [known.order for known in names.values()],
        )
        await connection.execute(_REMEMBER, [now, *arrays])


_HOLD_LINKS: Final = """
insert into active_link (customer_id, link_hash, order_id)
select * from unnest(%s::bigint[], %s::bytea[], %s::bigint[])
"""


async def hold_links(connection: Connection, orders: Sequence[tuple[CustomerId, OrderId, Draft]]) -> None:
    """Takes the links of services that allow one active order per link."""
    held = [entry for entry in orders if entry[2].service.one_active_per_link]
    if held:
        arrays = (
            [customer for customer, _, _ in held],
            [_link_hash(draft.link) for _, _, draft in held],
            [order for _, order, _ in held],
        )
        await connection.execute(_HOLD_LINKS, [*arrays])


_SETTLE: Final = "insert into batch (id, created) values (%s, %s) on conflict do nothing returning id"


async def was_kept(connection: Connection, batch: UUID, now: datetime) -> bool:
    """Whether a batch whose COMMIT went unanswered was kept. Afterwards the answer can no longer change.

    Writing the batch's mark ourselves waits for a transaction that still holds it, and takes the place of one that
    never arrives: either the mark was there, or nothing under that mark can be kept any more.
    """
    cursor = await connection.execute(_SETTLE, [batch, now])
    return await cursor.fetchone() is None
