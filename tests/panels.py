"""Other panels as providers: kept as an operator keeps them, with a key that was sealed for them."""

from decimal import Decimal
from typing import Any

from msgspec import structs
from tests.panel import PEPPER, acting, now

from opensmm.actions import providers
from opensmm.base.ids import ProviderId, ServiceId
from opensmm.domain.offers import RouteTo
from opensmm.store import offers
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow

A_PANEL = ProviderRow(
    id=ProviderId(0),
    name="Upstream",
    kind="panel",
    url="https://panel.example/api/v2",
    dialect="v2",
    failures=0,
    exchange_rate=Decimal(1),
    currency="USD",
    enabled=True,
    concurrency=16,
    calls_per_second=0,
    adds_at_a_time=None,
    resting_until=None,
    fault="",
    sealed_key=None,
)


async def add_panel(connection: Connection, key: str, **changes: Any) -> ProviderId:
    """A panel as a provider, on the loopback for once."""
    wanted = structs.replace(A_PANEL, **changes)
    return await providers.add_provider(connection, wanted, key, PEPPER, private=True, by=acting(now()))


async def route(connection: Connection, service: int, *to: tuple[ProviderId, object]) -> None:
    """Has providers fulfil a service, each under its own number of it, in this order."""
    routes = [RouteTo(provider, str(theirs)) for provider, theirs in to]
    await offers.set_routes(connection, {ServiceId(service): routes})
