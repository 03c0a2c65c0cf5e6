"""The names of things that have a number: one type each, so that no two are mixed up."""

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
"""Stands for a given text that is no whole number. Whole numbers on the wire bear no sign, so it meets none."""


def order_key(text: str) -> str:
    """What a provider's order id is compared by: an id of digits alone has no leading zeros.

    The column ``provider_order_key`` holds the same.
    """
    return text.lstrip("0") if text.isascii() and text.isdigit() else text
