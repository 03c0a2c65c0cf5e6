"""One invariant of the books."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.domain.evidence import LATE_NOTICES, ODD_NOTICES
from opensmm.domain.invariants import InvariantCode
from opensmm.domain.refills import UNCLEAR
from opensmm.store.state_sets import listed


class InvariantScope(StrEnum):
    """``orders``: can be restricted to a range of orders, with a cost linear in their number. ``books``: concerns all
    rows together, or rows that belong to no order."""

    ORDERS = "orders"
    BOOKS = "books"


class Invariant(Struct, frozen=True):
    """A check. ``broken`` selects one line of text for each violation.

    In the scope ``orders`` it restricts each table that grows with orders by ``within``.
    """

    name: str
    code: InvariantCode
    broken: str
    scope: InvariantScope = InvariantScope.ORDERS


def within(order: str) -> str:
    """Returns the condition that a column of orders' ids lies in the checked range."""
    return f"{order} between %(first)s and %(last)s"


NOTICE: Final = listed((*LATE_NOTICES, *ODD_NOTICES))
"""Conclusions of evidence that are notices for the operator."""
LEFT_TO_OPERATOR: Final = f"('{UNCLEAR}')"
"""States of a refill's task in which only the operator can go on with it; `health` lists them."""
