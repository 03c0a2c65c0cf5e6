"""How much of an answer is read: what its ask can need, in bytes and in values.

A value costs about a microsecond and a hundred bytes to understand, and four kilobytes of gzip can hold a million.
"""

from typing import Final

from msgspec import Struct

from opensmm.domain.provider_services import MAX_OFFERS
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
"""Of one order, refill or cancel; a documented line has seven."""
LINE_BYTES: Final = 4 << 10
OFFER_VALUES: Final = 24
"""Of one service, in a list of as many as are allowed; shorter lists may tell more of each."""


class ResponseLimit(Struct, frozen=True):
    """What is longer, or holds more, is not understood. Commas of texts and of notices count among the values."""

    size: int
    values: int


ALONE: Final = ResponseLimit(64 << 10, 1000)
"""Answers that tell one thing: an order's id, a balance. The rest leaves room for notices."""
POSTS: Final = ResponseLimit(4 << 20, MAX_IDS * (LINE_VALUES + MOST_LISTED))
"""Subscriptions list the orders made for their posts."""
PRICE_LIST: Final = ResponseLimit(30 << 20, MAX_OFFERS * OFFER_VALUES)


def bound_of(request: Request) -> ResponseLimit:
    if isinstance(request, ListServices):
        return PRICE_LIST
    if isinstance(request, GetStatus) and request.extended:
        return POSTS
    if isinstance(request, GetStatus | RequestRefills | CancelOrders):
        lines = len(request.orders.texts)
    else:
        lines = len(request.refills.texts) if isinstance(request, GetRefillStatus) else 0
    return ResponseLimit(ALONE.size + lines * LINE_BYTES, ALONE.values + lines * LINE_VALUES)


def values(body: bytes) -> int:
    """How many values a body can hold at most, told without decoding it."""
    return len(body) - len(body.translate(None, b"{[,"))
