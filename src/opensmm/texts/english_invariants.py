"""The English texts of the books' invariants."""

from collections.abc import Mapping
from typing import Final

from opensmm.domain.invariants import InvariantCode

INVARIANTS: Final[Mapping[InvariantCode, str]] = {
    InvariantCode.TRANSFERS_BETWEEN_KNOWN_ACCOUNTS: (
        "every transfer moves money between two known accounts, so that all accounts sum to 0"
    ),
    InvariantCode.TRANSFERS_STAY: "the app's role may not change or remove transfers",
    InvariantCode.BALANCES_ARE_SUMS: "a customer's balance is the sum of its transfers",
    InvariantCode.NOTHING_BOOKED_TWICE: (
        "a payment told twice is booked once, and no money of an order moves twice under one name"
    ),
    InvariantCode.HELD_MONEY_IS_OWED: (
        "the house holds exactly what open orders have paid and not yet earned or got back"
    ),
    InvariantCode.ORDER_TRANSFERS_BY_KIND: (
        "money of an order moves between the accounts that its kind is for, and to nobody but the order's customer"
    ),
    InvariantCode.OTHER_TRANSFERS_BY_KIND: "money of no order moves between the accounts that its kind is for",
    InvariantCode.CHARGES_ARE_PRICES: (
        "an order's charge is its rate times what was billed, rounded up; 0 only where the service is free"
    ),
    InvariantCode.COSTS_AS_STATED: (
        "what was booked as a delivery's cost is what its provider said, at the exchange rate kept with it"
    ),
    InvariantCode.ORDER_SUMS_MATCH_LEDGER: (
        "what an order earned and gave back is what the ledger says, and never more than its charge"
    ),
    InvariantCode.NOTHING_SENT_ABOVE_CEILING: (
        "nothing was sent at a known cost above what it was sold for, unless the operator approved it"
    ),
    InvariantCode.RUNS_SETTLED: (
        "each run that ended has earned what it delivered and given back the rest, and no other run has"
    ),
    InvariantCode.BALANCES_WITHIN_LIMITS: "no balance is below its credit limit by more than was charged back",
    InvariantCode.OPERATOR_TRANSFERS_REFERENCED: (
        "what the operator moved has a payment or a reference, and what it corrects is one of the customer's transfers"
    ),
    InvariantCode.CREDIT_LIMITS_AUDITED: (
        "each credit limit is the one that was last told of, in its own row and in the audit trail"
    ),
    InvariantCode.ORDERS_COMPLETE: (
        "every order with a charge has one transfer of it, and every live order all its deliveries, as ordered"
    ),
    InvariantCode.IDEMPOTENCY_KEYS_FIT: "an idempotency key stands for one order of its customer",
    InvariantCode.ORDERS_LIVE_AS_DELIVERIES: (
        "an order is live exactly as long as one of its deliveries is, has a time of its end, and then frees its link"
    ),
    InvariantCode.REMAINS_WITHIN_BOUNDS: (
        "what remains lies between nothing and everything, and agrees with how it ended"
    ),
    InvariantCode.ENDED_ORDERS_SETTLED: (
        "an ended order has earned or given back its whole charge, and has no run too many"
    ),
    InvariantCode.ONE_OPEN_REFILL: (
        "an order has at most one open refill, of its customer's; what the house buys for one is charged to nobody"
    ),
    InvariantCode.REFILLS_LIVE_AS_TASKS: (
        "a refill is open as long as one of its tasks is, and each task is one of its order's, and will be seen to"
    ),
    InvariantCode.SUBSCRIPTIONS_UNCHARGED: (
        "a subscription is charged nothing, and each order made for a post is one order of its customer and service"
    ),
    InvariantCode.POSTS_WITHIN_BOUNDS: (
        "no subscription is charged for more posts than were ordered, nor for another quantity of one"
    ),
    InvariantCode.ORDER_REFERENCES_EXIST: (
        "nothing of an order names an order, a customer, a service, a provider or a run that does not exist"
    ),
    InvariantCode.OTHER_REFERENCES_EXIST: (
        "nothing else names a customer, a price list, a refill or an order that does not exist"
    ),
    InvariantCode.ONE_OPEN_ATTEMPT: "a delivery has at most one open try, and none after its newest",
    InvariantCode.SENT_BEFORE_ACCEPTED: (
        "what is at a provider was marked as being sent before; what never was, the operator ended"
    ),
    InvariantCode.DELIVERIES_MATCH_ATTEMPTS: (
        "a delivery stands where its newest try left it: none is delivered, sent again or given back against it"
    ),
    InvariantCode.UNSURE_LEFT_ALONE: "an unsure delivery was neither sent again nor given back",
    InvariantCode.ATTEMPTS_MATCH_EVIDENCE: "an attempt is what its evidence proved",
    InvariantCode.PROVIDER_ORDERS_UNSHARED: "two deliveries never share one provider's order",
    InvariantCode.DELIVERIES_DUE: (
        "whatever has not ended will be seen to: it is due, under a lease, with the staff, or waits for the run before"
    ),
}
