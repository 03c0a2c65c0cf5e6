"""Importing services from a provider's price list: planned against the catalogue, then written with their routes."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Final, TypeVar

from msgspec import Struct, structs

from opensmm.actions import price_sync
from opensmm.actions.references import suggest
from opensmm.actions.services import save_services_in_transaction
from opensmm.base.ids import ProviderId, ServiceId
from opensmm.domain.audit import AuditAction, AuditEntry, By, Context
from opensmm.domain.catalogue import Service
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.provider_services import ProviderService, ReadPriceList, UnreadLine
from opensmm.domain.routes import RouteTo, routes_changed
from opensmm.domain.service_import import (
    ImportChoice,
    ImportedLine,
    ImportPlan,
    ImportTerms,
    check_terms,
    has_text,
    plan,
)
from opensmm.store import audit
from opensmm.store import catalogue as services
from opensmm.store import price_sync as sync_rows
from opensmm.store import routes as rows
from opensmm.store.connection import Connection

CHUNK: Final = 1000
"""Services that are written by one statement."""
Item = TypeVar("Item")


class ImportResult(Struct, frozen=True):
    """The changes of an import, and the number of services that were written; 0 if it was only planned."""

    plan: ImportPlan
    written: int


Wrote = Callable[[int, int], object]
"""Receives the number of services that a statement has written, and the number to be written in all."""


def no_progress(count: int, total: int) -> None:
    """Ignores the progress of an import."""


async def import_services(
    connection: Connection,
    provider: ProviderId,
    listed: ReadPriceList,
    choice: ImportChoice,
    terms: ImportTerms,
    *,
    asked_at: datetime,
    reprice: bool,
    confirmed: bool,
    write: bool,
    by: By,
    wrote: Wrote = no_progress,
) -> ImportResult:
    """Plans an import and, with ``write``, writes it and takes the price list over, in one transaction.

    ``asked_at`` is the time at which the list was requested. With ``reprice``, existing services get the new prices.
    Raises OperatorRefusal, with nothing written, for a choice that fits no line, and for what ``price_sync.take_over``
    refuses.
    """
    check_terms(terms)
    check_choice(listed.services, choice, terms)
    async with connection.transaction():
        planned = await plan_import(connection, provider, listed.services, terms, choice.takes, listed.unread)
        if not write:
            return ImportResult(planned, 0)
        await write_import(connection, provider, planned, reprice=reprice, by=by, wrote=wrote)
        # The operator has seen these price changes. Other large changes of costs put services into quarantine.
        approved = [one.before.id for one in planned.changed] if reprice else []
        await price_sync.take_over(
            connection, provider, listed.services, unread=listed.unread, asked_at=asked_at, confirmed=confirmed,
            approved=approved, by=by,
        )  # fmt: skip
    return ImportResult(planned, len(planned.new) + len(planned.to_write(reprice=reprice)))


def check_choice(provider_services: Sequence[ProviderService], choice: ImportChoice, terms: ImportTerms) -> None:
    """Raises OperatorRefusal for a category that the provider does not list, or a text that no line contains."""
    listed = {service.category for service in provider_services}
    strange = [name for name in (*choice.categories, *terms.categories) if name not in listed]
    if not strange and choice.search and not any(has_text(service, choice.search) for service in provider_services):
        strange = [choice.search]
    if strange:
        raise OperatorRefusal(RefusalCode.NO_OFFER_FITS, name=strange[0], there_are=suggest(strange[0], listed))


async def plan_import(
    connection: Connection,
    provider: ProviderId,
    provider_services: Sequence[ProviderService],
    terms: ImportTerms,
    is_chosen: Callable[[ProviderService], bool],
    unread: Sequence[UnreadLine] = (),
) -> ImportPlan:
    """Plans to import the lines of a whole price list for which ``is_chosen`` returns True.

    The catalogue stays locked until the caller's transaction ends, so that writing the plan undoes nobody's edit.
    """
    await services.lock(connection)
    present = (await services.refresh(connection, None)).services
    routed: dict[str, list[Service]] = {}
    only_here: list[ServiceId] = []
    for theirs, ours, alone in await rows.routed_to(connection, provider):
        if ours in present:
            routed.setdefault(theirs, []).append(present[ours])
            only_here += [ours] if alone else []
    chosen = (service for service in provider_services if is_chosen(service))
    listed = (*(theirs.service for theirs in provider_services), *(line.service for line in unread))
    standing = [service.id for group in routed.values() for service in group]
    by_list = await sync_rows.find_priced_by_lists(connection, standing)
    return plan(chosen, routed, only_here, terms, listed, unread, by_list)


async def write_import(
    connection: Connection,
    provider: ProviderId,
    planned: ImportPlan,
    *,
    reprice: bool,
    by: By,
    wrote: Wrote,
) -> list[ServiceId]:
    """Writes a plan in one transaction; returns the ids of what is new. New services are off sale."""
    fresh: list[ServiceId] = []
    context: Context = {"provider": provider}
    async with connection.transaction():
        version = await services.bump(connection)
        last_id, last_position = await services.last_numbers(connection)
        standing = planned.to_write(reprice=reprice)
        total = len(standing) + len(planned.new)
        for chunk in _split_into_chunks(standing):
            await save_services_in_transaction(connection, chunk, version, by=by, context=context)
            wrote(len(chunk), total)
        for at, imports in enumerate(_split_into_chunks(planned.new)):
            numbered = _assign_numbers(imports, last_id + at * CHUNK, last_position + at * CHUNK)
            await save_services_in_transaction(connection, numbered, version, by=by, context=context)
            pairs = zip(numbered, imports, strict=True)
            routes = {service.id: [RouteTo(provider, imported.line.service)] for service, imported in pairs}
            await rows.set_routes(connection, routes)
            entries = [AuditEntry(str(new), routes_changed([], to)) for new, to in routes.items()]
            await audit.note(connection, by, AuditAction.ROUTE_SET, entries)
            fresh += [service.id for service in numbered]
            wrote(len(imports), total)
    return fresh


def _split_into_chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[at : at + CHUNK] for at in range(0, len(items), CHUNK))


def _assign_numbers(imports: Sequence[ImportedLine], last_id: int, last_position: int) -> list[Service]:
    return [
        structs.replace(imported.service, id=ServiceId(last_id + at), position=last_position + at)
        for at, imported in enumerate(imports, 1)
    ]
