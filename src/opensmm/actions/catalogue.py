"""The price list a process sells from, and the operator's edits of it."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import structs

from opensmm.actions.accounts import Taken, Unknown
from opensmm.base.faults import Fault
from opensmm.base.ids import ServiceId
from opensmm.domain import sale
from opensmm.domain.audit import NO_CONTEXT, AuditAction, AuditEntry, By, Context, diff
from opensmm.domain.catalogue import Catalogue, DeliveryMethod, RefillMode, Service
from opensmm.domain.policy import NO_POLICY
from opensmm.domain.sale import NotForSale
from opensmm.store import audit, catalogue, policy, staff
from opensmm.store.connection import Connection

EMPTY: Final = Catalogue(version=0, currency="", services={}, rates={})
NAMED: Final = 5
"""Services that a refusal names one by one."""


class NotSellable(Fault):
    """A service was to be on sale that may not be; the text says which and why."""


class Senseless(Fault):
    """A service that no panel can have; the text says why."""


class Shelf:
    """The catalogue as this process knows it; ``refresh`` reads what has changed since."""

    def __init__(self) -> None:
        self.catalogue = EMPTY

    async def refresh(self, connection: Connection) -> Catalogue:
        known = self.catalogue if self.catalogue.version else None
        fresh = await catalogue.refresh(connection, known)
        if fresh.version > self.catalogue.version:
            self.catalogue = fresh
        return self.catalogue


async def save_services(
    connection: Connection, services: Sequence[Service], *, by: By, context: Context = NO_CONTEXT
) -> list[ServiceId]:
    """Writes services, the catalogue's version and the audit rows in one transaction; id 0 means a new service.
    ``context``: the provider whose list is imported.

    Raises NotSellable, with nothing written, where one on sale is undisclosed or prohibited.
    """
    async with connection.transaction():
        return await _save(connection, services, AuditAction.SERVICE_SAVE, by, context)


async def add(connection: Connection, service: Service, *, by: By) -> ServiceId:
    """A new service, under its own number or, 0, the next one.

    Raises Taken, Senseless or NotSellable, with nothing written.
    """
    async with connection.transaction():
        await catalogue.hold(connection)
        if service.id and await catalogue.services(connection, [service.id]):
            raise Taken(f"there is a service {service.id} already")
        return await _save_one(connection, service, by)


async def edit(connection: Connection, which: ServiceId, changes: Mapping[str, object], *, by: By) -> Service:
    """Changes fields of a service as it is when everybody else's edits are done: none of theirs is lost.

    Returns the service as it was before.
    Raises Unknown, Senseless or NotSellable, with nothing written.
    """
    async with connection.transaction():
        await catalogue.hold(connection)
        known = await catalogue.services(connection, [which])
        if not known:
            raise Unknown(f"there is no service {which}")
        await _save_one(connection, structs.replace(known[0], **changes), by)
        return known[0]


async def _save_one(connection: Connection, service: Service, by: By) -> ServiceId:
    fault = sale.fault(service)
    if fault:
        raise Senseless(fault)
    (saved,) = await save_services(connection, [service], by=by)
    return saved


async def state_delivery(
    connection: Connection,
    services: Sequence[Service],
    method: DeliveryMethod,
    *,
    put_on_sale: bool,
    by: By,
    write: bool = True,
) -> list[NotForSale]:
    """States how services are delivered, in one transaction; leaves out and returns those that may not be sold."""
    stated = [structs.replace(one, delivery_method=method, on_sale=one.on_sale or put_on_sale) for one in services]
    async with connection.transaction():
        await catalogue.hold(connection)
        refused = sale.check(stated, await policy.refresh(connection, NO_POLICY))
        left_out = {one.service.id for one in refused}
        kept = [one for one in stated if one.id not in left_out]
        if write and kept:
            await _save(connection, kept, AuditAction.SERVICE_DELIVER, by)
    return refused


async def state_refills(
    connection: Connection, services: Sequence[Service], changes: Mapping[str, object], *, by: By
) -> None:
    """Sets refills' windows and modes for services, in one transaction. ``changes`` are fields of a service."""
    stated = [structs.replace(one, **changes) for one in services]
    async with connection.transaction():
        if changes.get("refill_mode", RefillMode.PROVIDER) is not RefillMode.PROVIDER:
            await staff.provide(connection)
        await _save(connection, stated, AuditAction.SERVICE_REFILL, by)


async def _save(
    connection: Connection, services: Sequence[Service], action: AuditAction, by: By, context: Context = NO_CONTEXT
) -> list[ServiceId]:
    # Nobody adds a rule between the look at the policy and the commit.
    await catalogue.hold(connection)
    refused = sale.check(services, await policy.refresh(connection, NO_POLICY))
    if refused:
        more = f", and {len(refused) - NAMED} more" if len(refused) > NAMED else ""
        raise NotSellable("not for sale: " + "; ".join(map(str, refused[:NAMED])) + more)
    return await write_services(connection, services, action, by, context)


async def write_services(
    connection: Connection, services: Sequence[Service], action: AuditAction, by: By, context: Context = NO_CONTEXT
) -> list[ServiceId]:
    """Writes services inside the caller's transaction, which holds the price list, with an audit row each."""
    before = {one.id: one for one in await catalogue.services(connection, [one.id for one in services if one.id])}
    saved = await catalogue.save_services(connection, services)
    after = await catalogue.services(connection, saved)
    entries = [AuditEntry(str(one.id), diff(before.get(one.id), one, _IDENTITY), context) for one in after]
    await audit.note(connection, by, action, entries)
    return saved


_IDENTITY: Final = frozenset(("id",))
