"""Accounts and transfers. Money leaves the debit account and enters the credit account; a transfer is for ever."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NewType

from msgspec import Struct

from opensmm.base.ids import CustomerId, OrderId
from opensmm.base.money import Money

AccountId = NewType("AccountId", int)
"""A customer's account bears the customer's id; the house's accounts are the negative constants below."""

HELD: Final = AccountId(-1)
"""Paid for orders that have not ended."""
EARNED: Final = AccountId(-2)
"""Paid for what was delivered."""
DEPOSITS: Final = AccountId(-3)
"""Where top-ups come from: the world outside, through gateways and the operator."""
BONUSES: Final = AccountId(-4)
"""Money the house gives away."""
ADJUSTMENTS: Final = AccountId(-5)
"""The operator's corrections."""
COSTS: Final = AccountId(-6)
"""What fulfilling has cost the house."""
PROVIDERS: Final = AccountId(-7)
"""What the house owes or has paid to providers."""


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
"""An account of the house, or None for that of the transfer's customer."""
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
"""From which account to which each kind of transfer moves money."""
OF_ORDERS: Final = frozenset(
    (TransferKind.CHARGE, TransferKind.EARN, TransferKind.REFUND, TransferKind.RETURN, TransferKind.COST)
)
"""Kinds that move money of an order, and none else."""


class Transfer(Struct, frozen=True):
    """One movement of money. ``sequence`` tells apart the transfers of one kind of one order (a run's number)."""

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


def hold(customer: CustomerId, order: OrderId, amount: Money) -> Transfer:
    return Transfer(account(customer), HELD, amount, TransferKind.CHARGE, customer, order)


def earn(customer: CustomerId, order: OrderId, sequence: int, amount: Money) -> Transfer:
    return Transfer(HELD, EARNED, amount, TransferKind.EARN, customer, order, sequence)


def give_back(customer: CustomerId, order: OrderId, sequence: int, amount: Money) -> Transfer:
    return Transfer(HELD, account(customer), amount, TransferKind.REFUND, customer, order, sequence)


def return_earned(customer: CustomerId, order: OrderId, sequence: int, amount: Money, note: str) -> Transfer:
    """Money of an ended order that the operator gives back: what was earned before is the customer's again."""
    return Transfer(EARNED, account(customer), amount, TransferKind.RETURN, customer, order, sequence, note)


def cost(customer: CustomerId, order: OrderId, sequence: int, amount: Money) -> Transfer:
    return Transfer(COSTS, PROVIDERS, amount, TransferKind.COST, customer, order, sequence)


def top_up(customer: CustomerId, amount: Money, note: str = "") -> Transfer:
    return Transfer(DEPOSITS, account(customer), amount, TransferKind.TOPUP, customer, note=note)


def give(customer: CustomerId, amount: Money, note: str) -> Transfer:
    return Transfer(ADJUSTMENTS, account(customer), amount, TransferKind.ADJUSTMENT, customer, note=note)


def take(customer: CustomerId, amount: Money, note: str) -> Transfer:
    return Transfer(account(customer), ADJUSTMENTS, amount, TransferKind.ADJUSTMENT, customer, note=note)


def bonus(customer: CustomerId, amount: Money, note: str) -> Transfer:
    return Transfer(BONUSES, account(customer), amount, TransferKind.BONUS, customer, note=note)


def pay_out(customer: CustomerId, amount: Money, note: str) -> Transfer:
    return Transfer(account(customer), DEPOSITS, amount, TransferKind.PAYOUT, customer, note=note)


def charge_back(customer: CustomerId, amount: Money, note: str) -> Transfer:
    return Transfer(account(customer), DEPOSITS, amount, TransferKind.CHARGEBACK, customer, note=note)


class Funds(Struct, frozen=True):
    """A customer's money. ``overdrawn`` is how far the balance may lie below the credit limit: as far as chargebacks
    have put it, and no further."""

    balance: Money
    credit_limit: Money = Money(0)
    overdrawn: Money = Money(0)
    suspended: bool = False

    @property
    def available(self) -> Money:
        """What orders may be placed for: below 0 where the customer is overdrawn."""
        return Money(self.balance + self.credit_limit)

    def moved(self, by: int, *, charged_back: bool = False) -> "Funds":
        """The funds after a movement. Only a chargeback overdraws; whatever else moves makes up for it."""
        balance = Money(self.balance + by)
        short = max(0, -balance - self.credit_limit)
        overdrawn = Money(short if charged_back else min(self.overdrawn, short))
        return Funds(balance, self.credit_limit, overdrawn, self.suspended)


class BalanceView(Struct, frozen=True):
    """What ``balance`` answers. A currency is its three letters."""

    amount: Money
    currency: str
