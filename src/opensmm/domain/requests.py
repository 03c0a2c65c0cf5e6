"""Requests to the API as both dialects mean them: one type per action."""

from datetime import date
from typing import Final

from msgspec import Struct

from opensmm.base.ids import MALFORMED

MAX_IDS: Final = 100
"""Most ids in one list; a longer list is refused as a whole."""


class TypeDetails(Struct, frozen=True, omit_defaults=True):
    """Parameters that only some service types use. Absent: empty or None; not a whole number: MALFORMED.

    Lists keep the given order and spelling. A malformed ``expiry`` is ``date.min``, which lies in the past.
    """

    comments: tuple[str, ...] = ()
    usernames: tuple[str, ...] = ()
    hashtags: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    hashtag: str = ""
    username: str = ""
    media: str = ""
    answer_number: int | None = None
    min: int | None = None
    max: int | None = None
    posts: int | None = None
    old_posts: int | None = None
    delay: int | None = None
    expiry: date | None = None
    country: str = ""
    device: int | None = None
    type_of_traffic: int | None = None
    google_keyword: str = ""
    referring_url: str = ""


NO_DETAILS: Final = TypeDetails()


class AddOrder(Struct, frozen=True):
    """Request for an order. ``service`` and the other numbers are None if absent.

    ``their_service`` replaces ``service`` in our own requests to a provider, whose ids need not be numbers.
    """

    service: int | None
    link: str = ""
    quantity: int | None = None
    runs: int | None = None
    interval_min: int | None = None
    details: TypeDetails = NO_DETAILS
    idempotency_key: str = ""
    their_service: str = ""


class RequestedIds(Struct, frozen=True):
    """Ids as the caller wrote them; ``numbers`` run beside, MALFORMED if a text is no whole number.

    ``many``: the caller used the plural parameter, and gets an answer for many even for one id.
    """

    texts: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    many: bool = False


def one_id(number: int) -> RequestedIds:
    return RequestedIds(texts=(str(number),), numbers=(number,))


def many_ids(numbers: tuple[int, ...]) -> RequestedIds:
    return RequestedIds(texts=tuple(map(str, numbers)), numbers=numbers, many=True)


class ListServices(Struct, frozen=True):
    """Request for the price list; ``extended`` adds dripfeed, desc, average_time and delivery_method to v2's keys."""

    extended: bool = False


class GetStatus(Struct, frozen=True):
    """Request for statuses; ``extended`` adds quantity and link to the documented keys, and a subscription's orders."""

    orders: RequestedIds
    extended: bool = False


class ListOrders(Struct, frozen=True):
    """Request for the caller's own orders, newest first: at most ``limit``, with ids below ``before``."""

    limit: int = MAX_IDS
    before: int | None = None


class RequestRefills(Struct, frozen=True):
    orders: RequestedIds


class GetRefillStatus(Struct, frozen=True):
    """Request for refills by their ids, or, with ``order``, for that order's newest refill."""

    refills: RequestedIds = RequestedIds()
    order: RequestedIds | None = None


class CancelOrders(Struct, frozen=True):
    orders: RequestedIds


class GetBalance(Struct, frozen=True):
    pass


Request = (
    ListServices | AddOrder | GetStatus | ListOrders | RequestRefills | GetRefillStatus | CancelOrders | GetBalance
)

ACTIONS: Final = ("services", "add", "status", "orders", "refill", "refill_status", "cancel", "balance")

__all__ = [
    "ACTIONS",
    "MALFORMED",
    "MAX_IDS",
    "NO_DETAILS",
    "AddOrder",
    "CancelOrders",
    "GetBalance",
    "GetRefillStatus",
    "GetStatus",
    "ListOrders",
    "ListServices",
    "Request",
    "RequestRefills",
    "RequestedIds",
    "TypeDetails",
    "many_ids",
    "one_id",
]
