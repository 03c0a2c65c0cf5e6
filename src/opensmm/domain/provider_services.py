"""Lines of providers' price lists."""

from decimal import Decimal
from typing import Final

from msgspec import Struct

from opensmm.domain.catalogue import ServiceType
from opensmm.domain.codes import LineFault, ListWarning
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode

MAX_LISTED_SERVICES: Final = 100_000
"""Most lines of a provider's price list; a longer one is not read."""
MAX_SERVICE_ID: Final = 64
"""Most characters of a provider's own id of a service."""


class ProviderService(Struct, frozen=True):
    """A line of a provider's price list.

    ``service`` is the provider's own id; ``type`` is None if its word for it is unknown. ``rate`` is per 1000 (of a
    package: for one) in the provider's currency. A flag is None if the list does not state it: neither dialect has all
    three.
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
    """A line that is left out, and why. ``service`` is empty if no id was read."""

    service: str
    name: str
    why: LineFault


class ReadPriceList(Struct, frozen=True):
    """A whole price list: the lines that were understood, and those that were not.

    ``odd`` has warnings on both, the first ones in full; ``dialect`` is that of its type words.
    """

    services: tuple[ProviderService, ...]
    odd: tuple[ListWarning, ...] = ()
    dialect: str = ""
    unread: tuple[UnreadLine, ...] = ()


def check_provider_service(text: str) -> None:
    """Raises OperatorRefusal for a text that is no provider's id of a service."""
    if not (text.isascii() and text.isprintable() and 0 < len(text) <= MAX_SERVICE_ID):
        raise OperatorRefusal(RefusalCode.BAD_PROVIDER_SERVICE, most=MAX_SERVICE_ID)
