"""Money is an ``int`` that counts 10⁻⁵ of the panel's currency: what is stored is what is said on the wire."""

import re
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Final, NewType

Money = NewType("Money", int)

UNIT: Final = Decimal("0.00001")
PER_WHOLE: Final = 100_000
DECIMALS: Final = 5
_PLAIN: Final = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")


def ceiling(amount: Decimal, rate: Decimal = Decimal(1)) -> Money:
    """The least money that is not less than ``amount`` at an exchange rate, exact whatever the digits."""
    with localcontext() as exact:
        exact.prec = 100
        return Money(int((amount * rate * PER_WHOLE).to_integral_value(rounding=ROUND_CEILING)))


def plain(text: str) -> Decimal:
    """Reads a number written plainly, such as ``"0.90"``; raises ValueError. Python would read 1e3, 1_0 and ١٠."""
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    return Decimal(text)


def money(text: str) -> Money:
    """Reads an exact amount such as ``"10.00"``; raises ValueError where it has more than 5 decimals."""
    amount = plain(text)
    if amount != amount.quantize(UNIT):
        raise ValueError(f"{text!r} is not an amount with at most {DECIMALS} decimals")
    return ceiling(amount)


def five_decimals(amount: Money) -> str:
    """``27819`` → ``"0.27819"``: how v2 writes a charge."""
    digits = str(abs(amount)).zfill(6)
    return f"{'-' if amount < 0 else ''}{digits[:-5]}.{digits[-5:]}"


def four_decimals_up(amount: Money) -> str:
    """``3600`` → ``"0.0360"``: how v1 writes a charge, never less than what was charged."""
    digits = str(-(-amount // 10)).zfill(5)
    return f"{digits[:-4]}.{digits[-4:]}"


def short(amount: Money) -> str:
    """``10084292`` → ``"100.84292"``, ``3000`` → ``"0.03"``: how a balance is written, with two to five decimals."""
    text = five_decimals(amount)
    kept = text.rstrip("0")
    return text[: max(len(kept), len(text) - 3)]
