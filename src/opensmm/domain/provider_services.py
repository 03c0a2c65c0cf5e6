"""What a provider offers: its price list as it was understood."""

from decimal import Decimal
from typing import Final

from msgspec import Struct

from opensmm.domain.catalogue import ServiceType
from opensmm.domain.codes import LineFault, ListWarning, OperatorRefusal, RefusalCode

MAX_OFFERS: Final = 100_000
"""Lines of a provider's price list; a longer one is not read."""
MAX_SERVICE_ID: Final = 64
"""Characters of a provider's own id of a service."""


class ProviderService(Struct, frozen=True):
    """One line. ``service`` is the provider's own number, ``type`` None where its word is none of the trade's.

    ``rate`` is per 1000 (of a package: for one) in the provider's currency. A flag is None where the list does not
    say: neither dialect tells all three.
    """

    service: str
    name: str
    category: str
    type: ServiceType | None
    rate: Decimal
    min: int
    max: int
    refill: bool | None = None
    cancel: bool | None = None
    dripfeed: bool | None = None
    description: str = ""


class UnreadLine(Struct, frozen=True):
    """A line that is left out, and why. ``service`` is empty where no number of it was read."""

    service: str
    name: str
    why: LineFault


class ReadPriceList(Struct, frozen=True):
    """A whole list: the lines that were understood, and those that were not. ``odd`` tells of both, the first of each
    kind; ``dialect`` is that of its words."""

    offers: tuple[ProviderService, ...]
    odd: tuple[ListWarning, ...] = ()
    dialect: str = ""
    unread: tuple[UnreadLine, ...] = ()


def check_provider_service(text: str) -> None:
    """Raises OperatorRefusal for a text that is no provider's own id of a service."""
    if not (text.isascii() and text.isprintable() and 0 < len(text) <= MAX_SERVICE_ID):
        raise OperatorRefusal(RefusalCode.BAD_PROVIDER_SERVICE, most=MAX_SERVICE_ID)
