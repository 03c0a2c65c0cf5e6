"""Money that the operator moves: one transaction and one audit row each, done once under one reference."""

from msgspec import Struct, structs

from opensmm.base.ids import CustomerId
from opensmm.base.money import Money, short
from opensmm.domain import ledger, payments
from opensmm.domain.amounts import NOTHING, check_amount
from opensmm.domain.audit import AuditAction, AuditEntry, By, Changes, Context, reasoned
from opensmm.domain.codes import OperatorRefusal, RefusalCode
from opensmm.domain.ledger import Funds, Transfer, TransferKind
from opensmm.domain.payments import Payment, read_reference
from opensmm.store import audit, customers
from opensmm.store import payments as rows
from opensmm.store.connection import Connection
from opensmm.store.payments import BookedReference


class Booking(Struct, frozen=True):
    """A transfer, and whether it was booked now: False where it had been booked before."""

    transfer: int
    fresh: bool


async def top_up(
    connection: Connection, customer: CustomerId, amount: Money, payment: Payment, by: By, *, different: bool = False
) -> Booking:
    """Books a payment. ``different``: it is another payment than one whose id differs in case alone.

    Raises OperatorRefusal where there is no such customer, where the payment was booked with another amount or for
    another customer, and where one with a like id was booked and this one is not said to be different.
    """
    check_amount(amount)
    async with connection.transaction():
        await rows.hold(connection, payment.gateway, payment.external_id)
        funds = await lock_funds(connection, customer)
        known = await rows.deposits_like(connection, payment)
        before = payments.booked_before(payment, known, different=different)
        if before is not None:
            if (before.customer, before.amount) != (customer, amount):
                raise OperatorRefusal(
                    RefusalCode.PAYMENT_MISMATCH,
                    gateway=payment.gateway,
                    external_id=payment.external_id,
                    transfer=before.transfer,
                )
            return Booking(before.transfer, fresh=False)
        return Booking(await deposit(connection, customer, funds, amount, payment, by), fresh=True)


async def deposit(
    connection: Connection, customer: CustomerId, funds: Funds, amount: Money, payment: Payment, by: By
) -> int:
    """Books a payment that was not booked before, inside the caller's transaction."""
    one = ledger.top_up(customer, amount, f"{payment.gateway} {payment.external_id}")
    transfer, changes = await _book(connection, one, funds, by)
    await rows.add_deposit(connection, payment, transfer)
    context = {"amount": amount, "gateway": payment.gateway, "external_id": payment.external_id, "transfer": transfer}
    await audit.note(connection, by, AuditAction.CUSTOMER_TOPUP, [AuditEntry(str(customer), changes, context)])
    return transfer


async def lock_funds(connection: Connection, customer: CustomerId) -> Funds:
    """A customer's money, under lock; raises OperatorRefusal where there is no such customer."""
    funds = await rows.lock_funds(connection, customer)
    if funds is None:
        raise OperatorRefusal(RefusalCode.NO_CUSTOMER, customer=customer)
    return funds


async def _book(
    connection: Connection, one: Transfer, funds: Funds, by: By, corrects: int | None = None
) -> tuple[int, Changes]:
    """Writes a transfer; returns its id and what it changed of the customer."""
    moved = one.amount if one.credit == ledger.account(one.customer) else -one.amount
    after = funds.moved(moved, charged_back=one.kind is TransferKind.CHARGEBACK)
    transfer = await rows.book(connection, one, corrects, after.overdrawn, by.now)
    changes: dict[str, tuple[object, object]] = {"balance": (funds.balance, after.balance)}
    if funds.overdrawn != after.overdrawn:
        changes["overdrawn"] = funds.overdrawn, after.overdrawn
    return transfer, changes


async def bonus(connection: Connection, customer: CustomerId, amount: Money, reference: str, by: By) -> Booking:
    """Gives a customer money of the house."""
    by = reasoned(by)
    one = ledger.bonus(customer, amount, by.reason)
    async with connection.transaction():
        return await _once(connection, one, reference, by, AuditAction.CUSTOMER_BONUS)


async def pay_out(connection: Connection, customer: CustomerId, amount: Money, reference: str, by: By) -> Booking:
    """Books money that was sent back to a customer; raises OperatorRefusal where it has less than that of its own."""
    by = reasoned(by)
    one = ledger.pay_out(customer, amount, by.reason)
    async with connection.transaction():
        return await _once(connection, one, reference, by, AuditAction.CUSTOMER_PAYOUT)


async def charge_back(
    connection: Connection, payment: Payment, amount: Money | None, reference: str, by: By
) -> Booking:
    """Takes back a payment that its gateway took back, or a part of it, whatever the customer has left of it.

    ``reference`` may be empty: then the payment is charged back once. Raises OperatorRefusal where no such payment was
    booked, or less of it is left.
    """
    by, reference = reasoned(by), reference or payments.chargeback_reference(payment)
    async with connection.transaction():
        known = await rows.deposits_like(connection, payment)
        booked = payments.booked_before(payment, known, different=True)
        if booked is None:
            raise OperatorRefusal(RefusalCode.NO_PAYMENT, gateway=payment.gateway, external_id=payment.external_id)
        one = ledger.charge_back(booked.customer, booked.amount if amount is None else amount, by.reason)
        return await _once(connection, one, reference, by, AuditAction.CUSTOMER_CHARGEBACK, booked.transfer)


class Adjustment(Struct, frozen=True):
    """A correction of a transfer: ``takes`` money from its customer or gives it more. What is taken may be given
    ``to`` another customer, whose it is."""

    corrects: int
    customer: CustomerId
    amount: Money
    takes: bool
    to: CustomerId | None = None


async def adjust(connection: Connection, wanted: Adjustment, reference: str, by: By) -> Booking:
    """Corrects a transfer with another one that names it.

    Raises OperatorRefusal where it is not the customer's, belongs to an order, or would be undone by more than it
    moved, and where the customer has less than is to be taken.
    """
    by, reference = reasoned(by), read_reference(reference)
    payments.check_recipient(wanted.customer, wanted.to, takes=wanted.takes)
    made = ledger.take if wanted.takes else ledger.give
    one = made(wanted.customer, wanted.amount, by.reason)
    async with connection.transaction():
        await rows.hold(connection, TransferKind.ADJUSTMENT, reference)
        if wanted.to is not None:
            await customers.lock(connection, sorted((wanted.customer, wanted.to)))
        booking = await _once(connection, one, reference, by, AuditAction.CUSTOMER_ADJUST, wanted.corrects, wanted.to)
        if wanted.to is not None and booking.fresh:
            funds = await lock_funds(connection, wanted.to)
            given = ledger.give(wanted.to, wanted.amount, by.reason)
            transfer, changes = await _book(connection, given, funds, by, wanted.corrects)
            context = {**_context(given, reference, transfer, wanted.corrects), "from": wanted.customer}
            entry = AuditEntry(str(wanted.to), changes, context)
            await audit.note(connection, by, AuditAction.CUSTOMER_ADJUST, [entry])
    return booking


async def _once(
    connection: Connection,
    one: Transfer,
    reference: str,
    by: By,
    action: AuditAction,
    corrects: int | None = None,
    to: CustomerId | None = None,
) -> Booking:
    """Books a transfer in the caller's transaction, under a reference that stands for nothing else. ``to`` is who gets
    what it takes."""
    check_amount(one.amount)
    reference = read_reference(reference)
    await rows.hold(connection, one.kind, reference)
    funds = await lock_funds(connection, one.customer)
    before = await rows.referred(connection, one.kind, reference)
    if before is not None:
        if before != BookedReference(before.transfer, one.debit, one.credit, one.amount, corrects, to):
            raise OperatorRefusal(RefusalCode.REFERENCE_MISMATCH, reference=reference, transfer=before.transfer)
        return Booking(before.transfer, fresh=False)
    await _check_twin(connection, one, reference, corrects)
    if corrects is not None:
        found = await rows.correctable(connection, corrects)
        payments.check_correction(found, one.customer, one.amount, takes=one.debit > 0)
    _check_funds(one, funds)
    transfer, changes = await _book(connection, one, funds, by, corrects)
    booked = BookedReference(transfer, one.debit, one.credit, one.amount, corrects, to)
    await rows.refer(connection, one.kind, reference, booked)
    entry = AuditEntry(str(one.customer), changes, _context(one, reference, transfer, corrects))
    await audit.note(connection, by, action, [entry])
    return Booking(transfer, fresh=True)


async def _check_twin(connection: Connection, one: Transfer, reference: str, corrects: int | None) -> None:
    """Raises OperatorRefusal where the like was booked under a reference that differs in case alone."""
    same = await rows.same_transfer(connection, one, reference, corrects)
    if same is not None:
        raise OperatorRefusal(RefusalCode.REFERENCE_TWIN, transfer=same[0], reference=same[1])


def _check_funds(one: Transfer, funds: Funds) -> None:
    """A payout takes only the customer's own, an adjustment what could be ordered for, a chargeback anything."""
    match one.kind:
        case TransferKind.PAYOUT:
            most = funds.balance
        case TransferKind.ADJUSTMENT if one.debit > 0:
            most = funds.available
        case _:
            return
    if one.amount > most:
        raise OperatorRefusal(RefusalCode.NOT_THAT_MUCH, customer=one.customer, left=short(max(Money(0), most)))


def _context(one: Transfer, reference: str, transfer: int, corrects: int | None) -> Context:
    told = {"amount": one.amount, "reference": reference, "transfer": transfer}
    return told if corrects is None else {**told, "corrects": corrects}


async def set_credit_limit(connection: Connection, customer: CustomerId, limit: Money, reference: str, by: By) -> bool:
    """Says how far below 0 a customer's orders may bring its balance; False where the same was told before.

    Raises OperatorRefusal where the reference stands for another limit, or the customer owes more than the new one.
    """
    by, reference = reasoned(by), read_reference(reference)
    check_amount(limit, NOTHING)
    async with connection.transaction():
        await rows.hold(connection, "credit_limit", reference)
        funds = await lock_funds(connection, customer)
        before = await rows.credit_limit_of(connection, reference)
        if before is not None:
            if before != (customer, limit):
                raise OperatorRefusal(RefusalCode.LIMIT_MISMATCH, reference=reference, customer=before[0])
            return False
        owed = -funds.balance - funds.overdrawn
        if limit < owed:
            raise OperatorRefusal(RefusalCode.OWES_MORE, customer=customer, owed=short(Money(owed)))
        after = structs.replace(funds, credit_limit=limit).moved(0)
        await rows.set_credit_limit(connection, customer, after, reference, by)
        changes: dict[str, tuple[object, object]] = {"credit_limit": (funds.credit_limit, limit)}
        if funds.overdrawn != after.overdrawn:
            changes["overdrawn"] = funds.overdrawn, after.overdrawn
        entry = AuditEntry(str(customer), changes, {"reference": reference})
        await audit.note(connection, by, AuditAction.CUSTOMER_CREDIT_LIMIT, [entry])
    return True
