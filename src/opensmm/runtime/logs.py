"""The log: one JSON object per line on standard error, with a bound on the lines of each event."""

import logging
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

Value = TypeVar("Value")

INTERVAL_S: Final = 1.0
"""Seconds between two lines of an event that is logged ``sparse`` about one subject."""
MAX_LINES: Final = 5
"""Lines of one event in an interval, about any subject."""
MAX_NAMES: Final = 1000
"""Events, and subjects of one event, that are counted at a time."""
UNBOUNDED: Final = frozenset(("debug", "error"))
"""Levels with a bound for ``sparse`` events only: the operator has asked for debug lines, and an error may be reported
nowhere else."""
_NEVER: Final = float("-inf")


@dataclass(slots=True)
class _EventLines:
    """Lines of one event since ``since``. ``by_subject``: the time of a subject's last line, and the lines dropped
    after it."""

    since: float = _NEVER
    lines: int = 0
    by_subject: dict[Hashable, tuple[float, int]] = field(default_factory=dict)


class LineLimit:
    """Admits MAX_LINES lines of an event in INTERVAL_S, and one of them about each subject.

    With more subjects than lines, each has its turn after all the others.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._events: dict[Hashable, _EventLines] = {}

    def admit(self, name: Hashable, subject: Hashable = None) -> int | None:
        """Returns how many lines were dropped before this one; None if it is to be dropped too."""
        now, event = self._monotonic(), _get_or_make(self._events, name, _EventLines)
        if now - event.since >= INTERVAL_S:
            event.since, event.lines = now, 0
        last_at, left_out = _get_or_make(event.by_subject, subject, lambda: (_NEVER, 0))
        pause_s = 0.0 if subject is None else INTERVAL_S * max(1.0, len(event.by_subject) / MAX_LINES)
        if event.lines >= MAX_LINES or now - last_at < pause_s:
            event.by_subject[subject] = last_at, left_out + 1
            return None
        event.lines += 1
        event.by_subject[subject] = now, 0
        return left_out


def _get_or_make(values: dict[Hashable, Value], name: Hashable, make: Callable[[], Value]) -> Value:
    """Returns the value of a name, and makes it if it is missing. Forgets all values when there are too many."""
    if name not in values:
        if len(values) >= MAX_NAMES:
            values.clear()
        values[name] = make()
    return values[name]


class Sparse:
    """A processor that bounds our own lines: those of a ``sparse=SUBJECT`` event by subject, others by event.

    See UNBOUNDED for the exceptions. The next line has the number of dropped ones in ``left_out``.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit = LineLimit(monotonic)

    def __call__(self, _: WrappedLogger, level: str, event: EventDict) -> EventDict:
        sparse = event.pop("sparse", None)
        if sparse is None and level in UNBOUNDED:
            return event
        # Exceptions of different types are different events, though one line of code logs both.
        left_out = self._limit.admit((event.get("event"), level, sys.exc_info()[0]), sparse)
        if left_out is None:
            raise structlog.DropEvent
        return {**event, "left_out": left_out} if left_out else event


class SparseRecords(logging.Filter):
    """A filter that bounds the lines of libraries."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._limit = LineLimit(monotonic)

    def filter(self, record: logging.LogRecord) -> bool:
        left_out = self._limit.admit((record.name, record.levelno, str(record.msg)))
        record.left_out = left_out
        return left_out is not None


def _to_json_value(value: object) -> str | float:
    """Converts a value that JSON lacks: times to ISO 8601, durations to seconds."""
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
    return repr(value)


def _add_left_out(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    left_out = getattr(event["_record"], "left_out", 0)
    return {**event, "left_out": left_out} if left_out else event


_COMMON: Final[tuple[Processor, ...]] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def set_up(level: str) -> None:
    """Sets logging up, from ``level`` (debug, info, warning or error). Libraries are logged from warning on."""
    structlog.configure(
        processors=[Sparse(), *_COMMON, structlog.processors.JSONRenderer(default=_to_json_value)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    stderr = logging.StreamHandler(sys.stderr)
    stderr.addFilter(SparseRecords())
    stderr.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_COMMON, structlog.stdlib.add_logger_name, _add_left_out],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=_to_json_value),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[stderr], force=True)
