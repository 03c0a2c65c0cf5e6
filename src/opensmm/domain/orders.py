"""Checking and pricing of orders: an `add` request becomes a priced order or a refusal.

Checks run in the published order.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final, assert_never

import msgspec
from msgspec import Struct

from opensmm.base.ids import PriceListId, ServiceId
from opensmm.base.money import Money
from opensmm.domain import dripfeed, links, pricing, subscription_parameters
from opensmm.domain.catalogue import TYPE_PARAMETERS, Catalogue, QuantitySource, Service, TypeParameters, check_range
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import MALFORMED, NO_DETAILS, AddOrder, TypeDetails
from opensmm.domain.transitions import final, passing

MOST_NAMED: Final = 10_000
"""Most people or groups in one order: each is checked against the policy."""


class OrderStatus(StrEnum):
    """Order statuses that a customer reads."""

    PENDING = "pending"
    PROCESSING = "processing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    PARTIAL = "partial"
    CANCELED = "canceled"


class OrderState(StrEnum):
    """State stored in an order's row. While an order is open, its status follows from its deliveries."""

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
"""States that an order may go to next. An order begins open, a subscription active."""
LIVE_ORDER_STATES: Final = passing(ORDER_TRANSITIONS)
"""States of an order that has not ended."""
ENDED_ORDER_STATES: Final = final(ORDER_TRANSITIONS)
"""States of an order that has ended."""


class DialectRules(Struct, frozen=True):
    """Differences between the two published dialects in what they accept.

    ``own_before_link``: a fault of the type's own parameters is reported before one of the link.
    ``link_alone_is_media``: an order of ``link_is_enough`` may leave out the media, which is then the link.
    """

    own_before_link: bool
    link_alone_is_media: bool


class PricedOrder(Struct, frozen=True):
    """An order that passed every check except those on the customer, with its price.

    ``quantity`` is of one run; ``charge`` is of all runs together. ``state`` is the state in which the order begins.
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


# Reading an enum's member through its class costs 0.1 µs in Python 3.11, and every order compares them often.
_QUANTITY: Final = QuantitySource.QUANTITY
_COMMENTS: Final = QuantitySource.COMMENTS
_USERNAMES: Final = QuantitySource.USERNAMES
_ONE: Final = QuantitySource.ONE
_POSTS: Final = QuantitySource.POSTS
_KEYWORD, _REFERRER = 1, 2
_OF_TRAFFIC: Final = {"google_keyword": _KEYWORD, "referring_url": _REFERRER}
"""Parameters that apply to one type of traffic only."""
_OPEN: Final = OrderState.OPEN
_ACTIVE: Final = OrderState.ACTIVE


def price_order(
    request: AddOrder, catalogue: Catalogue, price_list: PriceListId, dialect_rules: DialectRules, today: date
) -> PricedOrder | Refused:
    """Checks a request against the price list, in the published order, and prices it.

    ``today`` matters for subscriptions only.
    """
    if request.service is None:
        return Refused(Refusal.SERVICE_MISSING)
    service = catalogue.service(request.service, price_list)
    if service is None:
        return Refused(Refusal.SERVICE_UNKNOWN)
    form = TYPE_PARAMETERS[service.type]
    # Clients send parameters of other types too: they must not refuse an order.
    if form.own_parameters and request.details is not NO_DETAILS:
        request = msgspec.structs.replace(request, details=_keep_only(request.details, form.own_parameters))
    if form.link_is_enough and dialect_rules.link_alone_is_media:
        request = _use_link_as_media(request, service)
    refused = _check_link_and_parameters(request, service, form, dialect_rules, today)
    refused = refused or _check_policy(request, form, catalogue)
    if refused is not None:
        return refused
    quantity = _count_units(request, form)
    drips = form.may_drip and dripfeed.is_requested(request)
    refused = _check_quantity(quantity, service, form) or (_check_drip_feed(request, service) if drips else None)
    if refused is not None:
        return refused
    return _price(request, service, form, quantity or 0, catalogue, price_list, drips=drips)


def normalise(request: AddOrder, catalogue: Catalogue) -> AddOrder:
    """Returns the request without the parameters that its service's type ignores.

    A repeat under one idempotency key may differ in those. Both requests are priced alike.
    """
    service = None if request.service is None else catalogue.services.get(ServiceId(request.service))
    if service is None:
        return request
    form = TYPE_PARAMETERS[service.type]
    drips = form.may_drip and dripfeed.is_requested(request)
    return msgspec.structs.replace(
        request,
        link="" if form.quantity_from is _POSTS else request.link,
        quantity=request.quantity if form.quantity_from is _QUANTITY else None,
        runs=request.runs if drips else None,
        interval_min=request.interval_min if drips else None,
        details=_keep_only(request.details, form.own_parameters),
    )


def _keep_only(details: TypeDetails, own: Sequence[str]) -> TypeDetails:
    """Keeps the details in ``own`` that also apply to the kind of traffic; all others are neither checked nor passed
    on.

    A missing delay becomes 0.
    """
    kind = details.type_of_traffic
    # A parameter that is no traffic's own has ``kind`` as its default here, and so is always kept.
    used = {name: getattr(details, name) for name in own if _OF_TRAFFIC.get(name, kind) == kind}
    if "delay" in used and used["delay"] is None:
        used["delay"] = 0
    return TypeDetails(**used)


def _use_link_as_media(request: AddOrder, service: Service) -> AddOrder:
    """Uses the link as the media, for the dialect whose page names no media parameter.

    The default quantity is the least that the service sells.
    """
    if request.details.media:
        return request
    details = msgspec.structs.replace(request.details, media=request.link)
    quantity = max(service.min, 1) if request.quantity is None else request.quantity
    return msgspec.structs.replace(request, quantity=quantity, details=details)


def _check_link_and_parameters(
    request: AddOrder, service: Service, form: TypeParameters, dialect_rules: DialectRules, today: date
) -> Refused | None:
    """Refuses a link or own parameters that are malformed. The dialect says which of the two faults is reported."""
    own = _check_own(request.details, service, form, today) if form.own_parameters else None
    link_is_media = form.link_is_enough and request.details.media == request.link
    if own is not None and dialect_rules.own_before_link and not link_is_media:
        return own
    if form.quantity_from is not _POSTS and not links.acceptable(request.link):
        return Refused(Refusal.LINK)
    return own


def _check_policy(request: AddOrder, form: TypeParameters, catalogue: Catalogue) -> Refused | None:
    """Refuses links, pages, people and groups that the policy denies, or that are too long or too many."""
    policy = catalogue.policy
    posts = form.quantity_from is _POSTS
    if not posts and policy.denies(request.link):
        return Refused(Refusal.LINK)
    if not form.own_parameters:
        return None
    details, link = request.details, "" if posts else request.link
    for name, text in (("media", details.media), ("referring_url", details.referring_url)):
        # A page beside the link is delivered to just as the link is.
        if len(text) > links.MAX_LINK or (text and policy.denies(text)):
            return Refused(Refusal.PARAMETER, name)
    people = (("username", (details.username,)), ("usernames", details.usernames), ("groups", details.groups))
    for name, texts in people:
        unfit = len(texts) > MOST_NAMED or any(len(text) > links.MAX_LINK for text in texts)
        if unfit or policy.denies_any(filter(None, texts), link):
            return Refused(Refusal.PARAMETER, name)
    return None


def _check_own(details: TypeDetails, service: Service, form: TypeParameters, today: date) -> Refused | None:
    if form.quantity_from is _POSTS:
        return subscription_parameters.check(details, service, today)
    for name in form.own_parameters:
        if not _OWN_CHECKS[name](details):
            return Refused(Refusal.PARAMETER, name)
    if form.profile and not links.acceptable(details.username):
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


def _count_units(request: AddOrder, form: TypeParameters) -> int | None:
    """Returns the units of one run; None if the request has no readable quantity."""
    source = form.quantity_from
    if source is _QUANTITY:
        return None if request.quantity == MALFORMED else request.quantity
    if source is _COMMENTS:
        return len(request.details.comments)
    if source is _USERNAMES:
        return len(request.details.usernames)
    if source is _ONE:
        return 1
    if source is _POSTS:
        return 0
    assert_never(source)


def _check_quantity(quantity: int | None, service: Service, form: TypeParameters) -> Refused | None:
    if form.quantity_from is _ONE or form.quantity_from is _POSTS:
        return None
    return Refused(Refusal.QUANTITY) if quantity is None else check_range(service, quantity, quantity)


def _check_drip_feed(request: AddOrder, service: Service) -> Refused | None:
    return dripfeed.check(request) if service.dripfeed else Refused(Refusal.NO_DRIP_FEED)


def _price(
    request: AddOrder,
    service: Service,
    form: TypeParameters,
    quantity: int,
    catalogue: Catalogue,
    price_list: PriceListId,
    *,
    drips: bool,
) -> PricedOrder:
    runs, interval_min = (request.runs or 1, request.interval_min or 0) if drips else (1, 0)
    rate = catalogue.rate(price_list, service)
    posts = form.quantity_from is _POSTS
    return PricedOrder(
        service=service,
        link=request.details.username if posts else request.link,
        quantity=quantity,
        runs=runs,
        interval_min=interval_min,
        rate=rate,
        charge=pricing.charge(rate, quantity * runs, packaged=form.packaged),
        details=request.details if form.own_parameters else NO_DETAILS,
        packaged=form.packaged,
        state=_ACTIVE if posts else _OPEN,
        price_list=price_list,
        catalogue_version=catalogue.version,
    )
