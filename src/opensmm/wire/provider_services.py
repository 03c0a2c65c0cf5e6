"""A provider's price list, of either dialect, read leniently: a line that is not understood is named and left out."""

import re
from collections.abc import Iterator
from typing import Final

from opensmm.domain.catalogue import ServiceType
from opensmm.domain.codes import LineCode, LineFault, ListWarning, WarningCode
from opensmm.domain.markup import readable, readable_lines
from opensmm.domain.names import clean_name, clean_text
from opensmm.domain.provider_services import MAX_OFFERS, ProviderService, ReadPriceList, UnreadLine
from opensmm.domain.service_rules import MAX_DESCRIPTION, MAX_QUANTITY, MAX_SERVICE_NAME
from opensmm.wire.lenient import MAX_WRAPS, fit, parse
from opensmm.wire.messages import V1_TYPE, service_type
from opensmm.wire.values import Json, amount, count, may_be_thousands, provider_id, writes_decimal_comma

MAX_ENCODED: Final = 4 * MAX_DESCRIPTION
"""Characters of a text that are read, with its tags."""
MAX_ODD: Final = 50
"""Words on lines that were not understood; further ones are only counted."""

_FLAGS: Final = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)
_V2_WORDS: Final = frozenset(kind.value for kind in ServiceType)
_V1_WORDS: Final = frozenset(V1_TYPE.values())
_LISTS: Final = ("services", "data", "result", "results", "response")
_EMPTY: Final = re.compile(r"empty", re.IGNORECASE)


def read_services(body: bytes) -> ReadPriceList | None:
    """The list with its oddities; None where the answer is no price list, or one of too many lines."""
    lines = _lines(parse(body))
    if lines is None or len(lines) > MAX_OFFERS:
        return None
    offers: dict[str, ProviderService] = {}
    unread: list[UnreadLine] = []
    odd: list[ListWarning] = []
    typeless = not any(_says_type(line) for _, line in lines if isinstance(line, dict))
    if typeless and lines:
        odd.append(ListWarning(WarningCode.NO_TYPES, {"type": ServiceType.DEFAULT.value}))
    commas = any(writes_decimal_comma(_rate(line)) for _, line in lines)
    for key, line in lines:
        offer = _offer(key, line, typeless=typeless, commas=commas)
        if isinstance(offer, ProviderService) and offer.service in offers:
            offer = UnreadLine(offer.service, offer.name, LineFault(LineCode.LISTED_TWICE))
        if isinstance(offer, UnreadLine):
            unread.append(offer)
            code = WarningCode.LINE_LEFT_OUT if offer.service else WarningCode.LINE_WITHOUT_ID
            fields = {"provider_service": offer.service, "provider_service_name": offer.name, "why": offer.why}
            odd.append(ListWarning(code, fields))
            continue
        offers[offer.service] = offer
        if offer.type is None:
            odd.append(ListWarning(WarningCode.TYPE_UNKNOWN, {"provider_service": offer.service}))
    if len(odd) > MAX_ODD:
        odd[MAX_ODD:] = [ListWarning(WarningCode.MORE_LINES, {"count": len(odd) - MAX_ODD})]
    return ReadPriceList(tuple(offers.values()), tuple(odd), _spoken(lines), tuple(unread))


def _lines(found: Json) -> list[tuple[str, Json]] | None:
    """Lines with the key they stand under: an array, an object keyed by id, or one of these inside a wrapper."""
    for _ in range(MAX_WRAPS):
        if isinstance(found, list):
            return [("", line) for line in found]
        if not isinstance(found, dict):
            return None
        inner = next((found[name] for name in _LISTS if name in found), None)
        if inner is None:
            return list(_keyed(found)) or None
        if isinstance(inner, str) and _EMPTY.search(inner):  # v1's "Empty Data"
            return []
        found = inner
    return None


def _keyed(found: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    return ((key, line) for key, line in found.items() if isinstance(line, dict))


def _spoken(lines: list[tuple[str, Json]]) -> str:
    words = {
        line.get("type") for _, line in lines[:100] if isinstance(line, dict) and isinstance(line.get("type"), str)
    }
    if not words:
        return ""
    return "v2" if words <= _V2_WORDS else "v1" if words <= _V1_WORDS else ""


def _says_type(line: dict[str, Json]) -> bool:
    """Whether anything stands where a line tells its type."""
    told = line.get("type")
    return told is not None and not (isinstance(told, str) and not told.strip())


def _kind(told: Json) -> ServiceType | None:
    """Unknown where it is no text: whatever it means, an order may be bought in the wrong shape by it."""
    return service_type(_text(told, 60)) if isinstance(told, str) else None


def _rate(line: Json) -> Json:
    return line.get("rate", line.get("price")) if isinstance(line, dict) else None


def _offer(key: str, line: Json, *, typeless: bool, commas: bool) -> ProviderService | UnreadLine:
    """``commas``: other lines write their decimals behind a comma."""
    if not isinstance(line, dict):
        return UnreadLine("", _text(line, 40), LineFault(LineCode.NO_OBJECT))
    told = next((line[name] for name in ("service", "id", "service_id") if name in line), key)
    service, name = provider_id(told), _name(line.get("name"))
    if not service:
        return UnreadLine("", name[:40], LineFault(LineCode.NO_ID))
    rate, told_rate = amount(_rate(line)), {"rate": _as_told(_rate(line))}
    least, most = count(line.get("min")), count(line.get("max"))
    kind = ServiceType.DEFAULT if typeless else _kind(line.get("type"))
    if rate is None or rate < 0:
        return UnreadLine(service, name, LineFault(LineCode.NO_RATE, told_rate))
    if commas and may_be_thousands(_rate(line)):
        return UnreadLine(service, name, LineFault(LineCode.RATE_UNCLEAR, told_rate))
    if kind in (ServiceType.PACKAGE, ServiceType.CUSTOM_COMMENTS_PACKAGE):
        least, most = least or 1, most or 1
    if least is None or most is None or not 0 <= least <= most <= MAX_QUANTITY:
        bounds = {name: _as_told(line.get(name)) for name in ("min", "max")}
        return UnreadLine(service, name, LineFault(LineCode.NO_RANGE, bounds))
    if not most:
        return UnreadLine(service, name, LineFault(LineCode.NEVER_ORDERED))
    return ProviderService(
        service=service,
        name=name or f"Service {service}",
        category=_name(line.get("category")) or "Other",
        type=kind,
        rate=rate,
        min=least,
        max=most,
        refill=_flag(line, "refill"),
        cancel=_flag(line, "cancel"),
        dripfeed=_flag(line, "dripfeed"),
        description=_description(line.get("desc", line.get("description"))),
    )


def _as_told(value: Json) -> str | None:
    """A value as it came; None where it is no text and no number."""
    return fit(value, 40) if isinstance(value, str) else None


def _flag(line: dict[str, Json], name: str) -> bool | None:
    """None where the line does not say, or not in words that are known."""
    told = line.get(name)
    if isinstance(told, bool):
        return told
    return _FLAGS.get(told.strip().lower()) if isinstance(told, str) else None


def _name(told: Json) -> str:
    return clean_name(fit(readable(told[:MAX_ENCODED]), MAX_SERVICE_NAME)) if isinstance(told, str) else ""


def _description(told: Json) -> str:
    return clean_text(fit(readable_lines(told[:MAX_ENCODED]), MAX_DESCRIPTION)) if isinstance(told, str) else ""


def _text(told: Json, limit: int) -> str:
    return fit(told, limit).strip() if isinstance(told, str) else ""
