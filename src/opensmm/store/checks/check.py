"""One invariant of the books."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from opensmm.domain.dispatch import ACCEPTED_STATES, END_STATES
from opensmm.domain.evidence import LATE, ODD
from opensmm.domain.invariants import InvariantCode
from opensmm.domain.orders import OrderState
from opensmm.domain.refills import OPEN_REFILLS, UNCLEAR


class Scope(StrEnum):
    """``orders``: can be restricted to a range of orders, and then costs as much as they are many. ``books``: tells of
    all rows together, or of rows of no order."""

    ORDERS = "orders"
    BOOKS = "books"


class Check(Struct, frozen=True):
    """``broken`` selects one line of text per thing that is not as it must be. One of the scope ``orders`` restricts
    each table that grows with orders by ``within``."""

    name: str
    code: InvariantCode
    broken: str
    scope: Scope = Scope.ORDERS


def within(order: str) -> str:
    """The condition that a column of orders' ids lies in the range that is looked at."""
    return f"{order} between %(first)s and %(last)s"


def _listed(states: frozenset[str] | tuple[str, ...]) -> str:
    return "(" + ", ".join(f"'{state}'" for state in sorted(states)) + ")"


ENDED: Final = _listed(frozenset(END_STATES))
AT_PROVIDER: Final = _listed(frozenset(ACCEPTED_STATES))
LIVE: Final = _listed((OrderState.OPEN, OrderState.ACTIVE, OrderState.PAUSED))
OPEN_REFILL: Final = _listed(frozenset(OPEN_REFILLS))
NOTICE: Final = _listed((*LATE, *ODD))
"""What a look at evidence comes to where a provider's answer waits for the operator."""
LEFT_TO_OPERATOR: Final = _listed((UNCLEAR,))
"""States of a refill's task in which nobody but the operator goes on with it, as `health` tells."""
