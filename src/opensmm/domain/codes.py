"""Codes of messages for people: findings, notes, changes, warnings. ``texts`` turns a code and its fields into words.

Refusals have modules of their own: ``operator_refusals`` and ``request_refusals``.

Fields hold plain values (text, whole numbers, ``Decimal``, ``datetime``, ``timedelta``), never sentences.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

Fields = Mapping[str, Any]
NO_FIELDS: Final[Fields] = MappingProxyType({})


class FindingCode(StrEnum):
    """Findings of ``health`` and ``provider check``."""

    SUBSCRIPTIONS_NEED_POSTS = "subscriptions_need_posts"
    FORMS_ONE_AND_MANY = "forms_one_and_many"
    FORMS_ONE_ALONE = "forms_one_alone"
    FORMS_LISTS_ALONE = "forms_lists_alone"
    FORMS_NONE = "forms_none"
    FORMS_UNANSWERED = "forms_unanswered"
    FORMS_NOT_TRIED = "forms_not_tried"
    FORMS_WITH_EFFECTS = "forms_with_effects"
    CANCELS_UNHEARD = "cancels_unheard"
    REFILL_ANSWERS_NOT_UNDERSTOOD = "refill_answers_not_understood"
    REFILLS_UNCLEAR = "refills_unclear"
    PRICE_FOLLOWS = "price_follows"
    UNREAD_SERVICES = "unread_services"
    ORDER_IDS_DO_NOT_GROW = "order_ids_do_not_grow"
    ADDS_FEW_AT_A_TIME = "adds_few_at_a_time"
    ADDS_AS_MANY_AS_CALLS = "adds_as_many_as_calls"
    ADDS_NOT_DECIDED = "adds_not_decided"
    WORKERS_CANNOT_CALL = "workers_cannot_call"

    NO_WORKER = "no_worker"
    WORKERS_ALIVE = "workers_alive"
    WORKERS_SILENT = "workers_silent"
    DUE = "due"
    DELIVERIES_HEARD_OF = "deliveries_heard_of"
    DELIVERIES_UNHEARD_OF = "deliveries_unheard_of"
    LONG_AT_PROVIDERS = "long_at_providers"
    UNSURE_DELIVERIES = "unsure_deliveries"
    HELD_DELIVERIES = "held_deliveries"
    REFILLS_NOT_PASSED = "refills_not_passed"
    CANCELS_NOT_PASSED = "cancels_not_passed"
    POSTS_NOT_CHARGED = "posts_not_charged"
    POSTS_REFUSED = "posts_refused"

    NO_PROVIDER = "no_provider"
    PROVIDER_DISABLED = "provider_disabled"
    PROVIDER_FAILS = "provider_fails"
    PROVIDER_UNHEARD_OF = "provider_unheard_of"
    PROVIDER_IS_STAFF = "provider_is_staff"
    PROVIDER_NOT_CALLED_YET = "provider_not_called_yet"
    PROVIDER_SILENT = "provider_silent"
    PROVIDER_ANSWERS = "provider_answers"
    PROVIDER_ANSWERED = "provider_answered"
    BALANCE_GONE = "balance_gone"
    BALANCE_LASTS = "balance_lasts"
    BALANCE_TOO_LITTLE = "balance_too_little"
    BALANCE_AT_NO_PACE = "balance_at_no_pace"
    BALANCE_READ = "balance_read"
    BALANCE_NEVER_READ = "balance_never_read"
    BALANCE_NOT_ASKED_YET = "balance_not_asked_yet"
    PRICE_LIST_TAKEN = "price_list_taken"
    PRICE_LIST_NEVER_READ = "price_list_never_read"

    DATABASE = "database"
    TRANSACTION_OPEN = "transaction_open"
    CATALOGUE = "catalogue"
    CLOCK_RUNS_ON = "clock_runs_on"
    WORKER_CLOCKS_AGREE = "worker_clocks_agree"

    FORGOTTEN_ORDERS = "forgotten_orders"
    CLOCK_STEPPED = "clock_stepped"
    NODE_CHANGED = "node_changed"
    WORKER_CLOCK_OFF = "worker_clock_off"
    DISK_ROOM = "disk_room"
    DISK_SPACE = "disk_space"
    PEPPER = "pepper"
    PEPPER_UNREAD = "pepper_unread"

    LATE_ACCEPTANCES = "late_acceptances"
    ODD_ENDS = "odd_ends"
    PROVIDER_NOT_ALLOWED = "provider_not_allowed"
    PROVIDER_NOT_OPENED = "provider_not_opened"
    PROVIDER_REFUSES_KEY = "provider_refuses_key"
    PROVIDER_WITHOUT_FUNDS = "provider_without_funds"
    ANSWERS_NOT_UNDERSTOOD = "answers_not_understood"
    QUARANTINED = "quarantined"
    HALTED = "halted"
    BELOW_COST_REFUSED = "below_cost_refused"
    BELOW_COST_HELD = "below_cost_held"

    SERVER_AS_NEEDED = "server_as_needed"
    SERVER_TOO_OLD = "server_too_old"
    COMMITS_NOT_WAITED_FOR = "commits_not_waited_for"
    SESSION_LIMITS_MISSING = "session_limits_missing"


class ShutCode(StrEnum):
    """Reasons why a provider cannot be called at all: its key or its address."""

    NO_KEY = "no_key"
    KEY_OF_OTHER_VERSION = "key_of_other_version"
    KEY_DOES_NOT_OPEN = "key_does_not_open"
    ADDRESS_MALFORMED = "address_malformed"
    ADDRESS_CHARACTERS = "address_characters"
    ADDRESS_SCHEME = "address_scheme"
    ADDRESS_WITHOUT_TLS = "address_without_tls"
    ADDRESS_WITH_USER = "address_with_user"
    ADDRESS_WITH_KEY = "address_with_key"
    ADDRESS_HOST = "address_host"
    ADDRESS_PRIVATE = "address_private"


BY_SETTING: Final = frozenset((ShutCode.ADDRESS_WITHOUT_TLS, ShutCode.ADDRESS_PRIVATE))
"""Faults of an address that disappear if the setting for private providers is on."""


class FieldCode(StrEnum):
    """Fields that a person fills in, named by refusals of their values."""

    NAME = "name"
    CATEGORY = "category"
    PROVIDER = "provider"
    DESCRIPTION = "description"
    REASON = "reason"
    LABEL = "label"
    MIN = "min"
    MAX = "max"
    AVERAGE_TIME_MIN = "average_time_min"
    REFILL_WAIT_H = "refill_wait_h"
    REFILL_DAYS = "refill_days"
    POSITION = "position"
    CONCURRENCY = "concurrency"
    CALLS_PER_SECOND = "calls_per_second"
    ADDS_AT_A_TIME = "adds_at_a_time"
    REFUSED_WAIT_H = "refused_wait_h"
    SYNC_EVERY_MIN = "sync_every_min"
    PRICE_SHARE = "price_share"
    MARGIN = "margin"
    ADDED = "added"
    DECIMALS = "decimals"
    AMOUNT = "amount"
    REFUND_NUMBER = "refund_number"


class EventCode(StrEnum):
    """Events in an order's history, and notes on its deliveries."""

    PLACED = "placed"
    PLACED_IN_RUNS = "placed_in_runs"
    SUBSCRIBED = "subscribed"
    MADE_FOR_POST = "made_for_post"
    CHARGED = "charged"
    EARNED = "earned"
    REFUNDED = "refunded"
    RETURNED = "returned"
    COST_BOOKED = "cost_booked"
    ENDED = "ended"

    SENT = "sent"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    ASKED_AFTER = "asked_after"
    SEND_DUE = "send_due"
    LOOK_DUE = "look_due"
    POLL_DUE = "poll_due"
    CANCEL_ASKED = "cancel_asked"
    CANCEL_PASSED = "cancel_passed"
    REFILL_ASKED = "refill_asked"
    REFILL_ENDED = "refill_ended"

    LOOKED_INTO = "looked_into"
    OPERATOR_SETTLED_BOUGHT = "operator_settled_bought"
    OPERATOR_SETTLED_NOT_BOUGHT = "operator_settled_not_bought"
    OPERATOR_RISKED = "operator_risked"
    OPERATOR_ENDED = "operator_ended"

    POST_MADE = "post_made"
    POST_UNTOLD = "post_untold"
    POST_UNPAID = "post_unpaid"
    POST_TAKEN = "post_taken"
    POST_LOST = "post_lost"
    POST_UNLISTED = "post_unlisted"

    NOT_SENT = "not_sent"
    UNSURE = "unsure"
    SETTLED_BOUGHT = "settled_bought"
    SETTLED_NOT_BOUGHT = "settled_not_bought"
    NEEDS_LATER_ORDERS = "needs_later_orders"
    LATE_ACCEPTANCE = "late_acceptance"
    COMPLETED_WITH_REMAINS = "completed_with_remains"
    CANCEL_REFUSED = "cancel_refused"
    CHARGE_UNCLEAR = "charge_unclear"
    DEALT_WITH = "dealt_with"
    POST_BEYOND = "post_beyond"
    POST_EXPIRED = "post_expired"
    NOT_UNDERSTOOD = "not_understood"
    LOOK_UP_FAILED = "look_up_failed"
    REFILL_NOT_UNDERSTOOD = "refill_not_understood"
    REFILL_LOOK_UP_FAILED = "refill_look_up_failed"
    END_NOT_BELIEVED = "end_not_believed"
    NO_POSTS_LISTED = "no_posts_listed"
    POSTS_WITHOUT_END = "posts_without_end"
    ID_GIVEN_TWICE = "id_given_twice"
    PUT_OFF = "put_off"
    REFUSES_KEY = "refuses_key"
    WITHOUT_FUNDS = "without_funds"
    WAITED_TOO_LONG = "waited_too_long"
    NO_PROVIDER_AT_PRICE = "no_provider_at_price"


class ChangeCode(StrEnum):
    """Changes to a service, or to one of its routes, by a provider's price list."""

    FIELD_MOVED = "field_moved"
    SERVICE_UNREAD = "service_unread"
    SERVICE_GONE = "service_gone"
    SERVICE_OTHER_TYPE = "service_other_type"
    SERVICE_QUARANTINED = "service_quarantined"
    SOLD_AGAIN = "sold_again"
    BELOW_COST = "below_cost"
    ROUTE_UNREAD = "route_unread"
    ROUTE_GONE = "route_gone"
    ROUTE_OTHER_TYPE = "route_other_type"
    ROUTE_SET_ASIDE = "route_set_aside"
    ROUTE_USED_AGAIN = "route_used_again"
    ROUTE_SELLS_ANOTHER = "route_sells_another"
    ROUTE_COST_MOVED = "route_cost_moved"


class LineCode(StrEnum):
    """Reasons why a line of a provider's price list is left out."""

    NO_OBJECT = "no_object"
    NO_ID = "no_id"
    NO_RATE = "no_rate"
    RATE_UNCLEAR = "rate_unclear"
    NO_RANGE = "no_range"
    NEVER_ORDERED = "never_ordered"
    LISTED_TWICE = "listed_twice"
    UNREAD = "unread"
    TYPE_UNKNOWN = "type_unknown"
    OTHER_TYPE = "other_type"
    NO_PRICE = "no_price"


class LineFault(Struct, frozen=True):
    """The reason why a line is left out, with its fields."""

    code: LineCode
    fields: dict[str, str | None] = {}


class WarningCode(StrEnum):
    """Warnings about a provider's answers that can be used all the same."""

    NO_TYPES = "no_types"
    LINE_LEFT_OUT = "line_left_out"
    LINE_WITHOUT_ID = "line_without_id"
    TYPE_UNKNOWN = "type_unknown"
    MORE_LINES = "more_lines"
    EMPTY_LIST = "empty_list"
    OTHER_DIALECT = "other_dialect"
    EXCHANGE_RATE_ONE = "exchange_rate_one"
    CURRENCY_UNTOLD = "currency_untold"
    OTHER_CURRENCY = "other_currency"
    LIST_OVERTAKEN = "list_overtaken"
    LIST_DOUBTED = "list_doubted"


class ListWarning(Struct, frozen=True):
    """A warning with its fields."""

    code: WarningCode
    fields: dict[str, Any] = {}


class DeliveryNote(Struct, frozen=True):
    """A note for the operator on one delivery: why it waits or is held, or an answer that is not understood."""

    code: EventCode
    fields: Fields = NO_FIELDS


class StageCode(StrEnum):
    """Steps of a start that may take a while."""

    COPYING_PROGRAMS = "copying_programs"
    CREATING_DATABASE = "creating_database"
    STARTING_DATABASE = "starting_database"
    RECOVERING_DATABASE = "recovering_database"
    MIGRATING = "migrating"
    FILLING_DEMO = "filling_demo"
    STARTING_PROCESSES = "starting_processes"


Report = Callable[[StageCode, Fields], None]
"""A callback that is called as each step begins."""


def no_report(code: StageCode, fields: Fields) -> None:
    """Ignores the step."""
