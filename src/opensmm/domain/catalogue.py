"""The price list: services, the seventeen types they come in, and what each type asks for."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.base.ids import PriceListId, ServiceId
from opensmm.domain.policy import NO_POLICY, Policy
from opensmm.domain.refusals import Refusal, Refused


class ServiceType(StrEnum):
    """The value is the name on the v2 wire."""

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
    """How what is sold comes about, in the operator's own words to the customer."""

    PAID_ADS = "paid_ads"
    CREATOR_PLACEMENT = "creator_placement"
    STAFF_WORK = "staff_work"
    CONSENTED_USERS = "consented_users"
    SOFTWARE_SERVICE = "software_service"
    UNDISCLOSED = "undisclosed"


class Halt(StrEnum):
    """Why a service is not sold although the operator has it on sale."""

    GONE = "gone"
    TYPE = "type"
    QUARANTINE = "quarantine"


class BelowCost(StrEnum):
    """What becomes of an order for a service that costs more than its customer pays."""

    REFUSE = "refuse"
    HOLD = "hold"


class RefillMode(StrEnum):
    """Who makes good what a completed order lost: the provider that fulfilled it, another one that is paid anew, or the
    operator's own staff."""

    PROVIDER = "provider"
    OTHER = "other"
    MANUAL = "manual"


class QuantitySource(StrEnum):
    """Where the quantity of one run comes from."""

    QUANTITY = "quantity"
    COMMENTS = "comments"
    USERNAMES = "usernames"
    ONE = "one"
    POSTS = "posts"


class TypeForm(Struct, frozen=True):
    """What ``add`` needs for a type, beside key, action and service.

    ``own`` are the parameters of the type in the order they are checked; ``packaged`` is sold at the rate
    itself, not per 1000. ``link_is_enough``: a page that names the link alone means the service's minimum.
    ``profile``: the username is the address of somebody's page, or a name.
    """

    own: tuple[str, ...] = ()
    counts: QuantitySource = QuantitySource.QUANTITY
    packaged: bool = False
    may_drip: bool = False
    link_is_enough: bool = False
    profile: bool = False


TYPE_FORMS: Final[Mapping[ServiceType, TypeForm]] = {
    ServiceType.DEFAULT: TypeForm(may_drip=True),
    ServiceType.PACKAGE: TypeForm(counts=QuantitySource.ONE, packaged=True),
    ServiceType.SEO: TypeForm(own=("keywords",)),
    ServiceType.CUSTOM_COMMENTS: TypeForm(own=("comments",), counts=QuantitySource.COMMENTS),
    ServiceType.CUSTOM_COMMENTS_PACKAGE: TypeForm(own=("comments",), counts=QuantitySource.ONE, packaged=True),
    ServiceType.MENTIONS: TypeForm(own=("usernames",)),
    ServiceType.MENTIONS_WITH_HASHTAGS: TypeForm(own=("usernames", "hashtags")),
    ServiceType.MENTIONS_CUSTOM_LIST: TypeForm(own=("usernames",), counts=QuantitySource.USERNAMES),
    ServiceType.MENTIONS_HASHTAG: TypeForm(own=("hashtag",)),
    ServiceType.MENTIONS_USER_FOLLOWERS: TypeForm(own=("username",), profile=True),
    ServiceType.MENTIONS_MEDIA_LIKERS: TypeForm(own=("media",), link_is_enough=True),
    ServiceType.COMMENT_LIKES: TypeForm(own=("username",)),
    ServiceType.COMMENT_REPLIES: TypeForm(own=("username", "comments"), counts=QuantitySource.COMMENTS),
    ServiceType.POLL: TypeForm(own=("answer_number",)),
    ServiceType.INVITES_FROM_GROUPS: TypeForm(own=("groups",)),
    ServiceType.SUBSCRIPTIONS: TypeForm(
        own=("username", "min", "max", "posts", "old_posts", "delay", "expiry"), counts=QuantitySource.POSTS
    ),
    ServiceType.WEB_TRAFFIC: TypeForm(
        own=("country", "device", "type_of_traffic", "google_keyword", "referring_url"), may_drip=True
    ),
}


_UNDISCLOSED: Final = DeliveryMethod.UNDISCLOSED


class Service(Struct, frozen=True):
    """One line of the price list. ``rate`` is per 1000 (of a package: for one), as many digits as were typed.

    ``cost`` is what that costs at its cheapest provider, in the panel's currency, None where nobody knows; it and
    ``halted`` follow from the providers' price lists, and are not the operator's to edit.
    ``refill_days``: a refill may be asked for within so many days of completion; None: for ever.
    ``hold_when_refused``: an order that no provider took waits for the operator, and is not paid back.
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
        """On sale, which a service is not before it states how it is delivered, and with somebody to fulfil it."""
        return self.on_sale and self.delivery_method is not _UNDISCLOSED and self.halted is None

    def covers_cost(self, rate: Decimal) -> bool:
        """Whether it may be sold at a rate unseen. That it is free the operator has stated."""
        return self.cost is None or rate >= self.cost or self.free


def check_range(service: Service, least: int, most: int) -> Refused | None:
    """Whether what is ordered at once lies in a service's range. Nothing is not ordered, whatever its minimum."""
    if least < max(service.min, 1):
        return Refused(Refusal.QUANTITY_TOO_LOW, max(service.min, 1))
    return Refused(Refusal.QUANTITY_TOO_HIGH, service.max) if most > service.max else None


class Catalogue(Struct, frozen=True):
    """What a panel sells at one version, and where it delivers.

    ``rates`` holds what a price list sets apart from the service's own rate.
    """

    version: int
    currency: str
    services: Mapping[ServiceId, Service]
    rates: Mapping[tuple[PriceListId, ServiceId], Decimal]
    policy: Policy = NO_POLICY
    below_cost: BelowCost = BelowCost.REFUSE

    def service(self, service_id: int, price_list: PriceListId) -> Service | None:
        """The service where it is sold to this price list."""
        found = self.services.get(ServiceId(service_id))
        return found if found is not None and self.sells(found, price_list) else None

    def sells(self, service: Service, price_list: PriceListId) -> bool:
        """Never below its cost, unless the operator looks at such orders before they go out."""
        if service.cost is None or not service.sold:
            return service.sold
        return service.covers_cost(self.rate(price_list, service)) or self.below_cost is BelowCost.HOLD

    def rate(self, price_list: PriceListId, service: Service) -> Decimal:
        return self.rates.get((price_list, service.id), service.rate)
