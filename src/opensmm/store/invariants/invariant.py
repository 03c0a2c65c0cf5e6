"""One invariant of the books."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.domain.evidence import LATE, ODD
from opensmm.domain.invariants import InvariantCode
from opensmm.domain.refills import UNCLEAR
from opensmm.store.state_sets import listed


class InvariantScope(StrEnum):
    """``orders``: can be restricted to a range of orders, and then costs as much as they are many. ``books``: tells of
    all rows together, or of rows of no order."""

    ORDERS = "orders"
    BOOKS = "books"


class Invariant(Struct, frozen=True):
    """``broken`` selects one line of text per thing that is not as it must be. One of the scope ``orders`` restricts
    each table that grows with orders by ``within``."""

    name: str
    code: InvariantCode
    broken: str
    scope: InvariantScope = InvariantScope.ORDERS


def within(order: str) -> str:
    """The condition that a column of orders' ids lies in the range that is looked at."""
    return f"{order} between %(first)s and %(last)s"


NOTICE: Final = listed((*LATE, *ODD))
"""What a look at evidence comes to where a provider's answer waits for the operator."""
LEFT_TO_OPERATOR: Final = f"('{UNCLEAR}')"
"""States of a refill's task in which nobody but the operator goes on with it, as `health` tells."""
