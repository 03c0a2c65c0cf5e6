"""The panel's currency: one for every balance, rate and charge."""

import re
from typing import Final

from opensmm.domain.codes import OperatorRefusal, RefusalCode

_CODE: Final = re.compile("[A-Z]{3}")


def currency_code(text: str) -> str:
    """Returns a currency's three letters as capitals; raises OperatorRefusal for anything else."""
    code = text.strip().upper()
    if _CODE.fullmatch(code) is None:
        raise OperatorRefusal(RefusalCode.BAD_CURRENCY, currency=text)
    return code
