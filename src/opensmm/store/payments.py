"""Money that the operator moves: payments and references that are booked once, corrections, and credit limits."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from opensmm.base.ids import CustomerId
from opensmm.base.money import Money
from opensmm.domain.audit import By
from opensmm.domain.ledger import AccountId, Funds, Transfer, TransferKind
from opensmm.domain.payments import Correctable, Deposit, Payment
from opensmm.store.connection import Connection
from opensmm.store.rows import first_row, rows

_NAMESPACE: Final = 0x0953_4D50
_HOLD: Final = "select pg_advisory_xact_lock(%s, hashtext(%s))"


async def hold(connection: Connection, kind: str, reference: str) -> None:
    """Keeps everybody else from booking under the same reference until the caller's transaction ends.

    Taken before customers' rows are locked, by whoever takes both.
    """
    await connection.execute(_HOLD, [_NAMESPACE, f"{kind} {reference.casefold()}"])


_FUNDS: Final = "select balance, credit_limit, overdrawn, suspended from customer where id = %s for update"


async def lock_funds(connection: Connection, customer: CustomerId) -> Funds | None:
    """A customer's money, under lock."""
    return await first_row(connection, Funds, _FUNDS, [customer])


_BOOK: Final = """
with written as (
  insert into transfer (debit, credit, amount, kind, customer_id, corrects, note, created)
  values (%(debit)s, %(credit)s, %(amount)s, %(kind)s, %(customer)s, %(corrects)s, %(note)s, %(now)s) returning id
), moved as (
  update customer set overdrawn = %(overdrawn)s, balance = balance
    + case when %(credit)s = id then %(amount)s else 0 end - case when %(debit)s = id then %(amount)s else 0 end
  where id = %(customer)s
)
select id from written
"""


async def book(connection: Connection, one: Transfer, corrects: int | None, overdrawn: Money, now: datetime) -> int:
    """Writes a transfer between a customer, whose row is locked, and the house; returns its id."""
    told = {"debit": one.debit, "credit": one.credit, "amount": one.amount, "kind": one.kind.value, "note": one.note}
    more = {"customer": one.customer, "corrects": corrects, "overdrawn": overdrawn, "now": now}
    row = await (await connection.execute(_BOOK, told | more)).fetchone()
    assert row is not None
    return int(row[0])


# Rows from before are compared as lower() has them, where what is kept of their id now is missing.
_DEPOSITS: Final = """
select d.gateway, d.external_id, t.customer_id as customer, t.amount, t.id as transfer
from deposit d join transfer t on t.id = d.transfer_id
where lower(btrim(d.gateway)) = lower(%s)
  and coalesce(d.folded, lower(btrim(d.external_id))) in (%s, lower(%s))
"""
_DEPOSIT: Final = "insert into deposit (gateway, external_id, folded, transfer_id) values (%s, %s, %s, %s)"


async def deposits_like(connection: Connection, payment: Payment) -> list[Deposit]:
    """Booked payments of the gateway whose ids differ from this one's in case at most."""
    return await rows(connection, Deposit, _DEPOSITS, [payment.gateway, payment.folded, payment.external_id])


async def add_deposit(connection: Connection, payment: Payment, transfer: int) -> None:
    await connection.execute(_DEPOSIT, [payment.gateway, payment.external_id, payment.folded, transfer])


_REFERRED: Final = """
select t.id as transfer, t.debit, t.credit, t.amount, r.corrects, r.to_customer_id as to
from transfer_reference r join transfer t on t.id = r.transfer_id where r.kind = %s and r.reference = %s
"""
_REFER: Final = """
insert into transfer_reference (kind, reference, transfer_id, corrects, to_customer_id) values (%s, %s, %s, %s, %s)
"""


class BookedReference(Struct, frozen=True):
    """What was booked under a reference."""

    transfer: int
    debit: AccountId
    credit: AccountId
    amount: Money
    corrects: int | None
    to: CustomerId | None


async def referred(connection: Connection, kind: TransferKind, reference: str) -> BookedReference | None:
    """What was booked of a kind under a reference."""
    return await first_row(connection, BookedReference, _REFERRED, [kind.value, reference])


_TWIN: Final = """
select t.id, r.reference from transfer_reference r join transfer t on t.id = r.transfer_id
where r.kind = %s and r.reference <> %s and lower(r.reference) = lower(%s)
  and t.debit = %s and t.credit = %s and r.corrects is not distinct from %s order by t.id limit 1
"""


async def same_transfer(
    connection: Connection, one: Transfer, reference: str, corrects: int | None
) -> tuple[int, str] | None:
    """A transfer between the same accounts whose reference differs from this one in case alone, and that reference."""
    values = [one.kind.value, reference, reference, one.debit, one.credit, corrects]
    row = await (await connection.execute(_TWIN, values)).fetchone()
    return None if row is None else (row[0], row[1])


async def refer(connection: Connection, kind: TransferKind, reference: str, booked: BookedReference) -> None:
    await connection.execute(_REFER, [kind.value, reference, booked.transfer, booked.corrects, booked.to])


_CORRECTABLE: Final = """
select t.id as transfer, t.customer_id as customer, t.amount, t.credit = t.customer_id as credited,
  coalesce((select sum(c.amount)::bigint from transfer_reference r join transfer c on c.id = r.transfer_id
            where r.corrects = t.id and (c.debit = t.customer_id) = (t.credit = t.customer_id)), 0) as undone,
  t.order_id is not null as of_order
from transfer t where t.id = %s
"""


async def correctable(connection: Connection, transfer: int) -> Correctable | None:
    """A transfer with what corrections have undone of it; the customer's row is locked."""
    return await first_row(connection, Correctable, _CORRECTABLE, [transfer])


_LIMITED: Final = "select customer_id, amount from credit_change where reference = %s"
_CHANGE: Final = """
insert into credit_change (customer_id, amount, reference, at, actor, reason) values (%s, %s, %s, %s, %s, %s)
returning id
"""
_LIMIT: Final = "update customer set credit_limit = %s, credit_change_id = %s, overdrawn = %s where id = %s"


async def credit_limit_of(connection: Connection, reference: str) -> tuple[CustomerId, Money] | None:
    """The customer and the credit limit that were set under a reference."""
    row = await (await connection.execute(_LIMITED, [reference])).fetchone()
    return None if row is None else (CustomerId(row[0]), Money(row[1]))


async def set_credit_limit(connection: Connection, customer: CustomerId, funds: Funds, reference: str, by: By) -> None:
    """Writes a customer's new credit limit, and the row without which the database takes none."""
    values = [customer, funds.credit_limit, reference, by.now, str(by.actor), by.reason]
    row = await (await connection.execute(_CHANGE, values)).fetchone()
    assert row is not None
    await connection.execute(_LIMIT, [funds.credit_limit, row[0], funds.overdrawn, customer])
