"""Work of the manual provider: the staff's reports are applied like a provider's answers, each with an audit row."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import structs

from opensmm.actions import poller, settlement
from opensmm.actions.routes import set_routes_in_transaction
from opensmm.base.ids import OrderId, ProviderId, RefillId, ServiceId
from opensmm.domain import manual
from opensmm.domain import polling as core
from opensmm.domain.audit import AuditAction, AuditEntry, By, Changes, created, diff
from opensmm.domain.manual import ManualReport, ManualStep
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.polling import PolledDelivery
from opensmm.domain.providers import MANUAL
from opensmm.domain.refills import RefillStatus
from opensmm.domain.routes import RouteTo
from opensmm.store import audit, refill_tasks
from opensmm.store import manual as rows
from opensmm.store import routes as route_rows
from opensmm.store.connection import Connection
from opensmm.store.polling import DueDelivery, PolledResult
from opensmm.store.refill_tasks import RefillNews

_SOONEST: Final = timedelta(microseconds=1)

Outcome = PolledDelivery | OperatorRefusal


async def report(connection: Connection, batch: Sequence[ManualReport], *, by: By) -> list[Outcome]:
    """Applies reports in one transaction, in order.

    Returns for each report the delivery afterwards, or the refusal if it changed nothing.
    """
    async with connection.transaction():
        orders = sorted({reported.order for reported in batch})
        await settlement.lock(connection, orders)
        open_deliveries = await rows.lock_deliveries(connection, orders)
        # The clocks of the staff's machines may differ a little: a report counts as newer than all before it.
        earlier = [one.before.polled for one in open_deliveries if one.before.polled is not None]
        asked_at = max([by.now, *(polled + _SOONEST for polled in earlier)])
        deliveries = _ManualDeliveries(open_deliveries, asked_at)
        outcomes = [deliveries.apply(reported) for reported in batch]
        await poller.record(connection, deliveries.results(), asked_at, by.now)
        for reported, changes in deliveries.changes:
            why = By(by.actor, reported.reason.strip() or by.reason, by.now)
            await audit.note(connection, why, _AUDIT_ACTIONS[reported.step], [AuditEntry(str(reported.order), changes)])
    return outcomes


_AUDIT_ACTIONS: Final = {step: AuditAction(f"staff.{step}") for step in ManualStep}


class _ManualDeliveries:
    """The deliveries of a batch of reports. A later report sees the changes of an earlier one."""

    def __init__(self, deliveries: Sequence[DueDelivery], asked_at: datetime) -> None:
        self._asked_at = asked_at
        self._deliveries = {(one.order, one.run): one for one in deliveries}
        self._changed: dict[tuple[OrderId, int], DueDelivery] = {}
        self.changes: list[tuple[ManualReport, Changes]] = []
        """The reports that were applied, each with its changes."""

    def apply(self, reported: ManualReport) -> Outcome:
        runs = [run for order, run in self._deliveries if order == reported.order and reported.run in (None, run)]
        if len(runs) != 1:
            code = RefusalCode.WHICH_RUN if runs else RefusalCode.NOT_WITH_STAFF
            return OperatorRefusal(code, order=reported.order)
        key = (reported.order, runs[0])
        delivery = self._deliveries[key]
        before = delivery.before
        read = manual.read(reported, before)
        if isinstance(read, OperatorRefusal):
            return read
        news = core.apply_report(before, read, self._asked_at)
        assert news is not None  # the staff has the delivery, and the report is newer than all before it
        after = structs.replace(before, state=news.state, start_count=news.start_count, remains=news.remains)
        fields = {f"runs.{delivery.run}.{name}": pair for name, pair in diff(before, after).items()}
        self.changes.append((reported, fields))
        self._deliveries[key] = self._changed[key] = structs.replace(delivery, before=after)
        return after

    def results(self) -> list[PolledResult]:
        return [
            PolledResult(
                order=delivery.order,
                run=delivery.run,
                attempt=delivery.attempt,
                state=delivery.before.state,
                start_count=delivery.before.start_count,
                remains=delivery.before.remains,
                due=None,
                cost=None,
                currency="",
                polled=delivery.before.polled,
            )
            for delivery in self._changed.values()
        ]


async def answer_refills(
    connection: Connection, refills: Sequence[RefillId], status: RefillStatus, *, by: By
) -> list[RefillStatus | OperatorRefusal]:
    """Ends the staff's parts of refills, in one transaction.

    Returns each refill's status, or a refusal if the staff has no part of it.
    """
    async with connection.transaction():
        before = await rows.lock_refills(connection, refills)
        tasks = await rows.list_tasks(connection, refills)
        news = [RefillNews(task, status, task.provider_refill, None) for task in tasks]
        await refill_tasks.record(connection, news, None, by.now)
        with_staff = {task.refill for task in tasks}
        entries = [
            AuditEntry(str(refill), {"status": (before[refill], status)})
            for refill in dict.fromkeys(refills)
            if refill in with_staff
        ]
        await audit.note(connection, by, AuditAction(f"staff.refill_{status}"), entries)
    return [
        status if refill in with_staff else OperatorRefusal(RefusalCode.REFILL_NOT_WITH_STAFF, refill=refill)
        for refill in refills
    ]


async def assign(connection: Connection, services: Sequence[ServiceId], *, by: By) -> list[ServiceId]:
    """Makes the manual provider the first route of services. Raises OperatorRefusal if one does not exist.

    The services keep their other routes behind it, and are no longer sorted by cost.
    """
    service_ids = sorted(set(services))
    async with connection.transaction():
        standing = await route_rows.find(connection, await route_rows.lock_services(connection, service_ids))
        missing = [service for service in service_ids if service not in standing]
        if missing:
            raise OperatorRefusal(RefusalCode.NO_SUCH_SERVICE, services=missing)
        own = await have_provider_in_transaction(connection, by)
        for service, routes in standing.items():
            first = [RouteTo(own, str(service)), *(one for one in routes if one.provider != own)]
            await set_routes_in_transaction(
                connection, service, first, by_cost=False, by=by, action=AuditAction.STAFF_ASSIGN
            )
    return service_ids


async def have_provider_in_transaction(connection: Connection, by: By) -> ProviderId:
    """Returns the id of the manual provider. Adds it, with an audit row, if there is none yet."""
    provider, fresh = await rows.ensure_provider(connection)
    if fresh:
        changes = created(name=rows.NAME, kind=MANUAL)
        await audit.note(connection, by, AuditAction.PROVIDER_ADD, [AuditEntry(str(provider), changes)])
    return provider
