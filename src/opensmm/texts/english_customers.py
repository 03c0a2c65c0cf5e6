"""The English texts of refusals about customers, their keys and their money."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.codes import RefusalCode
from opensmm.texts.template import Words

CUSTOMER_REFUSALS: Final[Mapping[RefusalCode, Words]] = {
    RefusalCode.CUSTOMER_EXISTS: Words("There is a customer {name} already."),
    RefusalCode.KEY_EXISTS: Words("This key exists already."),
    RefusalCode.NO_LIVE_KEY: Words("There is no key {key}, or it was revoked."),
    RefusalCode.BAD_KEY: Words("A key to import has {least} to {most} visible ASCII characters."),
    RefusalCode.BAD_KEY_ADDRESS: Words("{address} is no IP address: a key is bound to single ones, not to networks."),
    RefusalCode.TOO_MANY_KEY_ADDRESSES: Words("A key is bound to at most {most} addresses."),
    RefusalCode.BAD_AMOUNT: Words("{amount} is not an amount with at most {decimals} decimals."),
    RefusalCode.NOT_ANOTHERS: Words(
        "Only what is taken from customer {customer} can be given to another one, and to another one alone."
    ),
}
