"""Money that the operator moves: payments, corrections and credit limits, each booked once under its reference."""

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


async def lock_reference(connection: Connection, kind: str, reference: str) -> None:
    """Takes the advisory lock of a reference: nobody else books under it until the caller's transaction ends.

    To avoid deadlocks, take it before locking customers' rows.
    """
    await connection.execute(_HOLD, [_NAMESPACE, f"{kind} {reference.casefold()}"])


_FUNDS: Final = "select balance, credit_limit, overdrawn, suspended from customer where id = %s for update"


async def lock_funds(connection: Connection, customer: CustomerId) -> Funds | None:
    """Locks a customer's row and returns its funds; None if there is no such customer."""
    return await first_row(connection, Funds, _FUNDS, [customer])


_BOOK: Final = """
-- The transfer, and the customer's balance: one of its two accounts is the customer's.
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


async def book(
    connection: Connection, transfer: Transfer, corrects: int | None, overdrawn: Money, now: datetime
) -> int:
    """Writes a transfer between a customer, whose row is locked, and the house; returns its id.

    ``corrects`` is the id of the transfer that it corrects; ``overdrawn`` the customer's new overdrawn amount.
    """
    accounts = {"debit": transfer.debit, "credit": transfer.credit, "customer": transfer.customer}
    fields = {"amount": transfer.amount, "kind": transfer.kind.value, "note": transfer.note, "corrects": corrects}
    row = await (await connection.execute(_BOOK, {**accounts, **fields, "overdrawn": overdrawn, "now": now})).fetchone()
    assert row is not None
    return int(row[0])


# Rows of older releases have no case-folded id: those are compared by lower().
_DEPOSITS: Final = """
select d.gateway, d.external_id, t.customer_id as customer, t.amount, t.id as transfer
from deposit d join transfer t on t.id = d.transfer_id
where lower(btrim(d.gateway)) = lower(%s)
  and coalesce(d.folded, lower(btrim(d.external_id))) in (%s, lower(%s))
"""
_DEPOSIT: Final = "insert into deposit (gateway, external_id, folded, transfer_id) values (%s, %s, %s, %s)"


async def list_same_deposits(connection: Connection, payment: Payment) -> list[Deposit]:
    """Returns the booked payments of the gateway whose ids equal this one's, ignoring case."""
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
    """The transfer that was booked under a reference. ``to`` is the customer that got what an adjustment took."""

    transfer: int
    debit: AccountId
    credit: AccountId
    amount: Money
    corrects: int | None
    to: CustomerId | None


async def find_booked(connection: Connection, kind: TransferKind, reference: str) -> BookedReference | None:
    """Returns the transfer of a kind that was booked under a reference, or None."""
    return await first_row(connection, BookedReference, _REFERRED, [kind.value, reference])


_SAME: Final = """
select t.id, r.reference from transfer_reference r join transfer t on t.id = r.transfer_id
where r.kind = %s and r.reference <> %s and lower(r.reference) = lower(%s)
  and t.debit = %s and t.credit = %s and r.corrects is not distinct from %s order by t.id limit 1
"""


async def find_same_transfer(
    connection: Connection, transfer: Transfer, reference: str, corrects: int | None
) -> tuple[int, str] | None:
    """Returns the id and reference of a transfer that differs from this one only in the case of its reference.

    It has the same kind and accounts, and corrects the same transfer. None if there is none.
    """
    values = [transfer.kind.value, reference, reference, transfer.debit, transfer.credit, corrects]
    row = await (await connection.execute(_SAME, values)).fetchone()
    return None if row is None else (row[0], row[1])


async def keep_reference(connection: Connection, kind: TransferKind, reference: str, booked: BookedReference) -> None:
    """Writes the reference of a transfer, so that it is booked once."""
    await connection.execute(_REFER, [kind.value, reference, booked.transfer, booked.corrects, booked.to])


_CORRECTABLE: Final = """
select t.id as transfer, t.customer_id as customer, t.amount, t.credit = t.customer_id as credited,
  coalesce((select sum(c.amount)::bigint from transfer_reference r join transfer c on c.id = r.transfer_id
            where r.corrects = t.id and (c.debit = t.customer_id) = (t.credit = t.customer_id)), 0) as undone,
  t.order_id is not null as of_order
from transfer t where t.id = %s
"""


async def find_correctable(connection: Connection, transfer: int) -> Correctable | None:
    """Returns a transfer with the amount that corrections have undone of it. The customer's row is locked."""
    return await first_row(connection, Correctable, _CORRECTABLE, [transfer])


_LIMITED: Final = "select customer_id, amount from credit_change where reference = %s"
_CHANGE: Final = """
insert into credit_change (customer_id, amount, reference, at, actor, reason) values (%s, %s, %s, %s, %s, %s)
returning id
"""
_LIMIT: Final = "update customer set credit_limit = %s, credit_change_id = %s, overdrawn = %s where id = %s"


async def find_credit_limit(connection: Connection, reference: str) -> tuple[CustomerId, Money] | None:
    """Returns the customer and the credit limit that were set under a reference, or None."""
    row = await (await connection.execute(_LIMITED, [reference])).fetchone()
    return None if row is None else (CustomerId(row[0]), Money(row[1]))


async def set_credit_limit(connection: Connection, customer: CustomerId, funds: Funds, reference: str, by: By) -> None:
    """Writes a customer's new credit limit, and the row of ``credit_change`` that a constraint demands for it."""
    values = [customer, funds.credit_limit, reference, by.now, str(by.actor), by.reason]
    row = await (await connection.execute(_CHANGE, values)).fetchone()
    assert row is not None
    await connection.execute(_LIMIT, [funds.credit_limit, row[0], funds.overdrawn, customer])
