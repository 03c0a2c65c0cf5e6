"""Codes and their fields put into words."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from opensmm.base.spans import span
from opensmm.domain.codes import EventCode, Fields, FindingCode, OperatorRefusal, ShutCode, StageCode
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.evidence import Conclusion
from opensmm.texts.english import CONCLUSIONS, EVENTS, FINDINGS, REFUSALS, SHUTS, STAGES, STATES, Words

_NOTHING: Final = (None, "", ())


def finding(code: FindingCode, fields: Fields) -> tuple[str, str]:
    """What was found, and what to do about it (empty where there is nothing to do)."""
    words = FINDINGS[code]
    return _filled(words, fields), words.do.format_map(_shown(fields))


def refusal(refused: OperatorRefusal) -> str:
    """Why the operator was told no."""
    return _filled(REFUSALS[refused.code], refused.fields)


def event(code: EventCode, fields: Fields) -> str:
    """What happened to an order."""
    return _filled(EVENTS[code], fields)


def event_of(runs: int, code: EventCode, fields: Fields) -> str:
    """What happened to an order of so many runs: names the run where there are several, and a try but the first."""
    run = f"run {fields['run']}" if runs > 1 and "run" in fields else ""
    attempt = f"try {fields['attempt']}" if fields.get("attempt", 1) > 1 else ""
    place = ", ".join(filter(None, (run, attempt)))
    return f"{place}: {event(code, fields)}" if place else event(code, fields)


def stage(code: StageCode, fields: Fields) -> str:
    """The step of a start that is under way."""
    return _filled(STAGES[code], fields)


def _filled(words: Words, fields: Fields) -> str:
    template = words.one if words.one and fields.get("count") == 1 else words.says
    ends = (end for name, end in words.more if fields.get(name) not in _NOTHING)
    return "".join((template, *ends)).format_map(_shown(fields))


def _shown(fields: Fields) -> dict[str, str]:
    return {name: shown(value) for name, value in fields.items()}


def shown(value: object) -> str:
    """A field's value as a person reads it: an age in its largest unit of which there are two, a time in UTC."""
    match value:
        case timedelta():
            return span(value)
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        case Decimal():
            return f"{value:f}"
        case ShutCode():
            return SHUTS[value]
        case Conclusion():
            return CONCLUSIONS[value]
        case DeliveryState():
            return STATES.get(value, value.value)
        case None:
            return "unknown"
        case list() | tuple():
            return ", ".join(shown(item) for item in value) or "none"
    return str(value)
