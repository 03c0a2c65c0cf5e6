"""Limits on providers' responses, in bytes and in JSON values, by the need of the request.

A value costs about a microsecond and a hundred bytes to decode, and four kilobytes of gzip can hold a million.
"""

from typing import Final

from msgspec import Struct

from opensmm.domain.provider_services import MAX_LISTED_SERVICES
from opensmm.domain.requests import (
    MAX_IDS,
    CancelOrders,
    GetRefillStatus,
    GetStatus,
    ListServices,
    Request,
    RequestRefills,
)
from opensmm.domain.subscriptions import MOST_LISTED

LINE_VALUES: Final = 64
"""Values of one order, refill or cancel. A documented line has seven."""
LINE_BYTES: Final = 4 << 10
OFFER_VALUES: Final = 24
"""Values of one service, in a list of the greatest length. Services of shorter lists may have more."""


class ResponseLimit(Struct, frozen=True):
    """The bytes and JSON values of the largest response that is read. Commas within texts count as values."""

    size: int
    values: int


ALONE: Final = ResponseLimit(64 << 10, 1000)
"""The limit of responses about one thing, such as an order's id or a balance. Most of it is room for notices."""
POSTS: Final = ResponseLimit(4 << 20, MAX_IDS * (LINE_VALUES + MOST_LISTED))
"""The limit of statuses of subscriptions, which list the orders made for their posts."""
PRICE_LIST: Final = ResponseLimit(30 << 20, MAX_LISTED_SERVICES * OFFER_VALUES)


def response_limit(request: Request) -> ResponseLimit:
    if isinstance(request, ListServices):
        return PRICE_LIST
    if isinstance(request, GetStatus) and request.extended:
        return POSTS
    if isinstance(request, GetStatus | RequestRefills | CancelOrders):
        lines = len(request.orders.texts)
    else:
        lines = len(request.refills.texts) if isinstance(request, GetRefillStatus) else 0
    return ResponseLimit(ALONE.size + lines * LINE_BYTES, ALONE.values + lines * LINE_VALUES)


def count_values(body: bytes) -> int:
    """Returns an upper bound of the values in a body, without decoding it."""
    # Each element of an array, and each member of an object, follows one of these bytes.
    return len(body) - len(body.translate(None, b"{[,"))
