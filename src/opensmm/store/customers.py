"""Customers and their balances. A balance changes only in the statement that writes the transfer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct, convert

from opensmm.base.ids import CustomerId, KeyId
from opensmm.base.money import Money
from opensmm.domain.ledger import Transfer
from opensmm.store import arrays
from opensmm.store.connection import Connection
from opensmm.store.prepared import PreparedStatement

_BALANCES: Final = PreparedStatement("balances", "select id, balance from customer where id = any(%s::bigint[])")


async def balances(connection: Connection, customers: Sequence[CustomerId]) -> list[Money]:
    """Each customer's balance, in the order asked; raises KeyError for one that does not exist."""
    found: dict[int, int] = dict(await _BALANCES.rows(connection, [arrays.numbers(customers)]))
    return [Money(found[customer]) for customer in customers]


_ADD: Final = "insert into customer (name, created) values (%s, %s) returning id"


async def add(connection: Connection, name: str, now: datetime) -> CustomerId:
    """A new customer with nothing on the balance; raises psycopg's UniqueViolation where the name is taken."""
    cursor = await connection.execute(_ADD, [name, now])
    row = await cursor.fetchone()
    assert row is not None
    return CustomerId(row[0])


_TRANSFER: Final = """
with moved as materialized (
  select a.* from unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::int[],
                         %s::text[])
    with ordinality as a (debit, credit, amount, kind, customer_id, order_id, sequence, note, ord)
), written as (
  insert into transfer (debit, credit, amount, kind, customer_id, order_id, sequence, note, created)
  select debit, credit, amount, kind, customer_id, order_id, sequence, note, %s from moved order by ord
  returning id, debit, credit, amount
), paid as (
  update customer c set balance = balance + s.total
  from (
    select account, sum(amount)::bigint as total
    from (select credit as account, amount from written union all select debit, -amount from written) both_sides
    where account > 0 group by account
  ) s where c.id = s.account
)
select id from written
"""


async def transfer(connection: Connection, transfers: Sequence[Transfer], now: datetime) -> list[int]:
    """Writes transfers and moves the balances of the customers among them, in one statement.

    The caller holds the customers' rows; the ids come in the order given.
    """
    if not transfers:
        return []
    arrays = (
        [one.debit for one in transfers],
        [one.credit for one in transfers],
        [one.amount for one in transfers],
        [one.kind.value for one in transfers],
        [one.customer for one in transfers],
        [one.order for one in transfers],
        [one.sequence for one in transfers],
        [one.note for one in transfers],
    )
    cursor = await connection.execute(_TRANSFER, [*arrays, now])
    return sorted(row[0] for row in await cursor.fetchall())


_NAMES: Final = "select name, id from customer"


async def names(connection: Connection) -> list[tuple[str, CustomerId]]:
    cursor = await connection.execute(_NAMES)
    return [(row[0], CustomerId(row[1])) for row in await cursor.fetchall()]


_LOCK: Final = "select id from customer where id = any(%s) order by id for update"


async def lock(connection: Connection, customers: Sequence[CustomerId]) -> list[CustomerId]:
    """Locks customers' rows in the order of their ids, accounts before orders; returns those that exist."""
    cursor = await connection.execute(_LOCK, [customers])
    return [CustomerId(row[0]) for row in await cursor.fetchall()]


_SUSPEND: Final = "update customer set suspended = %s where id = %s"


async def set_suspended(connection: Connection, customer: CustomerId, suspended: bool) -> None:
    await connection.execute(_SUSPEND, [suspended, customer])


class KeyDetails(Struct, frozen=True):
    """A live key as the operator sees it: how it ends, and how it is served. None: as its client needs it; no
    addresses: it may be used from anywhere."""

    id: KeyId
    hint: str
    label: str
    title_case: bool | None
    as_panel: bool | None
    addresses: tuple[str, ...]


class CustomerDetails(Struct, frozen=True):
    """A customer as the operator sees it, with its live keys.

    ``overdrawn`` is how far its balance lies below the credit limit.
    """

    id: CustomerId
    name: str
    balance: Money
    suspended: bool
    credit_limit: Money
    overdrawn: Money
    keys: tuple[KeyDetails, ...]


OVERDRAWN: Final = "greatest(0, least(c.overdrawn, -c.balance - c.credit_limit))"
"""How far the balance of customer ``c`` lies below its credit limit. The column only bounds it: refunds leave it be."""
_LISTED: Final = f"""
select c.id, c.name, c.balance, c.suspended, c.credit_limit, {OVERDRAWN},
       array(
         select jsonb_build_object('id', k.id, 'hint', k.hint, 'label', k.label, 'title_case', k.title_case,
           'as_panel', k.as_panel, 'addresses', k.addresses)
         from api_key k where k.customer_id = c.id and k.revoked is null order by k.id)
from customer c where %(only)s::bigint is null or c.id = %(only)s order by c.id
"""


async def listed(connection: Connection, only: CustomerId | None = None) -> list[CustomerDetails]:
    """All customers, or one of them."""
    cursor = await connection.execute(_LISTED, {"only": only})
    return [CustomerDetails(*(*row[:6], convert(row[6], tuple[KeyDetails, ...]))) for row in await cursor.fetchall()]
