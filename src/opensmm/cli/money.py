"""``topup``, ``adjust``, ``chargeback``, ``payout``, ``bonus`` and ``credit-limit``: money that the operator moves."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final

import typer

from opensmm.actions import money
from opensmm.actions.money import Adjustment, Booking
from opensmm.actions.references import find_customer
from opensmm.base.ids import CustomerId
from opensmm.base.money import Money, short
from opensmm.cli.context import MISUSED, Customer, Data, Json, answer, by, fail, standing, typed, with_database
from opensmm.domain.amounts import SMALLEST, read_amount
from opensmm.domain.payments import BY_HAND, any_payment, read_payment
from opensmm.store.connection import Connection

_TO_ANOTHER: Final = "--to is for what is taken from one customer and is another's"

Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="Such as 25.00.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the transfer and in the audit trail.")]
Reference = Annotated[
    str, typer.Option("--reference", help="A name of your own for it: what bears the same one is done once.")
]
Gateway = Annotated[str, typer.Option("--gateway", help="Where the money came in; its case does not matter.")]
PaymentId = Annotated[str, typer.Option("--id", help="The gateway's own number of the payment: booked once.")]


Act = Callable[[Connection, CustomerId], Awaitable[Booking]]


def top_up(
    customer: Customer,
    value: Amount,
    external_id: PaymentId,
    gateway: Gateway = BY_HAND,
    different: Annotated[
        bool, typer.Option("--different", help="It is not the payment whose id differs from this one in case alone.")
    ] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Put a payment on a customer's balance."""
    put = typed(read_amount, value, SMALLEST)

    async def act(connection: Connection, number: CustomerId) -> Booking:
        payment = read_payment(gateway, external_id)
        return await money.top_up(connection, number, put, payment, by(), different=different)

    _move(customer, put, "booked", act, data, json=json)


def adjust(
    customer: Customer,
    value: Amount,
    corrects: Annotated[int, typer.Option("--corrects", metavar="TRANSFER", help="The transfer that was wrong.")],
    takes: Annotated[bool, typer.Option("--take/--give", help="Take it from the customer, or give it more.")],
    reference: Reference,
    reason: Reason,
    to: Annotated[str | None, typer.Option("--to", help="The customer whose it is, who gets what is taken.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Correct a transfer, such as a mistyped or misdirected top-up, with another one that names it."""
    if to is not None and not takes:
        fail(_TO_ANOTHER, MISUSED)
    moved = typed(read_amount, value, SMALLEST)

    async def act(connection: Connection, number: CustomerId) -> Booking:
        whose = None if to is None else await find_customer(connection, to)
        wanted = Adjustment(corrects, number, moved, takes, whose)
        return await money.adjust(connection, wanted, reference, by(reason))

    _move(customer, moved, "taken" if takes else "given", act, data, json=json)


def chargeback(
    gateway: Annotated[str, typer.Argument(metavar="GATEWAY", help="The gateway of the payment.")],
    external_id: Annotated[str, typer.Argument(metavar="ID", help="The gateway's number of the payment.")],
    reason: Reason,
    value: Annotated[str | None, typer.Option("--amount", help="A part of it; all of it where none is given.")] = None,
    reference: Annotated[
        str, typer.Option("--reference", help="The chargeback's own number; that of the payment where none is given.")
    ] = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Take back a payment that its gateway took back. Who has spent it cannot order until it is made up for."""
    back = None if value is None else typed(read_amount, value, SMALLEST)

    async def work(connection: Connection) -> Booking:
        return await money.charge_back(connection, any_payment(gateway, external_id), back, reference, by(reason))

    booking = with_database(standing(data), work)
    told = {"transfer": booking.transfer, "booked": booking.fresh}
    answer(told, _words(f"payment {external_id} of {gateway}: charged back", booking), json=json)


def payout(
    customer: Customer, value: Amount, reference: Reference, reason: Reason, data: Data = None, json: Json = False
) -> None:
    """Book money that you sent back to a customer, at most what is on its balance."""
    sent = typed(read_amount, value, SMALLEST)

    async def act(connection: Connection, number: CustomerId) -> Booking:
        return await money.pay_out(connection, number, sent, reference, by(reason))

    _move(customer, sent, "paid out", act, data, json=json)


def bonus(
    customer: Customer, value: Amount, reference: Reference, reason: Reason, data: Data = None, json: Json = False
) -> None:
    """Give a customer money of the house."""
    given = typed(read_amount, value, SMALLEST)

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
    """Say how far below 0 a customer's orders may bring its balance."""
    limit = typed(read_amount, value)

    async def work(connection: Connection) -> tuple[CustomerId, bool]:
        number = await find_customer(connection, customer)
        return number, await money.set_credit_limit(connection, number, limit, reference, by(reason))

    number, changed = with_database(standing(data), work)
    said = f"customer {number}: may owe {short(limit)}" + ("" if changed else "; it was set before, nothing changed")
    answer({"customer": number, "credit_limit": short(limit), "changed": changed}, said, json=json)


def _move(customer: str, moved: Money, done: str, act: Act, data: Path | None, *, json: bool) -> None:
    async def work(connection: Connection) -> tuple[CustomerId, Booking]:
        number = await find_customer(connection, customer)
        return number, await act(connection, number)

    number, booking = with_database(standing(data), work)
    told = {"customer": number, "amount": short(moved), "transfer": booking.transfer, "booked": booking.fresh}
    answer(told, _words(f"customer {number}: {short(moved)} {done}", booking), json=json)


def _words(done: str, booking: Booking) -> str:
    return f"{done}, transfer {booking.transfer}" + ("" if booking.fresh else "; it was booked before, nothing moved")
