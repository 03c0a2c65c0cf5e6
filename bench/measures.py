"""The measures: which readings are held against which, and how many times as much is wanted."""

from collections.abc import Sequence
from statistics import median
from typing import Final

from msgspec import Struct

from bench.probes import Reading


class Measure(Struct, frozen=True):
    """``ours`` and ``yardstick`` name probes; ``target`` is the least ratio, or the largest where ``at_most``."""

    name: str
    says: str
    held_against: str
    unit: str
    ours: str
    yardstick: tuple[str, ...]
    target: float
    at_most: bool = False


MEASURES: Final = (
    Measure(
        "add",
        "add, 1,000 customers, 64 connections, one API process",
        "pgbench, 32 clients, prepared, one order per transaction",
        "orders/s",
        "add",
        ("pgbench",),
        0.7,
    ),
    Measure(
        "add-one",
        "add, one customer, 64 connections",
        "pgbench the same, one customer",
        "orders/s",
        "add-one",
        ("pgbench-one",),
        5,
    ),
    Measure(
        "status",
        "status of one order",
        "a bare ASGI callable that answers a constant",
        "answers/s",
        "status",
        ("bare-status",),
        0.4,
    ),
)


class Result(Struct, frozen=True):
    """Medians over the rounds. A yardstick of several parts is their sum."""

    measure: Measure
    ours: float
    yardstick: float
    ratio: float
    met: bool
    rounds: list[tuple[float, float]]


def result(measure: Measure, rounds: Sequence[dict[str, Reading]]) -> Result:
    pairs = [
        (taken[measure.ours].value, sum(taken[name].value for name in measure.yardstick)) for taken in rounds
    ]
    ours, yardstick = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    ratio = ours / yardstick
    met = ratio <= measure.target if measure.at_most else ratio >= measure.target
    return Result(measure, ours, yardstick, ratio, met, pairs)
