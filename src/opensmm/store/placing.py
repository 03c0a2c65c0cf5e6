"""Statements of placing orders: lock the customers, read the facts that decide, write what was decided.

They run for each order: their rows are read by position, which costs less than by name.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from opensmm.base.ids import CustomerId, KeyId, OrderId, PriceListId
from opensmm.domain.ledger import HELD, TransferKind
from opensmm.domain.link_identity import identity
from opensmm.domain.orders import PricedOrder
from opensmm.domain.placing import Buyer, BuyerKind, CustomerFunds, IdempotencyRecord
from opensmm.domain.requests import NO_DETAILS
from opensmm.store.arrays import enum_values, flags, nullable, numbers, texts
from opensmm.store.connection import Connection
from opensmm.store.prepared import PreparedStatement

_LOCKED: Final = """
-- The customers, and beside each the revoked ones of the keys, and the barred users by their places in the list.
select c.id, c.balance + c.credit_limit, c.suspended, c.price_list_id, p.catalogue_version,
       array(select k.id from api_key k where k.id = any(%s) and k.revoked is not null), {barred_users}
from customer c, (select catalogue_version from panel) p
where c.id = any(%s) order by c.id for update of c skip locked
"""
_LOCK: Final = _LOCKED.format(barred_users="null")
_LOCK_FOR_USERS: Final = _LOCKED.format(
    barred_users="""
       array(select a.ord from unnest(%s::bigint[], %s::bigint[]) with ordinality as a (user_id, customer_id, ord)
             where not exists (
               select from membership m join users u on u.id = m.user_id and u.is_active
               where m.user_id = a.user_id and m.customer_id = a.customer_id))"""
)


class LockedCustomers(Struct):
    """The customers of a batch under their rows' locks, and other facts that may have changed since they were read.

    A customer whose row another transaction holds is missing. ``barred`` are buyers whose key is revoked, and users who
    are inactive or no longer of their customer.
    """

    funds: dict[CustomerId, CustomerFunds]
    barred: frozenset[Buyer]
    catalogue_version: int


async def lock(connection: Connection, buyers: Iterable[Buyer]) -> LockedCustomers:
    """Begins a transaction and locks the rows of the buyers' customers, skipping those that are locked already."""
    buyers = set(buyers)
    keys = [buyer for buyer in buyers if buyer.kind is BuyerKind.API_KEY]
    users = [buyer for buyer in buyers if buyer.kind is BuyerKind.USER]
    user_columns = [[buyer.number for buyer in users], [buyer.customer for buyer in users]] if users else []
    values = [[buyer.number for buyer in keys], *user_columns, list({buyer.customer for buyer in buyers})]
    async with connection.pipeline():
        await connection.execute("begin")
        cursor = await connection.execute(_LOCK_FOR_USERS if users else _LOCK, values, binary=True)
        rows = await cursor.fetchall()
    if not rows:
        return LockedCustomers({}, frozenset(), 0)
    *_, version, revoked, barred_users = rows[0]
    funds = {CustomerId(row[0]): CustomerFunds(row[1], row[2], PriceListId(row[3])) for row in rows}
    barred = [*(key for key in keys if key.number in revoked), *(users[place - 1] for place in barred_users or ())]
    return LockedCustomers(funds, frozenset(barred), version)


_REMEMBERED: Final = """
select i.customer_id, i.key, i.fingerprint, i.order_id
from unnest(%s::bigint[], %s::text[]) as a (customer_id, key)
join idempotency i on i.customer_id = a.customer_id and i.key = a.key
"""


async def find_records(
    connection: Connection, pairs: Sequence[tuple[CustomerId, str]]
) -> dict[tuple[CustomerId, str], IdempotencyRecord]:
    """Returns the stored records of (customer, idempotency key) pairs.

    Call it after ``lock``, to see what a rival has just stored.
    """
    arrays = [customer for customer, _ in pairs], [key for _, key in pairs]
    cursor = await connection.execute(_REMEMBERED, [*arrays])
    return {
        (CustomerId(row[0]), row[1]): IdempotencyRecord(bytes(row[2]), OrderId(row[3]))
        for row in await cursor.fetchall()
    }


_ACTIVE_LINKS: Final = """
select a.ord from unnest(%s::bigint[], %s::bytea[]) with ordinality as a (customer_id, link_hash, ord)
join active_link l on l.customer_id = a.customer_id and l.link_hash = a.link_hash
"""


async def find_active_links(
    connection: Connection, pairs: Sequence[tuple[CustomerId, str]]
) -> frozenset[tuple[CustomerId, str]]:
    """Returns (customer, identity of the page) for each (customer, link) whose page an open order holds.

    Orders of older releases hold the link as it was spelt, so both forms are looked up.
    """
    pages = [(customer, identity(link)) for customer, link in pairs]
    # First the hashes of all pages, then those of all links in the same order: position modulo the count is the pair.
    hashes = [_hash(text) for _, text in (*pages, *pairs)]
    cursor = await connection.execute(_ACTIVE_LINKS, [[customer for customer, _ in pairs] * 2, hashes])
    return frozenset(pages[(row[0] - 1) % len(pages)] for row in await cursor.fetchall())


def _hash(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


# All orders of a customer are stored, or none: the facts they were decided on are checked again under the row's lock.
# It waits for no lock: a customer whose row another transaction holds gets no order stored.
_KEEP: Final = PreparedStatement(
    "keep",
    f"""
with clock as materialized (
  select coalesce(%s::timestamptz, clock_timestamp()) as at
-- The orders, and the total of each customer's.
), wanted as materialized (
  select * from unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::int[], %s::int[],
                       %s::numeric[], %s::bool[], %s::bigint[], %s::text[], %s::text[], %s::bigint[])
    with ordinality as a (customer_id, price_list_id, service_id, link, quantity, runs, interval_min, rate, packaged,
                          charge, state, details, user_id, ord)
), totals as (
  select customer_id, sum(charge)::bigint as total, min(price_list_id) as least, max(price_list_id) as most
  from wanted group by customer_id
-- The customers whose rows are free, and those of them that may still order all of theirs.
), locked as materialized (
  select id, balance + credit_limit as available, suspended, price_list_id
  from customer where id = any(%s::bigint[]) order by id for update skip locked
), good as materialized (
  select l.id, t.total from locked l join totals t on t.customer_id = l.id
  where not l.suspended and t.total <= l.available and t.least = l.price_list_id and t.most = l.price_list_id
    and coalesce((select catalogue_version from panel) = %s, true)
    and l.id <> all (array(select customer_id from api_key where id = any(%s::bigint[]) and revoked is not null))
-- Their orders get ids in the order given, and are stored with details, deliveries and charges.
), placed as materialized (
  select nextval('orders_id_seq') as id, w.*
  from (select wanted.* from wanted join good on good.id = wanted.customer_id order by ord) w
), stored as (
  insert into orders (id, customer_id, service_id, link, quantity, runs, interval_min, rate, packaged, charge, state,
                      user_id, created)
  select id, customer_id, service_id, link, quantity, runs, interval_min, rate, packaged, charge, state, user_id,
         clock.at
  from placed, clock
), detailed as (
  insert into order_detail (order_id, details) select id, details::jsonb from placed where details <> ''
), delivered as (
  insert into delivery (order_id, run, service_id, quantity, due, ceiling)
  select id, run, service_id, quantity, case when run = 1 then clock.at end, nullif(rate, 0)
  from placed, clock, generate_series(1, runs) as run
), charged as (
  insert into transfer (debit, credit, amount, kind, customer_id, order_id, created)
  select customer_id, {HELD}, charge, '{TransferKind.CHARGE}', customer_id, id, clock.at
  from placed, clock where charge > 0
), paid as (
  update customer c set balance = balance - good.total from good where c.id = good.id
)
-- The batch's mark has the ids, null for each order that was not stored.
insert into batch (id, created, orders)
select %s, at, array(select placed.id from wanted left join placed using (ord) order by ord) from clock
returning orders
""",
)


async def keep(
    connection: Connection,
    mark: UUID,
    drafts: Sequence[tuple[CustomerId, PricedOrder]],
    at: datetime | None,
    *,
    catalogue_version: int | None = None,
    keys: Iterable[KeyId] = (),
    buyers: Sequence[Buyer] = (),
) -> Sequence[OrderId | None]:
    """Writes orders with their charges, deliveries and the batch's mark in one statement.

    ``at`` is their time, None: by the database's clock. ``buyers`` are theirs, in order; empty if all are API keys.

    Returns the ids in the order given. None stands for an order that was not written: its customer's row is locked by
    another transaction, the customer is suspended, short of funds, moved to another price list or has a revoked one of
    ``keys``, or the catalogue is no longer at ``catalogue_version`` (if one is given).
    """
    orders = [draft for _, draft in drafts]
    arrays = (
        numbers([customer for customer, _ in drafts]),
        numbers([draft.price_list for draft in orders]),
        numbers([draft.service.id for draft in orders]),
        texts([draft.link for draft in orders]),
        numbers([draft.quantity for draft in orders]),
        numbers([draft.runs for draft in orders]),
        numbers([draft.interval_min for draft in orders]),
        numbers([draft.rate for draft in orders]),
        flags([draft.packaged for draft in orders]),
        numbers([draft.charge for draft in orders]),
        enum_values([draft.state for draft in orders]),
        _encode_details(orders),
        _encode_users(buyers),
    )
    version = None if catalogue_version is None else str(catalogue_version)
    guards = numbers({customer for customer, _ in drafts}), version, numbers(keys)
    time = None if at is None else at.isoformat()
    rows = await _KEEP.rows(connection, [time, *arrays, *guards, mark.hex])
    ids: Sequence[OrderId | None] = rows[0][0]
    return ids


def _encode_details(drafts: Sequence[PricedOrder]) -> str:
    """Returns an array of details, or an empty one if no draft has any: ``unnest`` fills shorter arrays with nulls."""
    if all(draft.details is NO_DETAILS for draft in drafts):
        return "{}"
    return texts(
        ["" if draft.details is NO_DETAILS else msgspec.json.encode(draft.details).decode() for draft in drafts]
    )


def _encode_users(buyers: Sequence[Buyer]) -> str:
    """Returns an array of the users among buyers, or an empty one if all buyers are keys."""
    users = [buyer.user for buyer in buyers]
    return nullable(users) if any(users) else "{}"


_REMEMBER: Final = """
insert into idempotency (customer_id, key, fingerprint, order_id, created)
select a.*, (select coalesce(%s::timestamptz, clock_timestamp()))
from unnest(%s::bigint[], %s::text[], %s::bytea[], %s::bigint[]) as a
"""


async def remember(
    connection: Connection, records: Mapping[tuple[CustomerId, str], IdempotencyRecord], at: datetime | None
) -> None:
    """Writes records of idempotency keys, from whose time (None: the database's clock) they are kept."""
    if records:
        arrays = (
            [customer for customer, _ in records],
            [key for _, key in records],
            [record.fingerprint for record in records.values()],
            [record.order for record in records.values()],
        )
        await connection.execute(_REMEMBER, [at, *arrays])


_HOLD_LINKS: Final = """
insert into active_link (customer_id, link_hash, order_id)
select * from unnest(%s::bigint[], %s::bytea[], %s::bigint[])
"""


async def hold_links(connection: Connection, orders: Sequence[tuple[CustomerId, OrderId, PricedOrder]]) -> None:
    """Writes the links of orders whose service allows one active order per link."""
    held = [entry for entry in orders if entry[2].service.one_active_per_link]
    if held:
        arrays = (
            [customer for customer, _, _ in held],
            [_hash(identity(draft.link)) for _, _, draft in held],
            [order for _, order, _ in held],
        )
        await connection.execute(_HOLD_LINKS, [*arrays])


_TAKE_MARK: Final = """
insert into batch (id, created) values (%s, coalesce(%s::timestamptz, clock_timestamp()))
on conflict do nothing returning id
"""
# The message goes to the WAL alone. Its COMMIT waits for the synchronous standby, and so for every older one: without
# it, a batch could be visible here that no standby has yet.
_READ_BATCH: Final = "select orders, pg_logical_emit_message(true, 'opensmm', '') from batch where id = %s"


async def recover_batch(connection: Connection, mark: UUID, at: datetime | None) -> Sequence[OrderId | None] | None:
    """Recovers the outcome of a batch whose COMMIT went unanswered.

    Returns its orders, or None if it did not commit and never will. To be certain, this writes the batch's mark itself.
    That waits for a transaction that holds the mark, and makes one that arrives later fail.
    """
    cursor = await connection.execute(_TAKE_MARK, [mark, at])
    if await cursor.fetchone() is not None:
        return None
    cursor = await connection.execute(_READ_BATCH, [mark])
    row = await cursor.fetchone()
    return None if row is None else row[0]
