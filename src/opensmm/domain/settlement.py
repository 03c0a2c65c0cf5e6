"""Settlement: the money that an ended delivery earns, costs and refunds, and the end of its order."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct

from opensmm.base.ids import CustomerId, OrderId
from opensmm.base.money import Money, ceiling
from opensmm.domain import ledger, polling, pricing
from opensmm.domain.ledger import Transfer
from opensmm.domain.orders import OrderState
from opensmm.domain.polling import OrderEnd

MOST_COST: Final = Money(10**17)
"""The largest cost that is booked. A charge above it is a misreading, and sums of such could overflow the books."""


class OrderAtEnd(Struct, frozen=True):
    """An order under its row's lock. ``runs_open`` and ``remains`` are those after the runs of this settlement ended.

    ``quantity`` is of one run, ``remains`` of all runs together. ``called_off``: a subscription whose delivery was
    cancelled; with no units, ``remains`` cannot tell.
    """

    order: OrderId
    customer: CustomerId
    rate: Decimal
    packaged: bool
    quantity: int
    runs: int
    runs_open: int
    remains: int
    called_off: bool = False


class EndedRun(Struct, frozen=True):
    """A delivery that ended with ``remains`` units undelivered. ``cost`` is in the provider's currency."""

    order: OrderId
    run: int
    remains: int
    cost: Decimal | None = None
    exchange_rate: Decimal = Decimal(1)


class Settlement(Struct, frozen=True):
    """The money that moves for one order, and its end if no run is open any more."""

    order: OrderId
    transfers: tuple[Transfer, ...]
    earned: Money
    refunded: Money
    end: OrderEnd | None


def settle(order: OrderAtEnd, ends: Sequence[EndedRun]) -> Settlement:
    """Earns what was delivered and refunds the rest: together they are exactly the runs' shares of the charge.

    Books each run's cost at its provider too. Runs of which nothing was delivered are refunded in one transfer, under
    the number of the first.
    """
    transfers: list[Transfer] = []
    earned = refunded = 0
    # Runs of which nothing was delivered: (index of their refund among the transfers, run, refund).
    untouched: list[tuple[int, int, Money]] = []
    for end in ends:
        whole_run = compute_earnings(order.rate, order.quantity, end.run, order.quantity, packaged=order.packaged)
        delivered = order.quantity - end.remains
        run_earned = compute_earnings(order.rate, order.quantity, end.run, delivered, packaged=order.packaged)
        run_refunded = Money(whole_run - run_earned)
        if run_earned:
            transfers.append(ledger.earn(order.customer, order.order, end.run, run_earned))
        if run_refunded and delivered:
            transfers.append(ledger.give_back(order.customer, order.order, end.run, run_refunded))
        elif run_refunded:
            untouched.append((len(transfers), end.run, run_refunded))
        cost = ceiling(end.cost, end.exchange_rate) if end.cost else 0
        if 0 < cost <= MOST_COST:
            transfers.append(ledger.cost(order.customer, order.order, end.run, Money(cost)))
        earned, refunded = earned + run_earned, refunded + run_refunded
    # One transfer for all of them: a cancelled drip-feed may have a thousand.
    if untouched:
        index, first_run, _ = untouched[0]
        amount = Money(sum(run_refunded for _, _, run_refunded in untouched))
        transfers.insert(index, ledger.give_back(order.customer, order.order, first_run, amount))
    order_end = None if order.runs_open else _end_order(order)
    return Settlement(order.order, tuple(transfers), Money(earned), Money(refunded), order_end)


def _end_order(order: OrderAtEnd) -> OrderEnd:
    if order.called_off:
        return OrderEnd(OrderState.CANCELED, 0)
    return polling.end_of_order(order.quantity, order.runs, order.remains)


def compute_earnings(rate: Decimal, quantity: int, run: int, delivered: int, *, packaged: bool = False) -> Money:
    """Returns the money that ``delivered`` units of run ``run`` (from 1, of ``quantity`` units) have earned.

    With ``delivered == quantity`` this is the run's share. The shares of all runs add up to the order's charge, so that
    refunds never exceed it.

    Totals from the order's first unit on are rounded up, never a single run's part. So the refund of an order with one
    run, which is the rest of its charge, is rounded down, by less than 0.00001. A part of a drip-feed lies between two
    such totals, and is less than 0.00001 off either way.
    """
    before = quantity * (run - 1)
    upto = pricing.charge(rate, before + delivered, packaged=packaged)
    return Money(upto - pricing.charge(rate, before, packaged=packaged))
