"""Trying a provider out: its address, key and dialect, what was understood of its answers, and what was odd."""

import shlex
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct, structs

from opensmm.base.faults import Fault
from opensmm.base.money import short
from opensmm.domain.codes import NO_FIELDS, Fields, FindingCode, OperatorRefusal, RefusalCode
from opensmm.domain.evidence import PATIENCE, Neighbour, grow
from opensmm.domain.offers import Offered
from opensmm.domain.providers import PANEL
from opensmm.providers.client import Client, NoAnswer, close_session
from opensmm.providers.desk import DIALECTS
from opensmm.providers.sealing import Unsealable, open_key
from opensmm.store import catalogue, evidence
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow

PATHS: Final = ("/api/v2", "/api/v1")
"""Where the two dialects are found by custom."""


class Note(Struct, frozen=True):
    """What is told of a provider that may be used, as a code with its fields."""

    code: FindingCode
    fields: Fields = NO_FIELDS


class Kept(Struct, frozen=True):
    """A provider as it is kept, the panel's currency, and the orders that it took of late."""

    row: ProviderRow
    currency: str
    orders: Sequence[Neighbour]


async def load(connection: Connection, row: ProviderRow) -> Kept:
    """What ``try_out`` has to know of a provider beforehand."""
    return Kept(row, await catalogue.currency(connection), await evidence.newest(connection, row.id))


class Tried(Struct, frozen=True):
    """``fault`` is empty where the provider may be used. ``dialect``: what its answers looked like."""

    url: str
    fault: str = ""
    dialect: str = ""
    balance: str = ""
    currency: str = ""
    services: int = 0
    types: dict[str, int] = {}
    took_ms: int = 0
    odd: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


@asynccontextmanager
async def client_of(row: ProviderRow, pepper: bytes, timeout_s: float, *, private: bool) -> AsyncIterator[Client]:
    """A client for a few calls of the operator's; raises Fault where the provider cannot be called from here."""
    if row.kind != PANEL:
        raise Fault(f"{row.name} is no panel that can be called")
    try:
        key = open_key(pepper, row, private=private)
    except Unsealable as error:
        raise OperatorRefusal(RefusalCode.PROVIDER_SHUT, provider=row.name, why=error.code) from error
    from opensmm.providers.outside import open_session

    session = open_session(1, private=private)
    try:
        yield Client(session, row.url, key, DIALECTS[row.dialect], timeout_s)
    finally:
        await close_session(session)


async def try_out(kept: Kept, pepper: bytes, timeout_s: float, *, private: bool, anywhere: bool) -> tuple[Tried, ...]:
    """Asks for the balance and the price list; ``anywhere``: also where the dialects are found by custom.

    Only addresses of the provider's own scheme, host and port are tried: no other is to see the key.
    """
    tried: list[Tried] = []
    row = kept.row
    for url in (row.url, *(_elsewhere(row.url) if anywhere else ())):
        async with client_of(structs.replace(row, url=url), pepper, timeout_s, private=private) as client:
            tried.append(await _try(client, structs.replace(kept, row=structs.replace(row, url=url))))
        if not tried[-1].fault:
            break
    return tuple(tried)


def _elsewhere(url: str) -> list[str]:
    parts = urlsplit(url)
    found = [urlunsplit((parts.scheme, parts.netloc, path, "", "")) for path in PATHS]
    return [one for one in found if one != url]


async def _try(client: Client, kept: Kept) -> Tried:
    row, ours = kept.row, kept.currency
    began = time.monotonic()
    try:
        balance, dialect = await client.balance()
        took_ms = round((time.monotonic() - began) * 1000)
        offered = await client.services()
    except NoAnswer as error:
        return Tried(row.url, fault=str(error))
    spoken = offered.dialect or dialect
    return Tried(
        url=row.url,
        dialect=spoken,
        balance=short(balance.amount),
        currency=balance.currency,
        services=len(offered.offers),
        types=dict(Counter(offer.type.value if offer.type else "unknown" for offer in offered.offers)),
        took_ms=took_ms,
        odd=tuple(_odd(row, ours, spoken, balance.currency, offered)),
        notes=(*_notes(kept), *await _forms(client, kept)),
    )


async def _forms(client: Client, kept: Kept) -> list[Note]:
    """Which forms of ``status`` are answered, as far as orders stand there to be asked about."""
    orders = [one.provider_order for one in kept.orders[:2]]
    if not orders:
        return []
    try:
        one, many = await client.forms(orders)
    except NoAnswer as error:
        return [Note(FindingCode.STATUS_NOT_ANSWERED, {"order": orders[0], "why": str(error)})]
    if one and many:
        return [Note(FindingCode.STATUS_OF_ONE_AND_MANY)]
    if not one and not many:
        return [Note(FindingCode.STATUS_NOT_ANSWERED, {"order": orders[0], "why": "an error"})]
    return [Note(FindingCode.STATUS_OF_ONE_ALONE if one else FindingCode.STATUS_OF_LISTS_ALONE)]


def _notes(kept: Kept) -> Iterator[Note]:
    if not grow(kept.orders, PATIENCE.skew):
        yield Note(FindingCode.ORDER_IDS_DO_NOT_GROW, {"newest": kept.orders[0].provider_order})


def _mend(row: ProviderRow, spoken: str) -> str:
    return f"opensmm provider edit {shlex.quote(row.name)} --dialect {spoken}"


def _odd(row: ProviderRow, ours: str, spoken: str, currency: str, offered: Offered) -> Sequence[str]:
    odd = list(offered.odd)
    if spoken not in ("", row.dialect):
        odd.insert(0, f"its answers look like {spoken}, and it is set to {row.dialect}: `{_mend(row, spoken)}`")
    if row.exchange_rate == 1 and (currency or row.currency) != ours:
        words = f"its exchange rate is 1, though {currency or row.currency} is not {ours}"
        odd.insert(0, f"{words}: costs are taken for {ours}; `provider edit --exchange-rate` sets it")
    if not currency:
        odd.insert(0, f"it names no currency; {row.currency} is taken for granted")
    elif currency != row.currency:
        odd.insert(0, f"its currency is {currency}, and it is set to {row.currency}: costs are not booked")
    if not offered.offers:
        odd.insert(0, "its price list is empty")
    return odd
