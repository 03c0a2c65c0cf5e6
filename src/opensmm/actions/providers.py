"""The operator's edits of providers, each in one transaction with its audit rows."""

from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct, structs

from opensmm.actions import price_sync
from opensmm.base.ids import ProviderId
from opensmm.domain.audit import AuditAction, AuditEntry, By, Changes, diff, secret_change
from opensmm.domain.codes import BY_SETTING, FieldCode
from opensmm.domain.dispatch import MAX_REFUSED_WAIT_H
from opensmm.domain.names import check_range
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.provider_settings import (
    ProviderSettings,
    check_address,
    check_provider_key,
    check_settings,
    with_defaults,
)
from opensmm.domain.providers import PANEL, url_fault
from opensmm.providers.key_encryption import seal, unseal
from opensmm.store import audit
from opensmm.store import providers as rows
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow

_NEW: Final = ProviderRow(
    id=ProviderId(0), name="", kind=PANEL, url="", dialect="v2", failures=0, exchange_rate=Decimal(1), currency="",
    enabled=True, concurrency=1, calls_per_second=0, adds_at_a_time=None, resting_until=None, fault="", sealed_key=None,
)  # fmt: skip


class ProviderEdit(Struct, frozen=True):
    """A provider before and after an edit."""

    before: ProviderRow
    after: ProviderRow


async def add_provider(
    connection: Connection, new_settings: ProviderSettings, key: str, pepper: bytes, *, private: bool, by: By
) -> ProviderRow:
    """Adds a panel with its key, in a transaction of its own.

    ``private`` allows private addresses. Raises OperatorRefusal if a setting or the key is invalid, or the name is
    taken.
    """
    settings = with_defaults(check_settings(new_settings, private=private))
    check_provider_key(key)
    row = structs.replace(_NEW, **settings.given)
    async with connection.transaction():
        provider = await rows.add(connection, row)
        if provider is None:
            raise OperatorRefusal(RefusalCode.PROVIDER_NAME_TAKEN, name=row.name)
        stored = structs.replace(row, id=provider, sealed_key=seal(pepper, provider, row.url, key))
        await rows.change(connection, stored)
        changes = {**_diff_settings(None, row), **secret_change(None, key)}
        await audit.note(connection, by, AuditAction.PROVIDER_ADD, [AuditEntry(str(provider), changes)])
    return stored


async def edit_provider(
    connection: Connection,
    provider: ProviderId,
    new_settings: ProviderSettings,
    key: str,
    pepper: bytes,
    *,
    private: bool,
    by: By,
    keep_key: bool = False,
) -> ProviderEdit:
    """Changes the settings that are given, and the key unless it is empty, in a transaction of its own.

    A key is bound to its address: for a new address the stored key is decrypted and sealed again, which needs the same
    pepper. Raises OperatorRefusal if a setting or the key is invalid, if the name is taken, or if the stored key would
    go to another host without ``keep_key``.
    """
    # The address is checked later, under the lock: only a panel's address is called.
    settings = structs.replace(
        check_settings(structs.replace(new_settings, url=None), private=private), url=new_settings.url
    )
    if key:
        check_provider_key(key)
    async with connection.transaction():
        before = await rows.lock(connection, provider)
        if before is None:
            raise OperatorRefusal(RefusalCode.NO_PROVIDER, provider=provider)
        after = structs.replace(before, **settings.given)
        after = _seal_key(before, after, key, pepper, private=private, keep_key=keep_key)
        namesake = await rows.find_by_name(connection, after.name)
        if namesake is not None and namesake.name == after.name and namesake.id != provider:
            raise OperatorRefusal(RefusalCode.PROVIDER_NAME_TAKEN, name=after.name)
        await rows.change(connection, after)
        changes = {**_diff_settings(before, after), **(secret_change(before.sealed_key, key) if key else {})}
        await audit.note(connection, by, AuditAction.PROVIDER_EDIT, [AuditEntry(str(provider), changes)])
        if key:
            await rows.record_answers(connection, [provider])  # so that the new key is tested at once
        if after.exchange_rate != before.exchange_rate:
            await price_sync.refresh_provider_services(connection, provider, by)
    return ProviderEdit(before, after)


def _seal_key(
    before: ProviderRow, after: ProviderRow, key: str, pepper: bytes, *, private: bool, keep_key: bool
) -> ProviderRow:
    """Returns the row with its key sealed for its address: the new key or, if that is empty, the stored one."""
    if before.kind == PANEL and (after.url, key) != (before.url, ""):
        check_address(after.url, private=private)
        _check_host(before, after, is_chosen=bool(key) or keep_key)
        if not key and before.sealed_key is not None:
            key = unseal(pepper, before.id, before.url, before.sealed_key)
    return structs.replace(after, sealed_key=seal(pepper, after.id, after.url, key)) if key else after


async def set_refused_wait(connection: Connection, hours: int, *, by: By) -> None:
    """Sets the hours that an order waits for providers that turn us away, before it is held."""
    check_range(hours, 0, MAX_REFUSED_WAIT_H, FieldCode.REFUSED_WAIT_H)
    async with connection.transaction():
        before = await rows.set_refused_wait(connection, hours)
        entry = AuditEntry("panel", {"refused_wait_h": (before, hours)})
        await audit.note(connection, by, AuditAction.PANEL_REFUSED_WAIT, [entry])


def needs_setting(url: str) -> bool:
    """Returns True for an address that is called only if private addresses are allowed."""
    return url_fault(url, private=False) in BY_SETTING


def _check_host(old: ProviderRow, new: ProviderRow, *, is_chosen: bool) -> None:
    """Raises OperatorRefusal if the stored key would go to another host. ``is_chosen``: the operator wants that, or
    gave a new key."""
    if old.sealed_key is None or is_chosen:
        return
    before, after = urlsplit(old.url).hostname, urlsplit(new.url).hostname
    if before != after:
        fields = {"provider": old.name, "before": before, "after": after}
        raise OperatorRefusal(RefusalCode.KEY_FOR_OTHER_HOST, **fields)


_NO_SETTINGS: Final = frozenset(("id", "failures", "resting_until", "fault", "sealed_key", "forms"))
"""Fields of a provider that are no settings, and its key."""


def _diff_settings(before: ProviderRow | None, after: ProviderRow) -> Changes:
    return diff(before, after, _NO_SETTINGS)
