"""Codes and their fields put into words."""

import shlex
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from opensmm.base.spans import span
from opensmm.domain.codes import (
    EventCode,
    FieldCode,
    Fields,
    FindingCode,
    LineFault,
    Oddity,
    OperatorRefusal,
    ShutCode,
    StageCode,
)
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.evidence import Conclusion
from opensmm.domain.findings import Finding, Level
from opensmm.texts.english import (
    AND_MORE,
    AT_LEAST,
    CONCLUSIONS,
    EVENTS,
    FIELDS,
    LINES,
    ODDITIES,
    REFUSALS,
    SHUTS,
    STAGES,
    STATES,
)
from opensmm.texts.english_findings import FINDINGS
from opensmm.texts.template import Words

_NOTHING: Final = (None, "", ())


def finding(code: FindingCode, fields: Fields) -> tuple[str, str]:
    """What was found, and what to do about it (empty where there is nothing to do)."""
    words = FINDINGS[code]
    return filled(words, fields), _fill(words.do, fields)


def judged(found: Finding) -> tuple[str, str]:
    """The same of a finding; of what is well nothing is to be done."""
    words = FINDINGS[found.code]
    return filled(words, found.fields), "" if found.level is Level.OK else _fill(words.do, found.fields)


def refusal(refused: OperatorRefusal) -> str:
    """Why the operator was told no."""
    return filled(REFUSALS[refused.code], refused.fields)


def event(code: EventCode, fields: Fields) -> str:
    """What happened to an order."""
    return filled(EVENTS[code], fields)


def event_of(runs: int, code: EventCode, fields: Fields) -> str:
    """What happened to an order of so many runs: names the run where there are several, and a try but the first."""
    run = f"run {fields['run']}" if runs > 1 and "run" in fields else ""
    attempt = f"try {fields['attempt']}" if fields.get("attempt", 1) > 1 else ""
    place = ", ".join(filter(None, (run, attempt)))
    return f"{place}: {event(code, fields)}" if place else event(code, fields)


def odd(told: Oddity) -> str:
    """What is odd about a provider's answers."""
    return filled(ODDITIES[told.code], told.fields)


def stage(code: StageCode, fields: Fields) -> str:
    """The step of a start that is under way."""
    return filled(STAGES[code], fields)


def filled(words: Words, fields: Fields) -> str:
    """The sentence of a code, for as many as its field ``count`` tells."""
    by_count = {0: words.none, 1: words.one}.get(fields.get("count", -1))
    ends = (end for name, end in words.more if fields.get(name) not in _NOTHING)
    return _fill("".join((by_count or words.says, *ends)), fields)


def _fill(template: str, fields: Fields) -> str:
    """A template with its fields; within a command, which stands in backquotes, as a shell wants them."""
    plain = _shown(fields)
    quoted = {name: shlex.quote(text) for name, text in plain.items()}
    parts = enumerate(template.split("`"))
    return "`".join(part.format_map(quoted if at % 2 else plain) for at, part in parts)


def command(*words: object) -> str:
    """A command to type, as sentences quote it."""
    return f"`{shlex.join(['opensmm', *map(str, words)])}`"


_LISTS: Final = ("orders", "services")


def _shown(fields: Fields) -> dict[str, str]:
    told = {name: shown(value) for name, value in fields.items()}
    if fields.get("at_least"):
        told["count"] = AT_LEAST.format_map(told)
    if fields.get("more"):
        told |= {name: AND_MORE.format(listed=told[name], more=told["more"]) for name in _LISTS if name in told}
    return told


def minute(at: datetime) -> str:
    """A time to the minute, for a line of a list."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def shown(value: object) -> str:
    """A field's value as a person reads it: an age in its largest unit of which there are two, a time in UTC."""
    match value:
        case timedelta():
            return span(value)
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        case Decimal():
            return f"{value:f}"
        case FieldCode():
            return FIELDS[value]
        case ShutCode():
            return SHUTS[value]
        case Conclusion():
            return CONCLUSIONS[value]
        case DeliveryState():
            return STATES.get(value, value.value)
        case LineFault():
            return filled(LINES[value.code], value.fields)
        case None:
            return "unknown"
        case {"service": service, "service_name": name, "before": before, "after": after}:
            return f"{service} {name} ({shown(before)} → {shown(after)})"
        case {"order": number, "provider_name": name, "provider_order": theirs} | {
            "refill": number, "provider_name": name, "provider_order": theirs
        }:  # fmt: skip
            return f"{number} ({name}: {theirs})"
        case {"provider_order": theirs, "status": status}:
            return f"{theirs} {status}"
        case {"service": service, "why": LineFault() as why}:
            return f"{service}: {shown(why)}"
        case list() | tuple():
            return ", ".join(shown(item) for item in value) or "none"
    return str(value)
