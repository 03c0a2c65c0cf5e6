"""Filling a fresh database: the price list, the customers, and finished orders with all that belongs to them.

What is loaded keeps every invariant of `opensmm verify`: each order has its charge, what it earned and what went back.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Final

import psycopg
from tests.panel import acting

from bench.asks import LEAST_QUANTITY, MOST_QUANTITY
from bench.site import Site
from opensmm.actions.customers import make_key
from opensmm.actions.services import save_services
from opensmm.base.ids import ServiceId
from opensmm.domain.api_keys import digest
from opensmm.domain.catalogue import DeliveryMethod, Service, ServiceType
from opensmm.store import catalogue as rows
from opensmm.store.connection import connect
from opensmm.store.embedded import DATABASE

Told = Callable[[int], None]
"""Hears how many more are done."""
SERVICES_AT_ONCE: Final = 500
ORDERS_AT_ONCE: Final = 20_000
LOADERS: Final = 2
FUNDS: Final = 10**13
"""A customer's first top-up, in units of 0.00001: 100 million."""

_NETWORKS: Final = ("Instagram", "TikTok", "YouTube", "Telegram", "Facebook", "X", "Spotify", "Twitch", "LinkedIn")
_GOODS: Final = ("Followers", "Likes", "Views", "Comments", "Shares", "Saves", "Members", "Watch Hours", "Plays")
_PEOPLE: Final = ("Worldwide", "USA", "Brazil", "India", "Turkey", "Arab", "Indonesia", "Germany", "Mixed", "Female")
_WORTH: Final = ("Refill 30 Days", "No Refill", "Lifetime Refill", "Real Profiles", "Slow Start", "High Quality", "HQ")
_START: Final = ("Instant", "0-15 Min", "0-1 Hr", "0-6 Hrs", "0-24 Hrs", "1-12 Hrs")


def services(count: int) -> list[Service]:
    """A long price list of the usual kind: every type occurs, nine in ten are Default."""
    return [service(number) for number in range(1, count + 1)]


def service(number: int) -> Service:
    """The service that gets this number for an id when it is saved in turn; always the same one."""
    dice = Random(number)
    network, goods = _NETWORKS[number % 9], _GOODS[number // 9 % 9]
    types = list(ServiceType)
    default = number % 10 != 0
    most, day = dice.randint(1, 999), dice.randint(1, 500)
    words = f"[{dice.choice(_WORTH)}] [Max {most}K] ⚡ {dice.choice(_START)} | {day}K/Day"
    return Service(
        id=ServiceId(0),
        name=f"{network} {goods} {dice.choice(_PEOPLE)} {words}",
        type=ServiceType.DEFAULT if default else types[number // 10 % len(types)],
        category=f"{network} {goods}",
        rate=Decimal(dice.randint(50, 190_000)) / 10_000,
        min=LEAST_QUANTITY if default else 10,
        max=MOST_QUANTITY * most,
        refill=dice.random() < 0.4,
        cancel=dice.random() < 0.3,
        dripfeed=default and number % 4 == 0,
        average_time_min=dice.randint(1, 2_000),
        position=number,
        delivery_method=DeliveryMethod.SOFTWARE_SERVICE,
    )


def fill_price_list(site: Site, count: int, told: Told) -> tuple[int, ...]:
    """Saves the services as the operator would; returns the ids of those that are Default."""

    async def fill() -> tuple[int, ...]:
        connection = await connect(site.urls().app, application="opensmm bench")
        kept: list[ServiceId] = []
        try:
            wanted = services(count)
            for at in range(0, count, SERVICES_AT_ONCE):
                some = wanted[at : at + SERVICES_AT_ONCE]
                kept += await save_services(connection, some, by=acting(datetime.now(UTC), "bench"))
                told(len(some))
            await rows.save_provider(connection, "Bench", "panel", "https://provider.example/api/v2", "USD")
        finally:
            await connection.close()
        return tuple(kept[i] for i, service in enumerate(wanted) if service.type is ServiceType.DEFAULT)

    return asyncio.run(fill())


_CUSTOMERS: Final = """
with added as (
  insert into customer (id, name, balance, created)
  select n, 'Customer ' || n, %(funds)s, now() from generate_series(1, %(count)s) as n returning id
), keys as (
  insert into api_key (customer_id, hash, hint, created)
  select n, hash, '', now() from unnest(%(hashes)s::bytea[]) with ordinality as a (hash, n)
), funds as (
  insert into transfer (debit, credit, amount, kind, customer_id, created)
  select -3, id, %(funds)s, 'topup', id, now() from added order by id returning id
), deposits as (
  insert into deposit (gateway, external_id, folded, transfer_id)
  select 'opening', id::text, id::text, id from funds
)
select setval(pg_get_serial_sequence('customer', 'id'), %(count)s)
"""


def fill_customers(site: Site, count: int) -> tuple[str, ...]:
    """Customers 1 to ``count`` with a top-up and one key each; returns the keys in that order."""
    keys = tuple(make_key().text for _ in range(count))
    pepper = site.config.pepper()
    hashes = [digest(pepper, key) for key in keys]
    with psycopg.connect(site.urls().owner) as connection:
        connection.execute(_CUSTOMERS, {"count": count, "funds": FUNDS, "hashes": hashes})
    return keys


# Which service, how many and how it ended follow from the order's number alone: every load gives the same orders.
_ORDERS: Final = """
create temporary table done on commit drop as
select n as id, 1 + n %% %(customers)s as customer_id, s.id as service_id, s.rate, w.quantity, w.state,
  'https://www.instagram.com/p/' || substr(md5(n::text), 1, 12) || '/' as link, n * 37 %% 100000 as start_count,
  case w.state when 'completed' then 0 when 'partial' then w.quantity * 2 / 5 else w.quantity end as remains,
  ceil(s.rate * w.quantity * 100)::bigint as charge,
  case w.state when 'completed' then ceil(s.rate * w.quantity * 100)::bigint
               when 'partial' then ceil(s.rate * (w.quantity - w.quantity * 2 / 5) * 100)::bigint else 0 end as earned,
  now() - (%(total)s - n) * interval '30 seconds' - interval '1 day' as created
from generate_series(%(first)s::bigint, %(last)s::bigint) as n
cross join lateral (select 100 + n * 7919 %% 901 as quantity,
                      case n %% 50 when 0 then 'partial' when 1 then 'canceled' else 'completed' end as state) as w
join service s on s.id = (%(services)s::bigint[])[1 + n * 16807 %% cardinality(%(services)s::bigint[])];
"""
_KEPT: Final = (
    """
insert into orders (id, customer_id, service_id, link, quantity, rate, packaged, charge, earned, refunded, state,
                    start_count, remains, created, ended)
select id, customer_id, service_id, link, quantity, rate, false, charge, earned, charge - earned, state,
       start_count, remains, created, created + interval '3 hours'
from done order by id
""",
    """
insert into delivery (order_id, run, service_id, quantity, state, start_count, remains, sent, polled, fence, attempt)
select id, 1, service_id, quantity, state, start_count, remains, created + interval '1 second',
       created + interval '3 hours', 1, 1
from done order by id
""",
    """
insert into attempt (order_id, run, number, provider_id, provider_service, provider_order, outcome, fence, sent,
                     answered, cost, currency, exchange_rate, answer)
select d.id, 1, 1, p.id, d.service_id::text, (700000 + d.id)::text, 'accepted', 1, d.created + interval '1 second',
       d.created + interval '2 seconds', d.earned / 2 / 100000.0, 'USD', 1,
       '{"order":' || 700000 + d.id || '}'
from done d, provider p order by d.id
""",
    """
insert into transfer (debit, credit, amount, kind, customer_id, order_id, sequence, created)
select debit, credit, amount, kind, customer_id, id, sequence, at from done, lateral (values
  (customer_id, -1, charge, 'charge', 0, created),
  (-1, -2, earned, 'earn', 1, created + interval '3 hours'),
  (-1, customer_id, charge - earned, 'refund', 1, created + interval '3 hours'),
  (-6, -7, earned / 2, 'cost', 1, created + interval '3 hours')
) as moved (debit, credit, amount, kind, sequence, at) where amount > 0 order by id
""",
)
_SETTLE: Final = """
update customer c set balance = balance + m.total from (
  select account, sum(amount)::bigint as total from (
    select credit as account, amount from transfer where credit > 0 and kind <> 'topup'
    union all select debit, -amount from transfer where debit > 0) both_sides group by account
) m where m.account = c.id
"""
_CONTINUE: Final = "select setval(pg_get_serial_sequence('orders', 'id'), %s)"


def fill_orders(site: Site, count: int, services: tuple[int, ...], customers: int, told: Told) -> None:
    """Finished orders 1 to ``count``; each has its delivery, its attempt and its transfers."""

    def fill(first: int) -> None:
        last = min(first + ORDERS_AT_ONCE - 1, count)
        named = {"first": first, "last": last, "total": count, "customers": customers, "services": list(services)}
        with psycopg.connect(site.urls().owner) as connection, psycopg.ClientCursor(connection) as cursor:
            cursor.execute(_ORDERS, named)
            for statement in _KEPT:
                cursor.execute(statement)
        told(last - first + 1)

    with ThreadPoolExecutor(LOADERS) as loaders:
        list(loaders.map(fill, range(1, count + 1, ORDERS_AT_ONCE)))
    with psycopg.connect(site.urls().owner) as connection:
        connection.execute(_SETTLE)
        connection.execute(_CONTINUE, [count])


def tidy(site: Site, database: str = DATABASE) -> None:
    """What autovacuum would come to do, at a moment of our choosing: between readings, not in one of them."""
    with psycopg.connect(site.urls(database).owner, autocommit=True) as connection:
        connection.execute("vacuum (analyze)")
