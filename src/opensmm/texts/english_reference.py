"""The English texts of the API's pages."""

from typing import Final

from opensmm.domain.catalogue import QuantitySource, ServiceType
from opensmm.domain.orders import OrderStatus
from opensmm.domain.refills import RefillStatus
from opensmm.domain.request_refusals import Refusal
from opensmm.texts.reference import CallText, Labels, Sections, Texts

_LABELS: Final = Labels(
    title="API",
    description="Order services, follow them, refill and cancel them, and read your balance from your own program.",
    skip="Skip to the content",
    contents="On this page",
    method="HTTP method",
    url="API URL",
    format="Response format",
    key="API key",
    key_hint="Yours alone. Whoever has it can spend your balance.",
    parameter="Parameter",
    meaning="Description",
    optional="optional",
    sample="Example response",
    answer="Answer",
    request="Example request",
    billed="Billed",
    status="Status",
    refill_status="Refill status",
    final="final",
    text="Text",
    when="When",
    code="Code",
    link="Link",
    outcome="What happens",
    not_found="Page not found",
    not_found_lead="There is nothing at this address.",
    back="To the API page",
)

_SECTIONS: Final = Sections(
    requests=CallText(
        "Requests",
        "Every call is one POST to the API URL with your key, an action and the action's parameters.",
        (
            "Send parameters as `application/x-www-form-urlencoded`. Multipart forms, a JSON object and the query "
            "string are read as well. If a parameter is in both the body and the query string, the body counts.",
            "You may send the key as `Authorization: Bearer YOUR_API_KEY` instead of as `key`.",
            "Every answer is JSON in UTF-8.",
            "Whole numbers are plain digits. An optional parameter left empty counts as absent, and a parameter "
            "that a service does not use is ignored.",
            "Lists of ids are separated by commas, at most 100 in one call. Lists of comments, usernames, hashtags, "
            "keywords and groups have one entry a line, separated by `\\r\\n` or `\\n`.",
        ),
    ),
    types=CallText(
        "Service types",
        "What `add` needs depends on the service's `type`. Besides the parameters listed here, each call has `key`, "
        "`action` and `service`.",
    ),
    statuses=CallText(
        "Order statuses",
        "Poll an order until its status is final. `charge` is what you have paid after refunds; `remains` is what has "
        "not been delivered, and is refunded when the order ends `{partial}` or `{canceled}`.",
    ),
    refill_statuses=CallText("Refill statuses", "A refill moves no money."),
    errors=CallText(
        "Errors",
        'A refusal is HTTP 200 with exactly one key: `{"error": "…"}`. Nothing was ordered or charged.',
        v1=(
            "Checks run in this order: key, action, service, the type's own parameters, link, quantity, minimum, "
            "maximum, drip-feed, active link, funds.",
        ),
        v2=(
            "Checks run in this order: key, action, service, link, the type's own parameters, quantity, minimum, "
            "maximum, drip-feed, active link, funds.",
        ),
    ),
    faults=CallText(
        "Other HTTP codes",
        "These codes say nothing about your order. The body has the same single key. After `503`, or if no answer "
        "came at all, repeat `add` with the same idempotency key.",
    ),
    idempotency=CallText(
        "Repeating safely",
        "A connection can break after an order was placed and before you read its id. Send `add` with an "
        "`idempotency_key` of your own making (1 to 255 characters, or the header `Idempotency-Key`), one for each "
        "order you mean to place. However often you repeat it, there is one order and one charge, and the answer is "
        "that order's id.",
        (
            "The same key with other parameters is refused.",
            "Refusals are not remembered: after a top-up the same request may succeed.",
            "Keys are kept for at least 7 days.",
        ),
    ),
    sandbox=CallText(
        "Testing your integration",
        "Services fulfilled by the sandbox deliver nothing real. They behave as the last part of the link says, so "
        "that you can test your program against every outcome. Other services take the link as it is.",
    ),
    examples=CallText(
        "Working examples",
        "Each reads the price list and the balance, places one order and follows it to its end. Put your key in "
        "place of `YOUR_API_KEY`, or pass the API URL and the key as arguments.",
    ),
)

_V2_FORM: Final = "The answer has the same form as in `v2`."
_PANELS: Final = (
    "Sites that run a script of the `v1` family and send a `User-Agent` that is exactly `SmartPanel API Sync` or "
    "`Mozilla/5.0 (SmartPanel API Sync)` get the status words of `v2`, such as `In progress`. The operator can switch "
    "that on or off for your key, whatever your program is."
)
_PARENTS: Final = (
    'For these sites, the status of a subscription is `{"status", "expiry", "posts", "orders": […]}` and that of a '
    'drip-feed is `{"status", "runs", "orders": []}`, whether they ask about one order or about several.'
)

_CALLS: Final = {
    "services": CallText(
        "Service list",
        "What you can order, at your prices. `rate` is the price of 1000; of a package, the price of one.",
        v1=(
            'If the list is empty, the answer is `{"status": "success", "data": "Empty Data"}`.',
            "`extended=1` adds each service's average time, in minutes, and delivery method.",
        ),
        v2=(
            "`extended=1` adds each service's drip-feed, description, average time, in minutes, and delivery method.",
            "Sites that run a script of the `v1` family and send a `User-Agent` that is exactly `SmartPanel API Sync` "
            "or `Mozilla/5.0 (SmartPanel API Sync)` get `dripfeed` after these keys. The operator can switch "
            "that on or off for your key, whatever your program is.",
        ),
    ),
    "add": CallText(
        "Add order",
        "Places an order and charges it at once. Which parameters it takes depends on the service's type.",
        (
            "Charge = rate × billed quantity ÷ 1000 (a package: the rate itself), rounded up to 5 decimals.",
            "`min` and `max` of a service hold for one run of a drip-feed, and for one post of a subscription.",
            "Drip-feed: `runs` of at least 2 and an `interval` of at least 1 minute, both or neither. The order is "
            "charged for all runs at once.",
        ),
        v1=(
            "In subscriptions `posts=0` means old posts only. From the sites named under “Order status”, `posts=0` "
            "without `old_posts` means an unlimited number of new posts.",
        ),
    ),
    "status": CallText("Order status", "The current status of one order.", v1=(_PANELS, _PARENTS)),
    "statuses": CallText(
        "Multiple orders status",
        "The current status of up to 100 orders, in the order you asked. An id that is not yours is answered with an "
        "error; the others are not affected.",
    ),
    "refill": CallText("Create refill", "Requests a new delivery of what a completed order has lost.", v1=(_V2_FORM,)),
    "refills": CallText("Create multiple refill", "The same for up to 100 orders.", v1=(_V2_FORM,)),
    "refill_status": CallText("Get refill status", "The current status of one refill.", v1=(_V2_FORM,)),
    "refill_statuses": CallText(
        "Get multiple refill status", "The current status of up to 100 refills.", v1=(_V2_FORM,)
    ),
    "cancel": CallText(
        "Create cancel",
        "Requests the cancellation of orders. An order that was not yet sent to a provider ends at once. Otherwise "
        "`1` means that the cancel was requested, and the order's status shows the outcome.",
        v1=(_V2_FORM,),
    ),
    "balance": CallText("User balance", "What you have left to spend."),
    "orders": CallText(
        "Your orders",
        "Your orders, newest first. Use it to find an order whose answer was lost.",
        ("For the next page, send the last id you received as `before`.",),
    ),
}

_PARAMETERS: Final = {
    "key": "Your API key",
    "action": "The action",
    "service": "Service ID",
    "link": "Link to page",
    "quantity": "Needed quantity",
    "runs": "Runs to deliver",
    "interval": "Interval in minutes",
    "order": "Order ID",
    "orders": "Order IDs (separated by a comma, up to 100 IDs)",
    "refill": "Refill ID",
    "refills": "Refill IDs (separated by a comma, up to 100 IDs)",
    "extended": "`1` for more about each service",
    "limit": "How many, up to 100",
    "before": "Order ID; only older orders are listed",
    "idempotency_key": "A value of your own for this order, which makes repeating the call safe",
    "keywords": "Keywords list separated by `\\r\\n` or `\\n`",
    "comments": "Comments list separated by `\\r\\n` or `\\n`",
    "usernames": "Usernames list separated by `\\r\\n`, `\\n` or a comma",
    "hashtags": "Hashtags list separated by `\\r\\n`, `\\n` or a comma",
    "groups": "Groups list separated by `\\r\\n` or `\\n`",
    "hashtag": "The hashtag whose users are mentioned",
    "mentions_user_followers.username": "URL of the profile whose followers are mentioned",
    "comment_likes.username": "Username of the comment owner",
    "comment_replies.username": "Username of the comment owner",
    "subscriptions.username": "Username",
    "media": "URL of the media whose likers are mentioned",
    "answer_number": "Number of the poll's answer",
    "min": "Quantity min",
    "max": "Quantity max",
    "posts": "Number of new posts; without it the subscription runs until it expires, `0` for old posts only",
    "old_posts": "Number of existing posts",
    "delay": "Delay in minutes. Possible values: {delays}",
    "expiry": "Expiry date. Format `d/m/Y`, in the future",
    "country": "Country of the visitors",
    "device": "Device, a number from `1` to `5`",
    "type_of_traffic": "`1` from a search keyword, `2` from a referring page, `3` direct",
    "google_keyword": "The search keyword, with type of traffic `1`",
    "referring_url": "The referring page, with type of traffic `2`",
}

_REFUSALS: Final = {
    Refusal.MALFORMED_REQUEST: "The request cannot be read: broken encoding, a parameter sent twice, a wrong JSON type",
    Refusal.UNKNOWN_KEY: "No key, or a wrong or revoked one",
    Refusal.UNKNOWN_ACTION: "No action, or one that does not exist",
    Refusal.SERVICE_MISSING: "No service given",
    Refusal.SERVICE_UNKNOWN: "There is no such service, or it is not on sale",
    Refusal.LINK: "The link is missing or not valid",
    Refusal.QUANTITY: "The quantity is missing or not a whole number",
    Refusal.QUANTITY_TOO_LOW: "Below the service's minimum (the number is the minimum)",
    Refusal.QUANTITY_TOO_HIGH: "Above the service's maximum (the number is the maximum)",
    Refusal.PARAMETER: "A parameter of this type is missing or not valid; the text names it",
    Refusal.NO_DRIP_FEED: "The service offers no drip-feed",
    Refusal.RUNS: "Runs are missing, under 2 or over 1,000",
    Refusal.INTERVAL: "The interval is missing, under 1 minute or over 43,200 minutes (30 days)",
    Refusal.ACTIVE_LINK: "The link has an active order, and the service allows only one at a time",
    Refusal.FUNDS: "The charge is more than your balance",
    Refusal.ORDER_MISSING: "No order given",
    Refusal.ORDER_UNKNOWN: "The order is not one of yours",
    Refusal.TOO_MANY_IDS: "More than 100 ids; none was processed",
    Refusal.REFILL_DISABLED: "The service offers no refill",
    Refusal.REFILL_TOO_EARLY: "The service's waiting time is not over",
    Refusal.REFILL_OPEN: "A refill of this order is already open",
    Refusal.REFILL_NOT_COMPLETED: "Only a completed order can be refilled",
    Refusal.REFILL_UNKNOWN: "The refill is not one of yours",
    Refusal.NOT_CANCELABLE: "The service offers no cancel, or the order has ended",
    Refusal.IDEMPOTENCY_MISMATCH: "The idempotency key was used for another order",
    Refusal.SUSPENDED: "Your account is suspended: you can read, but not order",
    Refusal.ADDRESS: "This key may not be used from your address",
}

REFERENCE: Final = Texts(
    labels=_LABELS,
    sections=_SECTIONS,
    calls=_CALLS,
    parameters=_PARAMETERS,
    types={kind: kind.value for kind in ServiceType},
    billed={
        QuantitySource.QUANTITY: "the quantity",
        QuantitySource.COMMENTS: "the number of comments",
        QuantitySource.USERNAMES: "the number of usernames",
        QuantitySource.ONE: "one",
        QuantitySource.POSTS: "each post's own order, when it is made",
    },
    billed_packaged="one, at the rate itself",
    drips="the quantity × runs",
    link_is_enough="Without media, the link is the media; without a quantity, the service's minimum is the quantity.",
    statuses={
        OrderStatus.PENDING: "Placed, not started yet",
        OrderStatus.PROCESSING: "Being sent to the provider",
        OrderStatus.IN_PROGRESS: "Being delivered; a drip-feed from its first run to its last",
        OrderStatus.COMPLETED: "All delivered; `remains` is 0",
        OrderStatus.PARTIAL: "Ended with a part delivered; the rest is refunded",
        OrderStatus.CANCELED: "Ended; what was not delivered is refunded",
    },
    refill_statuses={
        RefillStatus.PENDING: "Requested",
        RefillStatus.IN_PROGRESS: "Being delivered",
        RefillStatus.COMPLETED: "Delivered again",
        RefillStatus.REJECTED: "Turned down",
        RefillStatus.CANCELED: "Called off",
    },
    refusals=_REFUSALS,
    faults={
        413: "The request is too large",
        429: "Too many requests; wait as long as `Retry-After` says",
        503: "Overloaded, or the database is briefly unavailable; wait as long as `Retry-After` says, then repeat",
    },
    links={
        "": "Any other link: delivered in full, `{completed}`",
        "partial-40": "40 % is delivered, then `{partial}`: the rest is refunded. Other percentages work too",
        "canceled": "Accepted, then `{canceled}`: refunded",
        "slow": "Delivered in full, but takes sixty times as long",
        "stuck": "Accepted, stays `{pending}` for ever: for testing your time limits and cancels",
        "refuse": "The provider refuses it: `{canceled}`, refunded",
        "timeout": "The provider accepts it and never answers: `{processing}` until it is resolved, never sent twice",
        "lost": "The provider neither accepts it nor answers: `{processing}` until it is resolved",
        "lost-once": "As `lost`, but when it is sent again the provider accepts it: delivered in full in the end",
        "garbage": "The provider accepts it and sends an unreadable answer: `{processing}` until it is resolved, never "
        "sent twice",
        "drop": "`{completed}`, then a third is lost: for testing refills",
        "no-refill": "`{completed}`; a refill of it ends `Rejected`",
    },
)
