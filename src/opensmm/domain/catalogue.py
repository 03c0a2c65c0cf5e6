"""The price list: services, their types, and the parameters that each type needs."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.base.ids import PriceListId, ServiceId
from opensmm.domain.policy import NO_POLICY, Policy
from opensmm.domain.request_refusals import Refusal, Refused


class ServiceType(StrEnum):
    """Types of services. The value is the name on the v2 wire."""

    DEFAULT = "Default"
    PACKAGE = "Package"
    SEO = "SEO"
    CUSTOM_COMMENTS = "Custom Comments"
    CUSTOM_COMMENTS_PACKAGE = "Custom Comments Package"
    MENTIONS = "Mentions"
    MENTIONS_WITH_HASHTAGS = "Mentions with Hashtags"
    MENTIONS_CUSTOM_LIST = "Mentions Custom List"
    MENTIONS_HASHTAG = "Mentions Hashtag"
    MENTIONS_USER_FOLLOWERS = "Mentions User Followers"
    MENTIONS_MEDIA_LIKERS = "Mentions Media Likers"
    COMMENT_LIKES = "Comment Likes"
    COMMENT_REPLIES = "Comment Replies"
    POLL = "Poll"
    INVITES_FROM_GROUPS = "Invites from Groups"
    SUBSCRIPTIONS = "Subscriptions"
    WEB_TRAFFIC = "Web Traffic"


class DeliveryMethod(StrEnum):
    """Ways in which a service is delivered, as the operator states them to customers."""

    PAID_ADS = "paid_ads"
    CREATOR_PLACEMENT = "creator_placement"
    STAFF_WORK = "staff_work"
    CONSENTED_USERS = "consented_users"
    SOFTWARE_SERVICE = "software_service"
    UNDISCLOSED = "undisclosed"


class Halt(StrEnum):
    """Reasons why a service is not sold although the operator has it on sale.

    ``gone``: no provider lists it. ``type``: it is listed as another type. ``quarantine``: its cost moved too far.
    """

    GONE = "gone"
    TYPE = "type"
    QUARANTINE = "quarantine"


class BelowCost(StrEnum):
    """Treatment of an order for a service that costs more than its customer pays."""

    REFUSE = "refuse"
    HOLD = "hold"


class RefillMode(StrEnum):
    """Performers of a refill: the provider that fulfilled the order, another one at the panel's cost, or the operator's
    staff."""

    PROVIDER = "provider"
    OTHER = "other"
    MANUAL = "manual"


class QuantitySource(StrEnum):
    """Sources of the quantity of one run: a parameter, the lines of a list, 1, or the posts of a subscription."""

    QUANTITY = "quantity"
    COMMENTS = "comments"
    USERNAMES = "usernames"
    ONE = "one"
    POSTS = "posts"


class TypeParameters(Struct, frozen=True):
    """The parameters of ``add`` that a type needs, besides key, action and service.

    ``own_parameters``: the type's own parameters, in the order in which they are checked. ``quantity_from``: the
    source of the quantity of one run. ``packaged``: the rate is the price of one, not of 1000. ``link_is_enough``: an
    order from a page that sends only the link is for the service's minimum. ``profile``: the username is a name or the
    address of a profile.
    """

    own_parameters: tuple[str, ...] = ()
    quantity_from: QuantitySource = QuantitySource.QUANTITY
    packaged: bool = False
    may_drip: bool = False
    link_is_enough: bool = False
    profile: bool = False


TYPE_PARAMETERS: Final[Mapping[ServiceType, TypeParameters]] = {
    ServiceType.DEFAULT: TypeParameters(may_drip=True),
    ServiceType.PACKAGE: TypeParameters(quantity_from=QuantitySource.ONE, packaged=True),
    ServiceType.SEO: TypeParameters(own_parameters=("keywords",)),
    ServiceType.CUSTOM_COMMENTS: TypeParameters(own_parameters=("comments",), quantity_from=QuantitySource.COMMENTS),
    ServiceType.CUSTOM_COMMENTS_PACKAGE: TypeParameters(
        own_parameters=("comments",), quantity_from=QuantitySource.ONE, packaged=True
    ),
    ServiceType.MENTIONS: TypeParameters(own_parameters=("usernames",)),
    ServiceType.MENTIONS_WITH_HASHTAGS: TypeParameters(own_parameters=("usernames", "hashtags")),
    ServiceType.MENTIONS_CUSTOM_LIST: TypeParameters(
        own_parameters=("usernames",), quantity_from=QuantitySource.USERNAMES
    ),
    ServiceType.MENTIONS_HASHTAG: TypeParameters(own_parameters=("hashtag",)),
    ServiceType.MENTIONS_USER_FOLLOWERS: TypeParameters(own_parameters=("username",), profile=True),
    ServiceType.MENTIONS_MEDIA_LIKERS: TypeParameters(own_parameters=("media",), link_is_enough=True),
    ServiceType.COMMENT_LIKES: TypeParameters(own_parameters=("username",)),
    ServiceType.COMMENT_REPLIES: TypeParameters(
        own_parameters=("username", "comments"), quantity_from=QuantitySource.COMMENTS
    ),
    ServiceType.POLL: TypeParameters(own_parameters=("answer_number",)),
    ServiceType.INVITES_FROM_GROUPS: TypeParameters(own_parameters=("groups",)),
    ServiceType.SUBSCRIPTIONS: TypeParameters(
        own_parameters=("username", "min", "max", "posts", "old_posts", "delay", "expiry"),
        quantity_from=QuantitySource.POSTS,
    ),
    ServiceType.WEB_TRAFFIC: TypeParameters(
        own_parameters=("country", "device", "type_of_traffic", "google_keyword", "referring_url"), may_drip=True
    ),
}

# A member that is checked for every service of every list; its own name saves a look-up in the enum.
_UNDISCLOSED: Final = DeliveryMethod.UNDISCLOSED


class Service(Struct, frozen=True):
    """One line of the price list.

    ``rate``: the price of 1000 (of a package: of one), with all digits that were typed.
    ``cost``: the cost of the same at the cheapest provider, in the panel's currency; None if it is not known. ``cost``
    and ``halted`` follow from the providers' price lists; the operator cannot edit them.
    ``refill_days``: the days after completion in which a refill may be requested; None: without limit.
    ``hold_when_refused``: an order that all providers refused is held for the operator instead of refunded.
    """

    id: ServiceId
    name: str
    type: ServiceType
    category: str
    rate: Decimal
    min: int
    max: int
    refill: bool = False
    cancel: bool = False
    dripfeed: bool = False
    free: bool = False
    description: str = ""
    average_time_min: int | None = None
    refill_wait_h: int = 0
    one_active_per_link: bool = False
    on_sale: bool = True
    position: int = 0
    delivery_method: DeliveryMethod = DeliveryMethod.UNDISCLOSED
    cost: Decimal | None = None
    halted: Halt | None = None
    refill_days: int | None = None
    refill_mode: RefillMode = RefillMode.PROVIDER
    hold_when_refused: bool = False

    @property
    def disclosed(self) -> bool:
        return self.delivery_method is not _UNDISCLOSED

    @property
    def sold(self) -> bool:
        """True if the service is on sale, states its delivery method, and is not halted."""
        return self.on_sale and self.delivery_method is not _UNDISCLOSED and self.halted is None

    def covers_cost(self, rate: Decimal) -> bool:
        """Returns True if the rate covers the cost, or the cost is unknown, or the operator made the service free."""
        return self.cost is None or rate >= self.cost or self.free


def check_range(service: Service, lowest: int, highest: int) -> Refused | None:
    """Refuses a quantity outside the service's range. A quantity below 1 is refused even if the minimum is 0."""
    if lowest < max(service.min, 1):
        return Refused(Refusal.QUANTITY_TOO_LOW, max(service.min, 1))
    return Refused(Refusal.QUANTITY_TOO_HIGH, service.max) if highest > service.max else None


class Catalogue(Struct, frozen=True):
    """The services of a panel at one version, with their rates and the policy on links.

    ``rates``: rates of price lists that differ from the service's own rate.
    """

    version: int
    currency: str
    services: Mapping[ServiceId, Service]
    rates: Mapping[tuple[PriceListId, ServiceId], Decimal]
    policy: Policy = NO_POLICY
    below_cost: BelowCost = BelowCost.REFUSE

    def service(self, service_id: int, price_list: PriceListId) -> Service | None:
        """Returns the service if customers of this price list can buy it."""
        service = self.services.get(ServiceId(service_id))
        return service if service is not None and self.sells(service, price_list) else None

    def sells(self, service: Service, price_list: PriceListId) -> bool:
        """Returns True if the service is sold: below its cost only if the operator approves such orders one by one."""
        if service.cost is None or not service.sold:
            return service.sold
        return service.covers_cost(self.rate(price_list, service)) or self.below_cost is BelowCost.HOLD

    def rate(self, price_list: PriceListId, service: Service) -> Decimal:
        return self.rates.get((price_list, service.id), service.rate)
