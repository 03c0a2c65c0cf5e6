"""Payments and references: one payment is booked once, however it is spelt; what a correction may correct."""

import unicodedata
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from opensmm.base.ids import CustomerId
from opensmm.base.money import Money, short
from opensmm.domain.codes import OperatorRefusal, RefusalCode

MAX_GATEWAY_CHARS: Final = 64
MAX_REFERENCE_CHARS: Final = 255
BY_HAND: Final = "operator"
"""The gateway of a payment that the operator books without naming one."""
OPENING: Final = "opening"
"""The gateway of the top-up that a customer is added with."""
LEGACY: Final = "legacy"
"""The gateway of top-ups from before every payment had a reference; their id is the transfer's."""
RESERVED: Final = frozenset((OPENING, LEGACY))


class Payment(Struct, frozen=True):
    """A payment as its gateway names it, in the one spelling that is kept."""

    gateway: str
    external_id: str

    @property
    def folded(self) -> str:
        """Equal for ids that differ in case alone."""
        return self.external_id.casefold()


def read_payment(gateway: str, external_id: str) -> Payment:
    """Reads a payment that is to be booked: the panel's own names of gateways are refused with OperatorRefusal."""
    payment = any_payment(gateway, external_id)
    if payment.gateway in RESERVED:
        raise OperatorRefusal(RefusalCode.BAD_GATEWAY, gateway=gateway, most=MAX_GATEWAY_CHARS)
    return payment


def any_payment(gateway: str, external_id: str) -> Payment:
    """Folds the gateway's name and trims the id, which keeps its case; raises OperatorRefusal."""
    name = _fold(gateway)
    if not 0 < len(name) <= MAX_GATEWAY_CHARS or not name.isprintable():
        raise OperatorRefusal(RefusalCode.BAD_GATEWAY, gateway=gateway, most=MAX_GATEWAY_CHARS)
    return Payment(name, read_reference(external_id))


def _fold(gateway: str) -> str:
    return " ".join(unicodedata.normalize("NFC", gateway).casefold().split())


def read_reference(text: str) -> str:
    """Trims a reference and puts it into Unicode's composed form; raises OperatorRefusal.

    It may hold no mark that is not seen, such as a joiner: two references would look the same.
    """
    trimmed = unicodedata.normalize("NFC", text).strip()
    if not 0 < len(trimmed) <= MAX_REFERENCE_CHARS or not trimmed.isprintable():
        raise OperatorRefusal(RefusalCode.BAD_REFERENCE, most=MAX_REFERENCE_CHARS)
    return trimmed


def chargeback_reference(payment: Payment) -> str:
    """The reference of a chargeback that has no number of its own."""
    return read_reference(f"{payment.gateway}/{payment.external_id}")


def check_recipient(customer: CustomerId, to: CustomerId | None, *, takes: bool) -> None:
    """Raises OperatorRefusal where a correction gives to another customer what it does not take from this one."""
    if to is not None and (not takes or to == customer):
        raise OperatorRefusal(RefusalCode.NOT_ANOTHERS, customer=customer)


class Deposit(Struct, frozen=True):
    """A payment that was booked: as it was spelt then, for whom, how much, by which transfer."""

    gateway: str
    external_id: str
    customer: CustomerId
    amount: Money
    transfer: int


def booked_before(payment: Payment, known: Sequence[Deposit], *, different: bool) -> Deposit | None:
    """The same payment among those with an id like its own.

    Raises OperatorRefusal where one differs in case alone, and nobody said that it is ``different``.
    """
    same = [one for one in known if _spelt(one) == payment]
    if same:
        return same[0]
    if known and not different:
        twin = known[0]
        raise OperatorRefusal(
            RefusalCode.PAYMENT_TWIN, gateway=twin.gateway, external_id=twin.external_id, transfer=twin.transfer
        )
    return None


def _spelt(one: Deposit) -> Payment:
    return Payment(_fold(one.gateway), unicodedata.normalize("NFC", one.external_id).strip())


class Correctable(Struct, frozen=True):
    """A transfer as its corrections see it.

    ``credited``: it put money on the customer's balance. ``undone``: what corrections have moved the other way since.
    """

    transfer: int
    customer: CustomerId
    amount: Money
    credited: bool
    undone: Money
    of_order: bool


def check_correction(corrected: Correctable | None, customer: CustomerId, amount: Money, *, takes: bool) -> Correctable:
    """Raises OperatorRefusal where the transfer is not this customer's own, belongs to an order, or would be undone by
    more than it moved."""
    if corrected is None or corrected.customer != customer:
        raise OperatorRefusal(RefusalCode.NO_TRANSFER, customer=customer)
    if corrected.of_order:
        raise OperatorRefusal(RefusalCode.TRANSFER_OF_ORDER, transfer=corrected.transfer)
    left = Money(corrected.amount - corrected.undone)
    if takes is corrected.credited and amount > left:
        raise OperatorRefusal(RefusalCode.CORRECTS_TOO_MUCH, transfer=corrected.transfer, left=short(left))
    return corrected
