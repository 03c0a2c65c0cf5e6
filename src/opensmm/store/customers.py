"""Customers and their balances. Only the statement that writes a transfer changes a balance."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct

from opensmm.base.ids import CustomerId, KeyId
from opensmm.base.money import Money
from opensmm.domain.ledger import Transfer
from opensmm.store import arrays
from opensmm.store.connection import Connection
from opensmm.store.prepared import PreparedStatement
from opensmm.store.rows import rows

_BALANCES: Final = PreparedStatement("balances", "select id, balance from customer where id = any(%s::bigint[])")


async def balances(connection: Connection, customers: Sequence[CustomerId]) -> list[Money]:
    """Returns each customer's balance, in the order given; raises KeyError if a customer does not exist."""
    amounts: dict[int, int] = dict(await _BALANCES.rows(connection, [arrays.numbers(customers)]))
    return [Money(amounts[customer]) for customer in customers]


_ADD: Final = "insert into customer (name, created) values (%s, %s) returning id"


async def add(connection: Connection, name: str, now: datetime) -> CustomerId:
    """Adds a customer with a balance of 0; raises psycopg's UniqueViolation if the name is taken."""
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
  -- In the order given, so that ids grow with the transfers.
  insert into transfer (debit, credit, amount, kind, customer_id, order_id, sequence, note, created)
  select debit, credit, amount, kind, customer_id, order_id, sequence, note, %s from moved order by ord
  returning id, debit, credit, amount
), paid as (
  -- Customers have ids above 0, the house's accounts below.
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
    """Writes transfers and changes the balances of their customers, in one statement.

    The caller has locked the customers' rows. Returns the transfers' ids in the order given.
    """
    if not transfers:
        return []
    columns = (
        [movement.debit for movement in transfers],
        [movement.credit for movement in transfers],
        [movement.amount for movement in transfers],
        [movement.kind.value for movement in transfers],
        [movement.customer for movement in transfers],
        [movement.order for movement in transfers],
        [movement.sequence for movement in transfers],
        [movement.note for movement in transfers],
    )
    cursor = await connection.execute(_TRANSFER, [*columns, now])
    return sorted(row[0] for row in await cursor.fetchall())


_NAMES: Final = "select name, id from customer"


async def names(connection: Connection) -> list[tuple[str, CustomerId]]:
    cursor = await connection.execute(_NAMES)
    return [(row[0], CustomerId(row[1])) for row in await cursor.fetchall()]


_LOCK: Final = "select id from customer where id = any(%s) order by id for update"


async def lock(connection: Connection, customers: Sequence[CustomerId]) -> list[CustomerId]:
    """Locks customers in the order of their ids, before any of their orders; returns those that exist."""
    cursor = await connection.execute(_LOCK, [customers])
    return [CustomerId(row[0]) for row in await cursor.fetchall()]


_SUSPEND: Final = "update customer set suspended = %s where id = %s"


async def set_suspended(connection: Connection, customer: CustomerId, suspended: bool) -> None:
    await connection.execute(_SUSPEND, [suspended, customer])


class KeyDetails(Struct, frozen=True):
    """A live key as the operator sees it. ``hint``: its last characters.

    ``title_case`` and ``as_panel`` are None if its client decides. ``addresses`` empty: from anywhere.
    """

    id: KeyId
    hint: str
    label: str
    title_case: bool | None
    as_panel: bool | None
    addresses: tuple[str, ...]


class CustomerDetails(Struct, frozen=True):
    """A customer as the operator sees it, with its live keys.

    ``overdrawn``: the amount by which its balance lies below the credit limit.
    """

    id: CustomerId
    name: str
    balance: Money
    suspended: bool
    credit_limit: Money
    overdrawn: Money
    keys: tuple[KeyDetails, ...]


OVERDRAWN: Final = "greatest(0, least(c.overdrawn, -c.balance - c.credit_limit))"
"""The amount by which the balance of customer ``c`` lies below its credit limit.

The column is an upper bound: a refund raises the balance alone.
"""
_LISTED: Final = f"""
select c.id, c.name, c.balance, c.suspended, c.credit_limit, {OVERDRAWN} as overdrawn,
       array(
         select jsonb_build_object('id', k.id, 'hint', k.hint, 'label', k.label, 'title_case', k.title_case,
           'as_panel', k.as_panel, 'addresses', k.addresses)
         from api_key k where k.customer_id = c.id and k.revoked is null order by k.id) as keys
from customer c where %(only)s::bigint is null or c.id = %(only)s order by c.id
"""


async def list_details(connection: Connection, only: CustomerId | None = None) -> list[CustomerDetails]:
    """Returns all customers, or the one with the id ``only``."""
    return await rows(connection, CustomerDetails, _LISTED, {"only": only})
