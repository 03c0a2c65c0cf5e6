"""Providers as the operator sets them: each change in one transaction with its audit rows."""

from typing import Final
from urllib.parse import urlsplit

from msgspec import structs

from opensmm.actions import sync
from opensmm.base.faults import Fault
from opensmm.base.ids import ProviderId
from opensmm.domain.audit import AuditAction, AuditEntry, By, Changes, diff, secret_change
from opensmm.domain.codes import BY_SETTING, OperatorRefusal, RefusalCode
from opensmm.domain.providers import MAX_USER_AGENT, PANEL, USER_AGENT, adds_to_begin_with, url_fault
from opensmm.providers.sealing import seal, unseal
from opensmm.store import audit
from opensmm.store import providers as rows
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow


class Refused(Fault):
    """The change cannot be made; the text says why."""


async def add_provider(
    connection: Connection, wanted: ProviderRow, key: str, pepper: bytes, *, private: bool, by: By
) -> ProviderId:
    """A new provider with its key; where nobody says how many adds it takes at a time, its dialect does.

    Raises Refused where its name is taken, and OperatorRefusal where its address or the name that we are to bear there
    will not do.
    """
    check_address(wanted.url, private=private)
    check_user_agent(wanted.user_agent)
    if wanted.adds_at_a_time is None:
        wanted = structs.replace(wanted, adds_at_a_time=adds_to_begin_with(wanted.dialect))
    async with connection.transaction():
        provider = await rows.add(connection, wanted)
        if provider is None:
            raise Refused(f"there is a provider called {wanted.name!r} already")
        sealed = seal(pepper, provider, wanted.url, key)
        await rows.change(connection, structs.replace(wanted, id=provider, sealed_key=sealed))
        changes = {**_settings_changed(None, wanted), **secret_change(None, key)}
        await audit.note(connection, by, AuditAction.PROVIDER_ADD, [AuditEntry(str(provider), changes)])
    return provider


async def edit_provider(
    connection: Connection,
    wanted: ProviderRow,
    key: str,
    pepper: bytes,
    *,
    private: bool,
    by: By,
    keep_key: bool = False,
) -> None:
    """Writes a provider's settings, and another key where one is given, inside the caller's transaction.

    A key is bound to its address: kept ones are opened and sealed again for the new one, which needs the same pepper.
    Raises OperatorRefusal where the kept key would go to another host without ``keep_key``, or the address, or the name
    that we are to bear there, will not do.
    """
    check_user_agent(wanted.user_agent)
    known, new_key = await rows.lock(connection, wanted.id), key
    if known is None:
        raise Refused("this provider does not exist")
    if wanted.kind == PANEL and (wanted.url, key) != (known.url, ""):
        check_address(wanted.url, private=private)
        _check_host(known, wanted, given=bool(key) or keep_key)
        if not key and known.sealed_key is not None:
            key = unseal(pepper, known.id, known.url, known.sealed_key)
    taken = await rows.named(connection, wanted.name)
    if taken is not None and taken.name == wanted.name and taken.id != wanted.id:
        raise Refused(f"there is a provider called {wanted.name!r} already")
    sealed = seal(pepper, wanted.id, wanted.url, key) if key else known.sealed_key
    await rows.change(connection, structs.replace(wanted, sealed_key=sealed))
    changes = {**_settings_changed(known, wanted), **(secret_change(known.sealed_key, new_key) if new_key else {})}
    await audit.note(connection, by, AuditAction.PROVIDER_EDIT, [AuditEntry(str(wanted.id), changes)])
    if new_key:
        await rows.is_well(connection, [wanted.id])  # as far as is known: it is tried at once
    if wanted.exchange_rate != known.exchange_rate:
        await sync.follow_all(connection, wanted.id, by)


async def set_refused_wait(connection: Connection, hours: int, *, by: By) -> None:
    """Says how many hours an order waits for providers that turn us away, before it is held."""
    async with connection.transaction():
        before = await rows.set_refused_wait(connection, hours)
        entry = AuditEntry("panel", {"refused_wait_h": (before, hours)})
        await audit.note(connection, by, AuditAction.PANEL_REFUSED_WAIT, [entry])


def check_address(url: str, *, private: bool) -> None:
    """Raises OperatorRefusal where no provider at this address would be called."""
    if (why := url_fault(url, private=private)) is not None:
        raise OperatorRefusal(RefusalCode.BAD_ADDRESS, url=url, why=why)


def check_user_agent(text: str) -> None:
    """Raises OperatorRefusal where a text is no name that calls may bear."""
    if not USER_AGENT.fullmatch(text):
        raise OperatorRefusal(RefusalCode.BAD_USER_AGENT, most=MAX_USER_AGENT)


def needs_setting(url: str) -> bool:
    """True of an address that is called only where providers may be at private ones."""
    return url_fault(url, private=False) in BY_SETTING


def _check_host(known: ProviderRow, wanted: ProviderRow, *, given: bool) -> None:
    """``given``: the operator said which key goes to the new address."""
    if known.sealed_key is None or given:
        return
    before, after = urlsplit(known.url).hostname, urlsplit(wanted.url).hostname
    if before != after:
        fields = {"provider": known.name, "before": before, "after": after}
        raise OperatorRefusal(RefusalCode.KEY_FOR_OTHER_HOST, **fields)


_NO_SETTINGS: Final = frozenset(("id", "failures", "resting_until", "fault", "sealed_key", "forms"))
"""Fields of a provider that nobody sets, and its key."""


def _settings_changed(before: ProviderRow | None, after: ProviderRow) -> Changes:
    return diff(before, after, _NO_SETTINGS)
