"""Providers' balances, read at intervals outside of any transaction, and stored with their times."""

from decimal import Decimal

import structlog

from opensmm.actions.clock import DatabaseClock
from opensmm.actions.transactions import write
from opensmm.base.ids import ProviderId
from opensmm.base.money import format_amount
from opensmm.domain.ledger import BalanceView
from opensmm.domain.providers import BALANCE_EVERY, BalanceReading
from opensmm.providers.client import PanelClient
from opensmm.providers.registry import ProviderRegistry
from opensmm.store import providers as rows
from opensmm.store.connection import ReconnectingConnection

log = structlog.get_logger()


class BalancePoller:
    """Reads the balances of panels when they are due."""

    def __init__(self, connection: ReconnectingConnection, registry: ProviderRegistry, clock: DatabaseClock) -> None:
        self._connection = connection
        self._registry = registry
        self._clock = clock

    async def step(self) -> int:
        """Reads the balances that are due; returns how many providers answered."""
        now, panels = self._clock(), self._registry.panels
        due = await write(
            self._connection, lambda connection: rows.claim_balances_due(connection, panels, now, now - BALANCE_EVERY)
        )
        answers = await self._registry.call_panels(due, _read_balance)
        readings = [
            (provider, BalanceReading(self._clock(), Decimal(format_amount(view.amount)))) for provider, view in answers
        ]
        if readings:
            await write(self._connection, lambda connection: rows.keep_balances(connection, readings))
        for provider, view in answers:
            self._compare(provider, view.currency)
        return len(readings)

    def _compare(self, provider: ProviderId, currency: str) -> None:
        contact = self._registry.connection_to(provider)
        if contact is not None and currency not in ("", contact.row.currency):
            log.warning("a provider's currency is not the one it is set to", provider=provider, currency=currency)


async def _read_balance(panel: PanelClient) -> BalanceView:
    view, _ = await panel.balance()
    return view
