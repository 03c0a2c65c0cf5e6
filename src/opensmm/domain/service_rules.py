"""Rules for a service's fields, and for its sale: it states how it is delivered, and the policy does not prohibit
it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Struct, structs

from opensmm.base.money import parse_decimal
from opensmm.domain.catalogue import Service
from opensmm.domain.codes import FieldCode
from opensmm.domain.names import check_name, check_range, check_text
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.domain.policy import Policy
from opensmm.domain.pricing import RATE_BELOW

MAX_SERVICE_NAME: Final = 300
MAX_CATEGORY_NAME: Final = 300
MAX_PRICE_LIST_NAME: Final = 64
MAX_DESCRIPTION: Final = 4000
MAX_QUANTITY: Final = 10**12
"""A thousand runs of it still fit the database's integers."""
MAX_REFILL_WAIT_H: Final = 876_000
MAX_REFILL_DAYS: Final = 36_500
MAX_AVERAGE_TIME_MIN: Final = 60 * MAX_REFILL_WAIT_H
"""These three are a hundred years."""
MAX_POSITION: Final = 10**9
NAMED: Final = 5
"""Services that a refusal lists one by one."""

_RANGES: Final[Mapping[str, tuple[int, int, FieldCode]]] = {
    "min": (0, MAX_QUANTITY, FieldCode.MIN),
    "max": (0, MAX_QUANTITY, FieldCode.MAX),
    "average_time_min": (0, MAX_AVERAGE_TIME_MIN, FieldCode.AVERAGE_TIME_MIN),
    "refill_wait_h": (0, MAX_REFILL_WAIT_H, FieldCode.REFILL_WAIT_H),
    "refill_days": (1, MAX_REFILL_DAYS, FieldCode.REFILL_DAYS),
    "position": (0, MAX_POSITION, FieldCode.POSITION),
}
EDITABLE: Final = frozenset(one.name for one in structs.fields(Service)) - {"id", "type", "cost", "halted"}
"""Fields of a service that an operator sets; the others are fixed, or follow providers' price lists."""
_BEARS_ON_SALE: Final = ("on_sale", "delivery_method", "name", "category", "description")


class RefusedService(Struct, frozen=True):
    """A service that may not be stored as it is, and why."""

    service: Service
    why: OperatorRefusal


def read_rate(text: str) -> Decimal:
    """Reads a rate per 1000, such as ``"0.90"``, and keeps its digits. Raises OperatorRefusal."""
    try:
        rate = parse_decimal(text)
    except ValueError as error:
        raise OperatorRefusal(RefusalCode.NOT_A_RATE, text=text) from error
    check_rate(rate)
    return rate


def read_price(text: str) -> Decimal:
    """Reads a rate above 0, for price lists and approved costs. Raises OperatorRefusal."""
    rate = read_rate(text)
    check_price(rate)
    return rate


def check_rate(rate: Decimal) -> None:
    """Raises OperatorRefusal for a rate that no service can have."""
    if not 0 <= rate < RATE_BELOW:
        raise OperatorRefusal(RefusalCode.BAD_RATE, below=RATE_BELOW)


def check_price(rate: Decimal) -> None:
    """Raises OperatorRefusal for a rate that no price list can set: price lists give nothing away."""
    if not 0 < rate < RATE_BELOW:
        raise OperatorRefusal(RefusalCode.BAD_RATE, below=RATE_BELOW)


def service_refusals(service: Service, changed: Collection[str] = EDITABLE) -> list[OperatorRefusal]:
    """Lists the refusals of a service's ``changed`` fields one by one, then of their combinations.

    A field stored before its limit existed stays valid until it is edited.
    """
    refusals = [refused for name in sorted(changed) if (refused := _find_field_refusal(service, name)) is not None]
    if service.max < service.min:
        refusals.append(OperatorRefusal(RefusalCode.RANGE_REVERSED, min=service.min, max=service.max))
    if not service.rate and not service.free:
        refusals.append(OperatorRefusal(RefusalCode.RATE_OF_ZERO))
    return refusals


def check_service(service: Service, changed: Collection[str] = EDITABLE) -> None:
    """Raises the first refusal of a service."""
    for refused in service_refusals(service, changed):
        raise refused


def _find_field_refusal(service: Service, name: str) -> OperatorRefusal | None:
    try:
        _check_field(service, name)
    except OperatorRefusal as refused:
        return refused
    return None


def _check_field(service: Service, name: str) -> None:
    if name == "name":
        check_name(service.name, MAX_SERVICE_NAME)
    elif name == "category":
        check_name(service.category, MAX_CATEGORY_NAME, FieldCode.CATEGORY)
    elif name == "description":
        check_text(service.description, MAX_DESCRIPTION, FieldCode.DESCRIPTION)
    elif name == "rate":
        check_rate(service.rate)
    elif name in _RANGES and (number := getattr(service, name)) is not None:
        least, most, field = _RANGES[name]
        check_range(number, least, most, field)


def may_affect_sale(before: Service | None, after: Service) -> bool:
    """True if an edit might put a service on sale that may not be: only then the policy must be read."""
    if not after.on_sale:
        return False
    return before is None or any(getattr(before, name) != getattr(after, name) for name in _BEARS_ON_SALE)


def sale_refusal(service: Service, policy: Policy) -> OperatorRefusal | None:
    """Returns the refusal of a service that is on sale and may not be; None for any other."""
    if not service.on_sale:
        return None
    named = {"service": service.id or None, "service_name": service.name}
    if not service.disclosed:
        return OperatorRefusal(RefusalCode.SERVICE_UNDISCLOSED, **named)
    rule = policy.prohibits(service.name, service.category, service.description)
    if rule is None:
        return None
    broken = {"rule": rule.id, "phrase": rule.value, "reason": rule.reason}
    return OperatorRefusal(RefusalCode.SERVICE_PROHIBITED, **named, **broken)


def check_sellable(services: Iterable[Service], policy: Policy) -> list[RefusedService]:
    """Returns the services that are on sale and may not be."""
    return [RefusedService(one, why) for one in services if (why := sale_refusal(one, policy)) is not None]


def not_for_sale(refused: Sequence[RefusedService]) -> OperatorRefusal:
    """Returns the refusal of an edit because of these services.

    Of several, it names the first few with their reasons.
    """
    if len(refused) == 1:
        return refused[0].why
    named = tuple({"code": one.why.code, **one.why.fields} for one in refused[:NAMED])
    more = len(refused) - len(named)
    return OperatorRefusal(RefusalCode.NOT_FOR_SALE, count=len(refused), refused=named, more=more or None)
