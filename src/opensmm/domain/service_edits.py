"""Edits of many services at once: a plan shows each service before and after, and is then written."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct, structs

from opensmm.base.ids import ProviderId, ServiceId
from opensmm.domain.audit import AuditAction
from opensmm.domain.catalogue import Service
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.policy import Policy
from opensmm.domain.price_sync import ServiceLine, judge_service
from opensmm.domain.service_rules import EDITABLE, RefusedService, sale_refusal, service_refusals


class ServiceChange(Struct, frozen=True):
    """A service before and after an edit."""

    before: Service
    after: Service


class PriceMove(Struct, frozen=True):
    """A service's rate before and after an edit.

    ``list_rate`` and ``provider``: the rate that this provider's price list will set instead, if prices follow it.
    """

    service: ServiceId
    before: Decimal
    after: Decimal
    list_rate: Decimal | None = None
    provider: ProviderId | None = None


class EditPlan(Struct, frozen=True):
    """An edit that is not yet written.

    ``changes`` leaves out services that need none; ``refused`` has those that may not be edited so. ``fields`` are the
    names of the edited fields; ``action`` is for the audit trail.
    """

    changes: tuple[ServiceChange, ...]
    refused: tuple[RefusedService, ...]
    fields: tuple[str, ...]
    action: AuditAction = AuditAction.SERVICE_SAVE
    prices: tuple[PriceMove, ...] = ()


def set_fields(service: Service, fields: Mapping[str, object]) -> Service:
    """Returns the service with new values in some fields. Raises ValueError for a field that cannot be edited."""
    if not fields.keys() <= EDITABLE:
        raise ValueError(f"nobody sets {', '.join(sorted(fields.keys() - EDITABLE))} of a service")
    return structs.replace(service, **fields)


def plan_edit(
    services: Iterable[Service], fields: Mapping[str, object], policy: Policy, action: AuditAction
) -> EditPlan:
    """Plans to set the same fields of many services, in the given order."""
    pairs = [(service, set_fields(service, fields)) for service in services]
    moved = [ServiceChange(before, after) for before, after in pairs if before != after]
    refusals = [_find_refusal(change.after, fields, policy) for change in moved]
    judged = list(zip(moved, refusals, strict=True))
    changes = tuple(change for change, why in judged if why is None)
    refused = tuple(RefusedService(change.after, why) for change, why in judged if why is not None)
    return EditPlan(changes, refused, tuple(fields), action)


def _find_refusal(service: Service, fields: Mapping[str, object], policy: Policy) -> OperatorRefusal | None:
    of_fields = service_refusals(service, fields)
    return of_fields[0] if of_fields else sale_refusal(service, policy)


def price_moves(changes: Iterable[ServiceChange], lines: Iterable[ServiceLine], now: datetime) -> tuple[PriceMove, ...]:
    """Returns the rates that an edit moves, with those that a price list will set again.

    ``lines`` are the present ones of services whose rate changes.
    """
    by_id = {line.service.id: line for line in lines}
    return tuple(
        _find_price_move(change, by_id.get(change.before.id), now)
        for change in changes
        if change.before.rate != change.after.rate
    )


def _find_price_move(change: ServiceChange, line: ServiceLine | None, now: datetime) -> PriceMove:
    before, after = change.before.rate, change.after.rate
    list_rate = None if line is None else judge_service(structs.replace(line, service=change.after), now).service.rate
    if line is None or list_rate is None or list_rate == after:
        return PriceMove(change.before.id, before, after)
    return PriceMove(change.before.id, before, after, list_rate, line.routes[0].to.provider)


def rebase_plan(plan: EditPlan, standing: Mapping[ServiceId, Service]) -> list[Service]:
    """Returns the services of a plan as they are to be written: other edits since then stay.

    Raises OperatorRefusal if a service is gone, or one of the plan's fields was edited meanwhile.
    """
    stale = [one.before.id for one in plan.changes if not _is_unchanged(one.before, standing, plan.fields)]
    if stale:
        raise OperatorRefusal(RefusalCode.STALE_PLAN, services=stale)
    return [_rebase(one, standing[one.before.id], plan.fields) for one in plan.changes]


def _is_unchanged(before: Service, standing: Mapping[ServiceId, Service], fields: Sequence[str]) -> bool:
    present = standing.get(before.id)
    return present is not None and all(getattr(present, name) == getattr(before, name) for name in fields)


def _rebase(change: ServiceChange, standing: Service, fields: Sequence[str]) -> Service:
    return structs.replace(standing, **{name: getattr(change.after, name) for name in fields})
