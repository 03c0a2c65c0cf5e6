"""The stored price list: its changes since a version, and the operator's edits."""

from collections.abc import Sequence
from typing import Final

import msgspec

from opensmm.base.ids import PriceListId, ProviderId, ServiceId
from opensmm.domain.catalogue import BelowCost, Catalogue, Service
from opensmm.domain.policy import NO_POLICY
from opensmm.store import policy
from opensmm.store.connection import Connection
from opensmm.store.prepared import PreparedStatement
from opensmm.store.rows import rows

_VERSION: Final = "select catalogue_version, currency, below_cost from panel"
_LOOK: Final = PreparedStatement("catalogue", _VERSION)
"""Every process runs it many times a second."""
_COLUMNS: Final = """
select s.id, s.name, s.type, c.name as category, s.rate, s.min, s.max, s.refill, s.cancel, s.dripfeed, s.free,
       s.description, s.average_time_min, s.refill_wait_h, s.one_active_per_link, s.on_sale, s.position,
       s.delivery_method, s.cost, s.halted, s.refill_days, s.refill_mode, s.hold_when_refused
from service s join category c on c.id = s.category_id
"""
_SERVICES: Final = f"{_COLUMNS} where s.version > %s"
_SOME: Final = f"{_COLUMNS} where s.id = any(%s) order by s.id"
_RATES: Final = "select price_list_id, service_id, rate from price where version > %s"
CHUNK: Final = 500
"""Rows to read before other tasks of the event loop get their turn."""


async def version(connection: Connection) -> int:
    cursor = await connection.execute(_VERSION)
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def currency(connection: Connection) -> str:
    """Returns the panel's currency as three letters."""
    row = await (await connection.execute(_VERSION)).fetchone()
    assert row is not None
    return str(row[1])


async def refresh(connection: Connection, cached: Catalogue | None) -> Catalogue:
    """Returns the present catalogue; reads only what has changed since the ``cached`` one."""
    (row,) = await _LOOK.rows(connection, [])
    if cached is not None and cached.version == row[0]:
        return cached
    since = 0 if cached is None else cached.version
    services = {} if cached is None else dict(cached.services)
    rates = {} if cached is None else dict(cached.rates)
    # The version was read first: an edit that commits meanwhile is read now, and once more at the next refresh.
    cursor = await connection.execute(_SERVICES, [since])
    names = [column.name for column in cursor.description or ()]
    while chunk := await cursor.fetchmany(CHUNK):
        changed = [msgspec.convert(dict(zip(names, columns, strict=True)), Service) for columns in chunk]
        services.update((service.id, service) for service in changed)
    cursor = await connection.execute(_RATES, [since])
    for price_list, service, rate in await cursor.fetchall():
        if rate is None:
            rates.pop((PriceListId(price_list), ServiceId(service)), None)
        else:
            rates[PriceListId(price_list), ServiceId(service)] = rate
    rules = await policy.refresh(connection, NO_POLICY if cached is None else cached.policy)
    return Catalogue(row[0], row[1], services, rates, rules, BelowCost(row[2]))


async def services(connection: Connection, ids: Sequence[ServiceId]) -> list[Service]:
    """Returns the services with these ids that exist, in the order of the ids."""
    return await rows(connection, Service, _SOME, [list(ids)])


_BUMP: Final = "update panel set catalogue_version = catalogue_version + 1 returning catalogue_version"


_HOLD: Final = "select from panel for update"


async def hold(connection: Connection) -> None:
    """Keeps other sessions from editing price list and policy until the caller's transaction ends."""
    await connection.execute(_HOLD)


async def bump(connection: Connection) -> int:
    """Begins a new version of the catalogue in the caller's transaction and returns its number."""
    cursor = await connection.execute(_BUMP)
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


_CATEGORIES: Final = """
with wanted as (select name, min(ord) as ord from unnest(%s::text[]) with ordinality as a (name, ord) group by name)
insert into category (name, position) select name, ord from wanted order by ord on conflict (name) do nothing
"""
_SAVE: Final = """
-- New services (id 0) are numbered in the order of the list.
insert into service (id, name, type, category_id, rate, min, max, refill, cancel, dripfeed, free, description,
                     average_time_min, refill_wait_h, one_active_per_link, on_sale, position, delivery_method,
                     refill_days, refill_mode, hold_when_refused, version)
select case when r.id > 0 then r.id
            else (select coalesce(max(id), 0) from service)
                 + row_number() over (partition by r.id = 0 order by r.position, r.name) end,
       r.name, r.type, c.id, r.rate, r.min, r.max, r.refill,
       r.cancel, r.dripfeed, r.free, r.description, r.average_time_min, r.refill_wait_h, r.one_active_per_link,
       r.on_sale, r.position, r.delivery_method, r.refill_days, r.refill_mode, r.hold_when_refused, %s
from jsonb_to_recordset(%s::jsonb) as r (id bigint, name text, type text, category text, rate numeric, min bigint,
     max bigint, refill bool, cancel bool, dripfeed bool, free bool, description text, average_time_min int,
     refill_wait_h int, one_active_per_link bool, on_sale bool, position int, delivery_method text,
     refill_days int, refill_mode text, hold_when_refused bool)
join category c on c.name = r.category
order by 1
-- An edited service keeps its id, its cost and its halt.
on conflict (id) do update set name = excluded.name, type = excluded.type, category_id = excluded.category_id,
  rate = excluded.rate, min = excluded.min, max = excluded.max, refill = excluded.refill, cancel = excluded.cancel,
  dripfeed = excluded.dripfeed, free = excluded.free, description = excluded.description,
  average_time_min = excluded.average_time_min, refill_wait_h = excluded.refill_wait_h,
  one_active_per_link = excluded.one_active_per_link, on_sale = excluded.on_sale, position = excluded.position,
  delivery_method = excluded.delivery_method, refill_days = excluded.refill_days,
  refill_mode = excluded.refill_mode, hold_when_refused = excluded.hold_when_refused, version = excluded.version
returning id
"""


async def save_services(
    connection: Connection, services: Sequence[Service], version: int | None = None
) -> list[ServiceId]:
    """Writes services in the caller's transaction and returns their ids; id 0 means a new service.

    ``version``: the catalogue's version that the caller has begun with ``bump``; None begins one. Either locks the
    version's row, so that no other session gives out the same new ids.
    """
    if version is None:
        version = await bump(connection)
    await connection.execute(_CATEGORIES, [[service.category for service in services]])
    text = msgspec.json.encode(services).decode()
    cursor = await connection.execute(_SAVE, [version, text])
    return [ServiceId(row[0]) for row in await cursor.fetchall()]


_PROVIDER: Final = """
insert into provider (name, kind, url, currency) values (%s, %s, %s, %s)
on conflict (name) do update set url = excluded.url returning id
"""


async def save_provider(connection: Connection, name: str, kind: str, url: str, currency: str) -> ProviderId:
    cursor = await connection.execute(_PROVIDER, [name, kind, url, currency])
    row = await cursor.fetchone()
    assert row is not None
    return ProviderId(row[0])


_ROUTES: Final = """
insert into route (service_id, position, provider_id, provider_service)
select service, 0, %s, service::text from unnest(%s::bigint[]) as service on conflict do nothing
"""


async def route_all(connection: Connection, services: Sequence[ServiceId], provider: ProviderId) -> None:
    """Routes services to a provider under the services' own numbers."""
    await connection.execute(_ROUTES, [provider, list(services)])


_LAST: Final = "select coalesce(max(id), 0), coalesce(max(position), 0) from service"


async def last_numbers(connection: Connection) -> tuple[int, int]:
    """Returns the highest id and position of a service.

    Locks the catalogue, so that no other session gives out new ones until the caller's transaction ends.
    """
    await hold(connection)
    row = await (await connection.execute(_LAST)).fetchone()
    assert row is not None
    return row[0], row[1]
