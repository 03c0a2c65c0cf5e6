"""Accounts and transfers. A transfer moves money from the debit to the credit account, and is never changed."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NewType

from msgspec import Struct

from opensmm.base.ids import CustomerId, OrderId
from opensmm.base.money import Money

AccountId = NewType("AccountId", int)
"""The number of an account: a customer's id, or one of the negative constants below for the house's accounts."""

HELD: Final = AccountId(-1)
"""Money paid for orders that have not ended. ``store/placing.py`` and ``store/subscriptions.py`` move it there."""
EARNED: Final = AccountId(-2)
"""Money paid for what was delivered."""
DEPOSITS: Final = AccountId(-3)
"""The outside world: top-ups come from here, and payouts and chargebacks go there."""
BONUSES: Final = AccountId(-4)
"""The source of bonuses."""
ADJUSTMENTS: Final = AccountId(-5)
"""The other side of the operator's corrections."""
COSTS: Final = AccountId(-6)
"""Costs of fulfilling orders."""
PROVIDERS: Final = AccountId(-7)
"""Money that providers were paid or are owed."""


class TransferKind(StrEnum):
    CHARGE = "charge"
    EARN = "earn"
    REFUND = "refund"
    RETURN = "return"
    COST = "cost"
    TOPUP = "topup"
    BONUS = "bonus"
    ADJUSTMENT = "adjustment"
    PAYOUT = "payout"
    CHARGEBACK = "chargeback"


Side = AccountId | None
"""An account of the house, or None for the account of the transfer's customer."""
MOVES: Final[Mapping[TransferKind, tuple[tuple[Side, Side], ...]]] = MappingProxyType(
    {
        TransferKind.CHARGE: ((None, HELD),),
        TransferKind.EARN: ((HELD, EARNED),),
        TransferKind.REFUND: ((HELD, None),),
        TransferKind.RETURN: ((EARNED, None),),
        TransferKind.COST: ((COSTS, PROVIDERS),),
        TransferKind.TOPUP: ((DEPOSITS, None),),
        TransferKind.BONUS: ((BONUSES, None),),
        TransferKind.ADJUSTMENT: ((ADJUSTMENTS, None), (None, ADJUSTMENTS)),
        TransferKind.PAYOUT: ((None, DEPOSITS),),
        TransferKind.CHARGEBACK: ((None, DEPOSITS),),
    }
)
"""The allowed pairs of debit and credit account of each kind of transfer."""
OF_ORDERS: Final = frozenset(
    (TransferKind.CHARGE, TransferKind.EARN, TransferKind.REFUND, TransferKind.RETURN, TransferKind.COST)
)
"""Kinds of transfers that belong to an order; all others belong to none."""


class Transfer(Struct, frozen=True):
    """One movement of money. ``sequence``: the run's number, or the number of a refund of an ended order."""

    debit: AccountId
    credit: AccountId
    amount: Money
    kind: TransferKind
    customer: CustomerId
    order: OrderId | None = None
    sequence: int = 0
    note: str = ""


def account(customer: CustomerId) -> AccountId:
    return AccountId(customer)


def earn(customer: CustomerId, order: OrderId, sequence: int, amount: Money) -> Transfer:
    return Transfer(HELD, EARNED, amount, TransferKind.EARN, customer, order, sequence)


def give_back(customer: CustomerId, order: OrderId, sequence: int, amount: Money) -> Transfer:
    """Returns the transfer that refunds the undelivered part of a run."""
    return Transfer(HELD, account(customer), amount, TransferKind.REFUND, customer, order, sequence)


def return_earned(customer: CustomerId, order: OrderId, sequence: int, amount: Money, note: str) -> Transfer:
    """Returns the transfer of the operator's refund of an ended order, from money that was earned."""
    return Transfer(EARNED, account(customer), amount, TransferKind.RETURN, customer, order, sequence, note)


def cost(customer: CustomerId, order: OrderId, sequence: int, amount: Money) -> Transfer:
    return Transfer(COSTS, PROVIDERS, amount, TransferKind.COST, customer, order, sequence)


def top_up(customer: CustomerId, amount: Money, note: str = "") -> Transfer:
    return Transfer(DEPOSITS, account(customer), amount, TransferKind.TOPUP, customer, note=note)


def give(customer: CustomerId, amount: Money, note: str) -> Transfer:
    """Returns the transfer of a correction in the customer's favour."""
    return Transfer(ADJUSTMENTS, account(customer), amount, TransferKind.ADJUSTMENT, customer, note=note)


def take(customer: CustomerId, amount: Money, note: str) -> Transfer:
    """Returns the transfer of a correction against the customer."""
    return Transfer(account(customer), ADJUSTMENTS, amount, TransferKind.ADJUSTMENT, customer, note=note)


def bonus(customer: CustomerId, amount: Money, note: str) -> Transfer:
    return Transfer(BONUSES, account(customer), amount, TransferKind.BONUS, customer, note=note)


def pay_out(customer: CustomerId, amount: Money, note: str) -> Transfer:
    return Transfer(account(customer), DEPOSITS, amount, TransferKind.PAYOUT, customer, note=note)


def charge_back(customer: CustomerId, amount: Money, note: str) -> Transfer:
    return Transfer(account(customer), DEPOSITS, amount, TransferKind.CHARGEBACK, customer, note=note)


class Funds(Struct, frozen=True):
    """A customer's funds. ``overdrawn``: how far the balance may be below the credit limit, because of chargebacks."""

    balance: Money
    credit_limit: Money = Money(0)
    overdrawn: Money = Money(0)
    suspended: bool = False

    @property
    def available(self) -> Money:
        """The amount that may be spent on orders; below 0 if the customer is overdrawn."""
        return Money(self.balance + self.credit_limit)

    def moved(self, by: int, *, charged_back: bool = False) -> "Funds":
        """Returns the funds after a movement of ``by``. Only a chargeback overdraws; other movements reduce it."""
        balance = Money(self.balance + by)
        deficit = max(0, -balance - self.credit_limit)
        overdrawn = Money(deficit if charged_back else min(self.overdrawn, deficit))
        return Funds(balance, self.credit_limit, overdrawn, self.suspended)


class BalanceView(Struct, frozen=True):
    """The answer to ``balance``. ``currency``: its three letters."""

    amount: Money
    currency: str
