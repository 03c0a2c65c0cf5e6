"""The staff's work: what it says of its deliveries is applied as a provider's word is, with one audit row each."""

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
from opensmm.domain.codes import OperatorRefusal, RefusalCode
from opensmm.domain.manual import ManualReport, ManualStep
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
    """Applies reports in one transaction, in order: each delivery as it stands afterwards, or why nothing changed."""
    async with connection.transaction():
        orders = sorted({said.order for said in batch})
        await settlement.lock(connection, orders)
        found = await rows.with_staff(connection, orders)
        # The clocks of those who work here may differ by a little: what is said now is news all the same.
        asked = max([by.now, *(one.known.polled + _SOONEST for one in found if one.known.polled is not None)])
        registry = _Desk(found, asked)
        outcomes = [registry.apply(said) for said in batch]
        await poller.record(connection, registry.told(), asked, by.now)
        for said, changes in registry.changes:
            why = By(by.actor, said.reason.strip() or by.reason, by.now)
            await audit.note(connection, why, _STEPS[said.step], [AuditEntry(str(said.order), changes)])
    return outcomes


_STEPS: Final = {step: AuditAction(f"staff.{step}") for step in ManualStep}


class _Desk:
    """The deliveries that reports are about; a later report sees what an earlier one changed."""

    def __init__(self, found: Sequence[DueDelivery], asked: datetime) -> None:
        self._asked = asked
        self._found = {(one.order, one.run): one for one in found}
        self._changed: dict[tuple[OrderId, int], DueDelivery] = {}
        self.changes: list[tuple[ManualReport, Changes]] = []
        """What each report that was applied has changed."""

    def apply(self, said: ManualReport) -> Outcome:
        runs = [run for order, run in self._found if order == said.order and said.run in (None, run)]
        if len(runs) != 1:
            code = RefusalCode.WHICH_RUN if runs else RefusalCode.NOT_WITH_STAFF
            return OperatorRefusal(code, order=said.order)
        one = self._found[said.order, runs[0]]
        read = manual.read(said, one.known)
        if isinstance(read, OperatorRefusal):
            return read
        news = core.apply(one.known, read, self._asked)
        assert news is not None  # it is with the staff, and newer than all that was heard of it
        known = structs.replace(one.known, state=news.state, start_count=news.start_count, remains=news.remains)
        fields = {f"runs.{one.run}.{name}": pair for name, pair in diff(one.known, known).items()}
        self.changes.append((said, fields))
        self._found[said.order, one.run] = self._changed[said.order, one.run] = structs.replace(one, known=known)
        return known

    def told(self) -> list[PolledResult]:
        return [
            PolledResult(
                order=one.order,
                run=one.run,
                attempt=one.attempt,
                state=one.known.state,
                start_count=one.known.start_count,
                remains=one.known.remains,
                due=None,
                cost=None,
                currency="",
                polled=one.known.polled,
            )
            for one in self._changed.values()
        ]


async def answer_refills(
    connection: Connection, refills: Sequence[RefillId], status: RefillStatus, *, by: By
) -> list[RefillStatus | OperatorRefusal]:
    """Ends the staff's shares of refills, in one transaction: each one's status, or that the staff has none of it."""
    async with connection.transaction():
        before = await rows.lock_refills(connection, refills)
        tasks = await rows.refill_tasks(connection, refills)
        news = [RefillNews(task, status, task.provider_refill, None) for task in tasks]
        await refill_tasks.record(connection, news, None, by.now)
        known = {task.refill for task in tasks}
        entries = [
            AuditEntry(str(refill), {"status": (before[refill], status)})
            for refill in dict.fromkeys(refills)
            if refill in known
        ]
        await audit.note(connection, by, AuditAction(f"staff.refill_{status}"), entries)
    return [
        status if refill in known else OperatorRefusal(RefusalCode.REFILL_NOT_WITH_STAFF, refill=refill)
        for refill in refills
    ]


async def assign(connection: Connection, services: Sequence[ServiceId], *, by: By) -> list[ServiceId]:
    """Has the staff fulfil services, before any other provider; raises OperatorRefusal where one does not exist.

    They keep the routes they had behind it, and stand in this order from now on, whatever each costs.
    """
    wanted = sorted(set(services))
    async with connection.transaction():
        standing = await route_rows.find(connection, await route_rows.lock_services(connection, wanted))
        missing = [service for service in wanted if service not in standing]
        if missing:
            raise OperatorRefusal(RefusalCode.NO_SUCH_SERVICE, services=missing)
        own = await have_provider_in_transaction(connection, by)
        for service, routes in standing.items():
            first = [RouteTo(own, str(service)), *(one for one in routes if one.provider != own)]
            await set_routes_in_transaction(
                connection, service, first, by_cost=False, by=by, action=AuditAction.STAFF_ASSIGN
            )
    return wanted


async def have_provider_in_transaction(connection: Connection, by: By) -> ProviderId:
    """Adds the staff as a provider where it is none yet, with an audit row; returns its id."""
    provider, fresh = await rows.provide(connection)
    if fresh:
        changes = created(name=rows.NAME, kind=MANUAL)
        await audit.note(connection, by, AuditAction.PROVIDER_ADD, [AuditEntry(str(provider), changes)])
    return provider
