"""``topup``, ``adjust``, ``chargeback``, ``payout``, ``bonus`` and ``credit-limit``: money that the operator moves."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from opensmm.actions import money
from opensmm.actions.money import Adjustment, Booking
from opensmm.actions.references import find_customer
from opensmm.base.ids import CustomerId
from opensmm.base.money import Money, format_amount
from opensmm.cli.context import (
    MISUSED,
    Customer,
    Data,
    Json,
    answer,
    by,
    fail,
    read_existing_config,
    with_database,
)
from opensmm.domain.amounts import SMALLEST, read_amount
from opensmm.domain.payments import BY_HAND, read_any_payment, read_payment
from opensmm.store.connection import Connection

_TO_ANOTHER: Final = "--to needs --take: it names the customer who gets what is taken"

Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as 25.00.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; stored with the transfer and in the audit trail.")]
Reference = Annotated[
    str, typer.Option("--reference", help="A name of your own for it; the same reference is booked only once.")
]
Gateway = Annotated[str, typer.Option("--gateway", help="The gateway that received the money; case does not matter.")]
PaymentId = Annotated[str, typer.Option("--id", help="The gateway's id of the payment, which is booked only once.")]


Act = Callable[[Connection, CustomerId], Awaitable[Booking]]


def top_up(
    customer: Customer,
    value: Amount,
    external_id: PaymentId,
    gateway: Gateway = BY_HAND,
    different: Annotated[
        bool, typer.Option("--different", help="It is not the payment whose id differs only in case.")
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Add a payment to a customer's balance."""
    put = read_amount(value, SMALLEST)

    async def act(connection: Connection, number: CustomerId) -> Booking:
        payment = read_payment(gateway, external_id)
        return await money.top_up(connection, number, put, payment, by(), different=different)

    _move(customer, put, "booked", act, data, json=json)


def adjust(
    customer: Customer,
    value: Amount,
    corrects: Annotated[int, typer.Option("--corrects", metavar="TRANSFER", help="The transfer that was wrong.")],
    takes: Annotated[
        bool, typer.Option("--take/--give", help="Take it from the customer, or give it to the customer.")
    ],
    reference: Reference,
    reason: Reason,
    to: Annotated[str | None, typer.Option("--to", help="The customer who gets what is taken.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Correct a transfer, such as a mistyped or misdirected top-up, by booking another one."""
    if to is not None and not takes:
        fail(_TO_ANOTHER, MISUSED)
    moved = read_amount(value, SMALLEST)

    async def act(connection: Connection, number: CustomerId) -> Booking:
        receiver = None if to is None else await find_customer(connection, to)
        adjustment = Adjustment(corrects, number, moved, takes, receiver)
        return await money.adjust(connection, adjustment, reference, by(reason))

    _move(customer, moved, "taken" if takes else "given", act, data, json=json)


def chargeback(
    gateway: Annotated[str, typer.Argument(metavar="GATEWAY", help="The gateway of the payment.")],
    external_id: Annotated[str, typer.Argument(metavar="ID", help="The gateway's number of the payment.")],
    reason: Reason,
    value: Annotated[str | None, typer.Option("--amount", help="A part of it; all of it by default.")] = None,
    reference: Annotated[
        str, typer.Option("--reference", help="The chargeback's own number; the payment's by default.")
    ] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Book a chargeback of a payment. A customer who has spent the money cannot order until the deficit is covered."""
    back = None if value is None else read_amount(value, SMALLEST)

    async def work(connection: Connection) -> Booking:
        return await money.charge_back(connection, read_any_payment(gateway, external_id), back, reference, by(reason))

    booking = with_database(read_existing_config(data), work)
    fields = {"transfer": booking.transfer, "booked": booking.fresh}
    answer(fields, _describe_booking(f"payment {external_id} of {gateway}: charged back", booking), json=json)


def payout(
    customer: Customer, value: Amount, reference: Reference, reason: Reason, data: Data = None, json: Json = False
) -> None:
    """Book money that you paid to a customer, at most its balance."""
    sent = read_amount(value, SMALLEST)

    async def act(connection: Connection, number: CustomerId) -> Booking:
        return await money.pay_out(connection, number, sent, reference, by(reason))

    _move(customer, sent, "paid out", act, data, json=json)


def bonus(
    customer: Customer, value: Amount, reference: Reference, reason: Reason, data: Data = None, json: Json = False
) -> None:
    """Give a customer a bonus, paid by the panel."""
    given = read_amount(value, SMALLEST)

    async def act(connection: Connection, number: CustomerId) -> Booking:
        return await money.bonus(connection, number, given, reference, by(reason))

    _move(customer, given, "given", act, data, json=json)


def credit_limit(
    customer: Customer,
    value: Annotated[str, typer.Argument(metavar="LIMIT", help="Such as 50.00; 0 for none.")],
    reference: Reference,
    reason: Reason,
    data: Data = None,
    json: Json = False,
) -> None:
    """Set how far below 0 a customer's orders may take its balance."""
    limit = read_amount(value)

    async def work(connection: Connection) -> tuple[CustomerId, bool]:
        number = await find_customer(connection, customer)
        return number, await money.set_credit_limit(connection, number, limit, reference, by(reason))

    number, changed = with_database(read_existing_config(data), work)
    text = f"customer {number}: credit limit {format_amount(limit)}" + (
        "" if changed else "; it was set already, nothing changed"
    )
    answer({"customer": number, "credit_limit": format_amount(limit), "changed": changed}, text, json=json)


def _move(customer: str, moved: Money, done: str, act: Act, data: Path | None, *, json: bool) -> None:
    async def work(connection: Connection) -> tuple[CustomerId, Booking]:
        number = await find_customer(connection, customer)
        return number, await act(connection, number)

    number, booking = with_database(read_existing_config(data), work)
    fields = {"customer": number, "amount": format_amount(moved), "transfer": booking.transfer, "booked": booking.fresh}
    answer(fields, _describe_booking(f"customer {number}: {format_amount(moved)} {done}", booking), json=json)


def _describe_booking(done: str, booking: Booking) -> str:
    return f"{done}, transfer {booking.transfer}" + ("" if booking.fresh else "; it was booked already, nothing moved")
