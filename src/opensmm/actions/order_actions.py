"""The operator's work on single orders. Each action is one transaction with one audit row.

It returns True where something was done and False where it had been done before. It raises OperatorRefusal where it may
not be done.
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
from opensmm.domain.audit import NO_CONTEXT, AuditAction, AuditEntry, By, Changes, Context, read_reason, reasoned
from opensmm.domain.codes import OperatorRefusal, RefusalCode
from opensmm.domain.dispatch import Declined, DeliveryState, Verdict, after_sending
from opensmm.domain.evidence import PATIENCE, Conclusion, EvidenceKind
from opensmm.domain.order_actions import ChosenEnd, LockedRun, OrderSubject
from opensmm.domain.provider_ids import check_provider_order
from opensmm.domain.settlement import EndedRun
from opensmm.store import audit, clocks, customers, dispatch, price_sync, refills
from opensmm.store import evidence as kept
from opensmm.store import order_actions as rows
from opensmm.store.connection import Connection
from opensmm.store.evidence import EvidenceNote

Decision = tuple[ChosenEnd, ...] | None


async def cancel(connection: Connection, order: OrderId, by: By) -> bool:
    """Ends an order; what is not delivered is paid back. Its provider is asked to cancel it too."""
    return await _end(connection, order, by, AuditAction.ORDER_CANCEL, order_actions.cancel)


async def complete(connection: Connection, order: OrderId, by: By) -> bool:
    """Ends an order as delivered in full."""
    return await _end(connection, order, by, AuditAction.ORDER_COMPLETE, order_actions.complete)


async def end_partial(connection: Connection, order: OrderId, run: int | None, remains: int, by: By) -> bool:
    """Ends a run with ``remains`` units undelivered, which are paid back."""

    def decide(subject: OrderSubject) -> Decision:
        return order_actions.end_partial(subject, order_actions.choose(subject, run), remains)

    return await _end(connection, order, by, AuditAction.ORDER_PARTIAL, decide)


async def _end(
    connection: Connection, order: OrderId, by: By, action: AuditAction, decide: Callable[[OrderSubject], Decision]
) -> bool:
    by = reasoned(by)
    async with connection.transaction():
        _, subject = await _locked(connection, order)
        decided = decide(subject)
        if decided is None:
            return False
        tried = {one.run: one for one in await rows.tried(connection, order, [one.run for one in decided])}
        await rows.end(connection, order, decided, by.now)
        next_runs = order_actions.released(subject, decided, by.now)
        await dispatch.release(connection, [(order, run, due) for run, due in next_runs])
        ends = [
            EndedRun(order, one.run, one.remains, was.cost, was.exchange_rate or Decimal(1))
            for one, was in ((one, tried[one.run]) for one in decided)
        ]
        await settlement.end(connection, ends, by.now)
        await kept.keep(connection, [_ended(order, one, tried[one.run], by) for one in decided], by.now)
        await _note(connection, order, action, by, _ended_changes(subject, decided))
    return True


async def _locked(connection: Connection, order: OrderId) -> tuple[CustomerId, OrderSubject]:
    """An order under lock, and its customer; raises OperatorRefusal where there is no such order."""
    await settlement.lock(connection, [order])
    locked = await rows.subject(connection, order)
    if locked is None:
        raise OperatorRefusal(RefusalCode.NO_ORDER, order=order)
    return locked


def _ended_changes(subject: OrderSubject, settlement: Sequence[ChosenEnd]) -> Changes:
    before = {run.run: run for run in subject.runs}
    changes: dict[str, tuple[object, object]] = {}
    for one in settlement:
        changes[f"runs.{one.run}.state"] = before[one.run].state, one.state
        changes[f"runs.{one.run}.remains"] = before[one.run].remains, one.remains
    return changes


async def _note(
    connection: Connection, order: OrderId, action: AuditAction, by: By, changes: Changes, context: Context = NO_CONTEXT
) -> None:
    await audit.note(connection, by, action, [AuditEntry(str(order), changes, context)])


def _ended(order: OrderId, one: ChosenEnd, was: rows.NewestTry, by: By) -> EvidenceNote:
    detail = {"by": str(by.actor), "reason": by.reason, "state": one.state, "remains": one.remains}
    return EvidenceNote((order, one.run, was.number), was.provider, EvidenceKind.OPERATOR, Conclusion.ENDED, detail)


async def resend(
    connection: Connection, order: OrderId, run: int | None, signed: str, by: By, *, below_cost: bool = False
) -> bool:
    """Has a run sent again. ``signed``: why the operator takes the risk of an order that may have been bought.
    ``below_cost``: it may cost what its cheapest provider asks at this moment, though it was sold for less."""
    by, signed = reasoned(by), read_reason(signed) if signed else ""
    async with connection.transaction():
        _, subject = await _locked(connection, order)
        decided = order_actions.resend(subject, order_actions.choose(subject, run), signed=bool(signed))
        if decided is None:
            return False
        if decided.state is DeliveryState.UNSURE:
            note = await _said(connection, order, decided, Conclusion.RISKED, by, {"signed": signed})
            await kept.keep(connection, [note], by.now)
        await rows.queue_again(connection, order, decided.run, by.now)
        changes: dict[str, tuple[object, object]] = {f"runs.{decided.run}.state": (decided.state, DeliveryState.QUEUED)}
        if below_cost:
            changes[f"runs.{decided.run}.ceiling"] = await price_sync.approve_cost(connection, order, decided.run)
        await _note(connection, order, AuditAction.ORDER_RESEND, by, changes, {"signed": signed} if signed else {})
    return True


async def _said(
    connection: Connection, order: OrderId, run: LockedRun, conclusion: Conclusion, by: By, detail: Mapping[str, object]
) -> EvidenceNote:
    (was,) = await rows.tried(connection, order, [run.run])
    whole = {"by": str(by.actor), "reason": by.reason, **detail}
    return EvidenceNote((order, run.run, was.number), was.provider, EvidenceKind.OPERATOR, conclusion, whole)


async def settle(connection: Connection, order: OrderId, run: int | None, provider_order: str | None, by: By) -> bool:
    """The operator's word on an unsure run: it is the provider's order of that id, or, with None, nothing was bought.

    What was not bought goes to the next provider, or back to the customer, as if the provider had refused it.
    """
    by = reasoned(by)
    if provider_order is not None:
        check_provider_order(provider_order)
    try:
        async with connection.transaction():
            _, subject = await _locked(connection, order)
            decided = order_actions.settle(subject, order_actions.choose(subject, run), provider_order)
            if decided is None:
                return False
            await _settle(connection, order, decided, provider_order, by)
    except psycopg.errors.UniqueViolation as error:
        raise OperatorRefusal(RefusalCode.PROVIDER_ORDER_TAKEN, order=order) from error
    return True


async def _settle(connection: Connection, order: OrderId, run: LockedRun, provider_order: str | None, by: By) -> None:
    conclusion = Conclusion.NOT_BOUGHT if provider_order is None else Conclusion.BOUGHT
    note = await _said(connection, order, run, conclusion, by, {"provider_order": provider_order})
    at_once = by.now - PATIENCE.taking_in
    found = await kept.doubted(connection, [order], by.now, at_once)
    one = next(one for those in found.values() for one in those if one.suspect.key == note.attempt)
    verdict = Verdict(DeliveryState.PENDING)
    if provider_order is None:
        verdict = after_sending(Declined(""), routes_left=one.routes_left, hold_when_refused=one.hold_when_refused)
    # The operator's machine may be off: what is due is so by the earlier clock, and the try ended by the later one.
    at = await clocks.now(connection, None)
    await inquiries.record(connection, one, verdict, provider_order, min(by.now, at), max(by.now, at))
    await kept.keep(connection, [note], by.now)
    changes = {
        f"runs.{run.run}.state": (run.state, verdict.state),
        f"runs.{run.run}.provider_order": (run.provider_order, provider_order),
    }
    await _note(connection, order, AuditAction.ORDER_SETTLE, by, changes)


async def refund(connection: Connection, order: OrderId, amount: Money, number: int, by: By) -> bool:
    """Gives back money of an ended order, out of what it has earned. The same ``number`` is booked once.

    With the last of its money its open refills end: nothing is owed any more. What the house has bought for one is
    cancelled too, as far as it can be.
    """
    by = reasoned(by)
    check_amount(amount)
    order_actions.check_refund_number(number)
    async with connection.transaction():
        customer, subject = await _locked(connection, order)
        decided = order_actions.refund(subject, amount, await rows.booked(connection, order, number))
        if decided is None:
            return False
        transfer = ledger.return_earned(customer, order, number, decided, by.reason)
        await customers.transfer(connection, [transfer], by.now)
        await rows.give_back(connection, order, decided)
        changes = {"earned": (subject.earned, subject.earned - decided)}
        context: dict[str, object] = {"amount": decided, "number": number}
        if decided == subject.earned:
            context["refills_closed"] = await _close_refills(connection, order, by)
        await _note(connection, order, AuditAction.ORDER_REFUND, by, changes, context)
    return True


async def _close_refills(connection: Connection, order: OrderId, by: By) -> list[RefillId]:
    closed = await refills.close(connection, order, by.now)
    for _, purchase in closed:
        if purchase is not None:
            # One that is being sent, or is unsure, is left to its own end.
            with suppress(OperatorRefusal):
                await cancel(connection, purchase, by)
    return [refill for refill, _ in closed]
