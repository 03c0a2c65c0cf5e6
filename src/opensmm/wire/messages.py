"""Words of both dialects on the wire: statuses, service types and the texts of refusals."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.catalogue import ServiceType
from opensmm.domain.orders import OrderStatus
from opensmm.domain.refills import RefillStatus
from opensmm.domain.request_refusals import Refusal

TITLE_CASE_STATUS: Final[Mapping[OrderStatus, str]] = {
    OrderStatus.PENDING: "Pending",
    OrderStatus.PROCESSING: "Processing",
    OrderStatus.IN_PROGRESS: "In progress",
    OrderStatus.COMPLETED: "Completed",
    OrderStatus.PARTIAL: "Partial",
    OrderStatus.CANCELED: "Canceled",
}

LOWER_CASE_STATUS: Final[Mapping[OrderStatus, str]] = {
    OrderStatus.PENDING: "pending",
    OrderStatus.PROCESSING: "processing",
    OrderStatus.IN_PROGRESS: "inprogress",
    OrderStatus.COMPLETED: "completed",
    OrderStatus.PARTIAL: "partial",
    OrderStatus.CANCELED: "canceled",
}

REFILL_STATUS: Final[Mapping[RefillStatus, str]] = {
    RefillStatus.PENDING: "Pending",
    RefillStatus.IN_PROGRESS: "In progress",
    RefillStatus.COMPLETED: "Completed",
    RefillStatus.REJECTED: "Rejected",
    RefillStatus.CANCELED: "Canceled",
}

V1_TYPE: Final[Mapping[ServiceType, str]] = {
    ServiceType.DEFAULT: "default",
    ServiceType.PACKAGE: "package",
    ServiceType.SEO: "seo",
    ServiceType.CUSTOM_COMMENTS: "custom_comments",
    ServiceType.CUSTOM_COMMENTS_PACKAGE: "custom_comments_package",
    ServiceType.MENTIONS: "mentions",
    ServiceType.MENTIONS_WITH_HASHTAGS: "mentions_with_hashtags",
    ServiceType.MENTIONS_CUSTOM_LIST: "mentions_custom_list",
    ServiceType.MENTIONS_HASHTAG: "mentions_hashtag",
    ServiceType.MENTIONS_USER_FOLLOWERS: "mentions_user_followers",
    ServiceType.MENTIONS_MEDIA_LIKERS: "mentions_media_likers",
    ServiceType.COMMENT_LIKES: "comment_likes",
    ServiceType.COMMENT_REPLIES: "comment_replies",
    ServiceType.POLL: "poll",
    ServiceType.INVITES_FROM_GROUPS: "invites_from_groups",
    ServiceType.SUBSCRIPTIONS: "subscriptions",
    ServiceType.WEB_TRAFFIC: "web_traffic",
}
"""Names of types in v1. In v2 the name is the value of ``ServiceType`` itself."""

_TYPES: Final = {key: kind for kind, key in V1_TYPE.items()}

V2_REFUSAL: Final[Mapping[Refusal, str]] = {
    Refusal.MALFORMED_REQUEST: "Incorrect request",
    Refusal.UNKNOWN_KEY: "Invalid API key",
    Refusal.UNKNOWN_ACTION: "Incorrect request",
    Refusal.SERVICE_MISSING: "Incorrect service ID",
    Refusal.SERVICE_UNKNOWN: "Incorrect service ID",
    Refusal.LINK: "Bad link",
    Refusal.QUANTITY: "Incorrect quantity",
    Refusal.QUANTITY_TOO_LOW: "Quantity less than minimal {detail}",
    Refusal.QUANTITY_TOO_HIGH: "Quantity more than maximum {detail}",
    Refusal.PARAMETER: "Incorrect {detail}",
    Refusal.NO_DRIP_FEED: "Drip-feed is disabled for this service",
    Refusal.RUNS: "Incorrect runs",
    Refusal.INTERVAL: "Incorrect interval",
    Refusal.ACTIVE_LINK: "You have active order with this link. Please wait until order being completed.",
    Refusal.FUNDS: "Not enough funds on balance",
    Refusal.ORDER_MISSING: "Incorrect order ID",
    Refusal.ORDER_UNKNOWN: "Incorrect order ID",
    Refusal.TOO_MANY_IDS: "Maximum 100 IDs",
    Refusal.REFILL_DISABLED: "Refill is disabled for this service",
    Refusal.REFILL_TOO_EARLY: "The order was completed or refill was requested less than 24 hours ago",
    Refusal.REFILL_OPEN: "The refill task is not completed for this order",
    Refusal.REFILL_NOT_COMPLETED: "The order is not completed",
    Refusal.REFILL_UNKNOWN: "Refill not found",
    Refusal.NOT_CANCELABLE: "Order cannot be canceled",
    Refusal.IDEMPOTENCY_MISMATCH: "Idempotency key was used with other parameters",
    Refusal.SUSPENDED: "Your account has been suspended.",
    Refusal.ADDRESS: "IP not allowed",
}
"""``{detail}`` is the limit or the parameter's name, ``{Detail}`` that name with a capital."""

V1_REFUSAL: Final[Mapping[Refusal, str]] = {
    **V2_REFUSAL,
    Refusal.UNKNOWN_KEY: "API is Disable for this user or User Not Found! Contact the Support",
    Refusal.UNKNOWN_ACTION: "This action is Invalid",
    Refusal.SERVICE_MISSING: "There are missing required parameters. Please check your API Manual",
    Refusal.SERVICE_UNKNOWN: "Service ID does not exists",
    Refusal.LINK: "Bad Link",
    Refusal.QUANTITY: "Quantity is required",
    Refusal.QUANTITY_TOO_LOW: "Quantity must to be greater than or equal to minimum amount {detail}",
    Refusal.QUANTITY_TOO_HIGH: "Quantity must to be less than or equal to maximum amount {detail}",
    Refusal.PARAMETER: "{Detail} field is required",
    Refusal.NO_DRIP_FEED: "This services does not support Dripfeed feature!",
    Refusal.RUNS: "Runs is required",
    Refusal.INTERVAL: "Interval time is required",
    Refusal.ORDER_MISSING: "Order ID is required parameter. Please check your API Manual",
}


def service_type(word: str) -> ServiceType | None:
    """Returns the type that either dialect calls so, in any letter case; None for other words."""
    return _TYPES.get("_".join(word.lower().split()))
