"""The stored price list: its changes since a version, and the operator's edits."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final, get_args

import msgspec
from msgspec import structs

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
_FOLLOWING: Final = frozenset(("cost", "halted"))
"""Columns of a service that follow from the providers' price lists; no edit writes them."""
_FIELDS: Final = {field.name: field.type for field in structs.fields(Service)}
_EDITED: Final = {name: kind for name, kind in _FIELDS.items() if name not in _FOLLOWING | {"id", "category"}}
"""Columns of a service that an edit writes as they are."""
_SELECTED: Final = ", ".join("c.name as category" if name == "category" else f"s.{name}" for name in _FIELDS)
_COLUMNS: Final = f"select {_SELECTED} from service s join category c on c.id = s.category_id"
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


async def lock(connection: Connection) -> None:
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
_SQL_TYPES: Final = {bool: "bool", int: "bigint", Decimal: "numeric"}


def _sql_type(kind: object) -> str:
    """Returns the SQL type of a field by its annotation. Enums are texts; an optional field has its value's type."""
    return next((name for plain, name in _SQL_TYPES.items() if plain in (kind, *get_args(kind))), "text")


_SAVE: Final = f"""
-- New services have id 0, and are numbered by position and name.
insert into service (id, category_id, version, {", ".join(_EDITED)})
select case when r.id > 0 then r.id
            else (select coalesce(max(id), 0) from service)
                 + row_number() over (partition by r.id = 0 order by r.position, r.name) end,
       c.id, %s, {", ".join(f"r.{name}" for name in _EDITED)}
from jsonb_to_recordset(%s::jsonb) as r (
  id bigint, category text, {", ".join(f"{name} {_sql_type(kind)}" for name, kind in _EDITED.items())})
join category c on c.name = r.category
order by 1
-- An edited service keeps its cost and its halt.
on conflict (id) do update set category_id = excluded.category_id, version = excluded.version,
  {", ".join(f"{name} = excluded.{name}" for name in _EDITED)}
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
    await lock(connection)
    row = await (await connection.execute(_LAST)).fetchone()
    assert row is not None
    return row[0], row[1]
