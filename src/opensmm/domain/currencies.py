"""Currency codes: of the panel, which has one for all balances, rates and charges, and of its providers."""

import re
from typing import Final

from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode

_CODE: Final = re.compile("[A-Za-z]{3}")


def currency_code(text: str) -> str:
    """Returns a currency's three letters in upper case; raises OperatorRefusal for anything else."""
    if _CODE.fullmatch(text) is None:
        raise OperatorRefusal(RefusalCode.BAD_CURRENCY, currency=text)
    return text.upper()
