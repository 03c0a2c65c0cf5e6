"""The log: one JSON object a line on standard error, ours and the libraries', and no flood of one event."""

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

EACH_S: Final = 1.0
"""Between two lines of an event that is logged ``sparse`` about one thing."""
MOST: Final = 5
"""Lines of one event in that time, whatever they are about."""
MAX_NAMES: Final = 1000
UNBOUNDED: Final = frozenset(("debug", "error"))
"""Levels at which an event is bounded only where it is logged ``sparse``: what was asked for, and what may be told
nowhere else."""
_NEVER: Final = float("-inf")


@dataclass(slots=True)
class _EventLines:
    """Lines of one event since ``since``, and by what they are about the time of the last one and how many were left
    out after it."""

    since: float = _NEVER
    lines: int = 0
    by_about: dict[Hashable, tuple[float, int]] = field(default_factory=dict)


class LineLimit:
    """Lets MOST lines of one name through in EACH_S, and of those about one thing one. Where many things are told of,
    each has its turn after all the others."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._told: dict[Hashable, _EventLines] = {}

    def admit(self, name: Hashable, about: Hashable = None) -> int | None:
        """Returns how many were left out before this line; None where it is left out too."""
        now, told = self._monotonic(), _kept(self._told, name, _EventLines)
        if now - told.since >= EACH_S:
            told.since, told.lines = now, 0
        spoke, left_out = _kept(told.by_about, about, lambda: (_NEVER, 0))
        pause = 0.0 if about is None else EACH_S * max(1.0, len(told.by_about) / MOST)
        if told.lines >= MOST or now - spoke < pause:
            told.by_about[about] = spoke, left_out + 1
            return None
        told.lines += 1
        told.by_about[about] = now, 0
        return left_out


def _kept(among: dict[Hashable, Value], name: Hashable, made: Callable[[], Value]) -> Value:
    """The value of a name, made where there is none; of too many all are forgotten."""
    if name not in among:
        if len(among) >= MAX_NAMES:
            among.clear()
        among[name] = made()
    return among[name]


class Sparse:
    """Bounds what we log ourselves: an event that is logged ``sparse=ABOUT`` for each ABOUT, and any other below an
    error as a whole. The next line says how many were left out before it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._bound = LineLimit(monotonic)

    def __call__(self, _: WrappedLogger, level: str, event: EventDict) -> EventDict:
        sparse = event.pop("sparse", None)
        if sparse is None and level in UNBOUNDED:
            return event
        # Two faults of different kinds are two events, though one line of code logs both.
        left_out = self._bound.admit((event.get("event"), level, sys.exc_info()[0]), sparse)
        if left_out is None:
            raise structlog.DropEvent
        return {**event, "left_out": left_out} if left_out else event


class SparseRecords(logging.Filter):
    """Bounds what libraries log."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._bound = LineLimit(monotonic)

    def filter(self, record: logging.LogRecord) -> bool:
        left_out = self._bound.admit((record.name, record.levelno, str(record.msg)))
        record.left_out = left_out
        return left_out is not None


def _plain(value: object) -> str | float:
    """A value that JSON has no word for: times in ISO 8601, spans in seconds."""
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
    return repr(value)


def _tell_left_out(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    left_out = getattr(event["_record"], "left_out", 0)
    return {**event, "left_out": left_out} if left_out else event


_SHAPE: Final[tuple[Processor, ...]] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def set_up(level: str) -> None:
    """From ``level`` on: debug, info, warning or error. Libraries are heard from warning on."""
    structlog.configure(
        processors=[Sparse(), *_SHAPE, structlog.processors.JSONRenderer(default=_plain)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    lines = logging.StreamHandler(sys.stderr)
    lines.addFilter(SparseRecords())
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHAPE, structlog.stdlib.add_logger_name, _tell_left_out],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=_plain),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[lines], force=True)
