"""Providers' price lists as they were last read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from opensmm.base.ids import ProviderId
from opensmm.domain.provider_services import ProviderService
from opensmm.store.connection import Connection
from opensmm.store.rows import rows

_KEEP: Final = """
-- The whole list is one parameter, of tens of thousands of lines at times.
insert into offer (provider_id, provider_service, name, category, type, rate, min, max, refill, cancel, dripfeed,
                   description, seen)
select %(provider)s, o.service, o.name, o.category, o.type, o.rate, o.min, o.max, o.refill, o.cancel, o.dripfeed,
       o.description, %(now)s
from jsonb_to_recordset(%(services)s::jsonb) as o (service text, name text, category text, type text, rate numeric,
     min bigint, max bigint, refill bool, cancel bool, dripfeed bool, description text)
-- A line that is listed again is not gone any more.
on conflict (provider_id, provider_service) do update set name = excluded.name, category = excluded.category,
  type = excluded.type, rate = excluded.rate, min = excluded.min, max = excluded.max, refill = excluded.refill,
  cancel = excluded.cancel, dripfeed = excluded.dripfeed, description = excluded.description, seen = excluded.seen,
  gone = null
"""
# Compares for inequality, as machines that read lists may have different clocks: ``seen`` identifies the list.
_GONE: Final = """
update offer set gone = %s where provider_id = %s and seen is distinct from %s and gone is null
"""
_LISTED: Final = """
select provider_service as service, name, category, type, rate, min, max, refill, cancel, dripfeed, description
from offer where provider_id = %s and gone is null order by provider_service
"""


async def keep(
    connection: Connection, provider: ProviderId, services: Sequence[ProviderService], now: datetime
) -> None:
    """Writes a whole price list, and marks the services that it no longer has as gone."""
    text = msgspec.json.encode(services).decode()
    await connection.execute(_KEEP, {"provider": provider, "services": text, "now": now})
    await connection.execute(_GONE, [now, provider, now])


async def list_services(connection: Connection, provider: ProviderId) -> list[ProviderService]:
    """Returns the services on the provider's newest price list."""
    return await rows(connection, ProviderService, _LISTED, [provider])
