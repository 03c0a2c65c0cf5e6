"""Providers as the operator sees them: their settings and balances, and if the workers can call them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from opensmm.actions.references import find_provider
from opensmm.base.ids import ProviderId
from opensmm.domain.codes import ShutCode
from opensmm.domain.panel_facts import shut_at_workers
from opensmm.domain.providers import BalanceReading, hours_left
from opensmm.store import providers as rows
from opensmm.store import workers
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow


class ProviderView(Struct, frozen=True):
    """A provider. ``reading`` is its newest balance, in its own currency; ``hours_left`` the hours that it will last.

    ``not_called`` is the reason for which the workers cannot call it; None if they can, or no worker is alive.
    """

    row: ProviderRow
    reading: BalanceReading | None
    hours_left: Decimal | None
    not_called: ShutCode | None


async def list_providers(connection: Connection, now: datetime) -> list[ProviderView]:
    provider_rows = await rows.providers(connection)
    readings, shut = await rows.readings(connection), await shut_providers(connection, now)
    return [_build_view(row, readings.get(row.id, []), shut, now) for row in provider_rows]


async def show_provider(connection: Connection, provider: str, now: datetime) -> ProviderView:
    """Returns a provider by its name or id. Raises OperatorRefusal if there is none."""
    row = await find_provider(connection, provider)
    readings, shut = await rows.readings(connection), await shut_providers(connection, now)
    return _build_view(row, readings.get(row.id, []), shut, now)


async def shut_providers(connection: Connection, now: datetime) -> Mapping[ProviderId, ShutCode]:
    """Returns the providers that the workers cannot call, each with the reason."""
    return shut_at_workers(await workers.list_workers(connection), now) or {}


def _build_view(
    row: ProviderRow, readings: Sequence[BalanceReading], shut: Mapping[ProviderId, ShutCode], now: datetime
) -> ProviderView:
    return ProviderView(row, readings[-1] if readings else None, hours_left(readings, now), shut.get(row.id))
