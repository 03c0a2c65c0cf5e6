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
    ShutCode.KEY_OF_OTHER_VERSION: "its key was encrypted by a version of OpenSMM that this one does not know",
    ShutCode.KEY_DOES_NOT_OPEN: (
        "its stored key cannot be decrypted: it was encrypted with another pepper or for another address"
    ),
    ShutCode.ADDRESS_MALFORMED: "the address is malformed",
    ShutCode.ADDRESS_CHARACTERS: f"the address may have at most {MAX_URL} visible ASCII characters",
    ShutCode.ADDRESS_SCHEME: "the address must begin with https://",
    ShutCode.ADDRESS_WITHOUT_TLS: (
        "the address begins with http://, which is allowed only with OPENSMM_PRIVATE_PROVIDERS=1"
    ),
    ShutCode.ADDRESS_WITH_USER: "the address must not contain a user, a password or a fragment",
    ShutCode.ADDRESS_WITH_KEY: "the address must not contain the key",
    ShutCode.ADDRESS_HOST: "the address has no valid host name",
    ShutCode.ADDRESS_PRIVATE: (
        "the address is not on the public internet, which is allowed only with OPENSMM_PRIVATE_PROVIDERS=1"
    ),
}
"""Parts of sentences, for the field ``why``."""
STATES: Final[Mapping[str, str]] = {
    **{state: state.value for state in DeliveryState},
    DeliveryState.QUEUED: "waiting to be sent",
    DeliveryState.SENDING: "being sent",
    DeliveryState.IN_PROGRESS: "in progress",
    DeliveryState.HELD: "held for you",
}
"""The text of each state: the code itself, or words for a code that does not explain itself."""
CONCLUSIONS: Final[Mapping[Conclusion, str]] = {
    Conclusion.BOUGHT: "the provider accepted it",
    Conclusion.NOT_BOUGHT: "the provider did not accept it",
    Conclusion.NO_NEIGHBOURS: "there are too few orders before and after it so far",
    Conclusion.NOT_GROWING: "the provider's order ids do not increase: resolve it yourself",
    Conclusion.CLOCK_STEPPED: "the clock was changed meanwhile: resolve it yourself",
    Conclusion.TOO_MANY_IDS: "there are too many ids to look up: resolve it yourself",
    Conclusion.UNANSWERED: "the provider did not answer for every id",
    Conclusion.AMBIGUOUS: "several of the provider's orders match it: resolve it yourself",
    Conclusion.RISKED: "sent again at your risk",
    Conclusion.ENDED: "ended by you",
    Conclusion.LATE_ACCEPTANCE: "accepted after it was resolved",
    Conclusion.COMPLETED_WITH_REMAINS: "completed, although a part remains",
    Conclusion.CANCEL_REFUSED: "the provider refused the cancel",
    Conclusion.CHARGE_UNCLEAR: "its charge is unclear",
}
"""Results of the newest check of an order's evidence."""
FIELDS: Final[Mapping[FieldCode, str]] = {
    FieldCode.NAME: "name",
    FieldCode.CATEGORY: "category",
    FieldCode.PROVIDER: "provider",
    FieldCode.DESCRIPTION: "description",
    FieldCode.REASON: "reason",
    FieldCode.LABEL: "label",
    FieldCode.MIN: "smallest quantity",
    FieldCode.MAX: "largest quantity",
    FieldCode.AVERAGE_TIME_MIN: "average time in minutes",
    FieldCode.REFILL_WAIT_H: "refill wait in hours",
    FieldCode.REFILL_DAYS: "number of days for refills",
    FieldCode.POSITION: "position in the price list",
    FieldCode.MARGIN: "margin",
    FieldCode.ADDED: "amount added per 1000",
    FieldCode.CONCURRENCY: "number of calls at a time",
    FieldCode.CALLS_PER_SECOND: "number of calls a second",
    FieldCode.ADDS_AT_A_TIME: "number of `add` calls at a time",
    FieldCode.REFUSED_WAIT_H: "number of hours",
    FieldCode.SYNC_EVERY_MIN: "number of minutes between two syncs",
    FieldCode.PRICE_SHARE: "allowed change of a cost",
    FieldCode.DECIMALS: "number of decimals",
    FieldCode.AMOUNT: "amount",
    FieldCode.REFUND_NUMBER: "number of the refund",
}
"""Parts of sentences, for the field ``field``."""
REFUSALS: Final[Mapping[RefusalCode, Words]] = {
    **PROVIDER_REFUSALS,
    RefusalCode.FIELD_BLANK: Words("The {field} must not be empty."),
    RefusalCode.FIELD_TOO_LONG: Words("The {field} can have at most {most} characters."),
    RefusalCode.FIELD_UNFIT: Words(
        "The {field} contains a control character, a line break, or a character that changes the writing "
        "direction. Remove it."
    ),
    RefusalCode.FIELD_OUT_OF_RANGE: Words("The {field} must be between {least} and {most}."),
    RefusalCode.SERVER_TOO_OLD: Words("The server runs PostgreSQL {version}, but the panel needs {least} or newer."),
    RefusalCode.COMMITS_NOT_WAITED_FOR: Words(
        "synchronous_commit is {value} in the panel's sessions, although the panel sets it to on. Orders that "
        "were already answered could be lost. If a pooler drops start-up options, run `alter role … set "
        "synchronous_commit = 'on'`."
    ),
    RefusalCode.SESSION_LIMITS_MISSING: Words(
        "The limits of the panel's sessions are not in force ({names}), because a pooler drops the start-up "
        "options. Set them for the role: `alter role … set lock_timeout = '4s'`; see `A pooler in between` in "
        "docs/operating.md."
    ),
    RefusalCode.PREPARED_STATEMENTS_MIXED: Words(
        "The pooler in front of the database gives the prepared statements of one client to another: it pools "
        "transactions and does not support prepared statements. Use PgBouncer 1.21 or newer with "
        "max_prepared_statements, or pool sessions."
    ),
    RefusalCode.POOLER_REFUSES_OPTIONS: Words(
        "The pooler in front of the database refuses the panel's start-up options. Set "
        "`ignore_startup_parameters = options` there, and set the limits for the role; see `A pooler in between` "
        "in docs/operating.md."
    ),
    RefusalCode.MIGRATION_UNDER_WAY: Words(
        "Another migration has been running for {seconds} s. Wait until it has ended, and run this again."
    ),
    RefusalCode.UNKNOWN_CUSTOMER: Words("There is no customer {name}. There are: {there_are}."),
    RefusalCode.UNKNOWN_PROVIDER: Words("There is no provider {name}. There are: {there_are}."),
    RefusalCode.BAD_USER_AGENT: Words(
        "A User-Agent can have at most {most} characters: ASCII letters, digits, punctuation marks and spaces."
    ),
    RefusalCode.BAD_ADDRESS: Words("The address {url} cannot be used: {why}."),
    RefusalCode.KEY_FOR_OTHER_HOST: Words(
        "The stored key of {provider} is for {before}, but the new address is at {after}. Give the key for the "
        "new address with --ask-key or --key-file, or add --keep-key if it is the same."
    ),
    RefusalCode.PROVIDER_SHUT: Words("{provider} cannot be called from here: {why}."),
    RefusalCode.NOT_A_PANEL: Words(
        "{provider_name} is the built-in sandbox or your own staff, not a panel: it has no API that could be called."
    ),
    RefusalCode.PRICES_SET_BY_HAND: Words(
        "{count} prices were set by hand and would be overwritten: {prices}. Nothing was written; --confirm overwrites "
        "them.",
        singular="A price was set by hand and would be overwritten: {prices}. Nothing was written; --confirm "
        "overwrites it.",
    ),
    RefusalCode.PEPPER_LOST: Words(
        "There is no pepper here, but this database has keys that were made with one. Put the file `pepper` back "
        "into the data folder, or set OPENSMM_PEPPER. If the pepper is lost for good, `opensmm new-pepper` makes "
        "a new one, and no existing key works any more."
    ),
    RefusalCode.PEPPER_DIFFERS: Words(
        "This is not the pepper that the keys of this database were made with. Restore the earlier one. If it is "
        "lost for good, `opensmm new-pepper` switches to this one, and no earlier key works any more."
    ),
    RefusalCode.NO_CUSTOMER: Words("There is no customer {customer}."),
    RefusalCode.BAD_GATEWAY: Words(
        "{gateway} is not the name of a gateway. A name has 1 to {most} characters on one line, and is neither "
        "`opening` nor `legacy`, which the panel uses itself."
    ),
    RefusalCode.BAD_REFERENCE: Words("A reference has 1 to {most} characters on one line."),
    RefusalCode.PAYMENT_TWIN: Words(
        "Payment {external_id} of {gateway} is already booked as transfer {transfer}. The new id differs only in "
        "upper and lower case. If it is the same payment, write the id as it was written before; if it is "
        "another payment, add --different."
    ),
    RefusalCode.PAYMENT_MISMATCH: Words(
        "Payment {external_id} of {gateway} is already booked as transfer {transfer}, but with another amount or "
        "for another customer. Correct that transfer with `opensmm adjust`."
    ),
    RefusalCode.NO_PAYMENT: Words("No payment {external_id} of {gateway} is booked."),
    RefusalCode.REFERENCE_MISMATCH: Words(
        "Reference {reference} already belongs to transfer {transfer}, which is a different one. Choose another "
        "reference."
    ),
    RefusalCode.REFERENCE_TWIN: Words(
        "This is already booked as transfer {transfer}, with the reference {reference}. The new reference "
        "differs only in upper and lower case. If you mean the same transfer, write the reference as it was "
        "written before; if not, choose another one."
    ),
    RefusalCode.LIMIT_MISMATCH: Words(
        "Reference {reference} already belongs to a different credit limit, of customer {customer}. Choose "
        "another reference."
    ),
    RefusalCode.NO_TRANSFER: Words("Customer {customer} has no such transfer."),
    RefusalCode.TRANSFER_OF_ORDER: Words(
        "Transfer {transfer} belongs to an order. Refund the order with `opensmm orders refund`."
    ),
    RefusalCode.CORRECTS_TOO_MUCH: Words("Only {left} of transfer {transfer} can still be reversed."),
    RefusalCode.NOT_THAT_MUCH: Words("Only {left} can be taken from customer {customer}."),
    RefusalCode.OWES_MORE: Words(
        "Customer {customer} owes {owed}. The credit limit must cover what the customer owes."
    ),
    RefusalCode.CURRENCY_FIXED: Words("The currency stays {currency}, because money has already moved in it."),
    RefusalCode.NO_NOTICE: Words("Order {order} has no open notice."),
    **CUSTOMER_REFUSALS,
    **ORDER_REFUSALS,
    **SERVICE_REFUSALS,
}
CHANGES: Final[Mapping[ChangeCode, Words]] = {
    ChangeCode.FIELD_MOVED: Words("{field}: {before} → {after}"),
    ChangeCode.SERVICE_UNREAD: Words("not sold: its line in the price list cannot be read: {why}"),
    ChangeCode.SERVICE_GONE: Words("not sold: its provider no longer lists it"),
    ChangeCode.SERVICE_OTHER_TYPE: Words("not sold: its provider lists it as another type"),
    ChangeCode.SERVICE_QUARANTINED: Words("not sold until you approve it: `opensmm service quarantine list`"),
    ChangeCode.SOLD_AGAIN: Words("sold again"),
    ChangeCode.BELOW_COST: Words("costs {cost} but is sold at {rate}"),
    ChangeCode.ROUTE_UNREAD: Words(
        "provider {provider} is not used: the line of its service {provider_service} cannot be read: {why}"
    ),
    ChangeCode.ROUTE_GONE: Words("provider {provider} no longer lists its service {provider_service}"),
    ChangeCode.ROUTE_OTHER_TYPE: Words("provider {provider} lists its service {provider_service} as another type"),
    ChangeCode.ROUTE_SET_ASIDE: Words(
        "provider {provider} is set aside until you approve the cost of its service {provider_service}"
    ),
    ChangeCode.ROUTE_USED_AGAIN: Words("provider {provider} is used again for its service {provider_service}"),
    ChangeCode.ROUTE_SELLS_ANOTHER: Words(
        "service {provider_service} of provider {provider} was “{before}” and is now “{after}”"
    ),
    ChangeCode.ROUTE_COST_MOVED: Words(
        "service {provider_service} of provider {provider} cost {before} and now costs {after}"
    ),
}
"""Changes of a service by its price list."""
LINES: Final[Mapping[LineCode, Words]] = {
    LineCode.NO_OBJECT: Words("it is not a JSON object"),
    LineCode.NO_ID: Words("it has no id"),
    LineCode.NO_RATE: Words("it has no readable rate", more=(("rate", ": “{rate}”"),)),
    LineCode.RATE_UNCLEAR: Words("the comma in its rate may separate thousands or decimals: “{rate}”"),
    LineCode.NO_RANGE: Words(
        "it has no readable range of quantities",
        more=(
            ("min", ", from “{min}”"),
            ("max", ", to “{max}”"),
        ),
    ),
    LineCode.NEVER_ORDERED: Words("it can never be ordered, because its largest quantity is 0"),
    LineCode.LISTED_TWICE: Words("it is listed twice, and the first line was used"),
    LineCode.UNREAD: Words("it cannot be read"),
    LineCode.TYPE_UNKNOWN: Words("its type is unknown"),
    LineCode.OTHER_TYPE: Words("it is listed as another type"),
    LineCode.NO_PRICE: Words("it would have no price"),
}
"""Parts of sentences: reasons why a line of a price list is left out."""
WARNINGS: Final[Mapping[WarningCode, Words]] = {
    WarningCode.NO_TYPES: Words("no line has a type: all are read as {type}"),
    WarningCode.LINE_LEFT_OUT: Words("service {provider_service}: {why}"),
    WarningCode.LINE_WITHOUT_ID: Words("line “{provider_service_name}”: {why}"),
    WarningCode.TYPE_UNKNOWN: Words("service {provider_service} has an unknown type"),
    WarningCode.MORE_LINES: Words("and {count} more"),
    WarningCode.EMPTY_LIST: Words("its price list is empty"),
    WarningCode.OTHER_DIALECT: Words(
        "its answers look like {spoken}, but it is set to {dialect}: `opensmm provider edit {provider_name} "
        "--dialect {spoken}`"
    ),
    WarningCode.EXCHANGE_RATE_ONE: Words(
        "its exchange rate is 1, but {currency} is not {ours}, so costs are read as {ours}; set the rate with "
        "`opensmm provider edit {provider_name} --exchange-rate`"
    ),
    WarningCode.CURRENCY_UNTOLD: Words("it names no currency; {currency} is assumed"),
    WarningCode.OTHER_CURRENCY: Words("its currency is {currency}, but it is set to {known}: costs are not booked"),
    WarningCode.LIST_OVERTAKEN: Words("a newer price list was applied meanwhile: this one was ignored"),
    WarningCode.LIST_DOUBTED: Words(
        "{why}: the list was not applied; `opensmm provider sync {provider_name} --confirm` applies it"
    ),
}
"""Warnings about a provider's responses."""
_REASON: Final = ("reason", ". Reason: {reason}")
EVENTS: Final[Mapping[EventCode, Words]] = {
    EventCode.PLACED: Words("placed: {quantity} of service {service} for {charge}"),
    EventCode.PLACED_IN_RUNS: Words("placed: {runs} runs of {quantity} of service {service} for {charge}"),
    EventCode.SUBSCRIBED: Words("subscribed to service {service}: each post is charged when its order is made"),
    EventCode.MADE_FOR_POST: Words("made for a post of subscription {subscription}"),
    EventCode.CHARGED: Words("{amount} charged to the customer's balance"),
    EventCode.EARNED: Words("{amount} earned"),
    EventCode.REFUNDED: Words("{amount} refunded to the customer for what was not delivered"),
    EventCode.RETURNED: Words("{amount} refunded to the customer out of what was earned"),
    EventCode.COST_BOOKED: Words("{amount} booked as the provider's charge"),
    EventCode.ENDED: Words("the order ended: {state}"),
    EventCode.SENT: Words("sending to {provider_name}, for its service {provider_service}"),
    EventCode.ACCEPTED: Words(
        "{provider_name} accepted it as its order {provider_order}", more=(("cost", ", for {cost} {currency}"),)
    ),
    EventCode.DECLINED: Words("{provider_name} declined it", more=(("words", ": “{words}”"),)),
    EventCode.ASKED_AFTER: Words(
        "last polled",
        more=(
            ("state", ": {state}"),
            ("remains", ", {remains} of {quantity} remain"),
            ("start_count", ", start count {start_count}"),
        ),
    ),
    EventCode.SEND_DUE: Words("due to be sent"),
    EventCode.LOOK_DUE: Words("due to be checked: it is unknown whether its provider accepted it"),
    EventCode.POLL_DUE: Words("due to be polled for the first time"),
    EventCode.CANCEL_ASKED: Words("cancel requested; it has not been sent to the provider yet"),
    EventCode.CANCEL_PASSED: Words("cancel sent to the provider"),
    EventCode.REFILL_ASKED: Words("refill {refill} requested"),
    EventCode.REFILL_ENDED: Words("refill {refill} ended: {state}"),
    EventCode.LOOKED_INTO: Words(
        "checked: {conclusion}",
        more=(
            ("asked", ". {provider_name} was asked about {asked} ids above {low}"),
            ("high", " and below {high}"),
            ("not_ours", ": {not_ours} are not ours"),
            ("words", " (“{words}”)"),
            ("ours", "; ours: {ours}"),
        ),
    ),
    EventCode.OPERATOR_SETTLED_BOUGHT: Words(
        "resolved by {by}: it is the provider's order {provider_order}", more=(_REASON,)
    ),
    EventCode.OPERATOR_SETTLED_NOT_BOUGHT: Words("resolved by {by}: the provider has no such order", more=(_REASON,)),
    EventCode.OPERATOR_RISKED: Words(
        "sent again by {by}, although the provider may have accepted it: {signed}", more=(_REASON,)
    ),
    EventCode.OPERATOR_ENDED: Words("ended by {by}: {state}, {remains} not delivered", more=(_REASON,)),
    EventCode.POST_MADE: Words("the provider's order {provider_order} for a post is our order {order}"),
    EventCode.POST_UNTOLD: Words(
        "the provider's order {provider_order} for a post is waiting: the provider has not reported its quantity yet"
    ),
    EventCode.POST_UNPAID: Words(
        "the provider's order {provider_order} for a post is waiting: the customer's balance is too low"
    ),
    EventCode.POST_TAKEN: Words(
        "the provider's order {provider_order} for a post is refused: another order of ours already has that id"
    ),
    EventCode.POST_LOST: Words(
        "the provider's order {provider_order} for a post was dropped: it could not be charged in time"
    ),
    EventCode.POST_BEYOND: Words(
        "the provider's order {provider_order} for a post is refused and not charged: it exceeds the number of "
        "posts of the subscription"
    ),
    EventCode.POST_EXPIRED: Words(
        "the provider's order {provider_order} for a post is refused and not charged: it was made after the "
        "subscription had expired"
    ),
    EventCode.POST_UNLISTED: Words("the provider no longer lists its order {provider_order} for a post"),
    EventCode.NOT_SENT: Words("not sent to {provider_name}: {words}"),
    EventCode.UNSURE: Words("unsure whether {provider_name} accepted it", more=(("words", ": {words}"),)),
    EventCode.SETTLED_BOUGHT: Words("resolved: {provider_name} accepted it as its order {provider_order}"),
    EventCode.SETTLED_NOT_BOUGHT: Words("resolved: {provider_name} did not accept it"),
    EventCode.NEEDS_LATER_ORDERS: Words(
        "checked: still unsure, because {needed} earlier and {needed} later orders at {provider_name} are "
        "needed; there are {earlier} and {later} so far"
    ),
    EventCode.LATE_ACCEPTANCE: Words(
        "late acceptance: {provider_name} accepted it as its order {provider_order} after it had been resolved "
        "otherwise"
    ),
    EventCode.COMPLETED_WITH_REMAINS: Words(
        "contradiction: {provider_name} reports that it is completed and that {remains} of {quantity} remain; it "
        "is earned in full"
    ),
    EventCode.CHARGE_UNCLEAR: Words(
        "charge unclear: its provider reports “{words}”, which is not a number or can be read in two ways; no "
        "cost is booked"
    ),
    EventCode.CANCEL_REFUSED: Words(
        "cancel refused: it was refunded here, but continues at {provider_name} as its order {provider_order}: "
        "“{answer}”"
    ),
    EventCode.DEALT_WITH: Words("dealt with: you have handled what {provider_name} reported"),
    EventCode.NOT_UNDERSTOOD: Words("not understood: its provider reports “{words}”"),
    EventCode.LOOK_UP_FAILED: Words("no status: its provider returns the error “{words}”"),
    EventCode.REFILL_NOT_UNDERSTOOD: Words("refill {refill} not understood: its provider reports “{words}”"),
    EventCode.REFILL_LOOK_UP_FAILED: Words("no status of refill {refill}: its provider returns the error “{words}”"),
    EventCode.END_NOT_BELIEVED: Words(
        "held: its provider reports “{word}” with {remains} of {quantity} remaining and a charge of {charge}"
    ),
    EventCode.NO_POSTS_LISTED: Words(
        "held: its provider reports that it is completed, charges {charge} {currency} and lists no posts, so the "
        "customer was charged nothing; sell subscriptions through a provider that lists them"
    ),
    EventCode.POSTS_WITHOUT_END: Words(
        "held: its provider lists {count} orders for posts, more than an account makes, and it is no longer "
        "polled; make sure that it stops there, and cancel it"
    ),
    EventCode.ID_GIVEN_TWICE: Words(
        "unsure: its provider returned the order id {provider_order}, which already belongs to another delivery"
    ),
    EventCode.PUT_OFF: Words("waiting: its provider asks to retry later, “{words}”"),
    EventCode.REFUSES_KEY: Words("waiting: its provider refuses our key, account or address, “{words}”"),
    EventCode.WITHOUT_FUNDS: Words("waiting: our balance at its provider is used up, “{words}”"),
    EventCode.WAITED_TOO_LONG: Words(
        "held: it waited {hours} h for its provider, which reports “{words}”; send it again, or cancel it"
    ),
    EventCode.NO_PROVIDER_AT_PRICE: Words("no provider fulfils it at the price it was sold for"),
}

ACTIONS: Final[Mapping[AuditAction, str]] = {
    AuditAction.CUSTOMER_ADD: "added customer {subject}",
    AuditAction.CUSTOMER_SUSPEND: "suspended customer {subject}",
    AuditAction.CUSTOMER_RESUME: "resumed customer {subject}",
    AuditAction.CUSTOMER_TOPUP: "booked a payment of customer {subject}",
    AuditAction.CUSTOMER_ADJUST: "corrected a transfer of customer {subject}",
    AuditAction.CUSTOMER_CHARGEBACK: "booked a chargeback of customer {subject}",
    AuditAction.CUSTOMER_PAYOUT: "booked a payout to customer {subject}",
    AuditAction.CUSTOMER_BONUS: "gave customer {subject} a bonus",
    AuditAction.CUSTOMER_CREDIT_LIMIT: "set the credit limit of customer {subject}",
    AuditAction.CUSTOMER_PRICE_LIST: "set the price list of customer {subject}",
    AuditAction.KEY_ADD: "added key {subject}",
    AuditAction.KEY_EDIT: "changed key {subject}",
    AuditAction.KEY_REVOKE: "revoked key {subject}",
    AuditAction.SERVICE_SAVE: "saved service {subject}",
    AuditAction.SERVICE_DELIVER: "set the delivery method of service {subject}",
    AuditAction.SERVICE_REFILL: "set the refills of service {subject}",
    AuditAction.SERVICE_APPROVE: "approved the cost of service {subject}",
    AuditAction.SERVICE_SYNC: "updated service {subject} from its providers' price lists",
    AuditAction.SERVICE_PROHIBIT: "took service {subject} off sale because of a rule",
    AuditAction.ROUTE_SET: "set the providers of service {subject}",
    AuditAction.ROUTE_BY_COST: "sorted the providers of service {subject} by cost",
    AuditAction.PROVIDER_ADD: "added provider {subject}",
    AuditAction.PROVIDER_EDIT: "changed provider {subject}",
    AuditAction.PROVIDER_FOLLOW: "set how the price list of provider {subject} is followed",
    AuditAction.PROVIDER_CHECK: "checked provider {subject}",
    AuditAction.PROVIDER_BALANCE: "read the balance of provider {subject}",
    AuditAction.PRICE_LIST_ADD: "added price list {subject}",
    AuditAction.PRICE_LIST_RATE: "set a rate of price list {subject}",
    AuditAction.PANEL_BELOW_COST: "set what happens to orders below their cost",
    AuditAction.PANEL_REFUSED_WAIT: "set how long orders wait for providers that refuse us",
    AuditAction.PANEL_PEPPER: "switched to another pepper",
    AuditAction.PANEL_CURRENCY: "set the panel's currency",
    AuditAction.POLICY_ADD: "added rule {subject}",
    AuditAction.POLICY_REMOVE: "removed rule {subject}",
    AuditAction.ORDER_CANCEL: "canceled order {subject}",
    AuditAction.ORDER_COMPLETE: "completed order {subject}",
    AuditAction.ORDER_PARTIAL: "ended order {subject} as partial",
    AuditAction.ORDER_RESEND: "sent order {subject} again",
    AuditAction.ORDER_SETTLE: "resolved order {subject}",
    AuditAction.ORDER_REFUND: "refunded money of order {subject}",
    AuditAction.ORDER_DEAL_WITH: "dealt with the notices of order {subject}",
    AuditAction.STAFF_ASSIGN: "assigned service {subject} to the staff",
    AuditAction.STAFF_START: "started order {subject}",
    AuditAction.STAFF_PROGRESS: "reported progress of order {subject}",
    AuditAction.STAFF_DONE: "delivered order {subject}",
    AuditAction.STAFF_PARTIAL: "delivered part of order {subject}",
    AuditAction.STAFF_CANCEL: "gave up order {subject}",
    AuditAction.STAFF_REFILL_COMPLETED: "delivered refill {subject}",
    AuditAction.STAFF_REFILL_REJECTED: "rejected refill {subject}",
    AuditAction.STAFF_REFILL_BUY: "bought refill {subject} from another provider",
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
