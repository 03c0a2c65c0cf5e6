"""The English texts of codes: whole sentences with named placeholders. Those of findings are in another module."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.audit import AuditAction
from opensmm.domain.codes import ChangeCode, EventCode, FieldCode, LineCode, ShutCode, StageCode, WarningCode
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.evidence import Conclusion
from opensmm.domain.operator_refusals import RefusalCode
from opensmm.domain.providers import MAX_URL
from opensmm.texts.english_customers import CUSTOMER_REFUSALS
from opensmm.texts.english_orders import ORDER_REFUSALS
from opensmm.texts.english_providers import PROVIDER_REFUSALS
from opensmm.texts.english_services import SERVICE_REFUSALS
from opensmm.texts.template import Words

SHUTS: Final[Mapping[ShutCode, str]] = {
    ShutCode.NO_KEY: "it has no key",
    ShutCode.KEY_OF_OTHER_VERSION: "its key was sealed by a version of OpenSMM that is not known here",
    ShutCode.KEY_DOES_NOT_OPEN: "its kept key does not open: it was sealed with another pepper or for another address",
    ShutCode.ADDRESS_MALFORMED: "this is not an address",
    ShutCode.ADDRESS_CHARACTERS: f"an address has at most {MAX_URL} visible ASCII characters",
    ShutCode.ADDRESS_SCHEME: "an address begins with https://",
    ShutCode.ADDRESS_WITHOUT_TLS: "the address begins with http://, which only OPENSMM_PRIVATE_PROVIDERS=1 allows",
    ShutCode.ADDRESS_WITH_USER: "an address holds no user, password or fragment",
    ShutCode.ADDRESS_WITH_KEY: "the key stands apart from the address",
    ShutCode.ADDRESS_HOST: "this is not a host's name",
    ShutCode.ADDRESS_PRIVATE: (
        "the address is not one of the public internet, and only OPENSMM_PRIVATE_PROVIDERS=1 allows such"
    ),
}
"""Parts of sentences, for the field ``why``."""
STATES: Final[Mapping[str, str]] = {
    **{state: state.value for state in DeliveryState},
    DeliveryState.QUEUED: "waits to be sent",
    DeliveryState.SENDING: "being sent",
    DeliveryState.IN_PROGRESS: "in progress",
    DeliveryState.HELD: "held for you",
}
"""The text of each state: the code itself, or words for a code that does not explain itself."""
CONCLUSIONS: Final[Mapping[Conclusion, str]] = {
    Conclusion.BOUGHT: "the provider took it",
    Conclusion.NOT_BOUGHT: "the provider did not take it",
    Conclusion.NO_NEIGHBOURS: "too few orders before and after it yet",
    Conclusion.NOT_GROWING: "the provider's order ids do not grow: settle it yourself",
    Conclusion.CLOCK_STEPPED: "the clock was set meanwhile: settle it yourself",
    Conclusion.TOO_MANY_IDS: "too many ids to ask for: settle it yourself",
    Conclusion.UNANSWERED: "the provider did not answer for every id",
    Conclusion.AMBIGUOUS: "more than one order may be it: settle it yourself",
    Conclusion.RISKED: "sent again at your risk",
    Conclusion.ENDED: "ended by you",
    Conclusion.LATE_ACCEPTANCE: "taken after it was settled",
    Conclusion.COMPLETED_WITH_REMAINS: "completed, though some remains",
    Conclusion.CANCEL_REFUSED: "the provider refused the cancel",
    Conclusion.CHARGE_UNCLEAR: "what it cost is not clear",
}
"""Results of the newest check of an order's evidence."""
FIELDS: Final[Mapping[FieldCode, str]] = {
    FieldCode.NAME: "name",
    FieldCode.CATEGORY: "category",
    FieldCode.DESCRIPTION: "description",
    FieldCode.REASON: "reason",
    FieldCode.LABEL: "label",
    FieldCode.MIN: "smallest quantity",
    FieldCode.MAX: "largest quantity",
    FieldCode.AVERAGE_TIME_MIN: "average time in minutes",
    FieldCode.REFILL_WAIT_H: "refill wait in hours",
    FieldCode.REFILL_DAYS: "number of days for refills",
    FieldCode.POSITION: "place on the price list",
    FieldCode.MARGIN: "margin",
    FieldCode.ADDED: "amount added per 1000",
    FieldCode.CONCURRENCY: "number of calls at a time",
    FieldCode.CALLS_PER_SECOND: "number of calls a second",
    FieldCode.ADDS_AT_A_TIME: "number of `add` calls at a time",
    FieldCode.REFUSED_WAIT_H: "number of hours",
    FieldCode.SYNC_EVERY_MIN: "number of minutes between two syncs",
    FieldCode.PRICE_SHARE: "share that a cost may move by",
    FieldCode.DECIMALS: "number of decimals",
    FieldCode.AMOUNT: "amount",
    FieldCode.REFUND_NUMBER: "refund's number",
}
"""Parts of sentences, for the field ``field``."""
REFUSALS: Final[Mapping[RefusalCode, Words]] = {
    **PROVIDER_REFUSALS,
    RefusalCode.FIELD_BLANK: Words("The {field} must be some text on one line."),
    RefusalCode.FIELD_TOO_LONG: Words("The {field} has at most {most} characters."),
    RefusalCode.FIELD_UNFIT: Words(
        "The {field} holds a control character, a line break, or a character that turns the writing direction: leave "
        "it out."
    ),
    RefusalCode.FIELD_OUT_OF_RANGE: Words("The {field} must lie between {least} and {most}."),
    RefusalCode.SERVER_TOO_OLD: Words("The server is PostgreSQL {version}, and the panel needs {least} or newer."),
    RefusalCode.COMMITS_NOT_WAITED_FOR: Words(
        "synchronous_commit is {value} in the panel's sessions, although it asks for on: orders that were answered "
        "could be lost. A pooler that drops start-up options needs `alter role … set synchronous_commit = 'on'`."
    ),
    RefusalCode.SESSION_LIMITS_MISSING: Words(
        "The limits of the panel's sessions are not in force ({names}): a pooler drops its start-up options. Set them "
        "for the role: `alter role … set lock_timeout = '4s'`; see `A pooler in between` in docs/operating.md."
    ),
    RefusalCode.PREPARED_STATEMENTS_MIXED: Words(
        "The pooler before the database gives one client's prepared statements to another: it pools transactions and "
        "does not know prepared statements. Use PgBouncer 1.21 or newer with max_prepared_statements, or pool sessions."
    ),
    RefusalCode.POOLER_REFUSES_OPTIONS: Words(
        "The pooler before the database refuses the panel's start-up options. Set `ignore_startup_parameters = "
        "options` there, and the limits for the role; see `A pooler in between` in docs/operating.md."
    ),
    RefusalCode.MIGRATION_UNDER_WAY: Words(
        "Another migration has been at work for {seconds} s. Wait until it has ended, and run this again."
    ),
    RefusalCode.UNKNOWN_CUSTOMER: Words("There is no customer {name}. There are: {there_are}."),
    RefusalCode.UNKNOWN_PROVIDER: Words("There is no provider {name}. There are: {there_are}."),
    RefusalCode.BAD_USER_AGENT: Words("A User-Agent has at most {most} characters: letters, digits, signs and blanks."),
    RefusalCode.BAD_ADDRESS: Words("{url} will not be called: {why}."),
    RefusalCode.KEY_FOR_OTHER_HOST: Words(
        "The kept key of {provider} is for {before}, and this is {after}. Give the key for it with --ask-key or "
        "--key-file, or say --keep-key if it is the same."
    ),
    RefusalCode.PROVIDER_SHUT: Words("{provider} cannot be called from here: {why}."),
    RefusalCode.NOT_A_PANEL: Words(
        "{provider_name} is the built-in sandbox or your own staff: it is no panel, so there is nothing to ask it."
    ),
    RefusalCode.PRICES_SET_BY_HAND: Words(
        "{count} prices were set by hand and would be overwritten: {prices}. Nothing was written; --confirm overwrites "
        "them.",
        singular="A price was set by hand and would be overwritten: {prices}. Nothing was written; --confirm "
        "overwrites it.",
    ),
    RefusalCode.PEPPER_LOST: Words(
        "There is no pepper here, and this database has keys that were made with one: put the file `pepper` back into "
        "the data folder, or set OPENSMM_PEPPER. If it is lost for good, `opensmm new-pepper` makes another one, and "
        "no key opens anything any more."
    ),
    RefusalCode.PEPPER_DIFFERS: Words(
        "This is not the pepper that the keys of this database were made with: bring that one back. If it is lost for "
        "good, `opensmm new-pepper` takes this one, and no key from before opens anything any more."
    ),
    RefusalCode.NO_CUSTOMER: Words("There is no customer {customer}."),
    RefusalCode.BAD_GATEWAY: Words(
        "{gateway} is no gateway's name: it has 1 to {most} characters on one line, and is neither `opening` nor "
        "`legacy`, which the panel uses itself."
    ),
    RefusalCode.BAD_REFERENCE: Words("A reference has 1 to {most} characters on one line."),
    RefusalCode.PAYMENT_TWIN: Words(
        "Payment {external_id} of {gateway} was booked before as transfer {transfer}. The id now differs in case "
        "alone: write it as it was written if it is the same payment, or add --different if it is another one."
    ),
    RefusalCode.PAYMENT_MISMATCH: Words(
        "Payment {external_id} of {gateway} was booked before as transfer {transfer}, with another amount or for "
        "another customer; `opensmm adjust` corrects it."
    ),
    RefusalCode.NO_PAYMENT: Words("No payment {external_id} of {gateway} was booked."),
    RefusalCode.REFERENCE_MISMATCH: Words(
        "Reference {reference} stands for transfer {transfer}, which moved something else: choose another one."
    ),
    RefusalCode.REFERENCE_TWIN: Words(
        "Transfer {transfer} was booked for this before, as {reference}. The reference now differs in case alone: "
        "write it as it was written if it is the same, or choose another one."
    ),
    RefusalCode.LIMIT_MISMATCH: Words(
        "Reference {reference} stands for another credit limit, of customer {customer}: choose another one."
    ),
    RefusalCode.NO_TRANSFER: Words("Customer {customer} has no such transfer."),
    RefusalCode.TRANSFER_OF_ORDER: Words(
        "Transfer {transfer} belongs to an order: `opensmm orders refund` gives its money back."
    ),
    RefusalCode.CORRECTS_TOO_MUCH: Words("Of transfer {transfer} only {left} is left to be undone."),
    RefusalCode.NOT_THAT_MUCH: Words("Customer {customer} has only {left} that could be taken."),
    RefusalCode.OWES_MORE: Words(
        "Customer {customer} owes {owed}, more than that: a credit limit covers what is owed."
    ),
    RefusalCode.CURRENCY_FIXED: Words("The currency stays {currency}: money has moved in it."),
    RefusalCode.NO_NOTICE: Words("Order {order} has no notice that could be dealt with."),
    **CUSTOMER_REFUSALS,
    **ORDER_REFUSALS,
    **SERVICE_REFUSALS,
}
CHANGES: Final[Mapping[ChangeCode, Words]] = {
    ChangeCode.FIELD_MOVED: Words("{field}: {before} → {after}"),
    ChangeCode.SERVICE_UNREAD: Words("not sold: its line in the price list cannot be read: {why}"),
    ChangeCode.SERVICE_GONE: Words("not sold: its provider lists it no more"),
    ChangeCode.SERVICE_OTHER_TYPE: Words("not sold: its provider lists it as another type"),
    ChangeCode.SERVICE_QUARANTINED: Words("not sold until you approve it: `opensmm service quarantine list`"),
    ChangeCode.SOLD_AGAIN: Words("sold again"),
    ChangeCode.BELOW_COST: Words("costs {cost} and is sold at {rate}"),
    ChangeCode.ROUTE_UNREAD: Words(
        "provider {provider} is not used: the line of its service {provider_service} cannot be read: {why}"
    ),
    ChangeCode.ROUTE_GONE: Words("provider {provider} does not list its service {provider_service} any more"),
    ChangeCode.ROUTE_OTHER_TYPE: Words("provider {provider} lists its service {provider_service} as another type"),
    ChangeCode.ROUTE_SET_ASIDE: Words(
        "provider {provider} is set aside until you approve what its service {provider_service} costs"
    ),
    ChangeCode.ROUTE_USED_AGAIN: Words("provider {provider} is used again, for its service {provider_service}"),
    ChangeCode.ROUTE_SELLS_ANOTHER: Words(
        "service {provider_service} of provider {provider} was “{before}” and is “{after}”"
    ),
    ChangeCode.ROUTE_COST_MOVED: Words(
        "service {provider_service} of provider {provider} cost {before} and costs {after}"
    ),
}
"""Changes of a service by its price list."""
LINES: Final[Mapping[LineCode, Words]] = {
    LineCode.NO_OBJECT: Words("it is no object"),
    LineCode.NO_ID: Words("it has no id"),
    LineCode.NO_RATE: Words("it has no rate that can be read", more=(("rate", ": “{rate}”"),)),
    LineCode.RATE_UNCLEAR: Words("it has a rate with a comma for thousands or decimals: “{rate}”"),
    LineCode.NO_RANGE: Words(
        "it has no range that can be read", more=(("min", ", from “{min}”"), ("max", ", to “{max}”"))
    ),
    LineCode.NEVER_ORDERED: Words("it can never be ordered, since its range ends at 0"),
    LineCode.LISTED_TWICE: Words("it stands there twice, and the first was taken"),
    LineCode.UNREAD: Words("it is not understood"),
    LineCode.TYPE_UNKNOWN: Words("its type is unknown"),
    LineCode.OTHER_TYPE: Words("it is listed as another type"),
    LineCode.NO_PRICE: Words("it would have no price"),
}
"""Parts of sentences: reasons why a line of a price list is left out."""
WARNINGS: Final[Mapping[WarningCode, Words]] = {
    WarningCode.NO_TYPES: Words("no line has a type: all are taken for {type}"),
    WarningCode.LINE_LEFT_OUT: Words("service {provider_service}: {why}"),
    WarningCode.LINE_WITHOUT_ID: Words("a line, “{provider_service_name}”: {why}"),
    WarningCode.TYPE_UNKNOWN: Words("service {provider_service} is of an unknown type"),
    WarningCode.MORE_LINES: Words("and {count} more"),
    WarningCode.EMPTY_LIST: Words("its price list is empty"),
    WarningCode.OTHER_DIALECT: Words(
        "its answers look like {spoken}, and it is set to {dialect}: "
        "`opensmm provider edit {provider_name} --dialect {spoken}`"
    ),
    WarningCode.EXCHANGE_RATE_ONE: Words(
        "its exchange rate is 1, though {currency} is not {ours}: costs are taken for {ours}; "
        "`opensmm provider edit {provider_name} --exchange-rate` sets it"
    ),
    WarningCode.CURRENCY_UNTOLD: Words("it names no currency; {currency} is taken for granted"),
    WarningCode.OTHER_CURRENCY: Words("its currency is {currency}, and it is set to {known}: costs are not booked"),
    WarningCode.LIST_OVERTAKEN: Words(
        "another price list, asked for later than this one, was taken over meanwhile: nothing follows this one"
    ),
    WarningCode.LIST_DOUBTED: Words(
        "{why}: nothing follows it; `opensmm provider sync {provider_name} --confirm` takes it over"
    ),
}
"""Warnings about a provider's responses."""
_REASON: Final = ("reason", ". Reason: {reason}")
EVENTS: Final[Mapping[EventCode, Words]] = {
    EventCode.PLACED: Words("placed: {quantity} of service {service} for {charge}"),
    EventCode.PLACED_IN_RUNS: Words("placed: {runs} runs of {quantity} of service {service} for {charge}"),
    EventCode.SUBSCRIBED: Words("subscribed to service {service}: each post is charged when it is made"),
    EventCode.MADE_FOR_POST: Words("made for a post of subscription {subscription}"),
    EventCode.CHARGED: Words("{amount} taken from the customer's balance"),
    EventCode.EARNED: Words("{amount} earned"),
    EventCode.REFUNDED: Words("{amount} paid back to the customer, for what was not delivered"),
    EventCode.RETURNED: Words("{amount} paid back to the customer, out of what was earned"),
    EventCode.COST_BOOKED: Words("{amount} booked as what the provider takes for it"),
    EventCode.ENDED: Words("the order ended: {state}"),
    EventCode.SENT: Words("being sent to {provider_name}, for its service {provider_service}"),
    EventCode.ACCEPTED: Words(
        "{provider_name} took it as its order {provider_order}", more=(("cost", ", for {cost} {currency}"),)
    ),
    EventCode.DECLINED: Words("{provider_name} declined it", more=(("words", ": “{words}”"),)),
    EventCode.ASKED_AFTER: Words(
        "last asked after",
        more=(
            ("state", ": {state}"),
            ("remains", ", {remains} of {quantity} remain"),
            ("start_count", ", start count {start_count}"),
        ),
    ),
    EventCode.SEND_DUE: Words("due to be sent"),
    EventCode.LOOK_DUE: Words("due to be looked into, since it is unsure whether its provider took it"),
    EventCode.POLL_DUE: Words("due to be asked after for the first time"),
    EventCode.CANCEL_ASKED: Words("cancel asked for; its provider has yet to be told"),
    EventCode.CANCEL_PASSED: Words("cancel passed on to its provider"),
    EventCode.REFILL_ASKED: Words("refill {refill} asked for"),
    EventCode.REFILL_ENDED: Words("refill {refill} ended: {state}"),
    EventCode.LOOKED_INTO: Words(
        "looked into: {conclusion}",
        more=(
            ("asked", ". {provider_name} was asked for {asked} ids above {low}"),
            ("high", " and below {high}"),
            ("not_ours", ": {not_ours} are not ours"),
            ("words", " (“{words}”)"),
            ("ours", "; ours: {ours}"),
        ),
    ),
    EventCode.OPERATOR_SETTLED_BOUGHT: Words(
        "settled by {by}: it is the provider's order {provider_order}", more=(_REASON,)
    ),
    EventCode.OPERATOR_SETTLED_NOT_BOUGHT: Words("settled by {by}: the provider has no such order", more=(_REASON,)),
    EventCode.OPERATOR_RISKED: Words(
        "{by} has it sent again, though the provider may have taken it: {signed}", more=(_REASON,)
    ),
    EventCode.OPERATOR_ENDED: Words("ended by {by}: {state}, {remains} not delivered", more=(_REASON,)),
    EventCode.POST_MADE: Words("the provider's order {provider_order} for a post is our order {order}"),
    EventCode.POST_UNTOLD: Words(
        "the provider's order {provider_order} for a post waits: its provider has yet to tell how much it is for"
    ),
    EventCode.POST_UNPAID: Words(
        "the provider's order {provider_order} for a post waits: the customer lacks the funds"
    ),
    EventCode.POST_TAKEN: Words(
        "the provider's order {provider_order} for a post is refused: another order of ours has that id already"
    ),
    EventCode.POST_LOST: Words(
        "the provider's order {provider_order} for a post is given up: it could not be charged in time"
    ),
    EventCode.POST_BEYOND: Words(
        "the provider's order {provider_order} for a post is refused and not charged: it is one more than was "
        "subscribed to"
    ),
    EventCode.POST_EXPIRED: Words(
        "the provider's order {provider_order} for a post is refused and not charged: it was made after the "
        "subscription had expired"
    ),
    EventCode.POST_UNLISTED: Words("the provider does not list its order {provider_order} for a post any more"),
    EventCode.NOT_SENT: Words("not sent to {provider_name}: {words}"),
    EventCode.UNSURE: Words("unsure whether {provider_name} took it", more=(("words", ": {words}"),)),
    EventCode.SETTLED_BOUGHT: Words("settled: {provider_name} took it as its order {provider_order}"),
    EventCode.SETTLED_NOT_BOUGHT: Words("settled: {provider_name} did not take it"),
    EventCode.NEEDS_LATER_ORDERS: Words(
        "looked into: still unsure, since {needed} earlier and {needed} later orders at {provider_name} are needed; "
        "there are {earlier} and {later} so far"
    ),
    EventCode.LATE_ACCEPTANCE: Words(
        "late acceptance: {provider_name} took it as its order {provider_order} after it had been settled otherwise"
    ),
    EventCode.COMPLETED_WITH_REMAINS: Words(
        "contradiction: {provider_name} says that it is completed and that {remains} of {quantity} remain; it is "
        "earned in full"
    ),
    EventCode.CHARGE_UNCLEAR: Words(
        "charge not clear: its provider says “{words}”, which is no number, or one that may be read in two ways; no "
        "cost is booked by it"
    ),
    EventCode.CANCEL_REFUSED: Words(
        "cancel refused: it is paid back here, and goes on at {provider_name} as its order {provider_order}: “{answer}”"
    ),
    EventCode.DEALT_WITH: Words("dealt with: you have seen to what {provider_name} said"),
    EventCode.NOT_UNDERSTOOD: Words(says="not understood: its provider says “{words}”"),
    EventCode.LOOK_UP_FAILED: Words(says="not told: its provider answers with the error “{words}”"),
    EventCode.REFILL_NOT_UNDERSTOOD: Words(says="refill {refill} not understood: its provider says “{words}”"),
    EventCode.REFILL_LOOK_UP_FAILED: Words(
        says="refill {refill} not told: its provider answers with the error “{words}”"
    ),
    EventCode.END_NOT_BELIEVED: Words(
        says="held: its provider says “{word}” with {remains} of {quantity} remaining and a charge of {charge}"
    ),
    EventCode.NO_POSTS_LISTED: Words(
        says="held: its provider says that it is completed, charges {charge} {currency} and lists no posts, so that "
        "its customer was charged nothing; sell subscriptions through a provider that lists them"
    ),
    EventCode.POSTS_WITHOUT_END: Words(
        says="held: its provider lists {count} orders for posts, more than an account makes, and is asked after it no "
        "more; see there that it stops, and cancel it"
    ),
    EventCode.ID_GIVEN_TWICE: Words(
        says="unsure: its provider gave it the order {provider_order}, which is another delivery's already"
    ),
    EventCode.PUT_OFF: Words(says="waits: its provider puts it off, “{words}”"),
    EventCode.REFUSES_KEY: Words(says="waits: its provider refuses our key, account or address, “{words}”"),
    EventCode.WITHOUT_FUNDS: Words(says="waits: its provider has no money of ours left, “{words}”"),
    EventCode.WAITED_TOO_LONG: Words(
        says="held: it waited {hours} h for its provider, which says “{words}”; send it again, or cancel it"
    ),
    EventCode.NO_PROVIDER_AT_PRICE: Words("no provider fulfils it at the price it was sold for"),
}

ACTIONS: Final[Mapping[AuditAction, str]] = {
    AuditAction.CUSTOMER_ADD: "added customer {subject}",
    AuditAction.CUSTOMER_SUSPEND: "suspended customer {subject}",
    AuditAction.CUSTOMER_RESUME: "let customer {subject} order again",
    AuditAction.CUSTOMER_TOPUP: "booked a payment of customer {subject}",
    AuditAction.CUSTOMER_ADJUST: "corrected a transfer of customer {subject}",
    AuditAction.CUSTOMER_CHARGEBACK: "booked a chargeback of customer {subject}",
    AuditAction.CUSTOMER_PAYOUT: "booked a payout of customer {subject}",
    AuditAction.CUSTOMER_BONUS: "gave customer {subject} a bonus",
    AuditAction.CUSTOMER_CREDIT_LIMIT: "set the credit limit of customer {subject}",
    AuditAction.CUSTOMER_PRICE_LIST: "gave customer {subject} a price list",
    AuditAction.KEY_ADD: "added key {subject}",
    AuditAction.KEY_EDIT: "changed key {subject}",
    AuditAction.KEY_REVOKE: "revoked key {subject}",
    AuditAction.SERVICE_SAVE: "wrote service {subject}",
    AuditAction.SERVICE_DELIVER: "stated how service {subject} is delivered",
    AuditAction.SERVICE_REFILL: "set the refills of service {subject}",
    AuditAction.SERVICE_APPROVE: "approved the cost of service {subject}",
    AuditAction.SERVICE_SYNC: "had service {subject} follow its providers",
    AuditAction.SERVICE_PROHIBIT: "took service {subject} off sale by a rule",
    AuditAction.ROUTE_SET: "set the providers of service {subject}",
    AuditAction.ROUTE_BY_COST: "sorted the providers of service {subject} by cost",
    AuditAction.PROVIDER_ADD: "added provider {subject}",
    AuditAction.PROVIDER_EDIT: "changed provider {subject}",
    AuditAction.PROVIDER_FOLLOW: "set how provider {subject} is followed",
    AuditAction.PROVIDER_CHECK: "checked provider {subject}",
    AuditAction.PROVIDER_BALANCE: "read the balance of provider {subject}",
    AuditAction.PRICE_LIST_ADD: "added price list {subject}",
    AuditAction.PRICE_LIST_RATE: "set a rate of price list {subject}",
    AuditAction.PANEL_BELOW_COST: "set what becomes of orders below their cost",
    AuditAction.PANEL_REFUSED_WAIT: "set how long orders wait for providers that turn us away",
    AuditAction.PANEL_PEPPER: "took another pepper",
    AuditAction.PANEL_CURRENCY: "set the panel's currency",
    AuditAction.POLICY_ADD: "added rule {subject}",
    AuditAction.POLICY_REMOVE: "removed rule {subject}",
    AuditAction.ORDER_CANCEL: "canceled order {subject}",
    AuditAction.ORDER_COMPLETE: "completed order {subject}",
    AuditAction.ORDER_PARTIAL: "ended order {subject} as partial",
    AuditAction.ORDER_RESEND: "had order {subject} sent again",
    AuditAction.ORDER_SETTLE: "settled order {subject}",
    AuditAction.ORDER_REFUND: "gave back money of order {subject}",
    AuditAction.ORDER_DEAL_WITH: "dealt with the notices of order {subject}",
    AuditAction.STAFF_ASSIGN: "had the staff fulfil service {subject}",
    AuditAction.STAFF_START: "began order {subject}",
    AuditAction.STAFF_PROGRESS: "reported on order {subject}",
    AuditAction.STAFF_DONE: "delivered order {subject}",
    AuditAction.STAFF_PARTIAL: "delivered a part of order {subject}",
    AuditAction.STAFF_CANCEL: "gave order {subject} up",
    AuditAction.STAFF_REFILL_COMPLETED: "delivered refill {subject}",
    AuditAction.STAFF_REFILL_REJECTED: "rejected refill {subject}",
    AuditAction.STAFF_REFILL_BUY: "bought refill {subject} at another provider",
}
"""Actions in the audit trail, to follow the name of the actor."""
STAGES: Final[Mapping[StageCode, Words]] = {
    StageCode.COPYING_PROGRAMS: Words(says="copying PostgreSQL's programs for the user {user} (once)"),
    StageCode.CREATING_DATABASE: Words(says="creating the database (once)"),
    StageCode.STARTING_DATABASE: Words(says="starting PostgreSQL"),
    StageCode.RECOVERING_DATABASE: Words(says="waiting for PostgreSQL, which recovers from a crash"),
    StageCode.MIGRATING: Words(says="bringing the tables up to date: step {number} of {total}"),
    StageCode.FILLING_DEMO: Words(says="filling the demo's price list"),
    StageCode.STARTING_PROCESSES: Words(says="starting the panel's processes"),
}
