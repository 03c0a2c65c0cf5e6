"""The log: one JSON object a line, as much as was asked for, and no flood of one warning."""

import contextlib
import json
import subprocess
import sys

import pytest
import structlog

from opensmm.runtime.logs import MAX_LINES, Sparse

PROGRAM = """
import logging, structlog
from datetime import UTC, datetime, timedelta
from opensmm.runtime import logs

logs.set_up({level!r})
log = structlog.get_logger()
log.debug("placed", order=7)
log.info("declined", order=7, at=datetime(2026, 12, 1, tzinfo=UTC), age=timedelta(minutes=2))
for _ in range(5):
    log.warning("refused", error="busy", sparse=True)
logging.getLogger("asyncio").error("a task failed")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
"""

LIBRARY = """
import logging
from opensmm.runtime import logs

logs.set_up("info")
for number in range(1000):
    logging.getLogger("asyncio").warning("lost %d", number)
"""


def lines(level):
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(level=level)], capture_output=True, text=True, check=True
    )
    assert "" == ran.stdout
    return [json.loads(line) for line in ran.stderr.splitlines()]


@pytest.mark.parametrize(
    ("level", "events"),
    [
        ("debug", ["placed", "declined", "refused", "a task failed", "failed"]),
        ("info", ["declined", "refused", "a task failed", "failed"]),
        ("warning", ["refused", "a task failed", "failed"]),
        ("error", ["a task failed", "failed"]),
    ],
)
def test_the_level_says_what_is_logged_and_a_repeated_warning_is_one_line(level, events):
    printed = lines(level)
    assert events == [line["event"] for line in printed]
    assert all({"level", "timestamp"} <= set(line) for line in printed)
    assert "ZeroDivisionError" in printed[-1]["exception"]
    assert not any("sparse" in line for line in printed)
    times = [("2026-12-01T00:00:00+00:00", 120.0)]
    assert times * ("declined" in events) == [
        (line["at"], line["age"]) for line in printed if line["event"] == "declined"
    ]


class Told:
    """A sparse log by a clock of its own."""

    def __init__(self):
        self.at = 0.0
        self.sparse = Sparse(lambda: self.at)

    def __call__(self, event="refused", about=True, level="warning"):
        try:
            return self.sparse(None, level, {"event": event, "sparse": about})
        except structlog.DropEvent:
            return None


def test_a_repeated_warning_is_said_once_a_second_with_how_many_were_left_out():
    log = Told()
    assert {"event": "refused"} == log()
    assert [None] * 3 == [log() for _ in range(3)]
    log.at = 0.99
    assert log() is None
    log.at = 1.0
    assert {"event": "refused", "left_out": 4} == log()
    log.at = 2.5
    assert {"event": "refused"} == log()


def test_events_and_what_they_are_about_are_counted_apart():
    log = Told()
    assert {"event": "a"} == log("a", 1)
    assert ({"event": "a"}, {"event": "b"}, {"event": "a"}) == (log("a", 2), log("b", 1), log("a", 1, "error"))
    assert (None, None) == (log("a", 1), log("a", 2))


def test_what_is_not_sparse_is_said_each_time():
    sparse = Sparse(lambda: 0.0)
    assert [{"event": "unsure"}] * 3 == [sparse(None, "warning", {"event": "unsure"}) for _ in range(3)]


def test_many_things_of_one_event_are_few_lines_and_each_has_its_turn():
    log, seen = Told(), []
    for second in range(60):
        log.at = float(second)
        seen += [about for about in range(100) if log("refused", about) is not None]
    assert MAX_LINES * 60 >= len(seen)
    assert set(range(100)) == set(seen)


@pytest.mark.parametrize(
    ("level", "lines"), [("info", MAX_LINES), ("warning", MAX_LINES), ("debug", 1000), ("error", 1000)]
)
def test_no_event_floods_the_log_unless_it_was_asked_for_or_stands_nowhere_else(level, lines):
    sparse, passed = Sparse(lambda: 0.0), 0
    for number in range(1000):
        with contextlib.suppress(structlog.DropEvent):
            passed += bool(sparse(None, level, {"event": "unsure", "order": number}))
    assert lines == passed


def test_libraries_do_not_flood_the_log_either():
    ran = subprocess.run([sys.executable, "-c", LIBRARY], capture_output=True, text=True, check=True)
    answer = [json.loads(line) for line in ran.stderr.splitlines()]
    assert ["lost"] * len(answer) == [line["event"].split()[0] for line in answer]
    assert len(answer) < 100
