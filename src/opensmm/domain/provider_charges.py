"""Unit prices of a provider, learned from the charges of completed orders.

A charge may be rounded, 0, missing, the same for everything, reduced, or fall while an order is delivered. So it proves
something only if all completed orders of the same service, before and after, had the same charge per unit: then an
order with another charge is not for so many units.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Final

from msgspec import Struct

from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import StatusReport

LEAST_SAMPLES: Final = 3
"""Fewest samples on each side of an attempt; with fewer the price at that time is unknown."""


class ChargeSample(Struct, frozen=True):
    """A completed order of ours, with its charge in the provider's currency."""

    service: str
    quantity: int
    charge: Decimal
    currency: str
    sent: datetime
    answered: datetime


class UnitPrice(Struct, frozen=True):
    """The least and the most that a unit costs, if charges are rounded to ``digit``."""

    least: Fraction
    most: Fraction
    digit: Fraction
    currency: str


def find_unit_price(
    samples: Sequence[ChargeSample], service: str, quantity: int, sent: datetime, closed: datetime
) -> UnitPrice | None:
    """Returns the price of a service while an order for ``quantity`` was sent; None if the samples around it show none.

    The samples are all for that quantity, or for several: then the charge is known to grow with it.
    """
    matching = [sample for sample in samples if sample.service == service]
    before = sum(sample.answered < sent for sample in matching)
    after = sum(sample.sent > closed for sample in matching)
    quantities, currencies = {sample.quantity for sample in matching}, {sample.currency for sample in matching}
    if (
        min(before, after) < LEAST_SAMPLES
        or len(currencies) != 1
        or (len(quantities) == 1 and quantity not in quantities)
    ):
        return None
    digit = min(_last_digit(sample.charge) for sample in matching)
    least = max((Fraction(sample.charge) - digit) / sample.quantity for sample in matching)
    most = min((Fraction(sample.charge) + digit) / sample.quantity for sample in matching)
    return UnitPrice(least, most, digit, *currencies) if 0 < least <= most else None


def _last_digit(charge: Decimal) -> Fraction:
    """Returns the value of a charge's last digit."""
    exponent = charge.as_tuple().exponent
    return Fraction(10) ** exponent if isinstance(exponent, int) else Fraction(1)


def is_comparable(report: StatusReport, price: UnitPrice) -> bool:
    """True if a report's charge can be compared with a unit price.

    A charge before completion may be for what has been delivered so far, so only completed orders count. A charge
    without a currency is in the provider's own, as the samples are.
    """
    has_charge = report.status is OrderStatus.COMPLETED and report.charge is not None and report.charge > 0
    return has_charge and report.currency in ("", price.currency)


def may_cost(price: UnitPrice, quantity: int, report: StatusReport) -> bool:
    """True if the report can be of a completed order for so many units."""
    return quantity * price.least - price.digit <= (report.charge or 0) <= quantity * price.most + price.digit
