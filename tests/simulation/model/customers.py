"""store.customers, audit and retention, on the model's rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.simulation.model.connection import Connection
from tests.simulation.model.tables import Store

from opensmm.base.ids import CustomerId, OrderId
from opensmm.base.money import Money
from opensmm.domain.audit import AuditAction, AuditEntry, By
from opensmm.domain.ledger import HELD, Transfer, TransferKind, account


async def lock(connection: Connection, customers: Sequence[CustomerId]) -> list[CustomerId]:
    return [customer for customer in customers if customer in connection.store.customers]


async def transfer(connection: Connection, transfers: Sequence[Transfer], now: datetime) -> list[int]:
    return book(connection.store, transfers)


def hold(customer: CustomerId, order: OrderId, amount: Money) -> Transfer:
    """Returns the transfer of an order's charge, which the store's statements write by themselves."""
    return Transfer(account(customer), HELD, amount, TransferKind.CHARGE, customer, order)


def book(store: Store, transfers: Sequence[Transfer]) -> list[int]:
    first = len(store.transfers) + 1
    for transfer in transfers:
        store.transfers.append(transfer)
        for side, amount in ((transfer.debit, -transfer.amount), (transfer.credit, transfer.amount)):
            if side > 0:
                store.edit(store.customers[side]).balance += amount
    return list(range(first, first + len(transfers)))


async def note(connection: Connection, by: By, action: AuditAction, entries: Sequence[AuditEntry]) -> None:
    """The audit's rows are looked at by the tests of the actions."""


async def forget_idempotency(connection: Connection, at: datetime | None, max_age: timedelta) -> bool:
    """A simulated scenario is shorter than what is remembered."""
    return False


async def forget_batches(connection: Connection, at: datetime | None, max_age: timedelta) -> bool:
    """A mark that is looked for is younger than what is forgotten."""
    return False
