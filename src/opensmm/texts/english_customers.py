"""The English texts of refusals about customers, their keys and their money."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.operator_refusals import RefusalCode
from opensmm.texts.template import Words

CUSTOMER_REFUSALS: Final[Mapping[RefusalCode, Words]] = {
    RefusalCode.CUSTOMER_EXISTS: Words("A customer called {name} already exists."),
    RefusalCode.KEY_EXISTS: Words("This key already exists."),
    RefusalCode.NO_LIVE_KEY: Words("There is no key {key}, or it was revoked."),
    RefusalCode.BAD_KEY: Words("An imported key must have {least} to {most} visible ASCII characters."),
    RefusalCode.BAD_KEY_ADDRESS: Words(
        "{address} is not an IP address. A key can be bound to single addresses, not to networks."
    ),
    RefusalCode.TOO_MANY_KEY_ADDRESSES: Words("A key can be bound to at most {most} addresses."),
    RefusalCode.BAD_AMOUNT: Words("{amount} is not an amount with at most {decimals} decimals."),
    RefusalCode.NOT_ANOTHERS: Words(
        "A correction can pass money on only from customer {customer}, and only to a different customer."
    ),
}
