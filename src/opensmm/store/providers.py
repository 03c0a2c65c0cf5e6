"""Stored providers: their settings, their recent failures, and the balances last read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Struct, structs
from psycopg.rows import TupleRow

from opensmm.base.ids import ProviderId
from opensmm.domain.call_faults import CallAnswer
from opensmm.domain.dispatch import AccountFault
from opensmm.domain.providers import AS_DOCUMENTED, MANUAL, READINGS_SPAN, BalanceReading, Forms, IdForm
from opensmm.store import call_faults, catalogue
from opensmm.store.connection import Connection
from opensmm.store.rows import first_row


class ProviderRow(Struct, frozen=True):
    """A provider. ``exchange_rate`` is the price of one unit of its currency in the panel's.

    ``resting_until``: it is paused until then. ``adds_at_a_time``: how many ``add`` calls all
    workers together may have under way; 0 for no limit of its own, None if the operator has not decided. ``forms``: the
    form of ids by action, if it is not the documented one. ``user_agent``: sent to it, empty for our own.
    """

    id: ProviderId
    name: str
    kind: str
    url: str
    dialect: str
    failures: int
    exchange_rate: Decimal
    currency: str
    enabled: bool
    concurrency: int
    calls_per_second: int
    adds_at_a_time: int | None
    resting_until: datetime | None
    fault: CallAnswer
    sealed_key: bytes | None
    forms: Forms = AS_DOCUMENTED
    user_agent: str = ""


_NAMES: Final = tuple(field.name for field in structs.fields(ProviderRow))
_COLUMNS: Final = ", ".join(_NAMES)
_FORMS: Final = frozenset(IdForm)
_PROVIDERS: Final = f"select {_COLUMNS} from provider order by id"
_NAMED: Final = f"select {_COLUMNS} from provider where name = %s or id::text = %s order by name = %s desc limit 1"
_BY_ID: Final = f"select {_COLUMNS} from provider where id = %s"
_LOCKED: Final = f"select {_COLUMNS} from provider where id = %s for update"


async def providers(connection: Connection) -> list[ProviderRow]:
    """Returns all providers by id, disabled ones too: their orders are still polled."""
    cursor = await connection.execute(_PROVIDERS)
    return [_row(row) for row in await cursor.fetchall()]


async def find_by_name(connection: Connection, name: str) -> ProviderRow | None:
    """Returns the provider of this name, or else of this id; None if there is neither."""
    row = await (await connection.execute(_NAMED, [name, name, name])).fetchone()
    return None if row is None else _row(row)


async def find(connection: Connection, provider: ProviderId) -> ProviderRow | None:
    """Returns a provider by its id, or None."""
    row = await (await connection.execute(_BY_ID, [provider])).fetchone()
    return None if row is None else _row(row)


async def lock(connection: Connection, provider: ProviderId) -> ProviderRow | None:
    """Locks a provider's row, to edit its settings; None if there is none.

    Costs of services may follow from them, so the price list is locked first: always in this order, against deadlocks.
    """
    await catalogue.lock(connection)
    row = await (await connection.execute(_LOCKED, [provider])).fetchone()
    return None if row is None else _row(row)


def _row(row: TupleRow) -> ProviderRow:
    fields: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    sealed, forms = fields["sealed_key"], fields["forms"] or {}
    decoded = {
        "sealed_key": None if sealed is None else bytes(sealed),
        # Forms that a newer release stored are not known here.
        "forms": {action: IdForm(form) for action, form in forms.items() if form in _FORMS},
        "fault": call_faults.decode(fields["fault"]),
    }
    return ProviderRow(**fields | decoded)


_ADD: Final = """
insert into provider (name, kind, url, dialect, currency, exchange_rate, concurrency, calls_per_second,
  adds_at_a_time, user_agent)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (name) do nothing returning id
"""
_CHANGE: Final = """
update provider set name = %s, url = %s, dialect = %s, currency = %s, exchange_rate = %s, enabled = %s,
  concurrency = %s, calls_per_second = %s, adds_at_a_time = %s, user_agent = %s, sealed_key = %s,
  forms = case when url = %s and dialect = %s then forms end where id = %s
"""


async def add(connection: Connection, row: ProviderRow) -> ProviderId | None:
    """Writes a new provider without its key; returns None if there is one of that name. The row's id is ignored."""
    values = [row.name, row.kind, row.url, row.dialect, row.currency, row.exchange_rate, row.concurrency]
    values += [row.calls_per_second, row.adds_at_a_time, row.user_agent]
    added = await (await connection.execute(_ADD, values)).fetchone()
    return None if added is None else ProviderId(added[0])


async def change(connection: Connection, row: ProviderRow) -> None:
    """Writes the settings of a provider. With a new address or dialect, it forgets the forms learned before."""
    values = [row.name, row.url, row.dialect, row.currency, row.exchange_rate, row.enabled, row.concurrency]
    values += [row.calls_per_second, row.adds_at_a_time, row.user_agent, row.sealed_key, row.url, row.dialect, row.id]
    await connection.execute(_CHANGE, values)


_KEEP_FORMS: Final = """
update provider p set forms = a.forms
from (select id, nullif((coalesce(forms, '{}') - %(without)s::text[]) || %(forms)s::jsonb, '{}') as forms
      from provider where id = %(id)s for update) a
where p.id = a.id and p.url = %(url)s and p.dialect = %(dialect)s and p.forms is distinct from a.forms
"""


async def keep_forms(connection: Connection, row: ProviderRow, forms: Mapping[str, IdForm | None]) -> None:
    """Writes the forms of ids that a provider answered to, by action; None for the documented one.

    Does nothing if the provider has another address or dialect by now.
    """
    exceptions = msgspec.json.encode({action: form for action, form in forms.items() if form is not None}).decode()
    without = [action for action, form in forms.items() if form is None]
    place = {"id": row.id, "url": row.url, "dialect": row.dialect}
    await connection.execute(_KEEP_FORMS, {**place, "without": without, "forms": exceptions})


_FARED: Final = """
select id, failures, resting_until is not null from provider
where id = any(%s) or id = any(%s) and (failures > 0 or resting_until is not null) order by id for update
"""
_FAILED: Final = """
update provider p set failures = a.failures, resting_until = coalesce(a.until, p.resting_until), fault = a.fault,
  refuses = a.refuses
from unnest(%s::bigint[], %s::int[], %s::timestamptz[], %s::text[], %s::text[])
  as a (id, failures, until, fault, refuses)
where p.id = a.id
"""
_WELL: Final = "update provider set failures = 0, resting_until = null, refuses = null where id = any(%s)"


class ProviderFailure(Struct, frozen=True):
    """A provider after a failure: the failures in a row, until when it is not called, its answer, and why it turns us
    away, if it does."""

    provider: ProviderId
    failures: int
    until: datetime | None
    fault: CallAnswer
    refuses: AccountFault | None


async def lock_changed(
    connection: Connection, failing: Sequence[ProviderId], answered: Sequence[ProviderId]
) -> dict[ProviderId, tuple[int, bool]]:
    """Locks the rows of providers that are to change, in the order of their ids.

    Returns by provider its failures in a row, and True if it is not called for now. A provider that answered and was
    well is neither locked nor returned.
    """
    cursor = await connection.execute(_FARED, [list(failing), list(answered)])
    return {ProviderId(row[0]): (row[1], row[2]) for row in await cursor.fetchall()}


async def record_failures(connection: Connection, failures: Sequence[ProviderFailure]) -> None:
    """Writes providers' failures."""
    arrays = (
        [failure.provider for failure in failures],
        [failure.failures for failure in failures],
        [failure.until for failure in failures],
        [call_faults.encode(failure.fault) for failure in failures],
        [failure.refuses for failure in failures],
    )
    await connection.execute(_FAILED, [*arrays])


async def record_answers(connection: Connection, providers: Sequence[ProviderId]) -> None:
    """Writes that providers answered: no failures, not paused."""
    await connection.execute(_WELL, [list(providers)])


_REFUSED_WAIT: Final = """
update panel p set refused_wait_h = %s from (select refused_wait_h from panel for update) before
returning before.refused_wait_h
"""


async def set_refused_wait(connection: Connection, hours: int) -> int:
    """Sets how many hours orders wait for providers that turn us away; returns the hours before."""
    row = await (await connection.execute(_REFUSED_WAIT, [hours])).fetchone()
    assert row is not None
    return int(row[0])


_HALF_OPEN: Final = """
select id from provider where id = any(%s) and enabled and resting_until <= %s order by id for update skip locked
"""
_TRIED: Final = "update provider set resting_until = %s where id = any(%s)"


async def lock_half_open(connection: Connection, registered: Sequence[ProviderId], now: datetime) -> list[ProviderId]:
    """Locks and returns those of ``registered`` whose pause is over, to be tested with one call each."""
    cursor = await connection.execute(_HALF_OPEN, [list(registered), now])
    return [ProviderId(row[0]) for row in await cursor.fetchall()]


async def mark_tested(connection: Connection, providers: Sequence[ProviderId], until: datetime) -> None:
    """Writes that a test call is under way: no other worker calls before ``until``, or before it has an outcome."""
    if providers:
        await connection.execute(_TRIED, [until, list(providers)])


_BALANCE_DUE: Final = f"""
update provider set balance_asked = %s
where kind <> '{MANUAL}' and id = any(%s) and (balance_asked is null or balance_asked <= %s) returning id
"""
_KEEP_BALANCE: Final = """
insert into balance_reading (provider_id, at, balance)
select * from unnest(%s::bigint[], %s::timestamptz[], %s::numeric[])
on conflict do nothing
"""
_NEWEST_BALANCE: Final = "select at, balance from balance_reading where provider_id = %s order by at desc limit 1"
_READINGS: Final = """
select b.provider_id, b.at, b.balance
from provider p
cross join lateral (select max(at) as at from balance_reading where provider_id = p.id) newest
join balance_reading b on b.provider_id = p.id and b.at >= newest.at - %s::interval
order by b.provider_id, b.at
"""
_FORGET: Final = """
delete from balance_reading b where at < %s
  and exists (select from balance_reading n where n.provider_id = b.provider_id and n.at > b.at)
"""


async def claim_balances_due(
    connection: Connection, registered: Sequence[ProviderId], now: datetime, requested_before: datetime
) -> list[ProviderId]:
    """Claims those of ``registered`` whose balance was last requested before that time, or never."""
    cursor = await connection.execute(_BALANCE_DUE, [now, list(registered), requested_before])
    return [ProviderId(row[0]) for row in await cursor.fetchall()]


async def keep_balances(connection: Connection, balances: Sequence[tuple[ProviderId, BalanceReading]]) -> None:
    """Writes readings of providers' balances."""
    if balances:
        arrays = (
            [provider for provider, _ in balances],
            [reading.at for _, reading in balances],
            [reading.balance for _, reading in balances],
        )
        await connection.execute(_KEEP_BALANCE, [*arrays])


async def newest_balance(connection: Connection, provider: ProviderId) -> BalanceReading | None:
    """Returns the newest reading of a provider's balance, or None."""
    return await first_row(connection, BalanceReading, _NEWEST_BALANCE, [provider])


async def readings(connection: Connection) -> dict[ProviderId, list[BalanceReading]]:
    """Returns each provider's newest reading and those in ``READINGS_SPAN`` before it, oldest first."""
    balances: dict[ProviderId, list[BalanceReading]] = {}
    for provider, at, balance in await (await connection.execute(_READINGS, [READINGS_SPAN])).fetchall():
        balances.setdefault(ProviderId(provider), []).append(BalanceReading(at, balance))
    return balances


async def forget_readings(connection: Connection, before: datetime) -> None:
    """Deletes readings from before a time, but for each provider's newest."""
    await connection.execute(_FORGET, [before])
