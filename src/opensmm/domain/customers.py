"""Rules for customers' names."""

from typing import Final

from opensmm.domain.names import check_name
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode

MAX_NAME: Final = 100
HOUSE: Final = "The house: refills"
"""The customer that owns the orders which the house buys for refills. No other customer may have this name."""


def check_customer_name(name: str) -> None:
    """Raises OperatorRefusal for a name that no new customer may have."""
    check_name(name, MAX_NAME)
    if name == HOUSE:
        raise OperatorRefusal(RefusalCode.CUSTOMER_EXISTS, name=name)
