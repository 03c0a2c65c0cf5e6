"""Amounts of money as typed by a person."""

from typing import Final

from opensmm.base.money import DECIMALS, Money, format_amount, money
from opensmm.domain.codes import FieldCode
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode

MAX_AMOUNT: Final = money("1000000000000")
SMALLEST: Final = Money(1)
NOTHING: Final = Money(0)


def read_amount(text: str, least: Money = NOTHING) -> Money:
    """Reads an exact amount such as ``"25.00"``; raises OperatorRefusal if it is no amount, or out of bounds."""
    try:
        amount = money(text)
    except (ValueError, ArithmeticError) as error:
        raise OperatorRefusal(RefusalCode.BAD_AMOUNT, amount=text, decimals=DECIMALS) from error
    check_amount(amount, least)
    return amount


def check_amount(amount: Money, least: Money = SMALLEST) -> None:
    """Raises OperatorRefusal for an amount that is not from ``least`` to ``MAX_AMOUNT``."""
    if not least <= amount <= MAX_AMOUNT:
        bounds = {"least": format_amount(least), "most": format_amount(MAX_AMOUNT)}
        raise OperatorRefusal(RefusalCode.FIELD_OUT_OF_RANGE, field=FieldCode.AMOUNT, **bounds)
