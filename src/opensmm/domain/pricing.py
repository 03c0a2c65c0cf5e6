"""Prices: the charge of an order, and resale rates. How much of a charge is refunded is in ``settlement``."""

from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Final

from msgspec import Struct

from opensmm.base.money import PER_WHOLE, Money

RATE_BELOW: Final = Decimal(10**9)
MAX_DECIMALS: Final = 8
"""Decimal places that a resale rate may be rounded to."""


class PriceTerms(Struct, frozen=True):
    """Terms that turn a provider's rate into ours: × exchange rate, plus per cent, plus a fixed amount, rounded up."""

    exchange_rate: Decimal
    percent: Decimal = Decimal(0)
    fixed: Decimal = Decimal(0)
    decimals: int = 4


def charge(rate: Decimal, billed: int, *, packaged: bool = False) -> Money:
    """Returns ``rate × billed ÷ 1000``, rounded up to 5 decimals; a package costs its rate each.

    It is exact for any digits. Rounding up makes a split order never cheaper than the whole: ceil(a) + ceil(b) ≥ ceil(a
    + b).
    """
    numerator, denominator = rate.as_integer_ratio()
    per_unit = PER_WHOLE if packaged else PER_WHOLE // 1000
    return Money(-(-numerator * billed * per_unit // denominator))


def resale_rate(rate: Decimal, terms: PriceTerms) -> Decimal:
    """Returns our rate for a provider's rate. It is rounded up, so that rounding costs no margin."""
    with localcontext() as exact:
        exact.prec = 60
        raised = rate * terms.exchange_rate * (100 + terms.percent) / 100 + terms.fixed
        return raised.quantize(Decimal(1).scaleb(-terms.decimals), rounding=ROUND_CEILING)
