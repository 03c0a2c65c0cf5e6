"""Checking a provider: its address, key and dialect, the answers that were understood, and warnings."""

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
from opensmm.base.money import format_amount
from opensmm.domain.audit import AuditAction, AuditEntry, By
from opensmm.domain.call_faults import CallFault
from opensmm.domain.codes import NO_FIELDS, Fields, FindingCode, ListWarning, WarningCode
from opensmm.domain.evidence import DEFAULT_PATIENCE, Neighbour, ids_grow
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.provider_services import ReadPriceList
from opensmm.domain.providers import PANEL, BalanceReading, IdForm, judge_adds
from opensmm.providers.call_failures import NoAnswer
from opensmm.providers.client import PanelClient, close_session
from opensmm.providers.key_encryption import UnreadableKey, open_key
from opensmm.providers.registry import open_client
from opensmm.store import audit, catalogue, evidence, providers, refill_tasks
from opensmm.store.connection import Connection
from opensmm.store.providers import ProviderRow

PATHS: Final = ("/api/v2", "/api/v1")
"""The customary paths of the two dialects."""
MAX_EXAMPLES: Final = 2
"""Orders, and refills, for whose status a provider is asked in a check."""


class CheckNote(Struct, frozen=True):
    """A remark on a provider that may be used, as a code with its fields."""

    code: FindingCode
    fields: Fields = NO_FIELDS


class StoredProvider(Struct, frozen=True):
    """A stored provider, the panel's currency, and the newest orders and refills that the provider took."""

    row: ProviderRow
    currency: str
    orders: Sequence[Neighbour]
    refills: Sequence[str] = ()


async def load(connection: Connection, row: ProviderRow) -> StoredProvider:
    """Loads all that ``try_out`` needs to know about a provider."""
    orders = await evidence.newest(connection, row.id)
    refills = await refill_tasks.newest(connection, row.id, MAX_EXAMPLES)
    return StoredProvider(row, await catalogue.currency(connection), orders, refills)


class CheckResult(Struct, frozen=True):
    """The result of a check at one address. ``fault`` is None if the provider may be used there.

    ``dialect`` is the one that its answers seemed to have. ``forms`` are the forms in which it answers requests with
    ids, by action, as far as they were found out; None: the documented ones.
    """

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
    """The settings of calls to providers for the operator. ``private`` allows private addresses."""

    pepper: bytes
    timeout_s: float
    private: bool


@asynccontextmanager
async def client_of(row: ProviderRow, calls: CallSettings) -> AsyncIterator[PanelClient]:
    """Opens a client for a few calls for the operator.

    Raises OperatorRefusal if the provider cannot be called from here, and in place of every NoAnswer.
    """
    if row.kind != PANEL:
        raise OperatorRefusal(RefusalCode.NOT_A_PANEL, provider=row.id, provider_name=row.name)
    try:
        key = open_key(calls.pepper, row, private=calls.private)
    except UnreadableKey as error:
        raise OperatorRefusal(RefusalCode.PROVIDER_SHUT, provider=row.name, why=error.code) from error
    # Imported here, as it loads the HTTP client, which most commands do not need.
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
    """Checks a provider, given by its name or id, and stores the forms that it answers. Nothing is ordered.

    No transaction is open while the provider is called. If it does not answer and ``anywhere`` is set, the customary
    addresses of both dialects are tried too. Returns one result per address, the last one tried last. Raises
    OperatorRefusal if there is no such provider, or it cannot be called from here.
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
    """Reads the panel's balance at a provider, given by its name or id, and stores it.

    No transaction is open while the provider is called. Raises OperatorRefusal if there is no such provider, it cannot
    be called from here, or it does not answer.
    """
    row = await find_provider(connection, provider)
    async with client_of(row, calls) as client:
        balance, _ = await client.balance()
    reading = BalanceReading(by.now, Decimal(format_amount(balance.amount)))
    async with connection.transaction():
        before = await providers.newest_balance(connection, row.id)
        await providers.keep_balances(connection, [(row.id, reading)])
        entry = AuditEntry(str(row.id), {"balance": (before and str(before.balance), str(reading.balance))})
        await audit.note(connection, by, AuditAction.PROVIDER_BALANCE, [entry])
    return BalanceRead(row, reading, balance.currency or row.currency)


async def read_price_list(row: ProviderRow, calls: CallSettings) -> ReadPriceList:
    """Reads a provider's price list, and stores nothing. Raises OperatorRefusal as ``client_of`` does."""
    async with client_of(row, calls) as client:
        return await client.services()


async def try_out(stored: StoredProvider, calls: CallSettings, *, anywhere: bool) -> tuple[CheckResult, ...]:
    """Requests the balance and the price list; with ``anywhere``, also at the customary addresses of both dialects.

    Only addresses with the provider's own scheme, host and port are tried, as no other may see the key.
    """
    results: list[CheckResult] = []
    row = stored.row
    for url in (row.url, *(_customary_urls(row.url) if anywhere else ())):
        async with client_of(structs.replace(row, url=url), calls) as client:
            results.append(await _check_one(client, structs.replace(stored, row=structs.replace(row, url=url))))
        if results[-1].fault is None:
            break
    return tuple(results)


def _customary_urls(url: str) -> list[str]:
    parts = urlsplit(url)
    urls = [urlunsplit((parts.scheme, parts.netloc, path, "", "")) for path in PATHS]
    return [one for one in urls if one != url]


async def _check_one(client: PanelClient, stored: StoredProvider) -> CheckResult:
    row, panel_currency = stored.row, stored.currency
    began = time.monotonic()
    try:
        balance, dialect = await client.balance()
        took_ms = round((time.monotonic() - began) * 1000)
        price_list = await client.services()
    except NoAnswer as error:
        return CheckResult(row.url, fault=error.fault)
    dialect_seen = price_list.dialect or dialect
    notes, forms = await _try_forms(client, stored)
    return CheckResult(
        url=row.url,
        dialect=dialect_seen,
        balance=format_amount(balance.amount),
        currency=balance.currency,
        services=len(price_list.services),
        types=dict(Counter(service.type.value if service.type else "unknown" for service in price_list.services)),
        took_ms=took_ms,
        odd=tuple(_list_warnings(row, panel_currency, dialect_seen, balance.currency, price_list)),
        notes=(*_build_notes(stored), *notes),
        forms=forms,
    )


async def _try_forms(client: PanelClient, stored: StoredProvider) -> tuple[list[CheckNote], dict[str, IdForm | None]]:
    """Finds out which forms of requests a provider answers, if it has orders or refills to ask about.

    Only ``status`` and ``refill_status`` are tried: ``refill`` and ``cancel`` would have effects.
    """
    orders = [one.provider_order for one in stored.orders[:MAX_EXAMPLES]]
    questions = (("status", orders, client.status_forms), ("refill_status", stored.refills, client.refill_status_forms))
    notes, forms = list[CheckNote](), dict[str, IdForm | None]()
    for action, texts, ask in questions:
        if not texts:
            notes.append(CheckNote(FindingCode.FORMS_NOT_TRIED, {"action": action}))
            continue
        try:
            single, many = await ask(texts)
        except NoAnswer as error:
            notes.append(
                CheckNote(FindingCode.FORMS_UNANSWERED, {"action": action, "id": texts[0], "why": error.fault})
            )
            continue
        code = _FORM_NOTES[single, many]
        notes.append(CheckNote(code, {"action": action, "id": texts[0]}))
        if single or many:
            forms[action] = None if single and many else IdForm.ONE_BY_ONE if single else IdForm.LIST_OF_ONE
    return [*notes, CheckNote(FindingCode.FORMS_WITH_EFFECTS)], forms


_FORM_NOTES: Final = {
    (True, True): FindingCode.FORMS_ONE_AND_MANY,
    (True, False): FindingCode.FORMS_ONE_ALONE,
    (False, True): FindingCode.FORMS_LISTS_ALONE,
    (False, False): FindingCode.FORMS_NONE,
}
"""Remarks by (a single id is answered, a list of ids is answered)."""


def _build_notes(stored: StoredProvider) -> Iterator[CheckNote]:
    row = stored.row
    code, count = judge_adds(row.dialect, row.adds_at_a_time, row.concurrency)
    yield CheckNote(code, {"provider": row.id, "provider_name": row.name, "count": count})
    if not ids_grow(stored.orders, DEFAULT_PATIENCE.skew):
        yield CheckNote(FindingCode.ORDER_IDS_DO_NOT_GROW, {"newest": stored.orders[0].provider_order})


def _list_warnings(
    row: ProviderRow, panel_currency: str, dialect_seen: str, currency: str, price_list: ReadPriceList
) -> Iterator[ListWarning]:
    fields = {"provider": row.id, "provider_name": row.name}
    if not price_list.services:
        yield ListWarning(WarningCode.EMPTY_LIST)
    if not currency:
        yield ListWarning(WarningCode.CURRENCY_UNTOLD, {"currency": row.currency})
    elif currency != row.currency:
        yield ListWarning(WarningCode.OTHER_CURRENCY, {"currency": currency, "known": row.currency})
    if row.exchange_rate == 1 and (currency or row.currency) != panel_currency:
        yield ListWarning(
            WarningCode.EXCHANGE_RATE_ONE, {**fields, "currency": currency or row.currency, "ours": panel_currency}
        )
    if dialect_seen not in ("", row.dialect):
        yield ListWarning(WarningCode.OTHER_DIALECT, {**fields, "spoken": dialect_seen, "dialect": row.dialect})
    yield from price_list.odd
