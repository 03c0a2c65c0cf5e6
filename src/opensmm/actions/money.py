"""Transfers by the operator: each is one transaction with an audit row, booked once under its reference."""

from msgspec import Struct, structs

from opensmm.base.ids import CustomerId
from opensmm.base.money import Money, format_amount
from opensmm.domain import ledger, payments
from opensmm.domain.amounts import NOTHING, check_amount
from opensmm.domain.audit import AuditAction, AuditEntry, By, Changes, Context, with_reason
from opensmm.domain.ledger import Funds, Transfer, TransferKind
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.payments import Payment, read_reference
from opensmm.store import audit, customers
from opensmm.store import payments as rows
from opensmm.store.connection import Connection
from opensmm.store.payments import BookedReference


class Booking(Struct, frozen=True):
    """A transfer. ``fresh`` is False if it had been booked before."""

    transfer: int
    fresh: bool


async def top_up(
    connection: Connection, customer: CustomerId, amount: Money, payment: Payment, by: By, *, different: bool = False
) -> Booking:
    """Books a payment. ``different``: it is another payment than the booked one whose id differs only in case.

    Raises OperatorRefusal if there is no such customer, if the payment was booked with another amount or for another
    customer, or if a payment whose id differs only in case was booked and ``different`` is not set.
    """
    check_amount(amount)
    async with connection.transaction():
        # Two reports of the same payment wait for each other here.
        await rows.lock_reference(connection, payment.gateway, payment.external_id)
        funds = await lock_funds(connection, customer)
        deposits = await rows.list_same_deposits(connection, payment)
        before = payments.find_booked(payment, deposits, different=different)
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
    """Books a payment that was not booked before, in the caller's transaction; returns the transfer's id."""
    transfer = ledger.top_up(customer, amount, f"{payment.gateway} {payment.external_id}")
    transfer_id, changes = await _book(connection, transfer, funds, by)
    await rows.add_deposit(connection, payment, transfer_id)
    context = {
        "amount": amount,
        "gateway": payment.gateway,
        "external_id": payment.external_id,
        "transfer": transfer_id,
    }
    await audit.note(connection, by, AuditAction.CUSTOMER_TOPUP, [AuditEntry(str(customer), changes, context)])
    return transfer_id


async def lock_funds(connection: Connection, customer: CustomerId) -> Funds:
    """Locks a customer and returns its funds. Raises OperatorRefusal if there is no such customer."""
    funds = await rows.lock_funds(connection, customer)
    if funds is None:
        raise OperatorRefusal(RefusalCode.NO_CUSTOMER, customer=customer)
    return funds


async def _book(
    connection: Connection, transfer: Transfer, funds: Funds, by: By, corrects: int | None = None
) -> tuple[int, Changes]:
    """Writes a transfer; returns its id and the changes of the customer, for the audit trail."""
    moved = transfer.amount if transfer.credit == ledger.account(transfer.customer) else -transfer.amount
    after = funds.moved(moved, charged_back=transfer.kind is TransferKind.CHARGEBACK)
    transfer_id = await rows.book(connection, transfer, corrects, after.overdrawn, by.now)
    changes: dict[str, tuple[object, object]] = {"balance": (funds.balance, after.balance)}
    if funds.overdrawn != after.overdrawn:
        changes["overdrawn"] = funds.overdrawn, after.overdrawn
    return transfer_id, changes


async def bonus(connection: Connection, customer: CustomerId, amount: Money, reference: str, by: By) -> Booking:
    """Gives a customer some of the house's money."""
    by = with_reason(by)
    transfer = ledger.bonus(customer, amount, by.reason)
    async with connection.transaction():
        return await _book_once(connection, transfer, reference, by, AuditAction.CUSTOMER_BONUS)


async def pay_out(connection: Connection, customer: CustomerId, amount: Money, reference: str, by: By) -> Booking:
    """Books money that was sent back to a customer. Raises OperatorRefusal if its balance is below that."""
    by = with_reason(by)
    transfer = ledger.pay_out(customer, amount, by.reason)
    async with connection.transaction():
        return await _book_once(connection, transfer, reference, by, AuditAction.CUSTOMER_PAYOUT)


async def charge_back(
    connection: Connection, payment: Payment, amount: Money | None, reference: str, by: By
) -> Booking:
    """Takes back a payment, or a part of it, as its gateway did, even if the customer has spent it.

    If ``reference`` is empty, the payment is charged back once. Raises OperatorRefusal if no such payment was booked,
    or less of it is left than ``amount``.
    """
    by, reference = with_reason(by), reference or payments.chargeback_reference(payment)
    async with connection.transaction():
        deposits = await rows.list_same_deposits(connection, payment)
        booked = payments.find_booked(payment, deposits, different=True)
        if booked is None:
            raise OperatorRefusal(RefusalCode.NO_PAYMENT, gateway=payment.gateway, external_id=payment.external_id)
        transfer = ledger.charge_back(booked.customer, booked.amount if amount is None else amount, by.reason)
        return await _book_once(connection, transfer, reference, by, AuditAction.CUSTOMER_CHARGEBACK, booked.transfer)


class Adjustment(Struct, frozen=True):
    """A correction of the transfer ``corrects``, which takes money from its customer or gives it more.

    The money taken may go ``to`` another customer, to whom it belongs.
    """

    corrects: int
    customer: CustomerId
    amount: Money
    takes: bool
    to: CustomerId | None = None


async def adjust(connection: Connection, adjustment: Adjustment, reference: str, by: By) -> Booking:
    """Corrects a transfer by another one that names it.

    Raises OperatorRefusal if the transfer is not the customer's, belongs to an order, or would be reversed by more
    than it moved, or if the customer has less money than is to be taken.
    """
    by, reference = with_reason(by), read_reference(reference)
    payments.check_recipient(adjustment.customer, adjustment.to, takes=adjustment.takes)
    build = ledger.take if adjustment.takes else ledger.give
    transfer = build(adjustment.customer, adjustment.amount, by.reason)
    async with connection.transaction():
        await rows.lock_reference(connection, TransferKind.ADJUSTMENT, reference)
        if adjustment.to is not None:
            # Always in the order of their ids, so that two adjustments cannot deadlock.
            await customers.lock(connection, sorted((adjustment.customer, adjustment.to)))
        booking = await _book_once(
            connection, transfer, reference, by, AuditAction.CUSTOMER_ADJUST, adjustment.corrects, adjustment.to
        )
        if adjustment.to is not None and booking.fresh:
            funds = await lock_funds(connection, adjustment.to)
            given = ledger.give(adjustment.to, adjustment.amount, by.reason)
            transfer_id, changes = await _book(connection, given, funds, by, adjustment.corrects)
            context = {
                **_build_context(given, reference, transfer_id, adjustment.corrects),
                "from": adjustment.customer,
            }
            entry = AuditEntry(str(adjustment.to), changes, context)
            await audit.note(connection, by, AuditAction.CUSTOMER_ADJUST, [entry])
    return booking


async def _book_once(
    connection: Connection,
    transfer: Transfer,
    reference: str,
    by: By,
    action: AuditAction,
    corrects: int | None = None,
    to: CustomerId | None = None,
) -> Booking:
    """Books a transfer in the caller's transaction, once under its reference. ``to`` receives the money it takes.

    Raises OperatorRefusal if the reference stands for another transfer.
    """
    check_amount(transfer.amount)
    reference = read_reference(reference)
    await rows.lock_reference(connection, transfer.kind, reference)
    funds = await lock_funds(connection, transfer.customer)
    before = await rows.find_booked(connection, transfer.kind, reference)
    if before is not None:
        if before != BookedReference(before.transfer, transfer.debit, transfer.credit, transfer.amount, corrects, to):
            raise OperatorRefusal(RefusalCode.REFERENCE_MISMATCH, reference=reference, transfer=before.transfer)
        return Booking(before.transfer, fresh=False)
    await _check_no_variant(connection, transfer, reference, corrects)
    if corrects is not None:
        correctable = await rows.find_correctable(connection, corrects)
        payments.check_correction(correctable, transfer.customer, transfer.amount, takes=transfer.debit > 0)
    _check_funds(transfer, funds)
    transfer_id, changes = await _book(connection, transfer, funds, by, corrects)
    booked = BookedReference(transfer_id, transfer.debit, transfer.credit, transfer.amount, corrects, to)
    await rows.keep_reference(connection, transfer.kind, reference, booked)
    entry = AuditEntry(str(transfer.customer), changes, _build_context(transfer, reference, transfer_id, corrects))
    await audit.note(connection, by, action, [entry])
    return Booking(transfer_id, fresh=True)


async def _check_no_variant(connection: Connection, transfer: Transfer, reference: str, corrects: int | None) -> None:
    """Raises OperatorRefusal if the same transfer was booked under a reference that differs only in case."""
    same = await rows.find_same_transfer(connection, transfer, reference, corrects)
    if same is not None:
        raise OperatorRefusal(RefusalCode.REFERENCE_TWIN, transfer=same[0], reference=same[1])


def _check_funds(transfer: Transfer, funds: Funds) -> None:
    """Raises OperatorRefusal if a transfer takes more than it may.

    A payout may take the balance, an adjustment also the unused credit, and a chargeback anything.
    """
    match transfer.kind:
        case TransferKind.PAYOUT:
            most = funds.balance
        case TransferKind.ADJUSTMENT if transfer.debit > 0:
            most = funds.available
        case _:
            return
    if transfer.amount > most:
        raise OperatorRefusal(
            RefusalCode.NOT_THAT_MUCH, customer=transfer.customer, left=format_amount(max(Money(0), most))
        )


def _build_context(transfer: Transfer, reference: str, transfer_id: int, corrects: int | None) -> Context:
    context = {"amount": transfer.amount, "reference": reference, "transfer": transfer_id}
    return context if corrects is None else {**context, "corrects": corrects}


async def set_credit_limit(connection: Connection, customer: CustomerId, limit: Money, reference: str, by: By) -> bool:
    """Sets how far below 0 a customer's orders may bring its balance. Returns False if it was set before.

    Raises OperatorRefusal if the reference stands for another limit, or the customer owes more than the new one.
    """
    by, reference = with_reason(by), read_reference(reference)
    check_amount(limit, NOTHING)
    async with connection.transaction():
        await rows.lock_reference(connection, "credit_limit", reference)
        funds = await lock_funds(connection, customer)
        before = await rows.find_credit_limit(connection, reference)
        if before is not None:
            if before != (customer, limit):
                raise OperatorRefusal(RefusalCode.LIMIT_MISMATCH, reference=reference, customer=before[0])
            return False
        owed = -funds.balance - funds.overdrawn
        if limit < owed:
            raise OperatorRefusal(RefusalCode.OWES_MORE, customer=customer, owed=format_amount(Money(owed)))
        after = structs.replace(funds, credit_limit=limit).moved(0)
        await rows.set_credit_limit(connection, customer, after, reference, by)
        changes: dict[str, tuple[object, object]] = {"credit_limit": (funds.credit_limit, limit)}
        if funds.overdrawn != after.overdrawn:
            changes["overdrawn"] = funds.overdrawn, after.overdrawn
        entry = AuditEntry(str(customer), changes, {"reference": reference})
        await audit.note(connection, by, AuditAction.CUSTOMER_CREDIT_LIMIT, [entry])
    return True
