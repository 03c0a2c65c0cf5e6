"""Customers, their keys and their money, as the operator handles them. Each action leaves one audit row."""

import secrets
from collections.abc import Sequence
from datetime import datetime

import psycopg
from msgspec import Struct

from opensmm.base.faults import Fault
from opensmm.base.ids import CustomerId, KeyId
from opensmm.base.money import Money
from opensmm.domain import ledger
from opensmm.domain.callers import digest
from opensmm.store import audit, customers, keys
from opensmm.store.connection import Connection


class Taken(Fault):
    """The name or the key exists already."""


class Unknown(Fault):
    """There is no such thing."""


class Mismatch(Fault):
    """The same payment is told with another amount or for another customer: somebody must look into it."""


class NewKey(Struct, frozen=True):
    """A key as it is shown once. ``addresses`` empty: it may be used from anywhere."""

    text: str
    label: str = ""
    title_case: bool = False
    addresses: tuple[str, ...] = ()


def fresh_key(label: str = "") -> NewKey:
    """A new key of 160 random bits."""
    return NewKey(secrets.token_hex(20), label)


async def add_customer(
    connection: Connection, name: str, balance: Money, key: NewKey, pepper: bytes, *, actor: str, now: datetime
) -> CustomerId:
    """A customer with a key and, where ``balance`` is above 0, a first top-up; raises Taken."""
    try:
        async with connection.transaction():
            customer = await customers.add(connection, name, Money(0), now)
            await _keep_key(connection, customer, key, pepper, now)
            if balance > 0:
                await customers.transfer(connection, [ledger.top_up(customer, balance, "first top-up")], now)
            await audit.note(connection, actor, "customer.add", [str(customer)], now)
    except psycopg.errors.UniqueViolation as error:
        raise Taken(f"there is a customer {name!r}, or such a key, already") from error
    return customer


async def set_suspended(
    connection: Connection, customer: CustomerId, suspended: bool, *, actor: str, now: datetime
) -> None:
    """Keeps a customer from ordering, or lets it order again; raises Unknown."""
    async with connection.transaction():
        await _must_exist(connection, customer)
        await customers.set_suspended(connection, customer, suspended)
        action = "customer.suspend" if suspended else "customer.resume"
        await audit.note(connection, actor, action, [str(customer)], now)


async def add_key(
    connection: Connection, customer: CustomerId, key: NewKey, pepper: bytes, *, actor: str, now: datetime
) -> KeyId:
    """One more key for a customer; raises Taken where the key exists, Unknown where the customer does not."""
    try:
        async with connection.transaction():
            await _must_exist(connection, customer)
            kept = await _keep_key(connection, customer, key, pepper, now)
            await audit.note(connection, actor, "key.add", [str(kept)], now)
    except psycopg.errors.UniqueViolation as error:
        raise Taken("this key exists already") from error
    return kept


async def _must_exist(connection: Connection, customer: CustomerId) -> None:
    if not await customers.lock(connection, [customer]):
        raise Unknown(f"there is no customer {customer}")


async def _keep_key(connection: Connection, customer: CustomerId, key: NewKey, pepper: bytes, now: datetime) -> KeyId:
    return await keys.add(
        connection,
        customer,
        digest(pepper, key.text),
        hint=key.text[-4:],
        label=key.label,
        title_case=key.title_case,
        addresses=key.addresses,
        now=now,
    )


async def edit_key(
    connection: Connection,
    key: KeyId,
    *,
    title_case: bool | None,
    addresses: Sequence[str] | None,
    actor: str,
    now: datetime,
) -> None:
    """Changes how a live key is answered and where it may be used from; None leaves as it is. Raises Unknown."""
    async with connection.transaction():
        if not await keys.edit(connection, key, title_case=title_case, addresses=addresses):
            raise Unknown(f"there is no live key {key}")
        changes = {"title_case": title_case, "addresses": addresses}
        await audit.note(
            connection, actor, "key.edit", [str(key)], now, {name: to for name, to in changes.items() if to is not None}
        )


async def revoke_keys(connection: Connection, which: Sequence[KeyId], *, actor: str, now: datetime) -> list[KeyId]:
    """Revokes keys for good; returns those that were live."""
    async with connection.transaction():
        revoked = await keys.revoke(connection, which, now)
        await audit.note(connection, actor, "key.revoke", [str(key) for key in revoked], now)
    return revoked


async def top_up(
    connection: Connection,
    customer: CustomerId,
    amount: Money,
    *,
    gateway: str,
    external_id: str,
    actor: str,
    now: datetime,
) -> bool:
    """Books a payment; with an ``external_id`` the same payment is booked once, however often it is told.

    False where it was booked before. Raises Unknown where the customer does not exist, Mismatch where the payment was
    booked with another amount or for another customer.
    """
    transfer = ledger.top_up(customer, amount, f"{gateway} {external_id}".strip())
    before: tuple[CustomerId, Money] | None = None
    async with connection.transaction() as transaction:
        await _must_exist(connection, customer)
        ids = await customers.transfer(connection, [transfer], now)
        if external_id:
            before = await customers.deposit(connection, gateway, external_id, ids[0])
        await audit.note(connection, actor, "customer.topup", [str(customer)], now)
        if before is not None:
            raise psycopg.Rollback(transaction)
    if before not in (None, (customer, amount)):
        raise Mismatch(f"payment {external_id} of {gateway} was booked before, with another amount or customer")
    return before is None
