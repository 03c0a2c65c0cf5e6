"""Refusals of the operator's requests: a code with its fields, which ``texts`` turns into words."""

from enum import StrEnum
from typing import Final

from opensmm.base.errors import PanelError
from opensmm.domain.codes import Fields


class RefusalCode(StrEnum):
    """Reasons why the operator's request is refused.

    Values are published with ``--json``: one stays as it is even where its name has become clearer.
    """

    FIELD_BLANK = "field_blank"
    FIELD_TOO_LONG = "field_too_long"
    FIELD_UNFIT = "field_unfit"
    FIELD_OUT_OF_RANGE = "field_out_of_range"

    SERVER_TOO_OLD = "server_too_old"
    COMMITS_NOT_WAITED_FOR = "commits_not_waited_for"
    SESSION_LIMITS_MISSING = "session_limits_missing"
    PREPARED_STATEMENTS_MIXED = "prepared_statements_mixed"
    POOLER_REFUSES_OPTIONS = "pooler_refuses_options"
    MIGRATION_UNDER_WAY = "migration_under_way"

    NO_PROVIDER = "no_provider"
    PROVIDER_NAME_TAKEN = "provider_name_taken"
    BAD_DIALECT = "bad_dialect"
    BAD_CURRENCY = "bad_currency"
    BAD_EXCHANGE_RATE = "bad_exchange_rate"
    BAD_PROVIDER_KEY = "bad_provider_key"
    MARGIN_OR_OWN_PRICES = "margin_or_own_prices"
    RATE_OR_MARGIN = "rate_or_margin"
    PROVIDER_UNANSWERED = "provider_unanswered"
    PRICE_LIST_OVERTAKEN = "price_list_overtaken"
    PRICE_LIST_DOUBTED = "price_list_doubted"
    NOT_IN_QUARANTINE = "not_in_quarantine"
    COST_UNKNOWN = "cost_unknown"

    CURRENCY_FIXED = "currency_fixed"
    NO_NOTICE = "no_notice"
    UNKNOWN_CUSTOMER = "unknown_customer"
    UNKNOWN_PROVIDER = "unknown_provider"
    BAD_USER_AGENT = "bad_user_agent"
    BAD_ADDRESS = "bad_address"
    KEY_FOR_OTHER_HOST = "key_for_other_host"
    PROVIDER_SHUT = "provider_shut"
    NOT_A_PANEL = "not_a_panel"
    UNKNOWN_SERVICE = "unknown_service"
    UNKNOWN_CATEGORY = "unknown_category"
    UNKNOWN_PRICE_LIST = "unknown_price_list"
    AMBIGUOUS_SERVICE = "ambiguous_service"
    NO_SERVICE_FITS = "no_service_fits"
    NO_SUCH_SERVICE = "no_such_service"
    NOTHING_SELECTED = "nothing_selected"
    SERVICE_EXISTS = "service_exists"
    SERVICE_UNDISCLOSED = "service_undisclosed"
    SERVICE_PROHIBITED = "service_prohibited"
    NOT_FOR_SALE = "not_for_sale"
    NOT_A_RATE = "not_a_rate"
    BAD_RATE = "bad_rate"
    RATE_OF_ZERO = "rate_of_zero"
    RANGE_REVERSED = "range_reversed"
    STALE_PLAN = "stale_plan"
    PRICE_LIST_EXISTS = "price_list_exists"
    BAD_RULE = "bad_rule"
    RULE_EXISTS = "rule_exists"
    TOO_MANY_RULES = "too_many_rules"
    NO_RULE = "no_rule"
    STILL_SOLD = "still_sold"
    FULFILS_NOTHING = "fulfils_nothing"
    NO_OFFER_FITS = "no_offer_fits"
    ROUTE_EXISTS = "route_exists"
    NO_ROUTE = "no_route"
    BAD_ROUTES = "bad_routes"
    BAD_PROVIDER_SERVICE = "bad_provider_service"
    ROUTE_NEEDS_NUMBER = "route_needs_number"
    ROUTE_NEEDS_PROVIDER = "route_needs_provider"
    PRICES_SET_BY_HAND = "prices_set_by_hand"
    PEPPER_LOST = "pepper_lost"
    PEPPER_DIFFERS = "pepper_differs"
    NO_CUSTOMER = "no_customer"
    BAD_GATEWAY = "bad_gateway"
    BAD_REFERENCE = "bad_reference"
    PAYMENT_TWIN = "payment_twin"
    PAYMENT_MISMATCH = "payment_mismatch"
    NO_PAYMENT = "no_payment"
    REFERENCE_MISMATCH = "reference_mismatch"
    REFERENCE_TWIN = "reference_twin"
    LIMIT_MISMATCH = "limit_mismatch"
    NO_TRANSFER = "no_transfer"
    TRANSFER_OF_ORDER = "transfer_of_order"
    CORRECTS_TOO_MUCH = "corrects_too_much"
    NOT_THAT_MUCH = "not_that_much"
    OWES_MORE = "owes_more"

    CUSTOMER_EXISTS = "customer_exists"
    KEY_EXISTS = "key_exists"
    NO_LIVE_KEY = "no_live_key"
    BAD_KEY = "bad_key"
    BAD_KEY_ADDRESS = "bad_key_address"
    TOO_MANY_KEY_ADDRESSES = "too_many_key_addresses"
    BAD_AMOUNT = "bad_amount"
    NOT_ANOTHERS = "not_anothers"
    BAD_PROVIDER_ORDER = "bad_provider_order"

    NO_ORDER = "no_order"
    NO_RUN = "no_run"
    WHICH_RUN = "which_run"
    SUBSCRIPTION_NOT_COMPLETED = "subscription"
    ORDER_ENDED = "ended"
    ORDER_NOT_ENDED = "not_ended"
    BEING_SENT = "sending"
    ORDER_UNSURE = "unsure"
    ORDER_NOT_UNSURE = "not_unsure"
    NOT_PROVED = "not_proved"
    ALREADY_BOUGHT = "bought"
    PROVIDER_ORDER_TAKEN = "taken"
    NOTHING_LEFT = "nothing_left"
    PACKAGE_IN_PARTS = "package"
    IMPOSSIBLE_REMAINS = "remains"
    MORE_THAN_EARNED = "too_much"
    OTHER_REFUND_AMOUNT = "other_amount"
    NOT_WITH_STAFF = "not_with_staff"
    IMPOSSIBLE_START_COUNT = "start_count"
    REFILL_NOT_FOR_SALE = "not_wanted"
    NO_OTHER_PROVIDER = "no_other"
    MORE_THAN_ORDERED = "quantity"
    REFILL_NOT_WITH_STAFF = "refill_not_with_staff"


MISUSES: Final = frozenset(
    (
        RefusalCode.FIELD_BLANK,
        RefusalCode.FIELD_TOO_LONG,
        RefusalCode.FIELD_UNFIT,
        RefusalCode.FIELD_OUT_OF_RANGE,
        RefusalCode.NOTHING_SELECTED,
        RefusalCode.NOT_A_RATE,
        RefusalCode.BAD_RATE,
        RefusalCode.RATE_OF_ZERO,
        RefusalCode.RANGE_REVERSED,
        RefusalCode.BAD_PROVIDER_SERVICE,
        RefusalCode.ROUTE_NEEDS_PROVIDER,
        RefusalCode.BAD_KEY,
        RefusalCode.BAD_KEY_ADDRESS,
        RefusalCode.TOO_MANY_KEY_ADDRESSES,
        RefusalCode.BAD_AMOUNT,
        RefusalCode.NOT_ANOTHERS,
        RefusalCode.BAD_PROVIDER_ORDER,
        RefusalCode.BAD_DIALECT,
        RefusalCode.BAD_CURRENCY,
        RefusalCode.BAD_EXCHANGE_RATE,
        RefusalCode.BAD_PROVIDER_KEY,
        RefusalCode.MARGIN_OR_OWN_PRICES,
        RefusalCode.RATE_OR_MARGIN,
    )
)
"""Refusals of a value in itself, whatever the panel's data: the command was used wrongly, and exits with 2."""


class OperatorRefusal(PanelError):
    """A refusal of the operator's request. ``fields`` fill the placeholders of ``code``'s text in ``texts``."""

    def __init__(self, code: RefusalCode, **fields: object) -> None:
        super().__init__(code.value, fields)
        self.code = code
        self.fields: Fields = fields
