"""Types of ids, one for each kind of thing, so that type checks catch a mix-up."""

from typing import Final, NewType

CustomerId = NewType("CustomerId", int)
KeyId = NewType("KeyId", int)
PriceListId = NewType("PriceListId", int)
ServiceId = NewType("ServiceId", int)
OrderId = NewType("OrderId", int)
RefillId = NewType("RefillId", int)
ProviderId = NewType("ProviderId", int)
RuleId = NewType("RuleId", int)
UserId = NewType("UserId", int)

MALFORMED: Final = -1
"""Stands for an id that is no whole number. Numbers on the wire have no sign, so it equals none of them."""


def order_key(text: str) -> str:
    """Returns the form in which a provider's order ids are compared: a number without its leading zeros.

    The column ``provider_order_key`` stores the same form.
    """
    return text.lstrip("0") if text.isascii() and text.isdigit() else text
