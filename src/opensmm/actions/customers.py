"""Customers, their keys and their money, as the operator handles them. Each action leaves one audit row."""

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
from opensmm.domain.codes import OperatorRefusal, RefusalCode
from opensmm.domain.customers import check_customer_name
from opensmm.domain.ledger import Funds
from opensmm.domain.payments import OPENING, Payment
from opensmm.store import api_keys, audit, customers
from opensmm.store.api_keys import UNSAID, KeySettings
from opensmm.store.connection import Connection

FIRST_LABEL: Final = "first"
"""The label of the key that a customer is added with."""


class NewKey(Struct, frozen=True):
    """A key as it is shown once."""

    text: str
    label: str = ""
    settings: KeySettings = UNSAID


def fresh_key(label: str = "", settings: KeySettings = UNSAID) -> NewKey:
    """A new key of 160 random bits."""
    return NewKey(secrets.token_hex(20), label, settings)


def first_key(settings: KeySettings = UNSAID) -> NewKey:
    """The key of a new customer."""
    return fresh_key(FIRST_LABEL, settings)


def imported_key(text: str, label: str = "", settings: KeySettings = UNSAID) -> NewKey:
    """A key that its owner has from another panel; raises OperatorRefusal where it cannot be one here."""
    check_importable(text)
    return NewKey(text, label, settings)


async def add_customer(
    connection: Connection, name: str, balance: Money, key: NewKey, pepper: bytes, *, by: By
) -> CustomerId:
    """Adds a customer with a key and, where ``balance`` is above 0, a first top-up.

    Raises OperatorRefusal where the name, the balance or the key will not do, or the name or the key is taken.
    """
    check_customer_name(name)
    check_amount(balance, NOTHING)
    key = _checked(key)
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
    """Keeps a customer from ordering, or lets it order again; raises OperatorRefusal where there is none."""
    async with connection.transaction():
        was = await money.lock_funds(connection, customer)
        if was.suspended == suspended:
            return
        await customers.set_suspended(connection, customer, suspended)
        action = AuditAction.CUSTOMER_SUSPEND if suspended else AuditAction.CUSTOMER_RESUME
        entry = AuditEntry(str(customer), {"suspended": (was.suspended, suspended)})
        await audit.note(connection, by, action, [entry])


async def add_key(connection: Connection, customer: CustomerId, key: NewKey, pepper: bytes, *, by: By) -> KeyId:
    """Adds one more key for a customer.

    Raises OperatorRefusal where the key will not do or exists already, and where the customer does not.
    """
    key = _checked(key)
    try:
        async with connection.transaction():
            await money.lock_funds(connection, customer)
            kept = await _keep_key(connection, customer, key, pepper, by)
    except psycopg.errors.UniqueViolation as error:
        raise OperatorRefusal(RefusalCode.KEY_EXISTS) from error
    return kept


def _checked(key: NewKey) -> NewKey:
    """A key whose label will do, with its addresses as they are compared."""
    check_label(key.label)
    addresses = read_addresses(key.settings.addresses)
    return replace(key, settings=replace(key.settings, addresses=addresses))


async def _keep_key(connection: Connection, customer: CustomerId, key: NewKey, pepper: bytes, by: By) -> KeyId:
    kept = await api_keys.add(
        connection,
        customer,
        digest(pepper, key.text),
        hint=key.text[-4:],
        label=key.label,
        settings=key.settings,
        now=by.now,
    )
    told = created(customer=customer, hint=key.text[-4:], label=key.label, **asdict(key.settings))
    await audit.note(connection, by, AuditAction.KEY_ADD, [AuditEntry(str(kept), told)])
    return kept


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
    """Changes how a live key is answered and where it may be used from; None leaves as it is. False: nothing changed.

    ``by_client`` leaves to the client again what is not said beside it. Raises OperatorRefusal where there is no such
    key, or an address is none.
    """
    bound = None if addresses is None else read_addresses(addresses)
    async with connection.transaction():
        was = await api_keys.lock(connection, key)
        if was is None:
            raise OperatorRefusal(RefusalCode.NO_LIVE_KEY, key=key)
        stays = UNSAID if by_client else was
        wanted = KeySettings(
            stays.title_case if title_case is None else title_case,
            was.addresses if bound is None else bound,
            stays.as_panel if as_panel is None else as_panel,
        )
        if wanted == was:
            return False
        await api_keys.edit(connection, key, wanted)
        await audit.note(connection, by, AuditAction.KEY_EDIT, [AuditEntry(str(key), diff(was, wanted))])
    return True


async def revoke_keys(connection: Connection, which: Sequence[KeyId], *, by: By) -> list[KeyId]:
    """Revokes keys for good; returns those that were live."""
    async with connection.transaction():
        revoked = await api_keys.revoke(connection, which, by.now)
        entries = [AuditEntry(str(key), {"revoked": (None, by.now)}) for key in revoked]
        await audit.note(connection, by, AuditAction.KEY_REVOKE, entries)
    return revoked
