"""."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.base.ids import ProviderId
from opensmm.domain.audit import Changes
from opensmm.domain.codes import OperatorRefusal, RefusalCode

MAX_ROUTES: Final = 20
"""Providers of one service."""


class RouteOff(StrEnum):
    """Why a route is not used: the provider lists it no more, lists it as another type, or its cost has moved too far
    while another route serves."""

    GONE = "gone"
    TYPE = "type"
    MOVED = "moved"


class RouteTo(Struct, frozen=True):
    """A provider of a service, and the provider's own number of it."""

    provider: ProviderId
    provider_service: str


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
