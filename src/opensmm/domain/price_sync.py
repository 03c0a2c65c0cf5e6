"""Following providers' price lists: how each route and service stands by them, and which lists are not believed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Context, Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct, structs

from opensmm.base.ids import ProviderId
from opensmm.domain.catalogue import Halt, Service, ServiceType
from opensmm.domain.codes import NO_FIELDS, ChangeCode, Fields, LineFault
from opensmm.domain.pricing import RATE_BELOW, PriceTerms, resale_rate
from opensmm.domain.provider_services import ProviderService, UnreadLine
from opensmm.domain.routes import RouteOff, RouteTo
from opensmm.domain.service_identity import is_another
from opensmm.domain.service_import import followed

_EXACT: Final = Context(prec=60)
NONE_UNREAD: Final[Mapping[str, LineFault]] = {}
BELIEVED_LOSS: Final = 1
"""So many services may be lost at once whatever their share; one goes now and then."""


class RouteStanding(Struct, frozen=True):
    """How a route stands by its provider's price list.

    ``cost`` and ``agreed`` are of 1000 (of a package: of one) in the panel's currency: as last listed, None where no
    list has told it, and as last agreed to. ``quarantined``: since its cost moved too far from that. ``unread``: why
    its line could not be read, of a route that is off for it. ``name`` and ``category`` are the provider's, as last
    agreed to.
    """

    cost: Decimal | None = None
    agreed: Decimal | None = None
    off: RouteOff | None = None
    quarantined: datetime | None = None
    unread: LineFault | None = None
    name: str | None = None
    category: str | None = None


class SyncRules(Struct, frozen=True):
    """How a provider is followed. ``price_share``: per cent that a cost may move by; ``terms``: those by which prices
    follow, None where they stay the operator's."""

    exchange_rate: Decimal
    price_share: int
    terms: PriceTerms | None = None


class ListedRoute(Struct, frozen=True):
    """A route with the line it stands for as last seen, ``listed`` where the newest list has it still."""

    to: RouteTo
    rules: SyncRules
    offer: ProviderService | None
    listed: bool
    standing: RouteStanding


class ServiceLine(Struct, frozen=True):
    """A service with its routes, in the order in which they are asked."""

    service: Service
    routes: tuple[ListedRoute, ...]


class JudgedLine(Struct, frozen=True):
    """What becomes of a line. ``standings`` run beside its routes."""

    before: ServiceLine
    service: Service
    standings: tuple[RouteStanding, ...]

    @property
    def edits(self) -> bool:
        """Whether more of the service changes than what it costs and whether it is halted."""
        was = self.before.service
        return structs.replace(self.service, cost=was.cost, halted=was.halted) != was

    @property
    def moves(self) -> bool:
        return self.service != self.before.service or self.standings != tuple(
            route.standing for route in self.before.routes
        )


def judge(
    line: ServiceLine,
    now: datetime,
    *,
    heard: ProviderId | None = None,
    unread: Mapping[str, LineFault] = NONE_UNREAD,
    approved: bool = False,
) -> JudgedLine:
    """Follows the price lists. ``heard``: whose list was read just now, and is whole but for its ``unread`` lines,
    which are told with why. ``approved``: costs are agreed to as they are."""
    follows = len(line.routes) == 1 and not line.service.free
    each = [
        _stand(route, line.service.type, now, approved=approved, follows=follows)
        if route.listed
        else _unlisted(route, heard, unread)
        for route in line.routes
    ]
    serves = any(one.off is None and one.quarantined is None for one in each)
    aside = [structs.replace(one, off=RouteOff.MOVED) if serves and _waits(one) else one for one in each]
    return JudgedLine(line, _service(line, aside), tuple(aside))


def _waits(standing: RouteStanding) -> bool:
    return standing.off is None and standing.quarantined is not None


def _stand(route: ListedRoute, kind: ServiceType, now: datetime, *, approved: bool, follows: bool) -> RouteStanding:
    was, offer, rules = route.standing, route.offer, route.rules
    assert offer is not None
    if offer.type is not kind:
        return structs.replace(was, off=RouteOff.TYPE, unread=None)
    cost = cost_of(offer, rules.exchange_rate)
    agreed = cost if approved or was.agreed is None else was.agreed
    unseen = has_moved(agreed, cost, rules.price_share) or is_another_service(was, offer)
    # What is back where it was agreed to needs nobody's approval any more.
    quarantined = (was.quarantined or now) if unseen and not approved else None
    if quarantined is None and follows and rules.terms is not None:
        agreed = cost  # the price has gone along
    anew = approved or was.name is None or was.category is None
    name, category = (offer.name, offer.category) if anew else (was.name, was.category)
    return RouteStanding(cost, agreed, None, quarantined, None, name, category)


def is_another_service(standing: RouteStanding, offer: ProviderService | None) -> bool:
    """Whether the line sells something else than what was agreed to."""
    if offer is None or standing.name is None or standing.category is None:
        return False
    return is_another(standing.name, standing.category, offer.name, offer.category)


def _unlisted(route: ListedRoute, heard: ProviderId | None, unread: Mapping[str, LineFault]) -> RouteStanding:
    was = route.standing
    if route.to.provider == heard:
        return structs.replace(was, off=RouteOff.GONE, unread=unread.get(route.to.provider_service))
    return was if route.offer is None or was.off is RouteOff.GONE else structs.replace(was, off=RouteOff.GONE)


def cost_of(offer: ProviderService, exchange_rate: Decimal) -> Decimal:
    return _EXACT.multiply(offer.rate, exchange_rate)


def has_moved(agreed: Decimal, cost: Decimal, share: int) -> bool:
    """Whether a cost lies more than ``share`` per cent above or below what was agreed to."""
    distance = _EXACT.abs(_EXACT.subtract(cost, agreed))
    return _EXACT.multiply(distance, Decimal(100)) > _EXACT.multiply(agreed, Decimal(share))


def _service(line: ServiceLine, standings: Sequence[RouteStanding]) -> Service:
    """The service by its first route in use; its cost is that of the cheapest, unknown where one's is."""
    used = [(route, one) for route, one in zip(line.routes, standings, strict=True) if one.off is None]
    costs = [one.cost for _, one in used]
    known = [cost for cost in costs if cost is not None]
    cost = min(known) if known and len(known) == len(costs) else None
    halted = _halt(standings)
    service = line.service
    if (cost, halted) != (service.cost, service.halted):
        service = structs.replace(service, cost=cost, halted=halted)
    if not used or used[0][0].offer is None:
        return service
    route, first = used[0]
    assert route.offer is not None
    service = followed(service, route.offer)
    if len(line.routes) == 1 and first.quarantined is None and not service.free and route.rules.terms is not None:
        service = _repriced(service, route.offer, route.rules.terms)
    return service


def _repriced(service: Service, offer: ProviderService, terms: PriceTerms) -> Service:
    rate = resale_rate(offer.rate, terms)
    return structs.replace(service, rate=rate) if 0 < rate < RATE_BELOW and rate != service.rate else service


def _halt(standings: Sequence[RouteStanding]) -> Halt | None:
    if not standings or any(one.off is None and one.quarantined is None for one in standings):
        return None
    if any(one.off is None for one in standings):
        return Halt.QUARANTINE
    return Halt.TYPE if any(one.off is RouteOff.TYPE for one in standings) else Halt.GONE


class DoubtCode(StrEnum):
    """Why a provider's newest price list was not taken over."""

    EMPTY = "empty"
    LACKS_SERVICES = "lacks_services"
    UNANSWERED = "unanswered"
    NOT_STORED = "not_stored"


class ListDoubt(Struct, frozen=True):
    """The code of why a price list was not taken over, and its fields, which stay the same when they are stored."""

    code: DoubtCode
    fields: dict[str, str | int] = {}


def doubt(
    routed: Collection[tuple[str, ServiceType]], offers: Sequence[ProviderService], unread: Sequence[UnreadLine] = ()
) -> ListDoubt | None:
    """Returns why a whole price list is not believed; None where it is.

    ``routed``: what the provider has fulfilled so far, by its own numbers, and the types that these are sold as.
    """
    if not routed:
        return None
    if not offers:
        return ListDoubt(DoubtCode.EMPTY)
    types: Mapping[str, ServiceType | None] = {offer.service: offer.type for offer in offers}
    lost = sum(types.get(theirs) is not kind for theirs, kind in routed)
    if lost > BELIEVED_LOSS and lost * 2 > len(routed):
        theirs = {theirs for theirs, _ in routed}
        broken = [line for line in unread if line.service in theirs]
        example: dict[str, str | int] = {"unread": len(broken), "example": broken[0].service} if broken else {}
        return ListDoubt(DoubtCode.LACKS_SERVICES, {"lost": lost, "fulfilled": len(routed), **example})
    return None


_FOLLOWING: Final = ("rate", "min", "max", "refill", "cancel", "dripfeed")
_HALTS: Final = {
    Halt.GONE: ChangeCode.SERVICE_GONE,
    Halt.TYPE: ChangeCode.SERVICE_OTHER_TYPE,
    Halt.QUARANTINE: ChangeCode.SERVICE_QUARANTINED,
}
_OFFS: Final = {
    RouteOff.GONE: ChangeCode.ROUTE_GONE,
    RouteOff.TYPE: ChangeCode.ROUTE_OTHER_TYPE,
    RouteOff.MOVED: ChangeCode.ROUTE_SET_ASIDE,
}


class ListChange(Struct, frozen=True):
    """What changed of a service or of one of its routes: a code and its fields."""

    code: ChangeCode
    fields: Fields = NO_FIELDS


def changes_of(judged: JudgedLine) -> list[ListChange]:
    """What changed of a line, for people; a cost that drifts within its share is no news."""
    why = next((one.unread for one in judged.standings if one.unread is not None), None)
    return [*_of_service(judged.before.service, judged.service, why), *_of_routes(judged)]


def _of_service(before: Service, after: Service, unread: LineFault | None) -> Iterator[ListChange]:
    for name in _FOLLOWING:
        was, told = getattr(before, name), getattr(after, name)
        if was != told:
            yield ListChange(ChangeCode.FIELD_MOVED, {"field": name, "before": was, "after": told})
    if before.halted is not after.halted:
        if after.halted is Halt.GONE and unread is not None:
            yield ListChange(ChangeCode.SERVICE_UNREAD, {"why": unread})
        else:
            yield ListChange(ChangeCode.SOLD_AGAIN if after.halted is None else _HALTS[after.halted])
    if before.covers_cost(before.rate) and not after.covers_cost(after.rate):
        yield ListChange(ChangeCode.BELOW_COST, {"cost": after.cost, "rate": after.rate})


def _of_routes(judged: JudgedLine) -> Iterator[ListChange]:
    for route, told in zip(judged.before.routes, judged.standings, strict=True):
        was = route.standing
        fields: dict[str, object] = {"provider": route.to.provider, "provider_service": route.to.provider_service}
        if told.unread is not None and was.unread is None:
            yield ListChange(ChangeCode.ROUTE_UNREAD, fields | {"why": told.unread})
        elif was.off is not told.off:
            yield ListChange(ChangeCode.ROUTE_USED_AGAIN if told.off is None else _OFFS[told.off], fields)
        if was.quarantined is None and told.quarantined is not None:
            if is_another_service(told, route.offer) and route.offer is not None:
                yield ListChange(
                    ChangeCode.ROUTE_SELLS_ANOTHER, fields | {"before": told.name, "after": route.offer.name}
                )
            else:
                yield ListChange(ChangeCode.ROUTE_COST_MOVED, fields | {"before": told.agreed, "after": told.cost})
