"""Price lists of providers as last seen."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from psycopg.rows import TupleRow

from opensmm.base.ids import ProviderId
from opensmm.domain.catalogue import ServiceType
from opensmm.domain.provider_services import ProviderService
from opensmm.store.connection import Connection

_KEEP: Final = """
insert into offer (provider_id, provider_service, name, category, type, rate, min, max, refill, cancel, dripfeed,
                   description, seen)
select %(provider)s, o.service, o.name, o.category, o.type, o.rate, o.min, o.max, o.refill, o.cancel, o.dripfeed,
       o.description, %(now)s
from jsonb_to_recordset(%(offers)s::jsonb) as o (service text, name text, category text, type text, rate numeric,
     min bigint, max bigint, refill bool, cancel bool, dripfeed bool, description text)
on conflict (provider_id, provider_service) do update set name = excluded.name, category = excluded.category,
  type = excluded.type, rate = excluded.rate, min = excluded.min, max = excluded.max, refill = excluded.refill,
  cancel = excluded.cancel, dripfeed = excluded.dripfeed, description = excluded.description, seen = excluded.seen,
  gone = null
"""


# Lists may be taken over from several machines: an earlier time than that of the list before is no other list's.
_GONE: Final = """
update offer set gone = %s where provider_id = %s and seen is distinct from %s and gone is null
"""


_OFFERS: Final = """
select provider_service, name, category, type, rate, min, max, refill, cancel, dripfeed, description
from offer where provider_id = %s and gone is null order by provider_service
"""


async def keep(connection: Connection, provider: ProviderId, listed: Sequence[ProviderService], now: datetime) -> None:
    """Keeps a whole price list; what no longer stands there is gone."""
    text = msgspec.json.encode(listed).decode()
    await connection.execute(_KEEP, {"provider": provider, "offers": text, "now": now})
    await connection.execute(_GONE, [now, provider, now])


async def listed(connection: Connection, provider: ProviderId) -> list[ProviderService]:
    cursor = await connection.execute(_OFFERS, [provider])
    return [_offer(row) for row in await cursor.fetchall()]


def _offer(row: TupleRow) -> ProviderService:
    return ProviderService(*(*row[:3], None if row[3] is None else ServiceType(row[3]), *row[4:]))
