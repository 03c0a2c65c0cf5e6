"""The plain model: what must hold, reckoned anew without the panel's own functions, after every commit.

``watch`` looks at what one transaction changed; ``books`` goes over everything. The names are those of
``opensmm verify`` and of the list of invariants it comes from.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Any

from tests.simulation.model.tables import (
    LIVE,
    OPEN_TRIES,
    AttemptRow,
    Change,
    CustomerRow,
    DeliveryRow,
    OrderRow,
    RefillRow,
    Store,
)
from tests.simulation.provider import WORDS_ABOUT_US, BookOrder, Said
from tests.simulation.running import Broken

from opensmm.base.ids import PriceListId, ServiceId
from opensmm.domain.ledger import Transfer, TransferKind

HOUSE = range(-7, 0)
ENDED = ("completed", "partial", "canceled")
AT_PROVIDER = ("pending", "processing", "in_progress")
OPEN_REFILLS = ("pending", "in_progress")
ENDED_REFILLS = ("completed", "rejected", "canceled")
MAY_BECOME = {
    "queued": ("sending", "canceled", "held"),
    "sending": ("queued", "pending", "unsure", "canceled", "held"),
    "unsure": ("queued", "pending", "canceled", "held"),
    **dict.fromkeys(AT_PROVIDER, (*AT_PROVIDER, *ENDED, "held")),
    "held": (*AT_PROVIDER, *ENDED, "queued"),
    **dict.fromkeys(ENDED, ()),
}


MAY_BECOME_BY_HAND = {
    **dict.fromkeys(("queued", *AT_PROVIDER), ENDED),
    "held": (*ENDED, "queued"),
    **dict.fromkeys(("sending", "unsure", *ENDED), ()),
}
MOVES: dict[str, list[tuple[int | str, int | str]]] = {
    "charge": [("customer", -1)],
    "earn": [(-1, -2)],
    "refund": [(-1, "customer")],
    "return": [(-2, "customer")],
    "cost": [(-6, -7)],
    "topup": [(-3, "customer")],
    "bonus": [(-4, "customer")],
    "adjustment": [(-5, "customer"), ("customer", -5)],
    "payout": [("customer", -3)],
    "chargeback": [("customer", -3)],
}
"""From which account to which each kind of transfer moves money."""
STANDS = {
    "queued": (None, "declined"),
    "sending": ("sending",),
    "unsure": ("unsure",),
    **dict.fromkeys(AT_PROVIDER, ("accepted",)),
    "held": (None, "declined", "accepted"),
    "canceled": (None, "declined", "accepted"),
    **dict.fromkeys(("completed", "partial"), ("accepted",)),
}
"""What the newest try of a delivery may have come to, by the delivery's state; None: there is none."""


def price(rate: Any, units: int, *, packaged: bool) -> int:
    """What so many units cost, in exact fractions, rounded up."""
    return ceil(Fraction(rate) * units * (100_000 if packaged else 100))


class Checks:
    """Follows the store from outside. ``found_in_book`` counts the orders that providers hold for a link; ``misled``
    tells whether a provider answered an order with another one's id that the panel did not know of."""

    def __init__(
        self,
        found_in_book: Callable[[str], int],
        said_of: Callable[[int, str], BookOrder | None],
        misled: Callable[[int, str], bool],
    ) -> None:
        self.store: Store
        self._in_book = found_in_book
        self._said_of = said_of
        self._misled = misled
        self.totals: dict[int, int] = defaultdict(int)
        self.moved: dict[tuple[int, str, int], int] = {}
        self.by_order: dict[tuple[int, str], int] = defaultdict(int)
        self.given_back: dict[int, int] = {}
        """What the runs that end in a change give back, by order: the transfers of runs without delivery are one."""
        self.charged_back: set[int | None] = set()
        """Customers from whom a payment is taken back in a change: nothing else may put them below their limit."""
        self.by_link: dict[str, list[OrderRow]] = defaultdict(list)
        self.bound: dict[tuple[int, str], AttemptRow] = {}
        self.begun: dict[int, dict[int, datetime]] = defaultdict(dict)
        self.put_back = timedelta(0)
        """How far the database's clock was put back: what it says was so long before may have been after."""
        self.by_hand = False
        """Whether it is the operator who acts, whose word ends what no provider has ended."""
        self._rows: dict[type, Callable[[Any, Any], None]] = {
            CustomerRow: self._customer,
            OrderRow: self._order,
            DeliveryRow: self._delivery,
            AttemptRow: self._attempt,
            RefillRow: self._refill,
        }

    def watch(self, change: Change) -> None:
        self.given_back.clear()
        self.charged_back = {one.customer for one in change.transfers if one.kind is TransferKind.CHARGEBACK}
        for transfer in change.transfers:
            self._transfer(transfer)
        for row in change.inserted:
            self._new(row)
        for transfer in change.transfers:
            for account in (transfer.debit, transfer.credit):
                if account > 0 and self.store.customers[account].balance != self.totals[account]:
                    raise Broken("L3", f"customer {account} has not what its transfers add up to", _orders(transfer))
        for before, row in change.edited:
            look = self._rows.get(type(row))
            if look is not None:
                look(before, row)
        for transfer in change.transfers:
            self._agrees(transfer)
        for order, due in self.given_back.items():
            back = sum(one.amount for one in change.transfers if one.order == order and one.kind.value == "refund")
            if back != due:
                raise Broken("P3", f"order {order}: {back} given back where {due} was due", [order])

    def _transfer(self, transfer: Transfer) -> None:
        are_accounts = [
            account in HOUSE or account in self.store.customers for account in (transfer.debit, transfer.credit)
        ]
        if transfer.amount <= 0 or transfer.debit == transfer.credit or not all(are_accounts):
            raise Broken("L1", f"{transfer} moves nothing between two known accounts", _orders(transfer))
        ways = [
            [transfer.customer if side == "customer" else side for side in way] for way in MOVES[transfer.kind.value]
        ]
        if [transfer.debit, transfer.credit] not in ways:
            raise Broken("L7", f"{transfer} is between other accounts than its kind is for", _orders(transfer))
        self.totals[transfer.debit] -= transfer.amount
        self.totals[transfer.credit] += transfer.amount
        if transfer.order is None:
            return
        name = (transfer.order, transfer.kind.value, transfer.sequence)
        if name in self.moved:
            raise Broken(
                "L5",
                f"order {transfer.order}: {transfer.kind.value} {transfer.sequence} is booked twice",
                _orders(transfer),
            )
        self.moved[name] = transfer.amount
        self.by_order[transfer.order, transfer.kind.value] += transfer.amount

    def _agrees(self, order: Transfer) -> None:
        if order.order is None:
            return
        row = self.store.orders.get(order.order)
        if row is None:
            raise Broken("R1", f"order {order.order} was charged and does not exist", _orders(order))
        if row.customer != order.customer:
            raise Broken("L7", f"order {row.id} moves money of customer {order.customer}", [row.id])
        booked = self.by_order[order.order, "earn"], self.by_order[order.order, "refund"]
        if booked != (row.earned, row.refunded):
            raise Broken("P3", f"order {row.id} says {row.earned}, {row.refunded}; the ledger {booked}", [row.id])

    def _customer(self, before: CustomerRow, row: CustomerRow) -> None:
        may_owe = row.credit_limit + (row.overdrawn if row.id in self.charged_back else 0)
        if row.balance < before.balance and row.balance < -may_owe:
            raise Broken("L4", f"customer {row.id} has {row.balance}, and may owe {may_owe}")
        if row.balance < -row.credit_limit - row.overdrawn:
            raise Broken("L4", f"customer {row.id} has {row.balance}, overdrawn by no more than {row.overdrawn}")

    def _new(self, row: Any) -> None:
        if isinstance(row, OrderRow):
            self._new_order(row)
        elif isinstance(row, AttemptRow):
            self._new_try(row)
        elif isinstance(row, RefillRow):
            self._new_refill(row)

    def _new_order(self, row: OrderRow) -> None:
        store, customer = self.store, self.store.customers[row.customer]
        service = store.catalogue.services[ServiceId(row.service)]
        rate = store.catalogue.rates.get((PriceListId(customer.price_list), service.id), service.rate)
        if rate != row.rate:
            raise Broken("P2", f"order {row.id} is sold at {row.rate}, the price is {rate}", [row.id])
        if row.charge != price(row.rate, row.quantity * row.runs, packaged=row.packaged):
            raise Broken("P1", f"order {row.id} is charged {row.charge}", [row.id])
        if row.charge <= 0 and not service.free:
            raise Broken("P1", f"order {row.id} costs nothing", [row.id])
        if not service.min <= row.quantity <= service.max or row.runs < 1:
            raise Broken("P1", f"order {row.id} is for {row.quantity} × {row.runs}", [row.id])
        runs = [(row.id, run) in store.deliveries for run in range(1, row.runs + 1)]
        if not all(runs) or (row.id, row.runs + 1) in store.deliveries:
            raise Broken("O1", f"order {row.id} has not its {row.runs} deliveries", [row.id])
        if any(
            (run.service, run.quantity) != (row.service, row.quantity)
            for run in (store.deliveries[row.id, run] for run in range(1, row.runs + 1))
        ):
            raise Broken("O1", f"order {row.id} is delivered as something else", [row.id])
        if self.by_order[row.id, "charge"] != row.charge:
            raise Broken("O1", f"order {row.id} was kept without its charge of {row.charge}", [row.id])
        if customer.suspended or store.revoked.get(row.customer, False):
            raise Broken("S1", f"order {row.id} of a customer who may not order", [row.id])
        others = [one for one in self.by_link[row.link] if one.customer == row.customer and one.state in LIVE]
        if service.one_active_per_link and others:
            raise Broken("O2", f"order {row.id} is a second one for its link", [row.id, others[0].id])
        self.by_link[row.link].append(row)

    def _new_try(self, row: AttemptRow) -> None:
        earlier = self.store.attempts.get((row.order, row.run, row.number - 1))
        if row.number > 1 and (earlier is None or earlier.outcome != "declined"):
            raise Broken("O4", f"order {row.order} run {row.run} is tried again without proof", [row.order])
        order = self.store.orders[row.order]
        begun = self.begun[row.order]
        begun.setdefault(row.run, row.sent)
        two_before = list(begun.values())[-3:-2] if row.run == next(reversed(begun)) else ()
        if two_before and (row.sent + self.put_back - two_before[0]).total_seconds() < order.interval_min * 60:
            raise Broken(
                "O11", f"order {row.order}: three runs within one interval, the last is {row.run}", [row.order]
            )

    def _new_refill(self, row: RefillRow) -> None:
        order = self.store.orders[row.order]
        if order.state != "completed" or order.customer != row.customer:
            raise Broken("O12", f"refill {row.id} of an order that is {order.state}", [row.order])
        if any(one.state in ("pending", "in_progress") for one in self.store.refills_of.get(row.order, [])):
            raise Broken("O12", f"order {row.order} has two open refills", [row.order])

    def _order(self, before: OrderRow, row: OrderRow) -> None:
        sold = ("customer", "service", "quantity", "charge", "runs", "rate", "packaged", "link")
        if before.state not in LIVE:
            raise Broken("O3", f"order {row.id} had ended and changed", [row.id])
        if any(getattr(before, name) != getattr(row, name) for name in sold):
            raise Broken("P2", f"order {row.id} is not what was sold", [row.id])
        booked = self.by_order[row.id, "earn"], self.by_order[row.id, "refund"]
        if booked != (row.earned, row.refunded) or sum(booked) > row.charge:
            raise Broken("P3", f"order {row.id} says {row.earned}, {row.refunded}; the ledger {booked}", [row.id])
        if row.state in LIVE:
            return
        runs = self.store.runs[row.id]
        if sum(booked) != row.charge or any(run.state not in ENDED for run in runs):
            raise Broken("O11", f"order {row.id} ended before its runs or its money had", [row.id])
        if row.remains != sum(run.remains or 0 for run in runs):
            raise Broken("O8", f"order {row.id} ended with {row.remains} remaining", [row.id])

    def _delivery(self, before: DeliveryRow, row: DeliveryRow) -> None:
        if row.remains is not None and not 0 <= row.remains <= row.quantity:
            raise Broken("O8", f"order {row.order} run {row.run} has {row.remains} remaining", [row.order])
        if before.polled is not None and (row.polled is None or row.polled < before.polled):
            raise Broken("O8", f"order {row.order} run {row.run}: older news over newer", [row.order])
        self._stands(row)
        if row.fence < before.fence:
            raise Broken("O4", f"order {row.order} run {row.run}: its fence went back", [row.order])
        if before.state in AT_PROVIDER and not self.by_hand:
            self._followed(before, row)
        if before.state == row.state:
            return
        if row.state not in (MAY_BECOME if not self.by_hand else MAY_BECOME_BY_HAND)[before.state]:
            raise Broken("O3", f"order {row.order} run {row.run}: {before.state} became {row.state}", [row.order])
        if row.state in ENDED:
            self._ended(before, row)
        if (before.state, row.state) == ("sending", "canceled") and row.cancel_asked is None and not self.by_hand:
            self._refused(row)
        if before.state == "unsure" and row.state in ("queued", "canceled"):
            self._not_bought(row)

    def _refused(self, row: DeliveryRow) -> None:
        """An order that a provider did not look at is nobody's to cancel."""
        attempt = self.store.newest_try(row)
        if attempt is not None and attempt.answer in WORDS_ABOUT_US:
            raise Broken("O3", f"order {row.order} run {row.run}: canceled by {attempt.answer!r}", [row.order])

    def _stands(self, row: DeliveryRow) -> None:
        """A delivery agrees with its newest try, and somebody will see to it."""
        attempt = self.store.newest_try(row)
        outcome = None if attempt is None else attempt.outcome
        if outcome not in STANDS[row.state] and not self._by_operator(row):
            raise Broken("O5b", f"order {row.order} run {row.run} is {row.state}, its try {outcome}", [row.order])
        if attempt is not None and attempt.fence != row.fence:
            raise Broken("O5b", f"order {row.order} run {row.run} and its try have other fences", [row.order])
        forgotten = row.lease_until is None if row.state == "sending" else row.due is None
        if row.state in ("sending", *AT_PROVIDER) and forgotten:
            raise Broken("O10", f"order {row.order} run {row.run} is {row.state} for ever", [row.order])
        if row.state in ENDED and row.due is not None:
            raise Broken("O10", f"order {row.order} run {row.run} has ended and is due", [row.order])

    def _by_operator(self, row: DeliveryRow) -> bool:
        evidence = self.store.evidence_of.get((row.order, row.run, row.attempt), ())
        return self.by_hand or any(one.conclusion == "ended" for one in evidence)

    def _followed(self, before: DeliveryRow, row: DeliveryRow) -> None:
        """What changes of a delivery at its provider is what the provider said, since the panel last asked."""
        if (before.state, before.remains) == (row.state, row.remains):
            return
        attempt = self.store.attempts[row.order, row.run, row.attempt]
        book = self._said_of(attempt.provider, attempt.provider_order or "")
        answers = (
            []
            if book is None or row.polled is None
            else [one for one in book.said if one.at + self.put_back >= row.polled]
        )
        if row.polled == before.polled or not any(_means(one, before, row) for one in answers):
            raise Broken(
                "O9", f"order {row.order} run {row.run}: {row.state}, {row.remains} was never said", [row.order]
            )

    def _ended(self, before: DeliveryRow, row: DeliveryRow) -> None:
        """The money of a run that ended, to the last unit."""
        order = self.store.orders[row.order]
        if row.remains is None:
            raise Broken("O8", f"order {row.order} run {row.run} ended with nothing said of it", [row.order])
        first = row.quantity * (row.run - 1)
        prices = [
            price(order.rate, units, packaged=order.packaged)
            for units in (first, first + row.quantity - row.remains, first + row.quantity)
        ]
        earned = self.moved.get((row.order, "earn", row.run), 0)
        if earned != prices[1] - prices[0]:
            raise Broken("P3", f"order {row.order} run {row.run}: {earned} kept", [row.order])
        self.given_back[row.order] = self.given_back.get(row.order, 0) + prices[2] - prices[1]
        if before.state not in AT_PROVIDER and not self.by_hand:
            self._not_bought(row)

    def _not_bought(self, row: DeliveryRow) -> None:
        """What is given back or sent again without a provider's word on its order is in nobody's book, provably."""
        attempt = self.store.newest_try(row)
        if attempt is not None and attempt.outcome != "declined":
            raise Broken("O6", f"order {row.order} run {row.run}: {row.state}, its try {attempt.outcome}", [row.order])
        self.bought_once(self.store.orders[row.order].link, "O6")

    def bought_once(self, link: str, check: str = "O5") -> None:
        """As many orders at providers as there are tries under way or accepted: none without one, none twice."""
        orders = self.by_link.get(link, [])
        tries = sum(
            1
            for order in orders
            for run in self.store.runs[order.id]
            if (attempt := self.store.newest_try(run)) is not None and attempt.outcome in OPEN_TRIES
        )
        if self._in_book(link) > tries:
            raise Broken(
                check, f"bought {self._in_book(link)} times with {tries} tries", [order.id for order in orders]
            )

    def _attempt(self, before: AttemptRow, row: AttemptRow) -> None:
        if before.outcome != row.outcome and before.outcome not in ("sending", "unsure"):
            raise Broken("O4", f"order {row.order}: a try that was {before.outcome} is {row.outcome}", [row.order])
        if row.provider_order is not None and before.provider_order is None:
            holder = self.bound.setdefault((row.provider, row.provider_order), row)
            if holder is not row:
                raise Broken("O7", f"provider's order {row.provider_order} stands for two", [row.order, holder.order])
            if before.outcome == "unsure":
                self._found(row)

    def _found(self, row: AttemptRow) -> None:
        """What was unsure has the order that it bought, by the provider's book: or one for the very same thing."""
        order, book = self.store.orders[row.order], self._said_of(row.provider, row.provider_order or "")
        wanted = (order.link, self.store.deliveries[row.order, row.run].quantity)
        if (book is None or (book.link, book.quantity) != wanted) and not self._misled(row.provider, order.link):
            raise Broken("O6", f"order {row.order} run {row.run} is settled with another's order", [row.order])

    def _refill(self, before: RefillRow, row: RefillRow) -> None:
        if before.state in ("completed", "rejected", "canceled") and before.state != row.state:
            raise Broken("O12", f"refill {row.id} had ended and changed", [row.order])

    def books(self) -> None:
        """Everything, from the rows alone."""
        store = self.store
        totals: dict[int, int] = defaultdict(int)
        for transfer in store.transfers:
            totals[transfer.debit] -= transfer.amount
            totals[transfer.credit] += transfer.amount
        if sum(totals.values()):
            raise Broken("L1", f"all accounts together have {sum(totals.values())}")
        for customer in store.customers.values():
            if customer.balance != totals[customer.id]:
                raise Broken("L3", f"customer {customer.id} has {customer.balance}, not {totals[customer.id]}")
        live = [row for row in store.orders.values() if row.state in LIVE]
        held = sum(row.charge - row.earned - row.refunded for row in live)
        if totals[-1] != held:
            raise Broken("L6", f"the house holds {totals[-1]} for {held}")
        for row in store.orders.values():
            self._whole_order(row)
        for link in self.by_link:
            self.bought_once(link)
        for order in store.active_links.values():
            if store.orders[order].state not in LIVE:
                raise Broken("O3", f"order {order} has ended and holds its link", [order])

    def _whole_order(self, row: OrderRow) -> None:
        runs = self.store.runs[row.id]
        if (row.state == "open") != any(run.state not in ENDED for run in runs) or len(runs) != row.runs:
            raise Broken("O3", f"order {row.id} is {row.state} and its deliveries are not", [row.id])
        if row.state in ENDED and row.earned + row.refunded != row.charge:
            raise Broken("O11", f"order {row.id} ended with money left", [row.id])
        for run in runs:
            self._stands(run)
            waits = run.state == "queued" and run.due is None
            if waits and not any(one.run < run.run and one.state in ("queued", "held") for one in runs):
                raise Broken("O10", f"order {row.id} run {run.run} is never due", [row.id])
        for refill in self.store.refills_of.get(row.id, ()):
            tasks = [self.store.refill_tasks.get((refill.id, run.run)) for run in runs]
            if (refill.state in OPEN_REFILLS) != any(one and one.state not in ENDED_REFILLS for one in tasks):
                raise Broken("O12b", f"refill {refill.id} is {refill.state} and its tasks are not", [row.id])


def _means(report: Said, before: DeliveryRow, row: DeliveryRow) -> bool:
    """Whether a provider's line can lead to what now stands of a delivery."""
    remains = report.remains if report.remains is not None and report.remains <= row.quantity else None
    match row.state:
        case "completed":
            return report.status == "completed"
        case "held":
            return report.status in ("partial", "canceled")
        case "partial":
            return report.status == "partial" and row.remains == remains
        case "canceled":
            return report.status == "canceled" and row.remains in (remains, row.quantity)
    left = row.quantity if before.remains is None else before.remains
    if report.status != "in_progress":
        remains = remains or None  # before it begins 0 is no news
    return report.status == row.state and row.remains == (left if remains is None else remains)


def _orders(one: Transfer) -> Sequence[int]:
    return () if one.order is None else (one.order,)
