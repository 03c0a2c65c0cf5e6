"""Routes: the providers of a service, in the order in which they are tried."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.base.ids import ProviderId
from opensmm.domain.audit import Changes
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode

MAX_ROUTES: Final = 20
"""Most providers of one service."""


class RouteOff(StrEnum):
    """Reasons why a route is set aside.

    Its provider no longer lists the service, lists it as another type, or moved its cost too far while another route
    works.
    """

    GONE = "gone"
    TYPE = "type"
    MOVED = "moved"


class RouteTo(Struct, frozen=True):
    """A provider of a service, and the provider's own id of it."""

    provider: ProviderId
    provider_service: str


def check_routes(routes: Sequence[RouteTo]) -> None:
    """Raises OperatorRefusal for routes that no service can have."""
    if len(routes) > MAX_ROUTES or len(set(routes)) < len(routes):
        raise OperatorRefusal(RefusalCode.BAD_ROUTES, most=MAX_ROUTES)


def cheapest_first(routes: Sequence[RouteTo], costs: Mapping[RouteTo, Decimal]) -> list[RouteTo]:
    """Sorts routes by cost in the panel's currency; those of unknown cost come last, in their given order."""
    priced = sorted((route for route in routes if route in costs), key=lambda route: costs[route])
    return [*priced, *(route for route in routes if route not in costs)]


def routes_changed(before: Sequence[RouteTo], after: Sequence[RouteTo]) -> Changes:
    """Returns a service's routes for the audit trail, each as ``provider:service``; empty if none changed."""
    texts_before, texts_after = _format(before), _format(after)
    return {} if texts_before == texts_after else {"routes": (texts_before, texts_after)}


def _format(routes: Sequence[RouteTo]) -> list[str]:
    return [f"{route.provider}:{route.provider_service}" for route in routes]
