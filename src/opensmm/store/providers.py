"""Providers as kept: who they are, how they have fared, and what balance they were last seen with."""

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
from opensmm.domain.providers import AS_DOCUMENTED, READINGS_SPAN, BalanceReading, Forms, IdForm
from opensmm.store import call_faults, catalogue
from opensmm.store.connection import Connection


class ProviderRow(Struct, frozen=True):
    """``exchange_rate`` is the panel's currency for one of the provider's. ``resting_until``: left alone until then.
    ``adds_at_a_time``: how many ``add`` calls all workers together may have under way; 0 is as many as calls, None what
    was so before anybody decided. ``forms``: in which it is asked after ids, where they are not the pages'.
    ``user_agent``: the name that we call it with, empty: our own."""

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
    """All of them: one that is switched off still has its orders followed."""
    cursor = await connection.execute(_PROVIDERS)
    return [_row(row) for row in await cursor.fetchall()]


async def named(connection: Connection, name: str) -> ProviderRow | None:
    """A provider by its name or, where nobody is called so, by its id."""
    row = await (await connection.execute(_NAMED, [name, name, name])).fetchone()
    return None if row is None else _row(row)


async def find(connection: Connection, provider: ProviderId) -> ProviderRow | None:
    """A provider by its id."""
    row = await (await connection.execute(_BY_ID, [provider])).fetchone()
    return None if row is None else _row(row)


async def lock(connection: Connection, provider: ProviderId) -> ProviderRow | None:
    """A provider under lock, for its settings to be edited. What services cost may follow from them, so that the price
    list is locked before, as by everybody who locks both."""
    await catalogue.hold(connection)
    row = await (await connection.execute(_LOCKED, [provider])).fetchone()
    return None if row is None else _row(row)


def _row(row: TupleRow) -> ProviderRow:
    told: dict[str, Any] = dict(zip(_NAMES, row, strict=True))
    sealed, forms = told["sealed_key"], told["forms"] or {}
    read = {action: IdForm(form) for action, form in forms.items() if form in _FORMS}
    return ProviderRow(
        **told
        | {
            "sealed_key": None if sealed is None else bytes(sealed),
            "forms": read,
            "fault": call_faults.read(told["fault"]),
        }
    )


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
    """A new provider, its key apart; None where there is one of that name. The row's own id is not looked at."""
    values = [row.name, row.kind, row.url, row.dialect, row.currency, row.exchange_rate, row.concurrency]
    values += [row.calls_per_second, row.adds_at_a_time, row.user_agent]
    found = await (await connection.execute(_ADD, values)).fetchone()
    return None if found is None else ProviderId(found[0])


async def change(connection: Connection, row: ProviderRow) -> None:
    """Writes what the operator may change of a provider. The forms that it knew elsewhere, or in another dialect, are
    forgotten."""
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
    """Keeps in which forms a provider turned out to answer, None: in the pages'. What was learned at another address or
    in another dialect than it has by now is dropped."""
    told = msgspec.json.encode({action: form for action, form in forms.items() if form is not None}).decode()
    without = [action for action, form in forms.items() if form is None]
    place = {"id": row.id, "url": row.url, "dialect": row.dialect}
    await connection.execute(_KEEP_FORMS, {**place, "without": without, "forms": told})


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
    """A provider after a failure: how many there were in a row, until when it is left alone, its words, and why it
    turns us away, where it does."""

    provider: ProviderId
    failures: int
    until: datetime | None
    fault: CallAnswer
    refuses: AccountFault | None


async def fared(
    connection: Connection, failed: Sequence[ProviderId], answered: Sequence[ProviderId]
) -> dict[ProviderId, tuple[int, bool]]:
    """Failures in a row, and whether it is being left alone, by provider, of those whose rows are to change.

    These stay locked, in the order of their ids; one that answered and was well is neither locked nor told of.
    """
    cursor = await connection.execute(_FARED, [list(failed), list(answered)])
    return {ProviderId(row[0]): (row[1], row[2]) for row in await cursor.fetchall()}


async def failed(connection: Connection, told: Sequence[ProviderFailure]) -> None:
    """Keeps how providers have failed."""
    arrays = (
        [one.provider for one in told],
        [one.failures for one in told],
        [one.until for one in told],
        [call_faults.written(one.fault) for one in told],
        [one.refuses for one in told],
    )
    await connection.execute(_FAILED, [*arrays])


async def is_well(connection: Connection, providers: Sequence[ProviderId]) -> None:
    await connection.execute(_WELL, [list(providers)])


_REFUSED_WAIT: Final = """
update panel p set refused_wait_h = %s from (select refused_wait_h from panel for update) before
returning before.refused_wait_h
"""


async def set_refused_wait(connection: Connection, hours: int) -> int:
    """Sets how long orders wait for providers that turn us away; returns how long they did before."""
    row = await (await connection.execute(_REFUSED_WAIT, [hours])).fetchone()
    assert row is not None
    return int(row[0])


_HALF_OPEN: Final = """
select id from provider where id = any(%s) and enabled and resting_until <= %s order by id for update skip locked
"""
_TRIED: Final = "update provider set resting_until = %s where id = any(%s)"


async def half_open(connection: Connection, known: Sequence[ProviderId], now: datetime) -> list[ProviderId]:
    """Providers that have rested and may be tried with one call; no other worker tries them at the same time."""
    cursor = await connection.execute(_HALF_OPEN, [list(known), now])
    return [ProviderId(row[0]) for row in await cursor.fetchall()]


async def tried(connection: Connection, providers: Sequence[ProviderId], until: datetime) -> None:
    """The one call is on its way: nobody else calls until it has come to something, or its time is over."""
    if providers:
        await connection.execute(_TRIED, [until, list(providers)])


_BALANCE_DUE: Final = """
update provider set balance_asked = %s
where kind <> 'manual' and id = any(%s) and (balance_asked is null or balance_asked <= %s) returning id
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


async def balance_due(
    connection: Connection, known: Sequence[ProviderId], now: datetime, asked_before: datetime
) -> list[ProviderId]:
    """Providers whose balance is to be asked for; another worker is not told of them meanwhile."""
    cursor = await connection.execute(_BALANCE_DUE, [now, list(known), asked_before])
    return [ProviderId(row[0]) for row in await cursor.fetchall()]


async def keep_balances(connection: Connection, told: Sequence[tuple[ProviderId, BalanceReading]]) -> None:
    if told:
        arrays = [one for one, _ in told], [reading.at for _, reading in told], [reading.balance for _, reading in told]
        await connection.execute(_KEEP_BALANCE, [*arrays])


async def newest_balance(connection: Connection, provider: ProviderId) -> BalanceReading | None:
    row = await (await connection.execute(_NEWEST_BALANCE, [provider])).fetchone()
    return None if row is None else BalanceReading(*row)


async def readings(connection: Connection) -> dict[ProviderId, list[BalanceReading]]:
    """Balances by provider, oldest first: of each the newest, however old, and those of a day before it."""
    found: dict[ProviderId, list[BalanceReading]] = {}
    for provider, at, balance in await (await connection.execute(_READINGS, [READINGS_SPAN])).fetchall():
        found.setdefault(ProviderId(provider), []).append(BalanceReading(at, balance))
    return found


async def forget_readings(connection: Connection, before: datetime) -> None:
    """Forgets old balances; the newest of each provider stays."""
    await connection.execute(_FORGET, [before])
