"""Price lists: their names, the rates that they set in place of the services' own, and the customers that have them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from opensmm.base.ids import CustomerId, PriceListId, ServiceId
from opensmm.store.catalogue import bump
from opensmm.store.connection import Connection
from opensmm.store.rows import rows


class PriceListRow(Struct, frozen=True):
    """``rates`` is the number of services that it sets a rate for."""

    id: PriceListId
    name: str
    rates: int
    customers: int


class OwnRate(Struct, frozen=True):
    """A service that a price list sets a ``rate`` for. ``own`` is the service's own rate, ``cost`` is what we pay."""

    service: ServiceId
    service_name: str
    rate: Decimal
    own: Decimal
    cost: Decimal | None


_ALL: Final = """
select l.id, l.name, (select count(*) from price p where p.price_list_id = l.id and p.rate is not null) as rates,
       (select count(*) from customer c where c.price_list_id = l.id) as customers
from price_list l order by l.id
"""
_ADD: Final = "insert into price_list (name) values (%s) on conflict (name) do nothing returning id"
_SET_RATES: Final = """
select s.id as service, s.name as service_name, p.rate, s.rate as own, s.cost
from price p join service s on s.id = p.service_id
where p.price_list_id = %s and p.rate is not null order by s.position, s.id
"""
_KEEP: Final = """
insert into price (price_list_id, service_id, rate, version)
select %s, a.service_id, a.rate, %s from unnest(%s::bigint[], %s::numeric[]) as a (service_id, rate)
on conflict (price_list_id, service_id) do update set rate = excluded.rate, version = excluded.version
"""
_ASSIGN: Final = "update customer set price_list_id = %s where id = any(%s) returning id"


async def price_lists(connection: Connection) -> list[PriceListRow]:
    """Returns all price lists, oldest first."""
    return await rows(connection, PriceListRow, _ALL)


async def add(connection: Connection, name: str) -> PriceListId | None:
    """Writes a new price list; returns None if there is one of that name."""
    row = await (await connection.execute(_ADD, [name])).fetchone()
    return None if row is None else PriceListId(row[0])


async def list_rates(connection: Connection, price_list: PriceListId) -> list[OwnRate]:
    """Returns the services that a price list sets a rate for, in the order of the services."""
    return await rows(connection, OwnRate, _SET_RATES, [price_list])


async def keep(connection: Connection, price_list: PriceListId, rates: Mapping[ServiceId, Decimal | None]) -> None:
    """Sets the rates of services in a price list, under a new catalogue version; None restores the service's own."""
    await connection.execute(_KEEP, [price_list, await bump(connection), list(rates), list(rates.values())])


_RATES: Final = "select service_id, rate from price where price_list_id = %s and rate is not null"
_ASSIGNED: Final = """
select c.id, l.name from customer c join price_list l on l.id = c.price_list_id where c.id = any(%s)
order by c.id for update of c
"""


async def rates(connection: Connection, price_list: PriceListId) -> dict[ServiceId, Decimal]:
    """Returns the rates that a price list sets."""
    cursor = await connection.execute(_RATES, [price_list])
    return {ServiceId(service): rate for service, rate in await cursor.fetchall()}


async def lock_assigned(connection: Connection, customers: Sequence[CustomerId]) -> dict[CustomerId, str]:
    """Locks the rows of customers and returns the names of their price lists."""
    cursor = await connection.execute(_ASSIGNED, [list(customers)])
    return {CustomerId(customer): name for customer, name in await cursor.fetchall()}


async def assign(connection: Connection, price_list: PriceListId, customers: Sequence[CustomerId]) -> list[CustomerId]:
    """Gives customers a price list; returns those that exist."""
    cursor = await connection.execute(_ASSIGN, [price_list, list(customers)])
    return [CustomerId(row[0]) for row in await cursor.fetchall()]
