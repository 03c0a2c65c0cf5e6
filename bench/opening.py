"""Open orders in a database that has none: waiting to be sent, or at a provider for as long as a real panel's are."""

from datetime import timedelta
from typing import Any, Final

import psycopg

from bench.site import Site
from bench.upstream import CHARGE, REMAINS
from opensmm.base.ids import ProviderId
from opensmm.domain.polling import POLL_LAST, POLL_STEPS

YOUNG: Final = 0.02
YOUNG_FOR: Final = timedelta(minutes=10)
OLDEST: Final = timedelta(days=30)
"""A share of ``YOUNG`` was sent within ``YOUNG_FOR``, the others at any time of the last ``OLDEST`` before."""

_OPENED: Final = """
create temporary table opened on commit drop as
select n as id, 1 + n %% %(customers)s as customer_id, s.id as service_id, s.rate, 100 + n * 7919 %% 901 as quantity,
  'https://www.instagram.com/p/' || substr(md5(n::text), 1, 12) || '/' as link,
  ceil(s.rate * (100 + n * 7919 %% 901) * 100)::bigint as charge,
  case when n > %(old)s then %(young_for)s * ((%(last)s - n) / greatest(%(last)s - %(old)s, 1)::float8)
    else %(young_for)s + (%(oldest)s - %(young_for)s) * ((%(old)s - n) / greatest(%(old)s, 1)::float8) end as age
from generate_series(%(first)s::bigint, %(last)s) as n
join service s on s.id = (%(services)s::bigint[])[1 + n * 16807 %% cardinality(%(services)s::bigint[])]
"""
_KEPT: Final = (
    """
insert into orders (id, customer_id, service_id, link, quantity, rate, packaged, charge, state, created)
select id, customer_id, service_id, link, quantity, rate, false, charge, 'open', now() - age from opened order by id
""",
    """
insert into transfer (debit, credit, amount, kind, customer_id, order_id, created)
select customer_id, -1, charge, 'charge', customer_id, id, now() - age from opened order by id
""",
    """
update customer c set balance = balance - o.charge
from (select customer_id, sum(charge)::bigint as charge from opened group by customer_id) o where o.customer_id = c.id
""",
    "select setval(pg_get_serial_sequence('orders', 'id'), %(last)s)",
)
# Each was last asked after at some moment of its pause: every second to come has as many that are due as any other.
_AT_PROVIDER: Final = (
    """
insert into delivery (order_id, run, service_id, quantity, state, start_count, remains, sent, polled, due, fence,
                      attempt)
select id, 1, service_id, quantity, 'in_progress', 7, %(remains)s, now() - age, w.polled, w.polled + p.pause, 1, 1
from opened
cross join lateral (select coalesce((array_agg(pause order by until))[1], %(longest)s) as pause
  from unnest(%(untils)s::interval[], %(pauses)s::interval[]) as s (until, pause) where age < until) as p
cross join lateral (select now() - least(age, p.pause * (id * 7919 %% 10007 / 10007.0)) as polled) as w order by id
""",
    """
insert into attempt (order_id, run, number, provider_id, provider_service, provider_order, outcome, fence, sent,
                     answered, cost, currency, exchange_rate, answer)
select id, 1, 1, %(provider)s, service_id::text, (700000 + id)::text, 'accepted', 1, now() - age, now() - age,
       %(cost)s::numeric, 'USD', 1, '{"order":' || 700000 + id || '}'
from opened order by id
""",
)
_QUEUED: Final = """
insert into delivery (order_id, run, service_id, quantity, due)
select id, 1, service_id, quantity, now() + (id - %(first)s) * %(every)s from opened order by id
"""
_ROUTES: Final = """
insert into route (service_id, position, provider_id, provider_service) select id, 0, %s, id::text from service
"""


def route(site: Site, database: str, provider: ProviderId) -> None:
    """Has one provider fulfil every service."""
    with psycopg.connect(site.urls(database).owner) as connection:
        connection.execute(_ROUTES, [provider])


def followed(site: Site, database: str, provider: ProviderId, count: int) -> None:
    """Orders from 1 on that are in progress at a provider, the oldest first."""
    pauses = {"untils": [until for until, _ in POLL_STEPS], "pauses": [pause for _, pause in POLL_STEPS]}
    told = {"provider": provider, "longest": POLL_LAST, "cost": CHARGE, "remains": REMAINS}
    _open(site, database, (1, count), round(count * (1 - YOUNG)), _AT_PROVIDER, pauses | told)


def queued(site: Site, database: str, first: int, count: int, every: timedelta) -> None:
    """Orders from ``first`` on that have just been placed, due to be sent one after another."""
    _open(site, database, (first, first + count - 1), 0, (_QUEUED,), {"every": every})


def _open(
    site: Site, database: str, ids: tuple[int, int], old: int, deliveries: tuple[str, ...], more: dict[str, Any]
) -> None:
    named = {
        "first": ids[0],
        "last": ids[1],
        "old": old,
        "young_for": YOUNG_FOR if old else timedelta(),
        "oldest": OLDEST,
        "customers": len(site.world.keys),
        "services": list(site.world.services),
    }
    with psycopg.connect(site.urls(database).owner) as connection, psycopg.ClientCursor(connection) as cursor:
        for statement in (_OPENED, *_KEPT, *deliveries):
            cursor.execute(statement, named | more)
