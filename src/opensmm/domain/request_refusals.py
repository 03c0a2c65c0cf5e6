"""Reasons for which a customer's request is refused. Each dialect has a text for each in ``wire.messages``."""

from enum import StrEnum, auto
from typing import ClassVar, Final

from msgspec import Struct


class Refusal(StrEnum):
    MALFORMED_REQUEST = auto()
    UNKNOWN_KEY = auto()
    UNKNOWN_ACTION = auto()
    SERVICE_MISSING = auto()
    SERVICE_UNKNOWN = auto()
    LINK = auto()
    QUANTITY = auto()
    QUANTITY_TOO_LOW = auto()
    QUANTITY_TOO_HIGH = auto()
    PARAMETER = auto()
    NO_DRIP_FEED = auto()
    RUNS = auto()
    INTERVAL = auto()
    ACTIVE_LINK = auto()
    FUNDS = auto()
    ORDER_MISSING = auto()
    ORDER_UNKNOWN = auto()
    TOO_MANY_IDS = auto()
    REFILL_DISABLED = auto()
    REFILL_TOO_EARLY = auto()
    REFILL_OPEN = auto()
    REFILL_NOT_COMPLETED = auto()
    REFILL_UNKNOWN = auto()
    NOT_CANCELABLE = auto()
    IDEMPOTENCY_MISMATCH = auto()
    SUSPENDED = auto()
    ADDRESS = auto()


class Refused(Struct, frozen=True):
    """A refusal; ``detail`` is the limit that was missed or the name of the parameter at fault."""

    why: Refusal
    detail: int | str = ""
    unsummed: ClassVar[int] = 0
    """Like an order view's field, so that a refusal can stand in its place: nothing has to be added up."""


UNKNOWN_ORDER: Final = Refused(Refusal.ORDER_UNKNOWN)
