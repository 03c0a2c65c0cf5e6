"""Ending: what a delivery that has ended earns, costs and gives back, and when its order ends with it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct, structs

from opensmm.base.ids import CustomerId, OrderId
from opensmm.base.money import Money, ceiling
from opensmm.domain import ledger, polling, pricing
from opensmm.domain.ledger import Transfer
from opensmm.domain.orders import OrderState
from opensmm.domain.polling import OrderEnd

MOST_COST: Final = Money(10**17)
"""A provider's word on what a delivery cost is not taken above this."""


class OrderAtEnd(Struct, frozen=True):
    """An order under its row's lock. The runs that end now count as ended in the last fields already.

    ``called_off``: a subscription whose delivery was cancelled. It has no units to tell how it ended.
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
    """The money that moves for one order, and its end where no run is open any more."""

    order: OrderId
    transfers: tuple[Transfer, ...]
    earned: Money
    refunded: Money
    end: OrderEnd | None


def settle(sold: OrderAtEnd, ends: Sequence[EndedRun]) -> Settlement:
    """Earns what was delivered and gives back the rest: together they are exactly the runs' shares of the charge.

    Runs of which nothing was delivered give their money back in one transfer, under the number of the first.
    """
    transfers: list[Transfer] = []
    earned = refunded = untouched = 0
    untouched_at: int | None = None
    for end in ends:
        share = pricing.earned(sold.rate, sold.quantity, end.run, sold.quantity, packaged=sold.packaged)
        delivered = sold.quantity - end.remains
        kept = pricing.earned(sold.rate, sold.quantity, end.run, delivered, packaged=sold.packaged)
        back = Money(share - kept)
        if kept:
            transfers.append(ledger.earn(sold.customer, sold.order, end.run, kept))
        if back and not delivered:
            untouched += back
        if back and (delivered or untouched_at is None):
            untouched_at = untouched_at if delivered else len(transfers)
            transfers.append(ledger.give_back(sold.customer, sold.order, end.run, back))
        cost = ceiling(end.cost, end.exchange_rate) if end.cost else 0
        if 0 < cost <= MOST_COST:
            transfers.append(ledger.cost(sold.customer, sold.order, end.run, Money(cost)))
        earned, refunded = earned + kept, refunded + back
    if untouched_at is not None:
        transfers[untouched_at] = structs.replace(transfers[untouched_at], amount=Money(untouched))
    order_end = None if sold.runs_open else _end(sold)
    return Settlement(sold.order, tuple(transfers), Money(earned), Money(refunded), order_end)


def _end(sold: OrderAtEnd) -> OrderEnd:
    if sold.called_off:
        return OrderEnd(OrderState.CANCELED, 0)
    return polling.end_of_order(sold.quantity, sold.runs, sold.remains)
