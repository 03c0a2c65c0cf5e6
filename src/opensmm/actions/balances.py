"""Providers' balances: asked for now and then, outside of any transaction, and kept with their time."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

import structlog
from msgspec import Struct

from opensmm.actions.placing import Clock, utc_now
from opensmm.actions.writing import write
from opensmm.base.ids import ProviderId
from opensmm.base.money import short
from opensmm.domain.ledger import BalanceView
from opensmm.domain.providers import Reading
from opensmm.providers.client import Client, Provider
from opensmm.providers.desk import Desk
from opensmm.store import providers as rows
from opensmm.store.connection import Line

BALANCE_EVERY: Final = timedelta(minutes=5)
log = structlog.get_logger()


class _Asked(Struct, frozen=True):
    provider: ProviderId


class Balances:
    def __init__(self, line: Line, desk: Desk, clock: Clock = utc_now) -> None:
        self._line = line
        self._desk = desk
        self._clock = clock

    async def step(self) -> int:
        """One round over the providers whose turn it is; returns how many told their balance."""
        now, known = self._clock(), self._callable()
        due = await write(self._line, lambda connection: rows.balance_due(connection, known, now, now - BALANCE_EVERY))
        said = await self._desk.ask_about([_Asked(provider) for provider in due], _ask)
        told = [(asked.provider, Reading(self._clock(), Decimal(short(view.amount)))) for asked, view in said]
        if told:
            await write(self._line, lambda connection: rows.keep_balances(connection, told))
        for asked, view in said:
            self._compare(asked.provider, view.currency)
        return len(told)

    def _callable(self) -> list[ProviderId]:
        return [one for one, contact in self._desk.contacts.items() if isinstance(contact.provider, Client)]

    def _compare(self, provider: ProviderId, currency: str) -> None:
        contact = self._desk.contact(provider)
        if contact is not None and currency not in ("", contact.row.currency):
            log.warning("a provider's currency is not the one it is set to", provider=provider, currency=currency)


async def _ask(provider: Provider, group: Sequence[_Asked]) -> list[BalanceView]:
    assert isinstance(provider, Client)
    view, _ = await provider.balance()
    return [view] * len(group)
