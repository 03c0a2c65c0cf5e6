"""What an order costs, and what of it goes back. The one place where a price is computed."""

from decimal import Decimal
from typing import Final

from opensmm.base.money import PER_WHOLE, Money

RATE_BELOW: Final = Decimal(10**9)


def charge(rate: Decimal, billed: int, *, packaged: bool = False) -> Money:
    """``rate × billed ÷ 1000`` rounded up to 5 decimals; a package costs its rate each. Exact for any digits.

    Rounding up keeps a split order from ever being cheaper than the whole: ceil(a) + ceil(b) ≥ ceil(a + b).
    """
    numerator, denominator = rate.as_integer_ratio()
    per_unit = PER_WHOLE if packaged else PER_WHOLE // 1000
    return Money(-(-numerator * billed * per_unit // denominator))


def earned(rate: Decimal, quantity: int, run: int, delivered: int, *, packaged: bool = False) -> Money:
    """What ``delivered`` units of run ``run`` (from 1, of ``quantity`` units) have earned.

    With ``delivered == quantity`` this is the run's share; the shares of all runs add up to the order's charge,
    so that what is given back telescopes and never exceeds it.
    """
    before = quantity * (run - 1)
    upto = charge(rate, before + delivered, packaged=packaged)
    return Money(upto - charge(rate, before, packaged=packaged))
