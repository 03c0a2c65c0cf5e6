"""The operator's actions on single orders, each in one transaction with one audit row.

An action returns True if it changed something, and False if it had been done before. It raises OperatorRefusal if it
is not allowed.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal

import psycopg

from opensmm.actions import settlement
from opensmm.actions import unsure as inquiries
from opensmm.base.ids import CustomerId, OrderId, RefillId
from opensmm.base.money import Money
from opensmm.domain import ledger, order_actions
from opensmm.domain.amounts import check_amount
from opensmm.domain.audit import NO_CONTEXT, AuditAction, AuditEntry, By, Changes, Context, read_reason, with_reason
from opensmm.domain.dispatch import Declined, DeliveryState, Verdict, after_sending
from opensmm.domain.evidence import DEFAULT_PATIENCE, Conclusion, EvidenceKind
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.order_actions import ChosenEnd, LockedRun, OrderSubject
from opensmm.domain.provider_ids import check_provider_order
from opensmm.domain.settlement import EndedRun
from opensmm.store import audit, clocks, customers, dispatch, evidence, price_sync, refills
from opensmm.store import order_actions as rows
from opensmm.store.connection import Connection
from opensmm.store.evidence import EvidenceNote

Decision = tuple[ChosenEnd, ...] | None


async def cancel(connection: Connection, order: OrderId, by: By) -> bool:
    """Ends an order and refunds the part that is not delivered. Its provider is asked to cancel it too."""
    return await _end(connection, order, by, AuditAction.ORDER_CANCEL, order_actions.cancel)


async def complete(connection: Connection, order: OrderId, by: By) -> bool:
    """Ends an order as delivered in full."""
    return await _end(connection, order, by, AuditAction.ORDER_COMPLETE, order_actions.complete)


async def end_partial(connection: Connection, order: OrderId, run: int | None, remains: int, by: By) -> bool:
    """Ends a run with ``remains`` units undelivered, which are refunded."""

    def decide(subject: OrderSubject) -> Decision:
        return order_actions.end_partial(subject, order_actions.choose_run(subject, run), remains)

    return await _end(connection, order, by, AuditAction.ORDER_PARTIAL, decide)


async def _end(
    connection: Connection, order: OrderId, by: By, action: AuditAction, decide: Callable[[OrderSubject], Decision]
) -> bool:
    by = with_reason(by)
    async with connection.transaction():
        _, subject = await _lock(connection, order)
        decision = decide(subject)
        if decision is None:
            return False
        attempts = await rows.list_newest_attempts(connection, order, [end.run for end in decision])
        newest = {attempt.run: attempt for attempt in attempts}
        await rows.end(connection, order, decision, by.now)
        next_runs = order_actions.find_released(subject, decision, by.now)
        await dispatch.schedule_runs(connection, [(order, run, due) for run, due in next_runs])
        ends = [
            EndedRun(order, end.run, end.remains, attempt.cost, attempt.exchange_rate or Decimal(1))
            for end, attempt in ((end, newest[end.run]) for end in decision)
        ]
        await settlement.end(connection, ends, by.now)
        notes = [_build_note_of_end(order, end, newest[end.run], by) for end in decision]
        await evidence.keep(connection, notes, by.now)
        await _write_audit(connection, order, action, by, _diff_ends(subject, decision))
    return True


async def _lock(connection: Connection, order: OrderId) -> tuple[CustomerId, OrderSubject]:
    """Locks an order; returns its customer and its state. Raises OperatorRefusal if there is no such order."""
    await settlement.lock(connection, [order])
    locked = await rows.lock_subject(connection, order)
    if locked is None:
        raise OperatorRefusal(RefusalCode.NO_ORDER, order=order)
    return locked


def _diff_ends(subject: OrderSubject, chosen: Sequence[ChosenEnd]) -> Changes:
    before = {run.run: run for run in subject.runs}
    changes: dict[str, tuple[object, object]] = {}
    for end in chosen:
        changes[f"runs.{end.run}.state"] = before[end.run].state, end.state
        changes[f"runs.{end.run}.remains"] = before[end.run].remains, end.remains
    return changes


async def _write_audit(
    connection: Connection, order: OrderId, action: AuditAction, by: By, changes: Changes, context: Context = NO_CONTEXT
) -> None:
    await audit.note(connection, by, action, [AuditEntry(str(order), changes, context)])


def _build_note_of_end(order: OrderId, end: ChosenEnd, attempt: rows.NewestTry, by: By) -> EvidenceNote:
    detail = {"by": str(by.actor), "reason": by.reason, "state": end.state, "remains": end.remains}
    key = (order, end.run, attempt.number)
    return EvidenceNote(key, attempt.provider, EvidenceKind.OPERATOR, Conclusion.ENDED, detail)


async def resend(
    connection: Connection, order: OrderId, run: int | None, signed: str, by: By, *, below_cost: bool = False
) -> bool:
    """Queues a run to be sent again.

    ``signed`` is the operator's reason for taking the risk that the run was bought already; an unsure run needs it.
    ``below_cost`` allows it to cost what its cheapest provider asks now, although it was sold for less.
    """
    by, signed = with_reason(by), read_reason(signed) if signed else ""
    async with connection.transaction():
        _, subject = await _lock(connection, order)
        locked = order_actions.resend(subject, order_actions.choose_run(subject, run), signed=bool(signed))
        if locked is None:
            return False
        if locked.state is DeliveryState.UNSURE:
            note = await _build_note_of_run(connection, order, locked, Conclusion.RISKED, by, {"signed": signed})
            await evidence.keep(connection, [note], by.now)
        await rows.queue_again(connection, order, locked.run, by.now)
        changes: dict[str, tuple[object, object]] = {f"runs.{locked.run}.state": (locked.state, DeliveryState.QUEUED)}
        if below_cost:
            changes[f"runs.{locked.run}.ceiling"] = await price_sync.approve_cost(connection, order, locked.run)
        await _write_audit(
            connection, order, AuditAction.ORDER_RESEND, by, changes, {"signed": signed} if signed else {}
        )
    return True


async def _build_note_of_run(
    connection: Connection, order: OrderId, run: LockedRun, conclusion: Conclusion, by: By, detail: Mapping[str, object]
) -> EvidenceNote:
    (attempt,) = await rows.list_newest_attempts(connection, order, [run.run])
    detail = {"by": str(by.actor), "reason": by.reason, **detail}
    key = (order, run.run, attempt.number)
    return EvidenceNote(key, attempt.provider, EvidenceKind.OPERATOR, conclusion, detail)


async def settle(connection: Connection, order: OrderId, run: int | None, provider_order: str | None, by: By) -> bool:
    """States the outcome of an unsure run: it is the provider's order of this id or, with None, nothing was bought.

    A run that was not bought goes to the next provider or is refunded, as if the provider had refused it.
    """
    by = with_reason(by)
    if provider_order is not None:
        check_provider_order(provider_order)
    try:
        async with connection.transaction():
            _, subject = await _lock(connection, order)
            unsure = order_actions.settle(subject, order_actions.choose_run(subject, run), provider_order)
            if unsure is None:
                return False
            await _settle(connection, order, unsure, provider_order, by)
    except psycopg.errors.UniqueViolation as error:
        raise OperatorRefusal(RefusalCode.PROVIDER_ORDER_TAKEN, order=order) from error
    return True


async def _settle(connection: Connection, order: OrderId, run: LockedRun, provider_order: str | None, by: By) -> None:
    conclusion = Conclusion.NOT_BOUGHT if provider_order is None else Conclusion.BOUGHT
    note = await _build_note_of_run(connection, order, run, conclusion, by, {"provider_order": provider_order})
    at_once = by.now - DEFAULT_PATIENCE.taking_in
    doubted = await evidence.list_doubted(connection, [order], by.now, at_once)
    attempt = next(one for attempts in doubted.values() for one in attempts if one.suspect.key == note.attempt)
    verdict = Verdict(DeliveryState.PENDING)
    if provider_order is None:
        verdict = after_sending(
            Declined(""), routes_left=attempt.routes_left, hold_when_refused=attempt.hold_when_refused
        )
    # The operator's clock may be wrong: the earlier of the two clocks sets when the run is due, the later one when the
    # attempt ended.
    at = await clocks.now(connection, None)
    await inquiries.record(connection, attempt, verdict, provider_order, min(by.now, at), max(by.now, at))
    await evidence.keep(connection, [note], by.now)
    changes = {
        f"runs.{run.run}.state": (run.state, verdict.state),
        f"runs.{run.run}.provider_order": (run.provider_order, provider_order),
    }
    await _write_audit(connection, order, AuditAction.ORDER_SETTLE, by, changes)


async def refund(connection: Connection, order: OrderId, amount: Money, number: int, by: By) -> bool:
    """Refunds money of an ended order out of what it has earned. The same ``number`` is booked once.

    When all its money is refunded its open refills end, as nothing is owed any more. The house's orders for them are
    cancelled too, as far as possible.
    """
    by = with_reason(by)
    check_amount(amount)
    order_actions.check_refund_number(number)
    async with connection.transaction():
        customer, subject = await _lock(connection, order)
        returned = order_actions.refund(subject, amount, await rows.find_refund(connection, order, number))
        if returned is None:
            return False
        transfer = ledger.return_earned(customer, order, number, returned, by.reason)
        await customers.transfer(connection, [transfer], by.now)
        await rows.give_back(connection, order, returned)
        changes = {"earned": (subject.earned, subject.earned - returned)}
        context: dict[str, object] = {"amount": returned, "number": number}
        if returned == subject.earned:
            context["refills_closed"] = await _close_refills(connection, order, by)
        await _write_audit(connection, order, AuditAction.ORDER_REFUND, by, changes, context)
    return True


async def _close_refills(connection: Connection, order: OrderId, by: By) -> list[RefillId]:
    closed = await refills.close(connection, order, by.now)
    for _, purchase in closed:
        if purchase is not None:
            # An order that is being sent, or is unsure, may not be cancelled now and takes its own course.
            with suppress(OperatorRefusal):
                await cancel(connection, purchase, by)
    return [refill for refill, _ in closed]
