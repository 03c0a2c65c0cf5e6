"""Other panels as providers: kept as an operator keeps them, with a key that was sealed for them."""

from typing import Any

from msgspec import structs
from tests.panel import PEPPER, acting, now

from opensmm.actions import providers
from opensmm.base.ids import ProviderId, ServiceId
from opensmm.domain.provider_settings import ProviderSettings
from opensmm.domain.routes import RouteTo
from opensmm.store import routes as route_rows
from opensmm.store.connection import Connection

A_PANEL = ProviderSettings(name="Upstream", url="https://panel.example/api/v2", dialect="v2")


async def add_panel(connection: Connection, key: str, **changes: Any) -> ProviderId:
    """A panel as a provider, on the loopback for once."""
    wanted = structs.replace(A_PANEL, **changes)
    added = await providers.add_provider(connection, wanted, key, PEPPER, private=True, by=acting(now()))
    return added.id


async def route(connection: Connection, service: int, *to: tuple[ProviderId, object]) -> None:
    """Has providers fulfil a service, each under its own number of it, in this order."""
    routes = [RouteTo(provider, str(theirs)) for provider, theirs in to]
    await route_rows.set_routes(connection, {ServiceId(service): routes})
