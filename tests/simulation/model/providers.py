"""store.providers, on the model's rows; and what else the chores ask of providers."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.simulation.model.connection import Connection

from opensmm.base.ids import ProviderId
from opensmm.domain.providers import IdForm
from opensmm.store.providers import ProviderFailure, ProviderRow


async def providers(connection: Connection) -> list[ProviderRow]:
    return [
        ProviderRow(
            id=ProviderId(row.id),
            name=row.name,
            kind="sandbox",
            url="sandbox:",
            dialect="v2",
            failures=row.failures,
            exchange_rate=row.exchange_rate,
            currency="USD",
            enabled=True,
            concurrency=64,
            calls_per_second=0,
            adds_at_a_time=row.adds_at_a_time,
            resting_until=row.resting_until,
            fault=row.fault,
            sealed_key=None,
            forms=dict(row.forms),
        )
        for row in connection.store.providers.values()
    ]


async def keep_forms(connection: Connection, row: ProviderRow, forms: Mapping[str, IdForm | None]) -> None:
    stored = connection.store.edit(connection.store.providers[row.id])
    exceptions = {action: form for action, form in forms.items() if form is not None}
    stored.forms = {action: form for action, form in stored.forms.items() if action not in forms} | exceptions


async def lock_changed(
    connection: Connection, failing: Sequence[ProviderId], answered: Sequence[ProviderId]
) -> dict[ProviderId, tuple[int, bool]]:
    providers = connection.store.providers
    ailing = [
        number for number in answered if providers[number].failures > 0 or providers[number].resting_until is not None
    ]
    return {
        number: (providers[number].failures, providers[number].resting_until is not None)
        for number in sorted({*failing, *ailing})
    }


async def record_failures(connection: Connection, failures: Sequence[ProviderFailure]) -> None:
    for failure in failures:
        row = connection.store.edit(connection.store.providers[failure.provider])
        row.failures, row.resting_until = failure.failures, failure.until or row.resting_until
        row.fault, row.refuses = failure.fault, failure.refuses


async def record_answers(connection: Connection, providers: Sequence[ProviderId]) -> None:
    for provider in providers:
        row = connection.store.providers[provider]
        if row.failures > 0 or row.resting_until is not None:
            connection.store.edit(row)
            row.failures, row.resting_until, row.refuses = 0, None, None


async def lock_half_open(connection: Connection, registered: Sequence[ProviderId], now: datetime) -> list[ProviderId]:
    rows = connection.store.providers
    return [one for one in sorted(registered) if (until := rows[one].resting_until) is not None and until <= now]


async def mark_tested(connection: Connection, providers: Sequence[ProviderId], until: datetime) -> None:
    for provider in providers:
        connection.store.edit(connection.store.providers[provider]).resting_until = until


async def forget_readings(connection: Connection, before: datetime) -> None:
    """No balances are read here."""


async def list_left_behind(connection: Connection, now: datetime) -> list[Any]:
    """Nobody's staff is a provider here."""
    return []
