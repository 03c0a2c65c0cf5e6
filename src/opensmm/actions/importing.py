"""Importing a provider's price list: planned against what stands here, then written with its routes and audit rows."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from msgspec import structs

from opensmm.actions import catalogue
from opensmm.base.ids import ProviderId, ServiceId
from opensmm.domain.audit import AuditAction, AuditEntry, By, Context
from opensmm.domain.catalogue import Service
from opensmm.domain.importing import Import, Plan, Terms, plan
from opensmm.domain.offers import Offer, RouteTo, Unread, routes_changed
from opensmm.store import audit, sync
from opensmm.store import catalogue as services
from opensmm.store import offers as rows
from opensmm.store.connection import Connection

CHUNK: Final = 1000
"""Services of one statement."""
Item = TypeVar("Item")


async def plan_import(
    connection: Connection,
    provider: ProviderId,
    offers: Sequence[Offer],
    terms: Terms,
    wanted: Callable[[Offer], bool],
    unread: Sequence[Unread] = (),
) -> Plan:
    """What importing the wanted lines of a whole price list would change here.

    Nobody edits the price list until the caller's transaction ends: writing the plan undoes nobody's edit.
    """
    await services.hold(connection)
    known = (await services.refresh(connection, None)).services
    routed: dict[str, list[Service]] = {}
    only_here: list[ServiceId] = []
    for theirs, ours, alone in await rows.routed_to(connection, provider):
        if ours in known:
            routed.setdefault(theirs, []).append(known[ours])
            only_here += [ours] if alone else []
    chosen = (offer for offer in offers if wanted(offer))
    listed = (*(offer.service for offer in offers), *(line.service for line in unread))
    standing = [service.id for group in routed.values() for service in group]
    by_list = await sync.priced_by_lists(connection, standing)
    return plan(chosen, routed, only_here, terms, listed, unread, by_list)


async def write_import(
    connection: Connection,
    provider: ProviderId,
    told: Plan,
    *,
    reprice: bool,
    by: By,
    wrote: Callable[[int], object],
) -> list[ServiceId]:
    """Writes a plan in one transaction; returns the ids of what is new. New services are off sale.

    ``wrote`` is told how many services were written, chunk by chunk.
    """
    fresh: list[ServiceId] = []
    told_by: Context = {"provider": provider}
    async with connection.transaction():
        last_id, last_position = await rows.last_numbers(connection)
        for chunk in _chunks(told.to_write(reprice=reprice)):
            await catalogue.save_services(connection, chunk, by=by, context=told_by)
            wrote(len(chunk))
        for at, imports in enumerate(_chunks(told.new)):
            numbered = _numbered(imports, last_id + at * CHUNK, last_position + at * CHUNK)
            await catalogue.save_services(connection, numbered, by=by, context=told_by)
            pairs = zip(numbered, imports, strict=True)
            routes = {s.id: [RouteTo(provider, one.offer.service)] for s, one in pairs}
            await rows.set_routes(connection, routes)
            entries = [AuditEntry(str(new), routes_changed([], to)) for new, to in routes.items()]
            await audit.note(connection, by, AuditAction.ROUTE_SET, entries)
            fresh += [service.id for service in numbered]
            wrote(len(imports))
    return fresh


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[at : at + CHUNK] for at in range(0, len(items), CHUNK))


def _numbered(imports: Sequence[Import], last_id: int, last_position: int) -> list[Service]:
    return [
        structs.replace(one.service, id=ServiceId(last_id + at), position=last_position + at)
        for at, one in enumerate(imports, 1)
    ]
