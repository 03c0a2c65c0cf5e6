"""Orders: from what was asked to what would be bought. Checks run in the order the trade expects."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from opensmm.base.ids import PriceListId, ServiceId
from opensmm.base.money import Money
from opensmm.domain import dripfeed, links, pricing, subscription_parameters
from opensmm.domain.catalogue import TYPE_FORMS, Catalogue, QuantitySource, Service, TypeForm, check_range
from opensmm.domain.refusals import Refusal, Refused
from opensmm.domain.requests import MALFORMED, NO_DETAILS, AddOrder, TypeDetails
from opensmm.domain.transitions import final, passing

MOST_NAMED: Final = 10_000
"""People or groups in one order: each is held against the policy."""


class OrderStatus(StrEnum):
    """The words a customer reads."""

    PENDING = "pending"
    PROCESSING = "processing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    PARTIAL = "partial"
    CANCELED = "canceled"


class OrderState(StrEnum):
    """What the order's row says of itself. While it is open its deliveries tell the word."""

    OPEN = "open"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    PARTIAL = "partial"
    CANCELED = "canceled"


_ENDS: Final = frozenset((OrderState.COMPLETED, OrderState.PARTIAL, OrderState.CANCELED))
ORDER_TRANSITIONS: Final = {
    OrderState.OPEN: _ENDS,
    # A subscription pauses while its customer cannot pay for a post.
    OrderState.ACTIVE: _ENDS | {OrderState.PAUSED},
    OrderState.PAUSED: _ENDS | {OrderState.ACTIVE},
    OrderState.COMPLETED: frozenset[OrderState](),
    OrderState.PARTIAL: frozenset[OrderState](),
    OrderState.CANCELED: frozenset[OrderState](),
}
"""The closed table: what an order may become. One begins open, a subscription active."""
LIVE_ORDERS: Final = passing(ORDER_TRANSITIONS)
ENDED_ORDERS: Final = final(ORDER_TRANSITIONS)


class DialectRules(Struct, frozen=True):
    """Where the two published pages differ in what they accept."""

    own_before_link: bool
    link_alone_is_media: bool


class PricedOrder(Struct, frozen=True):
    """An order that passed every check but those on the customer: what would be bought, at which price.

    ``quantity`` is of one run; ``charge`` is of all runs together. ``state`` is the one it begins in.
    """

    service: Service
    link: str
    quantity: int
    runs: int
    interval_min: int
    rate: Decimal
    charge: Money
    details: TypeDetails
    packaged: bool
    state: OrderState
    price_list: PriceListId
    catalogue_version: int


# A member that is reached through its class costs a tenth of a microsecond in Python 3.11, and every order asks often.
_QUANTITY: Final = QuantitySource.QUANTITY
_COMMENTS: Final = QuantitySource.COMMENTS
_USERNAMES: Final = QuantitySource.USERNAMES
_ONE: Final = QuantitySource.ONE
_POSTS: Final = QuantitySource.POSTS
_KEYWORD, _REFERRER = 1, 2
_OF_TRAFFIC: Final = {"google_keyword": _KEYWORD, "referring_url": _REFERRER}
"""Parameters that one type of traffic alone uses."""
_OPEN: Final = OrderState.OPEN
_ACTIVE: Final = OrderState.ACTIVE


def draft(
    request: AddOrder, catalogue: Catalogue, price_list: PriceListId, dialect_rules: DialectRules, today: date
) -> PricedOrder | Refused:
    """Checks an ask against the price list, in the published order, and prices it. Without details no day matters."""
    if request.service is None:
        return Refused(Refusal.SERVICE_MISSING)
    service = catalogue.service(request.service, price_list)
    if service is None:
        return Refused(Refusal.SERVICE_UNKNOWN)
    shape = TYPE_FORMS[service.type]
    if shape.own and request.details is not NO_DETAILS:
        request = msgspec.structs.replace(request, details=_only(request.details, shape.own))
    if shape.link_is_enough and dialect_rules.link_alone_is_media:
        request = _link_as_media(request, service)
    refused = _check_words(request, service, shape, dialect_rules, today) or _check_places(request, shape, catalogue)
    if refused is not None:
        return refused
    quantity = _quantity(request, shape)
    drips = shape.may_drip and dripfeed.asked(request)
    refused = _check_quantity(quantity, service, shape) or (_check_drip_feed(request, service) if drips else None)
    if refused is not None:
        return refused
    return _priced(request, service, shape, quantity or 0, catalogue, price_list, drips=drips)


def normalised(request: AddOrder, catalogue: Catalogue) -> AddOrder:
    """The ask without what its service's type does not use: a repeat may differ in that. Both make the same draft."""
    service = None if request.service is None else catalogue.services.get(ServiceId(request.service))
    if service is None:
        return request
    shape = TYPE_FORMS[service.type]
    drips = shape.may_drip and dripfeed.asked(request)
    return msgspec.structs.replace(
        request,
        link="" if shape.counts is _POSTS else request.link,
        quantity=request.quantity if shape.counts is _QUANTITY else None,
        runs=request.runs if drips else None,
        interval_min=request.interval_min if drips else None,
        details=_only(request.details, shape.own),
    )


def _only(details: TypeDetails, own: Sequence[str]) -> TypeDetails:
    """What a type, or the kind of traffic, does not use is neither looked at nor passed on. No delay is one of 0."""
    kind = details.type_of_traffic
    used = {name: getattr(details, name) for name in own if _OF_TRAFFIC.get(name, kind) == kind}
    if "delay" in used and used["delay"] is None:
        used["delay"] = 0
    return TypeDetails(**used)


def _link_as_media(request: AddOrder, service: Service) -> AddOrder:
    """The page that names no media means the link by it; without a quantity, the least that the service sells."""
    if request.details.media:
        return request
    details = msgspec.structs.replace(request.details, media=request.link)
    quantity = max(service.min, 1) if request.quantity is None else request.quantity
    return msgspec.structs.replace(request, quantity=quantity, details=details)


def _check_words(
    request: AddOrder, service: Service, shape: TypeForm, dialect_rules: DialectRules, today: date
) -> Refused | None:
    own = _check_own(request.details, service, shape, today) if shape.own else None
    link_is_media = shape.link_is_enough and request.details.media == request.link
    if own is not None and dialect_rules.own_before_link and not link_is_media:
        return own
    if shape.counts is not _POSTS and not links.acceptable(request.link):
        return Refused(Refusal.LINK)
    return own


def _check_places(request: AddOrder, shape: TypeForm, catalogue: Catalogue) -> Refused | None:
    """Nothing is delivered where the policy denies it: not to the link, nor to a page or a person beside it."""
    policy = catalogue.policy
    posts = shape.counts is _POSTS
    if not posts and policy.denies(request.link):
        return Refused(Refusal.LINK)
    if not shape.own:
        return None
    details, link = request.details, "" if posts else request.link
    for name, text in (("media", details.media), ("referring_url", details.referring_url)):
        if len(text) > links.MAX_LINK or (text and policy.denies(text)):
            return Refused(Refusal.PARAMETER, name)
    people = (("username", (details.username,)), ("usernames", details.usernames), ("groups", details.groups))
    for name, named in people:
        unfit = len(named) > MOST_NAMED or any(len(text) > links.MAX_LINK for text in named)
        if unfit or policy.denies_any(filter(None, named), link):
            return Refused(Refusal.PARAMETER, name)
    return None


def _check_own(details: TypeDetails, service: Service, shape: TypeForm, today: date) -> Refused | None:
    if shape.counts is _POSTS:
        return subscription_parameters.check(details, service, today)
    for name in shape.own:
        if not _OWN_CHECKS[name](details):
            return Refused(Refusal.PARAMETER, name)
    if shape.profile and not links.acceptable(details.username):
        return Refused(Refusal.PARAMETER, "username")
    return None


_OWN_CHECKS: Final[Mapping[str, Callable[[TypeDetails], bool]]] = {
    "comments": lambda d: bool(d.comments),
    "usernames": lambda d: bool(d.usernames),
    "hashtags": lambda d: bool(d.hashtags),
    "keywords": lambda d: bool(d.keywords),
    "groups": lambda d: bool(d.groups),
    "hashtag": lambda d: links.is_word(d.hashtag),
    "username": lambda d: links.is_word(d.username),
    "media": lambda d: links.acceptable(d.media),
    "answer_number": lambda d: d.answer_number is not None and d.answer_number > 0,
    "country": lambda d: links.is_word(d.country),
    "device": lambda d: d.device is not None and 1 <= d.device <= 5,
    "type_of_traffic": lambda d: d.type_of_traffic is not None and 1 <= d.type_of_traffic <= 3,
    "google_keyword": lambda d: d.type_of_traffic != _KEYWORD or links.is_word(d.google_keyword),
    "referring_url": lambda d: d.type_of_traffic != _REFERRER or links.acceptable(d.referring_url),
}


def _quantity(request: AddOrder, shape: TypeForm) -> int | None:
    counts = shape.counts
    if counts is _QUANTITY:
        return None if request.quantity == MALFORMED else request.quantity
    if counts is _COMMENTS:
        return len(request.details.comments)
    if counts is _USERNAMES:
        return len(request.details.usernames)
    return 0 if counts is _POSTS else 1


def _check_quantity(quantity: int | None, service: Service, shape: TypeForm) -> Refused | None:
    if shape.counts is _ONE or shape.counts is _POSTS:
        return None
    return Refused(Refusal.QUANTITY) if quantity is None else check_range(service, quantity, quantity)


def _check_drip_feed(request: AddOrder, service: Service) -> Refused | None:
    return dripfeed.check(request) if service.dripfeed else Refused(Refusal.NO_DRIP_FEED)


def _priced(
    request: AddOrder,
    service: Service,
    shape: TypeForm,
    quantity: int,
    catalogue: Catalogue,
    price_list: PriceListId,
    *,
    drips: bool,
) -> PricedOrder:
    runs, interval_min = (request.runs or 1, request.interval_min or 0) if drips else (1, 0)
    rate = catalogue.rate(price_list, service)
    posts = shape.counts is _POSTS
    return PricedOrder(
        service=service,
        link=request.details.username if posts else request.link,
        quantity=quantity,
        runs=runs,
        interval_min=interval_min,
        rate=rate,
        charge=pricing.charge(rate, quantity * runs, packaged=shape.packaged),
        details=request.details if shape.own else NO_DETAILS,
        packaged=shape.packaged,
        state=_ACTIVE if posts else _OPEN,
        price_list=price_list,
        catalogue_version=catalogue.version,
    )
