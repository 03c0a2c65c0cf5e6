"""The log: one JSON object a line on standard error, ours and the libraries', and no flood of one warning."""

import logging
import sys
import time
from collections.abc import Callable
from typing import Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

EACH_S: Final = 1.0
"""Between two lines of an event that is logged ``sparse``."""
MAX_EVENTS: Final = 1000


class Sparse:
    """Of an event that is logged ``sparse=ABOUT`` lets one line a second through for each ABOUT; the next one says how
    many were left out before it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._said: dict[tuple[object, ...], tuple[float, int]] = {}

    def __call__(self, _: WrappedLogger, level: str, event: EventDict) -> EventDict:
        sparse = event.pop("sparse", None)
        if sparse is None:
            return event
        # Two faults of different kinds are two events, though one line of code logs both.
        fault = sys.exc_info()[0]
        name = (event.get("event"), level, fault, sparse)
        now = self._monotonic()
        since, left_out = self._said.get(name, (float("-inf"), 0))
        if now - since < EACH_S:
            self._said[name] = (since, left_out + 1)
            raise structlog.DropEvent
        if len(self._said) >= MAX_EVENTS:
            self._said.clear()
        self._said[name] = (now, 0)
        return {**event, "left_out": left_out} if left_out else event


_SHAPE: Final[tuple[Processor, ...]] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
)


def set_up(level: str) -> None:
    """From ``level`` on: debug, info, warning or error. Libraries are heard from warning on."""
    structlog.configure(
        processors=[Sparse(), *_SHAPE, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHAPE, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[lines], force=True)
