"""The operator's edits of services, each in one transaction with an audit row per service."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct, structs

from opensmm.actions import price_sync
from opensmm.actions.manual import have_provider_in_transaction
from opensmm.actions.routes import route_new_service_in_transaction
from opensmm.actions.selection import Selection, select
from opensmm.base.ids import ProviderId, ServiceId
from opensmm.domain.audit import NO_CONTEXT, AuditAction, AuditEntry, By, Context, created, diff
from opensmm.domain.catalogue import RefillMode, Service
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.policy import NO_POLICY, Policy
from opensmm.domain.providers import SANDBOX
from opensmm.domain.routes import RouteTo, routes_changed
from opensmm.domain.service_edits import EditPlan, plan_edit, price_moves, rebase_plan, set_fields
from opensmm.domain.service_rules import (
    check_sellable,
    check_service,
    may_affect_sale,
    not_for_sale,
)
from opensmm.store import audit, catalogue, policy
from opensmm.store import price_sync as sync_rows
from opensmm.store import providers as provider_rows
from opensmm.store.connection import Connection

SANDBOX_URL: Final = "sandbox:"
_IDENTITY: Final = frozenset(("id",))
ServicesById = Mapping[ServiceId, Service]


class AddedService(Struct, frozen=True):
    """A new service. ``fulfilled`` is True if it has a provider."""

    service: ServiceId
    fulfilled: bool


class PriceFollows(Struct, frozen=True):
    """The provider whose price list sets the price of a service, and the rate that it will set."""

    provider: ProviderId
    provider_name: str
    rate: Decimal


class EditedService(Struct, frozen=True):
    """A service before and after an edit. ``price_follows``: a price list will overwrite the rate that was set."""

    before: Service
    after: Service
    price_follows: PriceFollows | None


async def add_service(
    connection: Connection, service: Service, provider: str | None, provider_service: str | None, *, by: By
) -> AddedService:
    """Adds a service under its own id or, if that is 0, the next one, and routes it to a provider.

    ``provider`` is a name or an id; None: the sandbox if the panel has one, otherwise no provider. Raises
    OperatorRefusal, with nothing written.
    """
    check_service(service)
    async with connection.transaction():
        version = await catalogue.bump(connection)
        if service.id and await catalogue.services(connection, [service.id]):
            raise OperatorRefusal(RefusalCode.SERVICE_EXISTS, service=service.id)
        await _check_sale(connection, [service], {})
        (saved,) = await write_services_in_transaction(connection, [service], {}, version, AuditAction.SERVICE_SAVE, by)
        fulfilled = await route_new_service_in_transaction(connection, saved, provider, provider_service, by=by)
    return AddedService(saved, fulfilled)


async def edit_service(
    connection: Connection, service: ServiceId, fields: Mapping[str, object], *, by: By
) -> EditedService:
    """Changes fields of a service. It is read under a lock, so that no concurrent edit is lost.

    Raises OperatorRefusal, with nothing written.
    """
    async with connection.transaction():
        version = await catalogue.bump(connection)
        standing = {one.id: one for one in await catalogue.services(connection, [service])}
        if service not in standing:
            raise OperatorRefusal(RefusalCode.NO_SUCH_SERVICE, services=[service])
        after = set_fields(standing[service], fields)
        check_service(after, fields)
        await _check_sale(connection, [after], standing)
        await write_services_in_transaction(connection, [after], standing, version, AuditAction.SERVICE_SAVE, by)
        follows = await _find_price_follows(connection, service, by) if "rate" in fields else None
    return EditedService(standing[service], after, follows)


async def _find_price_follows(connection: Connection, service: ServiceId, by: By) -> PriceFollows | None:
    overruling = await price_sync.find_overruling_price(connection, service, by.now)
    if overruling is None:
        return None
    provider, rate = overruling
    names = {row.id: row.name for row in await provider_rows.providers(connection)}
    return PriceFollows(provider, names[provider], rate)


async def plan_edits(
    connection: Connection,
    selection: Selection,
    fields: Mapping[str, object],
    *,
    by: By,
    action: AuditAction = AuditAction.SERVICE_SAVE,
) -> EditPlan:
    """Plans to set fields of all selected services. Writes nothing. Raises OperatorRefusal as ``select`` does."""
    services = await select(connection, selection)
    pairs = [(one, set_fields(one, fields)) for one in services]
    rules = await _read_policy_for(connection, [after for before, after in pairs if may_affect_sale(before, after)])
    plan = plan_edit(services, fields, rules, action)
    if "rate" not in fields:
        return plan
    moved = [one.before.id for one in plan.changes if one.before.rate != one.after.rate]
    return structs.replace(
        plan, prices=price_moves(plan.changes, await sync_rows.read_lines(connection, moved), by.now)
    )


async def edit_selected(
    connection: Connection,
    selection: Selection,
    fields: Mapping[str, object],
    *,
    write: bool,
    by: By,
    action: AuditAction = AuditAction.SERVICE_SAVE,
) -> EditPlan:
    """Plans to set fields of all selected services and, with ``write``, writes them."""
    plan = await plan_edits(connection, selection, fields, by=by, action=action)
    if write:
        await apply_edits(connection, plan, by=by)
    return plan


async def apply_edits(connection: Connection, plan: EditPlan, *, by: By) -> list[ServiceId]:
    """Writes a plan in one transaction; returns the services that were changed.

    Raises OperatorRefusal, with nothing written, if services of the plan were edited meanwhile, or may no longer be
    sold.
    """
    if not plan.changes:
        return []
    async with connection.transaction():
        version = await catalogue.bump(connection)
        present = await catalogue.services(connection, [one.before.id for one in plan.changes])
        standing = {one.id: one for one in present}
        services = rebase_plan(plan, standing)
        for service in services:
            check_service(service, plan.fields)
        if "refill_mode" in plan.fields and any(one.refill_mode is not RefillMode.PROVIDER for one in services):
            await have_provider_in_transaction(connection, by)
        await _check_sale(connection, services, standing)
        return await write_services_in_transaction(connection, services, standing, version, plan.action, by)


async def save_services(
    connection: Connection, services: Sequence[Service], *, by: By, context: Context = NO_CONTEXT
) -> list[ServiceId]:
    """Writes services, the catalogue's version and the audit rows in one transaction; id 0 means a new service.

    ``context`` goes into the audit rows, such as the provider of an import. Raises OperatorRefusal, with nothing
    written, if a service on sale is undisclosed or prohibited.
    """
    async with connection.transaction():
        version = await catalogue.bump(connection)
        return await save_services_in_transaction(connection, services, version, by=by, context=context)


async def save_services_in_transaction(
    connection: Connection, services: Sequence[Service], version: int, *, by: By, context: Context = NO_CONTEXT
) -> list[ServiceId]:
    """Does the same in the caller's transaction, under its new ``version`` of the catalogue."""
    standing = {one.id: one for one in await catalogue.services(connection, [one.id for one in services if one.id])}
    await _check_sale(connection, services, standing)
    return await write_services_in_transaction(
        connection, services, standing, version, AuditAction.SERVICE_SAVE, by, context
    )


async def fill_sandbox(
    connection: Connection, services: Sequence[Service], name: str, currency: str, *, by: By
) -> None:
    """Saves services, and routes them to a new sandbox of this name under their own ids."""
    async with connection.transaction():
        saved = await save_services(connection, services, by=by)
        provider = await catalogue.save_provider(connection, name, SANDBOX, SANDBOX_URL, currency)
        changes = created(name=name, kind=SANDBOX, url=SANDBOX_URL, currency=currency)
        await audit.note(connection, by, AuditAction.PROVIDER_ADD, [AuditEntry(str(provider), changes)])
        await catalogue.route_all(connection, saved, provider)
        routed = [AuditEntry(str(one), routes_changed((), [RouteTo(provider, str(one))])) for one in saved]
        await audit.note(connection, by, AuditAction.ROUTE_SET, routed)


async def _check_sale(connection: Connection, services: Sequence[Service], standing: ServicesById) -> None:
    """Raises OperatorRefusal if a service would be on sale that may not be.

    The policy is read and compiled only for edits that it may refuse: all services on sale before comply with it.
    """
    doubtful = [one for one in services if may_affect_sale(standing.get(one.id), one)]
    if refused := check_sellable(doubtful, await _read_policy_for(connection, doubtful)):
        raise not_for_sale(refused)


async def _read_policy_for(connection: Connection, doubtful: Sequence[Service]) -> Policy:
    return await policy.refresh(connection, NO_POLICY) if doubtful else NO_POLICY


async def write_services_in_transaction(
    connection: Connection,
    services: Sequence[Service],
    standing: ServicesById,
    version: int,
    action: AuditAction,
    by: By,
    context: Context = NO_CONTEXT,
) -> list[ServiceId]:
    """Writes services in the caller's transaction, under the catalogue's new ``version``, with an audit row each."""
    saved = await catalogue.save_services(connection, services, version)
    after = await catalogue.services(connection, saved)
    entries = [AuditEntry(str(one.id), diff(standing.get(one.id), one, _IDENTITY), context) for one in after]
    await audit.note(connection, by, action, entries)
    return saved
