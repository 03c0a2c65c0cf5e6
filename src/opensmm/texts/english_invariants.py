"""The English texts of the books' invariants."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.invariants import InvariantCode

INVARIANTS: Final[Mapping[InvariantCode, str]] = {
    InvariantCode.TRANSFERS_BETWEEN_KNOWN_ACCOUNTS: (
        "every transfer moves money between two known accounts, so that all accounts sum to 0"
    ),
    InvariantCode.TRANSFERS_STAY: "the app's role cannot change or delete transfers",
    InvariantCode.BALANCES_ARE_SUMS: "a customer's balance is the sum of its transfers",
    InvariantCode.NOTHING_BOOKED_TWICE: (
        "a payment that is reported twice is booked once, and no transfer of an order is made twice"
    ),
    InvariantCode.HELD_MONEY_IS_OWED: (
        "the house holds exactly what open orders were charged and have not yet earned or refunded"
    ),
    InvariantCode.ORDER_TRANSFERS_BY_KIND: (
        "each transfer of an order is between accounts that its kind allows, and belongs to the order's customer"
    ),
    InvariantCode.OTHER_TRANSFERS_BY_KIND: (
        "each transfer that belongs to no order is between accounts that its kind allows"
    ),
    InvariantCode.CHARGES_ARE_PRICES: (
        "an order's charge is its rate times the billed quantity, rounded up; it is 0 only if the service is free"
    ),
    InvariantCode.COSTS_AS_STATED: (
        "a delivery's booked cost is what its provider reported, at the exchange rate stored with it"
    ),
    InvariantCode.ORDER_SUMS_MATCH_LEDGER: (
        "what an order earned and refunded is what the ledger says, and never more than its charge"
    ),
    InvariantCode.NOTHING_SENT_ABOVE_CEILING: (
        "nothing was sent at a known cost above its price, unless the operator approved it"
    ),
    InvariantCode.RUNS_SETTLED: (
        "each run that ended has earned what it delivered and refunded the rest, and no other run has"
    ),
    InvariantCode.BALANCES_WITHIN_LIMITS: "no balance is below its credit limit by more than was charged back",
    InvariantCode.OPERATOR_TRANSFERS_REFERENCED: (
        "each transfer by the operator has a payment or a reference, and corrects only a transfer of the same customer"
    ),
    InvariantCode.CREDIT_LIMITS_AUDITED: (
        "each credit limit matches its last change, as stored with it and in the audit trail"
    ),
    InvariantCode.ORDERS_COMPLETE: (
        "every order with a charge has one transfer for it, and every live order has all its deliveries, as ordered"
    ),
    InvariantCode.IDEMPOTENCY_KEYS_FIT: "an idempotency key belongs to one order of its customer",
    InvariantCode.ORDERS_LIVE_AS_DELIVERIES: (
        "an order is live exactly as long as one of its deliveries; its end has a time and frees its link"
    ),
    InvariantCode.REMAINS_WITHIN_BOUNDS: (
        "the remains are between 0 and the ordered quantity, and fit the end of the order"
    ),
    InvariantCode.ENDED_ORDERS_SETTLED: "an ended order has earned or refunded its whole charge, and has no extra run",
    InvariantCode.ONE_OPEN_REFILL: (
        "an order has at most one open refill, of its own customer; what the house buys for a refill is not charged"
    ),
    InvariantCode.REFILLS_LIVE_AS_TASKS: (
        "a refill is open exactly as long as one of its tasks; each task belongs to its order and is processed in time"
    ),
    InvariantCode.SUBSCRIPTIONS_UNCHARGED: (
        "a subscription is not charged, and each post that is charged is one order of its customer and service"
    ),
    InvariantCode.POSTS_WITHIN_BOUNDS: (
        "no subscription is charged for more posts than were ordered, or for another quantity per post"
    ),
    InvariantCode.ORDER_REFERENCES_EXIST: (
        "no record of an order refers to an order, customer, service, provider or run that does not exist"
    ),
    InvariantCode.OTHER_REFERENCES_EXIST: (
        "no other record refers to a customer, price list, refill or order that does not exist"
    ),
    InvariantCode.ONE_OPEN_ATTEMPT: "a delivery has at most one open attempt, and none after its newest",
    InvariantCode.SENT_BEFORE_ACCEPTED: (
        "every delivery that a provider has or delivered was first marked as being sent, unless the operator ended it"
    ),
    InvariantCode.DELIVERIES_MATCH_ATTEMPTS: (
        "a delivery's state fits its newest attempt: it is not delivered, sent again or refunded against it"
    ),
    InvariantCode.UNSURE_LEFT_ALONE: "an unsure delivery is neither sent again nor refunded",
    InvariantCode.ATTEMPTS_MATCH_EVIDENCE: "an attempt's outcome is what its evidence proved",
    InvariantCode.PROVIDER_ORDERS_UNSHARED: "no two deliveries share an order at a provider",
    InvariantCode.DELIVERIES_DUE: (
        "every open delivery will be processed: it is due, leased, with the staff, or waits for an earlier run"
    ),
}
