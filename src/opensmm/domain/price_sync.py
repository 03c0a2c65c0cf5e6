"""Rules of price-list syncs: the state of each route and service by its provider's list, and which lists to believe."""

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
from opensmm.domain.service_identity import is_another_product
from opensmm.domain.service_import import with_listed_fields

_EXACT: Final = Context(prec=60)
NONE_UNREAD: Final[Mapping[str, LineFault]] = {}
BELIEVED_LOSS: Final = 1
"""So many services may disappear at once whatever their share: single ones come and go."""


class RouteStanding(Struct, frozen=True):
    """A route by its provider's price list.

    ``cost`` and ``agreed`` are of 1000 (of a package: of one) in the panel's currency: as last listed, None if no list
    has had it, and as last agreed to. ``quarantined``: since when its cost is too far from that. ``unread``: why its
    line could not be read, for a route that is off because of it. ``name`` and ``category`` are the provider's, as last
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
    """Settings of a provider's sync.

    ``price_share``: per cent that a cost may move by. ``terms``: how prices follow costs, None if prices stay the
    operator's.
    """

    exchange_rate: Decimal
    price_share: int
    terms: PriceTerms | None = None


class ListedRoute(Struct, frozen=True):
    """A route with its provider's line as last seen; ``listed``: the newest list still has it."""

    to: RouteTo
    rules: SyncRules
    line: ProviderService | None
    listed: bool
    standing: RouteStanding


class ServiceLine(Struct, frozen=True):
    """A service with its routes, in the order in which they are tried."""

    service: Service
    routes: tuple[ListedRoute, ...]


class JudgedLine(Struct, frozen=True):
    """A service after a sync. ``standings`` run beside its routes."""

    before: ServiceLine
    service: Service
    standings: tuple[RouteStanding, ...]

    @property
    def edits(self) -> bool:
        """True if more of the service changes than its cost and its halt."""
        was = self.before.service
        return structs.replace(self.service, cost=was.cost, halted=was.halted) != was

    @property
    def moves(self) -> bool:
        """True if the service or one of its routes changes."""
        return self.service != self.before.service or self.standings != tuple(
            route.standing for route in self.before.routes
        )


def judge_service(
    line: ServiceLine,
    now: datetime,
    *,
    synced: ProviderId | None = None,
    unread: Mapping[str, LineFault] = NONE_UNREAD,
    approved: bool = False,
) -> JudgedLine:
    """Judges a service by the price lists.

    ``synced``: the provider whose list was just read; the list is complete except for its ``unread`` lines, which have
    their reasons. ``approved``: the present costs are agreed to.
    """
    price_follows = len(line.routes) == 1 and not line.service.free
    standings = [
        _judge_listed(route, line.service.type, now, approved=approved, price_follows=price_follows)
        if route.listed
        else _judge_unlisted(route, synced, unread)
        for route in line.routes
    ]
    serves = any(standing.off is None and standing.quarantined is None for standing in standings)
    aside = [structs.replace(one, off=RouteOff.MOVED) if serves and _is_quarantined(one) else one for one in standings]
    return JudgedLine(line, _derive_service(line, aside), tuple(aside))


def _is_quarantined(standing: RouteStanding) -> bool:
    return standing.off is None and standing.quarantined is not None


def _judge_listed(
    route: ListedRoute, kind: ServiceType, now: datetime, *, approved: bool, price_follows: bool
) -> RouteStanding:
    was, listed, rules = route.standing, route.line, route.rules
    assert listed is not None
    if listed.type is not kind:
        return structs.replace(was, off=RouteOff.TYPE, unread=None)
    cost = cost_of(listed, rules.exchange_rate)
    agreed = cost if approved or was.agreed is None else was.agreed
    unapproved = has_moved(agreed, cost, rules.price_share) or sells_another_product(was, listed)
    # A cost that is back within the agreed share needs no approval any more.
    quarantined = (was.quarantined or now) if unapproved and not approved else None
    if quarantined is None and price_follows and rules.terms is not None:
        agreed = cost  # the price follows the cost
    takes_names = approved or was.name is None or was.category is None
    name, category = (listed.name, listed.category) if takes_names else (was.name, was.category)
    return RouteStanding(cost, agreed, None, quarantined, None, name, category)


def sells_another_product(standing: RouteStanding, listed: ProviderService | None) -> bool:
    """True if the line sells another product than the one agreed to."""
    if listed is None or standing.name is None or standing.category is None:
        return False
    return is_another_product(standing.name, standing.category, listed.name, listed.category)


def _judge_unlisted(route: ListedRoute, synced: ProviderId | None, unread: Mapping[str, LineFault]) -> RouteStanding:
    was = route.standing
    if route.to.provider == synced:
        return structs.replace(was, off=RouteOff.GONE, unread=unread.get(route.to.provider_service))
    # A route that no list has had yet is not gone: its provider's list may not have been read.
    return was if route.line is None or was.off is RouteOff.GONE else structs.replace(was, off=RouteOff.GONE)


def cost_of(listed: ProviderService, exchange_rate: Decimal) -> Decimal:
    """Computes the cost of 1000 (of a package: of one) in the panel's currency."""
    return _EXACT.multiply(listed.rate, exchange_rate)


def has_moved(agreed: Decimal, cost: Decimal, share: int) -> bool:
    """True if a cost lies more than ``share`` per cent above or below the agreed one."""
    distance = _EXACT.abs(_EXACT.subtract(cost, agreed))
    return _EXACT.multiply(distance, Decimal(100)) > _EXACT.multiply(agreed, Decimal(share))


def _derive_service(line: ServiceLine, standings: Sequence[RouteStanding]) -> Service:
    """Returns the service by its first route in use; its cost is the cheapest route's, unknown if one route's is."""
    used = [(route, one) for route, one in zip(line.routes, standings, strict=True) if one.off is None]
    costs = [one.cost for _, one in used]
    known_costs = [cost for cost in costs if cost is not None]
    cost = min(known_costs) if known_costs and len(known_costs) == len(costs) else None
    halted = _find_halt(standings)
    service = line.service
    if (cost, halted) != (service.cost, service.halted):
        service = structs.replace(service, cost=cost, halted=halted)
    if not used or used[0][0].line is None:
        return service
    route, first = used[0]
    assert route.line is not None
    service = with_listed_fields(service, route.line)
    if len(line.routes) == 1 and first.quarantined is None and not service.free and route.rules.terms is not None:
        service = _reprice(service, route.line, route.rules.terms)
    return service


def _reprice(service: Service, listed: ProviderService, terms: PriceTerms) -> Service:
    rate = resale_rate(listed.rate, terms)
    return structs.replace(service, rate=rate) if 0 < rate < RATE_BELOW and rate != service.rate else service


def _find_halt(standings: Sequence[RouteStanding]) -> Halt | None:
    if not standings or any(one.off is None and one.quarantined is None for one in standings):
        return None
    if any(one.off is None for one in standings):
        return Halt.QUARANTINE
    return Halt.TYPE if any(one.off is RouteOff.TYPE for one in standings) else Halt.GONE


class DoubtCode(StrEnum):
    """Reasons why a provider's newest price list was not taken over."""

    EMPTY = "empty"
    LACKS_SERVICES = "lacks_services"
    UNANSWERED = "unanswered"
    NOT_STORED = "not_stored"


class ListDoubt(Struct, frozen=True):
    """Code and fields of why a price list was not taken over. The fields do not change when they are stored."""

    code: DoubtCode
    fields: dict[str, str | int] = {}


def find_doubt(
    routed: Collection[tuple[str, ServiceType]], listed: Sequence[ProviderService], unread: Sequence[UnreadLine] = ()
) -> ListDoubt | None:
    """Returns why a complete price list is not believed; None if it is.

    ``routed``: the provider's numbers of the services that it fulfils, with the types that they are sold as.
    """
    if not routed:
        return None
    if not listed:
        return ListDoubt(DoubtCode.EMPTY)
    types: Mapping[str, ServiceType | None] = {line.service: line.type for line in listed}
    lost = sum(types.get(theirs) is not kind for theirs, kind in routed)
    # More than half is rather a broken answer than a changed catalogue.
    if lost > BELIEVED_LOSS and lost * 2 > len(routed):
        fulfilled = {theirs for theirs, _ in routed}
        broken = [line for line in unread if line.service in fulfilled]
        example: dict[str, str | int] = {"unread": len(broken), "example": broken[0].service} if broken else {}
        return ListDoubt(DoubtCode.LACKS_SERVICES, {"lost": lost, "fulfilled": len(routed), **example})
    return None


_SYNCED_FIELDS: Final = ("rate", "min", "max", "refill", "cancel", "dripfeed")
_SERVICE_HALTED: Final = {
    Halt.GONE: ChangeCode.SERVICE_GONE,
    Halt.TYPE: ChangeCode.SERVICE_OTHER_TYPE,
    Halt.QUARANTINE: ChangeCode.SERVICE_QUARANTINED,
}
_ROUTE_OFF: Final = {
    RouteOff.GONE: ChangeCode.ROUTE_GONE,
    RouteOff.TYPE: ChangeCode.ROUTE_OTHER_TYPE,
    RouteOff.MOVED: ChangeCode.ROUTE_SET_ASIDE,
}


class ListChange(Struct, frozen=True):
    """A change of a service or of one of its routes: a code and its fields."""

    code: ChangeCode
    fields: Fields = NO_FIELDS


def changes_of(judged: JudgedLine) -> list[ListChange]:
    """Lists the changes of a service for people; a cost that drifts within its share is none."""
    why = next((one.unread for one in judged.standings if one.unread is not None), None)
    return [*_list_service_changes(judged.before.service, judged.service, why), *_list_route_changes(judged)]


def _list_service_changes(before: Service, after: Service, unread: LineFault | None) -> Iterator[ListChange]:
    for name in _SYNCED_FIELDS:
        value_before, value = getattr(before, name), getattr(after, name)
        if value_before != value:
            yield ListChange(ChangeCode.FIELD_MOVED, {"field": name, "before": value_before, "after": value})
    if before.halted is not after.halted:
        if after.halted is Halt.GONE and unread is not None:
            yield ListChange(ChangeCode.SERVICE_UNREAD, {"why": unread})
        else:
            yield ListChange(ChangeCode.SOLD_AGAIN if after.halted is None else _SERVICE_HALTED[after.halted])
    if before.covers_cost(before.rate) and not after.covers_cost(after.rate):
        yield ListChange(ChangeCode.BELOW_COST, {"cost": after.cost, "rate": after.rate})


def _list_route_changes(judged: JudgedLine) -> Iterator[ListChange]:
    for route, standing in zip(judged.before.routes, judged.standings, strict=True):
        was = route.standing
        fields: dict[str, object] = {"provider": route.to.provider, "provider_service": route.to.provider_service}
        if standing.unread is not None and was.unread is None:
            yield ListChange(ChangeCode.ROUTE_UNREAD, fields | {"why": standing.unread})
        elif was.off is not standing.off:
            yield ListChange(ChangeCode.ROUTE_USED_AGAIN if standing.off is None else _ROUTE_OFF[standing.off], fields)
        if was.quarantined is None and standing.quarantined is not None:
            if sells_another_product(standing, route.line) and route.line is not None:
                yield ListChange(
                    ChangeCode.ROUTE_SELLS_ANOTHER, fields | {"before": standing.name, "after": route.line.name}
                )
            else:
                yield ListChange(
                    ChangeCode.ROUTE_COST_MOVED, fields | {"before": standing.agreed, "after": standing.cost}
                )
