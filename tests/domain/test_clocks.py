"""What a look at the database's clock tells of steps."""

from datetime import UTC, datetime, timedelta

import pytest

from opensmm.domain.clocks import ClockReading, ExpectedReading, StepCause, detect_step

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
STARTED = NOON - timedelta(days=9)


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def reading(seconds, timeline="1", started=STARTED):
    return ClockReading(at(seconds), timeline, started)


def expected(last, earliest, latest):
    return ExpectedReading(at(last), at(earliest), at(latest))


@pytest.mark.parametrize(
    ("stored", "step", "current"),
    [
        (None, reading(0), None),
        (reading(0), reading(2), expected(0, 2, 2)),
        (reading(0), reading(4), expected(0, 2, 2)),
        (reading(0), reading(0), expected(0, 2, 2)),
        (reading(0), reading(60), expected(0, 2, 61)),
        (reading(0), reading(2), None),
        (reading(0), reading(2, started=NOON), expected(0, 2, 2)),
        (reading(9), reading(8), expected(0, 8, 8)),
    ],
    ids=[
        "the first look of all", "as expected", "within the tolerance", "within it backwards", "a slow look",
        "a worker that begins beside others", "a restart that a worker has lived through", "another looked later",
    ],
)  # fmt: skip
def test_a_clock_that_runs_on_has_not_stepped(stored, step, current):
    assert detect_step(stored, step, current) is None


@pytest.mark.parametrize(
    ("stored", "observed", "current", "cause", "since", "until", "moved"),
    [
        (reading(0), reading(602), expected(0, 2, 2), StepCause.MOVED, 0, 602, 600),
        (reading(0), reading(-598), expected(0, 2, 2), StepCause.MOVED, -600, 2, -600),
        (reading(600), reading(2), expected(0, 2, 2), StepCause.MOVED, 0, 600, -598),
        (reading(0), reading(-50), None, StepCause.MOVED, -50, 0, -50),
        (reading(0), reading(2, "2"), expected(0, 2, 2), StepCause.TIMELINE, 0, 2, 0),
        (reading(0), reading(602, "2"), expected(0, 2, 2), StepCause.TIMELINE, 0, 602, 600),
        (reading(0), reading(602, "2"), None, StepCause.TIMELINE, 0, 602, 602),
        (reading(0), reading(602), None, StepCause.UNWATCHED, 0, 602, 602),
        (reading(0), reading(1, started=NOON), None, StepCause.UNWATCHED, 0, 1, 1),
    ],
    ids=[
        "forward", "back", "another saw it ahead", "back while nobody looked", "another node", "another node, ahead",
        "another node, and nobody looked", "nobody looked", "a restart while nobody looked",
    ],
)  # fmt: skip
def test_a_step_is_told_with_the_times_that_prove_nothing(stored, observed, current, cause, since, until, moved):
    step = detect_step(stored, observed, current)
    assert step is not None
    assert (cause, at(since), at(until), timedelta(seconds=moved)) == (step.cause, step.since, step.until, step.moved)
    assert step.breaks == (cause is not StepCause.UNWATCHED)
