"""Providers' balances: asked for now and then, outside of any transaction, and kept with their time."""

from decimal import Decimal

import structlog

from opensmm.actions.clock import DatabaseClock
from opensmm.actions.transactions import write
from opensmm.base.ids import ProviderId
from opensmm.base.money import short
from opensmm.domain.ledger import BalanceView
from opensmm.domain.providers import BALANCE_EVERY, BalanceReading
from opensmm.providers.client import PanelClient
from opensmm.providers.registry import ProviderRegistry
from opensmm.store import providers as rows
from opensmm.store.connection import ReconnectingConnection

log = structlog.get_logger()


class BalancePoller:
    def __init__(self, line: ReconnectingConnection, registry: ProviderRegistry, clock: DatabaseClock) -> None:
        self._line = line
        self._registry = registry
        self._clock = clock

    async def step(self) -> int:
        """One round over the providers whose turn it is; returns how many told their balance."""
        now, known = self._clock(), self._registry.panels
        due = await write(self._line, lambda connection: rows.balance_due(connection, known, now, now - BALANCE_EVERY))
        said = await self._registry.ask_panels(due, _balance)
        told = [(provider, BalanceReading(self._clock(), Decimal(short(view.amount)))) for provider, view in said]
        if told:
            await write(self._line, lambda connection: rows.keep_balances(connection, told))
        for provider, view in said:
            self._compare(provider, view.currency)
        return len(told)

    def _compare(self, provider: ProviderId, currency: str) -> None:
        contact = self._registry.contact(provider)
        if contact is not None and currency not in ("", contact.row.currency):
            log.warning("a provider's currency is not the one it is set to", provider=provider, currency=currency)


async def _balance(panel: PanelClient) -> BalanceView:
    view, _ = await panel.balance()
    return view
