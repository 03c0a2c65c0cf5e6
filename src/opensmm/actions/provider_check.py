"""Trying a provider out: its address, key and dialect, what was understood of its answers, and what was odd."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from msgspec import Struct, structs

from opensmm.actions.provider_views import shut_providers
from opensmm.actions.references import find_provider
from opensmm.base.money import short
from opensmm.domain.audit import AuditAction, AuditEntry, By
from opensmm.domain.call_faults import CallFault
from opensmm.domain.codes import NO_FIELDS, Fields, FindingCode, ListWarning, OperatorRefusal, RefusalCode, WarningCode
from opensmm.domain.evidence import PATIENCE, Neighbour, grow
from opensmm.domain.provider_services import ReadPriceList
from opensmm.domain.providers import PANEL, BalanceReading, IdForm, adds_of
from opensmm.providers.call_failures import NoAnswer
from opensmm.providers.client import PanelClient, close_session
from opensmm.providers.key_encryption import UnreadableKey, open_key
from opensmm.providers.registry import open_client
from opensmm.store import audit, catalogue, evidence, providers, refill_tasks
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow

PATHS: Final = ("/api/v2", "/api/v1")
"""Where the two dialects are found by custom."""
MOST_ASKED: Final = 2
"""Orders, and refills, that a provider is asked after when it is tried."""


class CheckNote(Struct, frozen=True):
    """What is told of a provider that may be used, as a code with its fields."""

    code: FindingCode
    fields: Fields = NO_FIELDS


class StoredProvider(Struct, frozen=True):
    """A provider as it is kept, the panel's currency, and the orders and refills that it took of late."""

    row: ProviderRow
    currency: str
    orders: Sequence[Neighbour]
    refills: Sequence[str] = ()


async def load(connection: Connection, row: ProviderRow) -> StoredProvider:
    """What ``try_out`` has to know of a provider beforehand."""
    orders = await evidence.newest(connection, row.id)
    refills = await refill_tasks.newest(connection, row.id, MOST_ASKED)
    return StoredProvider(row, await catalogue.currency(connection), orders, refills)


class CheckResult(Struct, frozen=True):
    """``fault`` is None where the provider may be used. ``dialect``: what its answers looked like. ``forms``: in which
    it is to be asked after ids, by action, as far as that was found out; None: in the pages'."""

    url: str
    fault: CallFault | None = None
    dialect: str = ""
    balance: str = ""
    currency: str = ""
    services: int = 0
    types: dict[str, int] = {}
    took_ms: int = 0
    odd: tuple[ListWarning, ...] = ()
    notes: tuple[CheckNote, ...] = ()
    forms: dict[str, IdForm | None] = {}


class CallSettings(Struct, frozen=True):
    """What calls to providers on the operator's behalf need. ``private``: they may go to private addresses."""

    pepper: bytes
    timeout_s: float
    private: bool


@asynccontextmanager
async def client_of(row: ProviderRow, calls: CallSettings) -> AsyncIterator[PanelClient]:
    """A client for a few calls of the operator's.

    Raises OperatorRefusal where the provider cannot be called from here, and in place of every NoAnswer.
    """
    if row.kind != PANEL:
        raise OperatorRefusal(RefusalCode.NOT_A_PANEL, provider=row.id, provider_name=row.name)
    try:
        key = open_key(calls.pepper, row, private=calls.private)
    except UnreadableKey as error:
        raise OperatorRefusal(RefusalCode.PROVIDER_SHUT, provider=row.name, why=error.code) from error
    from opensmm.providers.egress import open_session

    session = open_session(1, private=calls.private)
    try:
        yield open_client(session, row, key, calls.timeout_s)
    except NoAnswer as error:
        fields = {"provider": row.id, "provider_name": row.name, "why": error.fault}
        raise OperatorRefusal(RefusalCode.PROVIDER_UNANSWERED, **fields) from error
    finally:
        await close_session(session)


async def check_provider(
    connection: Connection, provider: str, calls: CallSettings, *, anywhere: bool, by: By
) -> tuple[CheckResult, ...]:
    """Tries out a provider, by its name or id, and stores the forms that it answers.

    Nothing is ordered. The connection is in no transaction while the provider is asked. ``anywhere``: where it does not
    answer, the customary addresses of both dialects are tried too; the last one tried is the last one returned. Raises
    OperatorRefusal where there is no such provider, or it cannot be called from here.
    """
    row = await find_provider(connection, provider)
    shut = (await shut_providers(connection, by.now)).get(row.id)
    *failed, last = await try_out(await load(connection, row), calls, anywhere=anywhere)
    if last.forms and last.url == row.url:
        async with connection.transaction():
            await _keep_forms(connection, row, last.forms, by)
    fields = {"provider": row.id, "provider_name": row.name, "why": shut}
    notes = [] if shut is None else [CheckNote(FindingCode.WORKERS_CANNOT_CALL, fields)]
    return (*failed, structs.replace(last, notes=(*notes, *last.notes)))


async def _keep_forms(connection: Connection, row: ProviderRow, forms: Mapping[str, IdForm | None], by: By) -> None:
    await providers.keep_forms(connection, row, forms)
    after = await providers.find(connection, row.id)
    if after is not None and after.forms != row.forms:
        entry = AuditEntry(str(row.id), {"forms": (row.forms, after.forms)})
        await audit.note(connection, by, AuditAction.PROVIDER_CHECK, [entry])


class BalanceRead(Struct, frozen=True):
    """A provider's balance as it was just read, in ``currency``."""

    row: ProviderRow
    reading: BalanceReading
    currency: str


async def read_balance(connection: Connection, provider: str, calls: CallSettings, *, by: By) -> BalanceRead:
    """Asks a provider, by its name or id, for the balance it keeps for the panel, and stores it.

    The connection is in no transaction while the provider is asked. Raises OperatorRefusal where there is no such
    provider, it cannot be called from here, or it does not answer.
    """
    row = await find_provider(connection, provider)
    async with client_of(row, calls) as client:
        balance, _ = await client.balance()
    reading = BalanceReading(by.now, Decimal(short(balance.amount)))
    async with connection.transaction():
        before = await providers.newest_balance(connection, row.id)
        await providers.keep_balances(connection, [(row.id, reading)])
        entry = AuditEntry(str(row.id), {"balance": (before and str(before.balance), str(reading.balance))})
        await audit.note(connection, by, AuditAction.PROVIDER_BALANCE, [entry])
    return BalanceRead(row, reading, balance.currency or row.currency)


async def read_price_list(row: ProviderRow, calls: CallSettings) -> ReadPriceList:
    """Asks a provider for its price list, and stores nothing. Raises OperatorRefusal."""
    async with client_of(row, calls) as client:
        return await client.services()


async def try_out(kept: StoredProvider, calls: CallSettings, *, anywhere: bool) -> tuple[CheckResult, ...]:
    """Asks for the balance and the price list; ``anywhere``: also where the dialects are found by custom.

    Only addresses of the provider's own scheme, host and port are tried: no other is to see the key.
    """
    tried: list[CheckResult] = []
    row = kept.row
    for url in (row.url, *(_elsewhere(row.url) if anywhere else ())):
        async with client_of(structs.replace(row, url=url), calls) as client:
            tried.append(await _try(client, structs.replace(kept, row=structs.replace(row, url=url))))
        if tried[-1].fault is None:
            break
    return tuple(tried)


def _elsewhere(url: str) -> list[str]:
    parts = urlsplit(url)
    found = [urlunsplit((parts.scheme, parts.netloc, path, "", "")) for path in PATHS]
    return [one for one in found if one != url]


async def _try(client: PanelClient, kept: StoredProvider) -> CheckResult:
    row, ours = kept.row, kept.currency
    began = time.monotonic()
    try:
        balance, dialect = await client.balance()
        took_ms = round((time.monotonic() - began) * 1000)
        offered = await client.services()
    except NoAnswer as error:
        return CheckResult(row.url, fault=error.fault)
    spoken = offered.dialect or dialect
    notes, forms = await _forms(client, kept)
    return CheckResult(
        url=row.url,
        dialect=spoken,
        balance=short(balance.amount),
        currency=balance.currency,
        services=len(offered.offers),
        types=dict(Counter(offer.type.value if offer.type else "unknown" for offer in offered.offers)),
        took_ms=took_ms,
        odd=tuple(_odd(row, ours, spoken, balance.currency, offered)),
        notes=(*_notes(kept), *notes),
        forms=forms,
    )


async def _forms(client: PanelClient, kept: StoredProvider) -> tuple[list[CheckNote], dict[str, IdForm | None]]:
    """Which forms are answered of questions that change nothing, as far as something stands there to be asked about. To
    try ``refill`` and ``cancel`` would be to make one."""
    orders = [one.provider_order for one in kept.orders[:MOST_ASKED]]
    questions = (("status", orders, client.status_forms), ("refill_status", kept.refills, client.refill_status_forms))
    notes, forms = list[CheckNote](), dict[str, IdForm | None]()
    for action, texts, ask in questions:
        if not texts:
            notes.append(CheckNote(FindingCode.FORMS_NOT_TRIED, {"action": action}))
            continue
        try:
            one, many = await ask(texts)
        except NoAnswer as error:
            notes.append(
                CheckNote(FindingCode.FORMS_UNANSWERED, {"action": action, "id": texts[0], "why": error.fault})
            )
            continue
        code = _FORM_NOTES[one, many]
        notes.append(CheckNote(code, {"action": action, "id": texts[0]}))
        if one or many:
            forms[action] = None if one and many else IdForm.ONE_BY_ONE if one else IdForm.LIST_OF_ONE
    return [*notes, CheckNote(FindingCode.FORMS_WITH_EFFECTS)], forms


_FORM_NOTES: Final = {
    (True, True): FindingCode.FORMS_ONE_AND_MANY,
    (True, False): FindingCode.FORMS_ONE_ALONE,
    (False, True): FindingCode.FORMS_LISTS_ALONE,
    (False, False): FindingCode.FORMS_NONE,
}
"""By whether one is answered in the singular, and a list."""


def _notes(kept: StoredProvider) -> Iterator[CheckNote]:
    row = kept.row
    code, count = adds_of(row.dialect, row.adds_at_a_time, row.concurrency)
    yield CheckNote(code, {"provider": row.id, "provider_name": row.name, "count": count})
    if not grow(kept.orders, PATIENCE.skew):
        yield CheckNote(FindingCode.ORDER_IDS_DO_NOT_GROW, {"newest": kept.orders[0].provider_order})


def _odd(row: ProviderRow, ours: str, spoken: str, currency: str, offered: ReadPriceList) -> Iterator[ListWarning]:
    named = {"provider": row.id, "provider_name": row.name}
    if not offered.offers:
        yield ListWarning(WarningCode.EMPTY_LIST)
    if not currency:
        yield ListWarning(WarningCode.CURRENCY_UNTOLD, {"currency": row.currency})
    elif currency != row.currency:
        yield ListWarning(WarningCode.OTHER_CURRENCY, {"currency": currency, "known": row.currency})
    if row.exchange_rate == 1 and (currency or row.currency) != ours:
        yield ListWarning(WarningCode.EXCHANGE_RATE_ONE, {**named, "currency": currency or row.currency, "ours": ours})
    if spoken not in ("", row.dialect):
        yield ListWarning(WarningCode.OTHER_DIALECT, {**named, "spoken": spoken, "dialect": row.dialect})
    yield from offered.odd
