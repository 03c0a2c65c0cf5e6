"""Payments, their references and corrections: a payment is booked once, however it is spelt."""

import unicodedata
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from opensmm.base.ids import CustomerId
from opensmm.base.money import Money, format_amount
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode

MAX_GATEWAY_CHARS: Final = 64
MAX_REFERENCE_CHARS: Final = 255
BY_HAND: Final = "operator"
"""Gateway of a payment that the operator books without naming one."""
OPENING: Final = "opening"
"""Gateway of the top-up that a customer is added with."""
LEGACY: Final = "legacy"
"""Gateway of top-ups made before every payment had a reference; their id is the transfer's."""
RESERVED: Final = frozenset((OPENING, LEGACY))


class Payment(Struct, frozen=True):
    """A payment by its gateway's name and id, in their stored spelling."""

    gateway: str
    external_id: str

    @property
    def folded(self) -> str:
        """The id in folded case: equal for ids that differ in case only."""
        return self.external_id.casefold()


def read_payment(gateway: str, external_id: str) -> Payment:
    """Reads a payment to be booked. Raises OperatorRefusal for the panel's own names of gateways."""
    payment = read_any_payment(gateway, external_id)
    if payment.gateway in RESERVED:
        raise OperatorRefusal(RefusalCode.BAD_GATEWAY, gateway=gateway, most=MAX_GATEWAY_CHARS)
    return payment


def read_any_payment(gateway: str, external_id: str) -> Payment:
    """Folds the gateway's name and trims the id, which keeps its case. Raises OperatorRefusal."""
    name = _fold(gateway)
    if not 0 < len(name) <= MAX_GATEWAY_CHARS or not name.isprintable():
        raise OperatorRefusal(RefusalCode.BAD_GATEWAY, gateway=gateway, most=MAX_GATEWAY_CHARS)
    return Payment(name, read_reference(external_id))


def _fold(gateway: str) -> str:
    return " ".join(unicodedata.normalize("NFC", gateway).casefold().split())


def read_reference(text: str) -> str:
    """Trims a reference and puts it into Unicode's composed form. Raises OperatorRefusal.

    Invisible marks such as joiners are refused: two references would look the same.
    """
    trimmed = unicodedata.normalize("NFC", text).strip()
    if not 0 < len(trimmed) <= MAX_REFERENCE_CHARS or not trimmed.isprintable():
        raise OperatorRefusal(RefusalCode.BAD_REFERENCE, most=MAX_REFERENCE_CHARS)
    return trimmed


def chargeback_reference(payment: Payment) -> str:
    """Returns the reference of a chargeback that has no number of its own."""
    return read_reference(f"{payment.gateway}/{payment.external_id}")


def check_recipient(customer: CustomerId, to: CustomerId | None, *, takes: bool) -> None:
    """Raises OperatorRefusal if a correction gives another customer money that it does not take from this one."""
    if to is not None and (not takes or to == customer):
        raise OperatorRefusal(RefusalCode.NOT_ANOTHERS, customer=customer)


class Deposit(Struct, frozen=True):
    """A booked payment: its spelling at the time, customer, amount and transfer."""

    gateway: str
    external_id: str
    customer: CustomerId
    amount: Money
    transfer: int


def find_booked(payment: Payment, deposits: Sequence[Deposit], *, different: bool) -> Deposit | None:
    """Returns the deposit that booked the same payment; None if there is none.

    ``deposits`` are those with an id like the payment's. Raises OperatorRefusal if one differs in case only, unless the
    operator said that it is ``different``.
    """
    same = [one for one in deposits if _read_stored(one) == payment]
    if same:
        return same[0]
    if deposits and not different:
        similar = deposits[0]
        raise OperatorRefusal(
            RefusalCode.PAYMENT_TWIN,
            gateway=similar.gateway,
            external_id=similar.external_id,
            transfer=similar.transfer,
        )
    return None


def _read_stored(deposit: Deposit) -> Payment:
    return Payment(_fold(deposit.gateway), unicodedata.normalize("NFC", deposit.external_id).strip())


class Correctable(Struct, frozen=True):
    """A transfer that is to be corrected.

    ``credited``: it put money on the customer's balance. ``undone``: the sum that corrections have moved back since.
    """

    transfer: int
    customer: CustomerId
    amount: Money
    credited: bool
    undone: Money
    of_order: bool


def check_correction(corrected: Correctable | None, customer: CustomerId, amount: Money, *, takes: bool) -> Correctable:
    """Raises OperatorRefusal if the transfer may not be corrected so.

    It must be this customer's own, belong to no order, and not be undone by more than it moved.
    """
    if corrected is None or corrected.customer != customer:
        raise OperatorRefusal(RefusalCode.NO_TRANSFER, customer=customer)
    if corrected.of_order:
        raise OperatorRefusal(RefusalCode.TRANSFER_OF_ORDER, transfer=corrected.transfer)
    left = Money(corrected.amount - corrected.undone)
    if takes is corrected.credited and amount > left:
        raise OperatorRefusal(RefusalCode.CORRECTS_TOO_MUCH, transfer=corrected.transfer, left=format_amount(left))
    return corrected
