"""What a provider offers: its price list as it was understood."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.base.ids import ProviderId
from opensmm.domain.audit import Changes
from opensmm.domain.catalogue import ServiceType
from opensmm.domain.codes import LineFault, Oddity, OperatorRefusal, RefusalCode

MAX_OFFERS: Final = 100_000
"""Lines of a provider's price list; a longer one is not read."""
MAX_ROUTES: Final = 20
"""Providers of one service."""
MAX_SERVICE_ID: Final = 64
"""Characters of a provider's own id of a service."""


class Offer(Struct, frozen=True):
    """One line. ``service`` is the provider's own number, ``type`` None where its word is none of the trade's.

    ``rate`` is per 1000 (of a package: for one) in the provider's currency. A flag is None where the list does not
    say: neither dialect tells all three.
    """

    service: str
    name: str
    category: str
    type: ServiceType | None
    rate: Decimal
    min: int
    max: int
    refill: bool | None = None
    cancel: bool | None = None
    dripfeed: bool | None = None
    description: str = ""


class Unread(Struct, frozen=True):
    """A line that is left out, and why. ``service`` is empty where no number of it was read."""

    service: str
    name: str
    why: LineFault


class Offered(Struct, frozen=True):
    """A whole list: the lines that were understood, and those that were not. ``odd`` tells of both, the first of each
    kind; ``dialect`` is that of its words."""

    offers: tuple[Offer, ...]
    odd: tuple[Oddity, ...] = ()
    dialect: str = ""
    unread: tuple[Unread, ...] = ()


class Off(StrEnum):
    """Why a route is not used: the provider lists it no more, lists it as another type, or its cost has moved too far
    while another route serves."""

    GONE = "gone"
    TYPE = "type"
    MOVED = "moved"


class RouteTo(Struct, frozen=True):
    """A provider of a service, and the provider's own number of it."""

    provider: ProviderId
    provider_service: str


def check_provider_service(text: str) -> None:
    """Raises OperatorRefusal for a text that is no provider's own id of a service."""
    if not (text.isascii() and text.isprintable() and 0 < len(text) <= MAX_SERVICE_ID):
        raise OperatorRefusal(RefusalCode.BAD_PROVIDER_SERVICE, most=MAX_SERVICE_ID)


def check_routes(routes: Sequence[RouteTo]) -> None:
    """Raises OperatorRefusal for routes that no service can have."""
    if len(routes) > MAX_ROUTES or len(set(routes)) < len(routes):
        raise OperatorRefusal(RefusalCode.BAD_ROUTES, most=MAX_ROUTES)


def cheapest_first(routes: Sequence[RouteTo], costs: Mapping[RouteTo, Decimal]) -> list[RouteTo]:
    """Routes by what they cost in the panel's currency; those of unknown cost come last, in the order they stood."""
    known = sorted((route for route in routes if route in costs), key=lambda route: costs[route])
    return [*known, *(route for route in routes if route not in costs)]


def routes_changed(before: Sequence[RouteTo], after: Sequence[RouteTo]) -> Changes:
    """What the audit trail tells of a service's routes, each as ``provider:service``; nothing where none changed."""
    was, told = ([f"{one.provider}:{one.provider_service}" for one in routes] for routes in (before, after))
    return {} if was == told else {"routes": (was, told)}
