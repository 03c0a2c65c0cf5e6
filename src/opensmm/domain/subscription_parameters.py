"""Parameters of an order for a subscription, which are about posts yet to be made."""

from datetime import date
from typing import Final

from msgspec import structs

from opensmm.domain import links
from opensmm.domain.catalogue import Service, check_range
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import MALFORMED, AddOrder, TypeDetails

DELAYS_MIN: Final = frozenset(
    (0, 5, 10, 15, 20, 30, 40, 50, 60, 90, 120, 150, 180, 210, 240, 270, 300, 360, 420, 480, 540, 600)
)
"""Delays that the published page allows."""


def without_zero_posts(request: AddOrder) -> AddOrder:
    """Reads posts=0 as no bound, unless old posts are requested beside it.

    Panels of the v1 family mean it so.
    """
    details = request.details
    if details.posts != 0 or details.old_posts is not None:
        return request
    return structs.replace(request, details=structs.replace(details, posts=None))


def check(details: TypeDetails, service: Service, today: date) -> Refused | None:
    """Checks the parameters in the page's order, then that each post's quantity is in the service's range."""
    return (
        _check_own(details)
        or _check_optional_number(details.posts, "posts")
        or _check_optional_number(details.old_posts, "old_posts")
        or _check_times(details, today)
        or check_range(service, details.min or 0, details.max or 0)
    )


def _check_own(details: TypeDetails) -> Refused | None:
    if not links.is_word(details.username):
        return Refused(Refusal.PARAMETER, "username")
    if details.min is None or details.min == MALFORMED:
        return Refused(Refusal.PARAMETER, "min")
    if details.max is None or details.max == MALFORMED or details.max < details.min:
        return Refused(Refusal.PARAMETER, "max")
    return None


def _check_optional_number(number: int | None, name: str) -> Refused | None:
    return Refused(Refusal.PARAMETER, name) if number == MALFORMED else None


def _check_times(details: TypeDetails, today: date) -> Refused | None:
    if (details.delay or 0) not in DELAYS_MIN:
        return Refused(Refusal.PARAMETER, "delay")
    if details.expiry is not None and details.expiry <= today:
        return Refused(Refusal.PARAMETER, "expiry")
    return None
