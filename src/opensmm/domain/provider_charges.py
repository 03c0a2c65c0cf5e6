"""What a provider charges, as far as it can be learned from what it said of the orders that it completed.

A ``charge`` may be rounded, 0, missing, the same for everything, reduced, or fall while an order is delivered. So it
tells something only where all completed orders of the same service, before and after, were charged the same for a unit:
then one that costs something else is not an order for so many units.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from msgspec import Struct

from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import StatusReport

BILLS: Final = 3
"""On each side of an attempt: with fewer nothing is said to be the price at that time."""


class ChargeSample(Struct, frozen=True):
    """An order of ours that was completed, and its charge in the provider's currency."""

    service: str
    quantity: int
    charge: Decimal
    currency: str
    sent: datetime
    answered: datetime


class UnitPrice(Struct, frozen=True):
    """What a unit costs at least and at most, given that charges are rounded to ``digit``."""

    least: Fraction
    most: Fraction
    digit: Fraction
    currency: str


def price(
    bills: Sequence[ChargeSample], service: str, quantity: int, sent: datetime, closed: datetime
) -> UnitPrice | None:
    """The price of a service while an order for ``quantity`` was sent; None where the bills around it show none.

    Either every bill is for that very quantity, or they are for several: then the charge is known to grow with it.
    """
    alike = [bill for bill in bills if bill.service == service]
    before = sum(bill.answered < sent for bill in alike)
    after = sum(bill.sent > closed for bill in alike)
    quantities, currencies = {bill.quantity for bill in alike}, {bill.currency for bill in alike}
    if min(before, after) < BILLS or len(currencies) != 1 or (len(quantities) == 1 and quantity not in quantities):
        return None
    digit = min(_digit(bill.charge) for bill in alike)
    least = max((Fraction(bill.charge) - digit) / bill.quantity for bill in alike)
    most = min((Fraction(bill.charge) + digit) / bill.quantity for bill in alike)
    return UnitPrice(least, most, digit, *currencies) if 0 < least <= most else None


def _digit(charge: Decimal) -> Fraction:
    """The last digit that was told."""
    exponent = charge.as_tuple().exponent
    return Fraction(10) ** exponent if isinstance(exponent, int) else Fraction(1)


def compares(report: StatusReport, price: UnitPrice) -> bool:
    """What is not completed may be charged for what has been delivered of it, and nobody says how much that is.

    A charge without a currency is in the provider's own, as it is in the bills.
    """
    told = report.status is OrderStatus.COMPLETED and report.charge is not None and report.charge > 0
    return told and report.currency in ("", price.currency)


def may_cost(price: UnitPrice, quantity: int, report: StatusReport) -> bool:
    """Whether this can be a completed order for so many units."""
    return quantity * price.least - price.digit <= (report.charge or 0) <= quantity * price.most + price.digit
