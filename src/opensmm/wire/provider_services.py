"""Reads a provider's price list, of either dialect, leniently: lines that are not understood are reported and left
out."""

import re
from collections.abc import Iterator
from typing import Final

from opensmm.domain.catalogue import ServiceType
from opensmm.domain.codes import LineCode, LineFault, ListWarning, WarningCode
from opensmm.domain.markup import readable, readable_lines
from opensmm.domain.names import clean_name, clean_text
from opensmm.domain.provider_services import MAX_LISTED_SERVICES, ProviderService, ReadPriceList, UnreadLine
from opensmm.domain.service_rules import MAX_DESCRIPTION, MAX_QUANTITY, MAX_SERVICE_NAME
from opensmm.wire.lenient import MAX_WRAPS, clip, parse
from opensmm.wire.messages import V1_TYPE, service_type
from opensmm.wire.values import Json, may_be_thousands, read_amount, read_count, read_id, writes_decimal_comma

MAX_ENCODED: Final = 4 * MAX_DESCRIPTION
"""Most characters of a text that are read, with its tags."""
MAX_ODD: Final = 50
"""Most warnings on single lines; further ones are only counted."""

_FLAGS: Final = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)
_V2_WORDS: Final = frozenset(kind.value for kind in ServiceType)
_V1_WORDS: Final = frozenset(V1_TYPE.values())
_LISTS: Final = ("services", "data", "result", "results", "response")
_EMPTY: Final = re.compile(r"empty", re.IGNORECASE)


def read_services(body: bytes) -> ReadPriceList | None:
    """Reads a price list with its warnings; None if the answer is no price list, or has too many lines."""
    lines = _find_lines(parse(body))
    if lines is None or len(lines) > MAX_LISTED_SERVICES:
        return None
    services: dict[str, ProviderService] = {}
    unread: list[UnreadLine] = []
    warnings: list[ListWarning] = []
    typeless = not any(_has_type(line) for _, line in lines if isinstance(line, dict))
    if typeless and lines:
        warnings.append(ListWarning(WarningCode.NO_TYPES, {"type": ServiceType.DEFAULT.value}))
    commas = any(writes_decimal_comma(_find_rate(line)) for _, line in lines)
    for key, line in lines:
        listed = _read_line(key, line, typeless=typeless, commas=commas)
        if isinstance(listed, ProviderService) and listed.service in services:
            listed = UnreadLine(listed.service, listed.name, LineFault(LineCode.LISTED_TWICE))
        if isinstance(listed, UnreadLine):
            unread.append(listed)
            code = WarningCode.LINE_LEFT_OUT if listed.service else WarningCode.LINE_WITHOUT_ID
            fields = {"provider_service": listed.service, "provider_service_name": listed.name, "why": listed.why}
            warnings.append(ListWarning(code, fields))
            continue
        services[listed.service] = listed
        if listed.type is None:
            warnings.append(ListWarning(WarningCode.TYPE_UNKNOWN, {"provider_service": listed.service}))
    if len(warnings) > MAX_ODD:
        warnings[MAX_ODD:] = [ListWarning(WarningCode.MORE_LINES, {"count": len(warnings) - MAX_ODD})]
    return ReadPriceList(tuple(services.values()), tuple(warnings), _guess_dialect(lines), tuple(unread))


def _find_lines(answer: Json) -> list[tuple[str, Json]] | None:
    """Returns lines with their keys, from an array, an object keyed by id, or one of these inside a wrapper."""
    for _ in range(MAX_WRAPS):
        if isinstance(answer, list):
            return [("", line) for line in answer]
        if not isinstance(answer, dict):
            return None
        inner = next((answer[name] for name in _LISTS if name in answer), None)
        if inner is None:
            return list(_iterate_keyed(answer)) or None
        if isinstance(inner, str) and _EMPTY.search(inner):  # v1's "Empty Data"
            return []
        answer = inner
    return None


def _iterate_keyed(answer: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    return ((key, line) for key, line in answer.items() if isinstance(line, dict))


def _guess_dialect(lines: list[tuple[str, Json]]) -> str:
    """Returns the dialect of the lines' type words; empty if they have both or neither."""
    words = {
        line.get("type") for _, line in lines[:100] if isinstance(line, dict) and isinstance(line.get("type"), str)
    }
    if not words:
        return ""
    return "v2" if words <= _V2_WORDS else "v1" if words <= _V1_WORDS else ""


def _has_type(line: dict[str, Json]) -> bool:
    """True if a line has anything under its type's name."""
    value = line.get("type")
    return value is not None and not (isinstance(value, str) and not value.strip())


def _read_type(value: Json) -> ServiceType | None:
    """Reads a type; None for anything but a text: a guess might order in the wrong form."""
    return service_type(_read_text(value, 60)) if isinstance(value, str) else None


def _find_rate(line: Json) -> Json:
    return line.get("rate", line.get("price")) if isinstance(line, dict) else None


def _read_line(key: str, line: Json, *, typeless: bool, commas: bool) -> ProviderService | UnreadLine:
    """Reads a line. ``commas``: other lines write their decimals after a comma."""
    if not isinstance(line, dict):
        return UnreadLine("", _read_text(line, 40), LineFault(LineCode.NO_OBJECT))
    stated_id = next((line[name] for name in ("service", "id", "service_id") if name in line), key)
    service, name = read_id(stated_id), _read_name(line.get("name"))
    if not service:
        return UnreadLine("", name[:40], LineFault(LineCode.NO_ID))
    rate, stated_rate = read_amount(_find_rate(line)), {"rate": _text_or_none(_find_rate(line))}
    least, most = read_count(line.get("min")), read_count(line.get("max"))
    kind = ServiceType.DEFAULT if typeless else _read_type(line.get("type"))
    if rate is None or rate < 0:
        return UnreadLine(service, name, LineFault(LineCode.NO_RATE, stated_rate))
    if commas and may_be_thousands(_find_rate(line)):
        return UnreadLine(service, name, LineFault(LineCode.RATE_UNCLEAR, stated_rate))
    if kind in (ServiceType.PACKAGE, ServiceType.CUSTOM_COMMENTS_PACKAGE):
        least, most = least or 1, most or 1
    if least is None or most is None or not 0 <= least <= most <= MAX_QUANTITY:
        bounds = {name: _text_or_none(line.get(name)) for name in ("min", "max")}
        return UnreadLine(service, name, LineFault(LineCode.NO_RANGE, bounds))
    if not most:
        return UnreadLine(service, name, LineFault(LineCode.NEVER_ORDERED))
    return ProviderService(
        service=service,
        name=name or f"Service {service}",
        category=_read_name(line.get("category")) or "Other",
        type=kind,
        rate=rate,
        min=least,
        max=most,
        refill=_read_flag(line, "refill"),
        cancel=_read_flag(line, "cancel"),
        dripfeed=_read_flag(line, "dripfeed"),
        description=_read_description(line.get("desc", line.get("description"))),
    )


def _text_or_none(value: Json) -> str | None:
    """Returns a value as it came; None if it is neither a text nor a number."""
    return clip(value, 40) if isinstance(value, str) else None


def _read_flag(line: dict[str, Json], name: str) -> bool | None:
    """Reads a flag; None if the line does not state it, or not in known words."""
    value = line.get(name)
    if isinstance(value, bool):
        return value
    return _FLAGS.get(value.strip().lower()) if isinstance(value, str) else None


def _read_name(value: Json) -> str:
    return clean_name(clip(readable(value[:MAX_ENCODED]), MAX_SERVICE_NAME)) if isinstance(value, str) else ""


def _read_description(value: Json) -> str:
    return clean_text(clip(readable_lines(value[:MAX_ENCODED]), MAX_DESCRIPTION)) if isinstance(value, str) else ""


def _read_text(value: Json, limit: int) -> str:
    return clip(value, limit).strip() if isinstance(value, str) else ""
