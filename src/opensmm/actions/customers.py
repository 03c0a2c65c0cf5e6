"""Customers and their API keys, as the operator manages them. Each action writes an audit row for each change."""

import secrets
from collections.abc import Sequence
from typing import Final

import psycopg
from msgspec import Struct
from msgspec.structs import asdict, replace

from opensmm.actions import money
from opensmm.base.ids import CustomerId, KeyId
from opensmm.base.money import Money
from opensmm.domain.amounts import NOTHING, check_amount
from opensmm.domain.api_keys import check_importable, check_label, digest, read_addresses
from opensmm.domain.audit import AuditAction, AuditEntry, By, created, diff
from opensmm.domain.customers import check_customer_name
from opensmm.domain.ledger import Funds
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.payments import OPENING, Payment
from opensmm.store import api_keys, audit, customers
from opensmm.store.api_keys import DEFAULT_SETTINGS, KeySettings
from opensmm.store.connection import Connection

FIRST_LABEL: Final = "first"
"""The label of the key that a customer is added with."""


class NewKey(Struct, frozen=True):
    """A new API key. Its text is shown once, and only its hash is stored."""

    text: str
    label: str = ""
    settings: KeySettings = DEFAULT_SETTINGS


def make_key(label: str = "", settings: KeySettings = DEFAULT_SETTINGS) -> NewKey:
    """Makes a key of 160 random bits."""
    return NewKey(secrets.token_hex(20), label, settings)


def make_first_key(settings: KeySettings = DEFAULT_SETTINGS) -> NewKey:
    """Makes the first key of a new customer."""
    return make_key(FIRST_LABEL, settings)


def take_over_key(text: str, label: str = "", settings: KeySettings = DEFAULT_SETTINGS) -> NewKey:
    """Takes over a key that its owner has from another panel. Raises OperatorRefusal if it cannot be a key here."""
    check_importable(text)
    return NewKey(text, label, settings)


async def add_customer(
    connection: Connection, name: str, balance: Money, key: NewKey, pepper: bytes, *, by: By
) -> CustomerId:
    """Adds a customer with a key and, if ``balance`` is above 0, a first top-up.

    Raises OperatorRefusal if the name, the balance or the key is invalid, or if the name or the key is taken.
    """
    check_customer_name(name)
    check_amount(balance, NOTHING)
    key = _check_key(key)
    try:
        async with connection.transaction():
            customer = await customers.add(connection, name, by.now)
            entry = AuditEntry(str(customer), created(name=name))
            await audit.note(connection, by, AuditAction.CUSTOMER_ADD, [entry])
            await _keep_key(connection, customer, key, pepper, by)
            if balance > 0:
                first = Payment(OPENING, str(customer))
                await money.deposit(connection, customer, Funds(Money(0)), balance, first, by)
    except psycopg.errors.UniqueViolation as error:
        if error.diag.table_name == "customer":
            raise OperatorRefusal(RefusalCode.CUSTOMER_EXISTS, name=name) from error
        raise OperatorRefusal(RefusalCode.KEY_EXISTS) from error
    return customer


async def set_suspended(connection: Connection, customer: CustomerId, suspended: bool, *, by: By) -> None:
    """Suspends or resumes a customer. Raises OperatorRefusal if there is no such customer."""
    async with connection.transaction():
        before = await money.lock_funds(connection, customer)
        if before.suspended == suspended:
            return
        await customers.set_suspended(connection, customer, suspended)
        action = AuditAction.CUSTOMER_SUSPEND if suspended else AuditAction.CUSTOMER_RESUME
        entry = AuditEntry(str(customer), {"suspended": (before.suspended, suspended)})
        await audit.note(connection, by, action, [entry])


async def add_key(connection: Connection, customer: CustomerId, key: NewKey, pepper: bytes, *, by: By) -> KeyId:
    """Adds another key for a customer.

    Raises OperatorRefusal if the key is invalid or exists already, or if the customer does not exist.
    """
    key = _check_key(key)
    try:
        async with connection.transaction():
            await money.lock_funds(connection, customer)
            key_id = await _keep_key(connection, customer, key, pepper, by)
    except psycopg.errors.UniqueViolation as error:
        raise OperatorRefusal(RefusalCode.KEY_EXISTS) from error
    return key_id


def _check_key(key: NewKey) -> NewKey:
    """Checks a key's label; returns the key with its addresses in the form in which they are compared."""
    check_label(key.label)
    addresses = read_addresses(key.settings.addresses)
    return replace(key, settings=replace(key.settings, addresses=addresses))


async def _keep_key(connection: Connection, customer: CustomerId, key: NewKey, pepper: bytes, by: By) -> KeyId:
    key_id = await api_keys.add(
        connection,
        customer,
        digest(pepper, key.text),
        hint=key.text[-4:],
        label=key.label,
        settings=key.settings,
        now=by.now,
    )
    changes = created(customer=customer, hint=key.text[-4:], label=key.label, **asdict(key.settings))
    await audit.note(connection, by, AuditAction.KEY_ADD, [AuditEntry(str(key_id), changes)])
    return key_id


async def edit_key(
    connection: Connection,
    key: KeyId,
    *,
    title_case: bool | None = None,
    as_panel: bool | None = None,
    by_client: bool = False,
    addresses: Sequence[str] | None = None,
    by: By,
) -> bool:
    """Changes a live key's answers and the addresses that may use it; None leaves a setting as it is.

    ``by_client`` resets the settings of answers that are not given, so that the client chooses them again. Returns
    False if nothing changed. Raises OperatorRefusal if there is no such key, or an address is invalid.
    """
    new_addresses = None if addresses is None else read_addresses(addresses)
    async with connection.transaction():
        before = await api_keys.lock(connection, key)
        if before is None:
            raise OperatorRefusal(RefusalCode.NO_LIVE_KEY, key=key)
        base = DEFAULT_SETTINGS if by_client else before
        after = KeySettings(
            base.title_case if title_case is None else title_case,
            before.addresses if new_addresses is None else new_addresses,
            base.as_panel if as_panel is None else as_panel,
        )
        if after == before:
            return False
        await api_keys.edit(connection, key, after)
        await audit.note(connection, by, AuditAction.KEY_EDIT, [AuditEntry(str(key), diff(before, after))])
    return True


async def revoke_keys(connection: Connection, which: Sequence[KeyId], *, by: By) -> list[KeyId]:
    """Revokes keys permanently; returns those that were live."""
    async with connection.transaction():
        revoked = await api_keys.revoke(connection, which, by.now)
        entries = [AuditEntry(str(key), {"revoked": (None, by.now)}) for key in revoked]
        await audit.note(connection, by, AuditAction.KEY_REVOKE, entries)
    return revoked
