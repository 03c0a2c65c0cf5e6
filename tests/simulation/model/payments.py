"""store.payments, on the model's rows."""

from datetime import datetime

from tests.simulation.model.connection import Connection
from tests.simulation.model.customers import book as move

from opensmm.base.ids import CustomerId
from opensmm.base.money import Money
from opensmm.domain.ledger import Funds, Transfer, TransferKind, account
from opensmm.domain.payments import Correctable, Deposit, Payment
from opensmm.store.payments import BookedReference


async def lock_reference(connection: Connection, kind: str, reference: str) -> None:
    """One transaction at a time is under way here."""


async def lock_funds(connection: Connection, customer: CustomerId) -> Funds | None:
    row = connection.store.customers.get(customer)
    if row is None:
        return None
    return Funds(Money(row.balance), Money(row.credit_limit), Money(row.overdrawn), row.suspended)


async def book(
    connection: Connection, transfer: Transfer, corrects: int | None, overdrawn: Money, now: datetime
) -> int:
    store = connection.store
    (number,) = move(store, [transfer])
    row = store.customers[transfer.customer]
    store.edit(row).overdrawn = overdrawn
    return number


async def list_same_deposits(connection: Connection, payment: Payment) -> list[Deposit]:
    booked = connection.store.deposits.items()
    return [one for (gateway, folded, _), one in booked if (gateway, folded) == (payment.gateway, payment.folded)]


async def add_deposit(connection: Connection, payment: Payment, transfer: int) -> None:
    store = connection.store
    booked = store.transfers[transfer - 1]
    deposit = Deposit(payment.gateway, payment.external_id, booked.customer, booked.amount, transfer)
    store.insert(store.deposits, (payment.gateway, payment.folded, payment.external_id), deposit)


async def find_booked(connection: Connection, kind: TransferKind, reference: str) -> BookedReference | None:
    return connection.store.references.get((kind.value, reference))


async def find_same_transfer(
    connection: Connection, transfer: Transfer, reference: str, corrects: int | None
) -> tuple[int, str] | None:
    for (kind, name), made in connection.store.references.items():
        own = (made.debit, made.credit, made.corrects)
        alike = (kind, *own) == (transfer.kind.value, transfer.debit, transfer.credit, corrects)
        if alike and name != reference and name.lower() == reference.lower():
            return made.transfer, name
    return None


async def keep_reference(connection: Connection, kind: TransferKind, reference: str, booked: BookedReference) -> None:
    connection.store.insert(connection.store.references, (kind.value, reference), booked)


async def find_correctable(connection: Connection, transfer: int) -> Correctable | None:
    store = connection.store
    if not 0 < transfer <= len(store.transfers):
        return None
    row = store.transfers[transfer - 1]
    own = account(row.customer)
    undone = [
        store.transfers[made.transfer - 1].amount
        for made in store.references.values()
        if made.corrects == transfer and (made.debit == own) == (row.credit == own)
    ]
    credited = row.credit == own
    return Correctable(transfer, row.customer, row.amount, credited, Money(sum(undone)), row.order is not None)
