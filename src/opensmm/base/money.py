"""Money is an ``int`` in units of 10⁻⁵ of the panel's currency, so that stored and written amounts are equal."""

import re
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Final, NewType

Money = NewType("Money", int)

UNIT: Final = Decimal("0.00001")
PER_WHOLE: Final = 100_000
DECIMALS: Final = 5
_PLAIN: Final = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,30})?")


def ceiling(amount: Decimal, rate: Decimal = Decimal(1)) -> Money:
    """Returns ``amount`` × ``rate``, rounded up to whole units; exact up to 100 digits."""
    with localcontext() as exact:
        exact.prec = 100
        return Money(int((amount * rate * PER_WHOLE).to_integral_value(rounding=ROUND_CEILING)))


def parse_decimal(text: str) -> Decimal:
    """Reads a plain decimal number such as ``"0.90"``; raises ValueError for 1e3, 1_0 and ١٠, which Python accepts."""
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    return Decimal(text)


def money(text: str) -> Money:
    """Reads an exact amount such as ``"10.00"``; raises ValueError if it has more than 5 decimals."""
    amount = parse_decimal(text)
    if amount != amount.quantize(UNIT):
        raise ValueError(f"{text!r} is not an amount with at most {DECIMALS} decimals")
    return ceiling(amount)


def five_decimals(amount: Money) -> str:
    """Writes a charge as v2 does: ``27819`` → ``"0.27819"``."""
    digits = str(abs(amount)).zfill(6)
    return f"{'-' if amount < 0 else ''}{digits[:-5]}.{digits[-5:]}"


def four_decimals_up(amount: Money) -> str:
    """Writes a charge as v1 does, rounded up: ``3600`` → ``"0.0360"``."""
    digits = str(-(-amount // 10)).zfill(5)
    return f"{digits[:-4]}.{digits[-4:]}"


def format_amount(amount: Money) -> str:
    """Writes a balance with two to five decimals: ``10084292`` → ``"100.84292"``, ``3000`` → ``"0.03"``."""
    text = five_decimals(amount)
    return text[: max(len(text.rstrip("0")), len(text) - 3)]
