"""The measures: which readings are held against which, and how many times as much is wanted."""

from collections.abc import Sequence
from statistics import median
from typing import Final

from msgspec import Struct

from bench.probes import Reading


class Measure(Struct, frozen=True):
    """``ours`` names a probe, ``yardstick`` those whose sum it is held against; without one, ``limit`` stands for it.

    ``target`` is the least ratio of the two, or the largest where ``at_most``.
    """

    name: str
    says: str
    against: str
    unit: str
    ours: str
    yardstick: tuple[str, ...] = ()
    limit: float = 0.0
    target: float = 1.0
    at_most: bool = False


BARE: Final = "a bare ASGI callable that answers a constant, same server"
MEASURES: Final = (
    Measure(
        "add",
        "add, 1,000 customers, 64 connections, one API process",
        "pgbench, 32 clients, prepared, one order per transaction",
        "orders/s",
        "add",
        ("pgbench",),
        target=0.7,
    ),
    Measure(
        "add-one",
        "add, one customer, 64 connections",
        "pgbench the same, one customer",
        "orders/s",
        "add-one",
        ("pgbench-one",),
        target=5,
    ),
    Measure("status", "status of one order", BARE, "answers/s", "status", ("bare-status",), target=0.4),
    Measure("balance", "balance", BARE, "answers/s", "balance", ("bare-balance",), target=0.4),
    Measure(
        "status-100",
        "status of 100 orders",
        "psycopg alone fetching the same rows by id, one process",
        "answers/s",
        "statuses",
        ("fetching",),
        target=0.6,
    ),
    Measure(
        "services",
        "services, plain",
        "the bare callable sending the same bytes",
        "answers/s",
        "services",
        ("bare-services",),
        target=0.9,
    ),
    Measure(
        "services-gzip",
        "services, gzip",
        "the bare callable sending the same bytes",
        "answers/s",
        "services-gzip",
        ("bare-services-gzip",),
        target=0.9,
    ),
    Measure(
        "services-edit",
        "services after an edit: first answer complete again",
        "limit",
        "ms",
        "edit",
        limit=300,
        at_most=True,
    ),
    Measure(
        "services-edit-adds",
        "the longest add that was under way during an edit",
        "limit: not stalled",
        "ms",
        "edit-adds",
        limit=100,
        at_most=True,
    ),
    Measure(
        "add-stored",
        "add with all those stored orders",
        "add on an empty database",
        "orders/s",
        "add",
        ("add-empty",),
        target=0.8,
    ),
    Measure(
        "add-p99",
        "p99 of add at half the top rate, open loop",
        "p99 of the bare callable at the same rate + one fsync",
        "ms",
        "p99-add",
        ("p99-bare", "fsync"),
        target=3,
        at_most=True,
    ),
    Measure(
        "dispatch",
        "sending, one worker, an upstream that answers in 200 ms",
        "limit",
        "orders/s",
        "dispatch",
        limit=1000,
    ),
    Measure(
        "dispatch-client",
        "sending, one worker, 400 calls at a time",
        "the HTTP client alone, the same calls at a time, no database",
        "orders/s",
        "dispatch",
        ("caller",),
        target=0.5,
    ),
    Measure(
        "poll",
        "processor time of a worker that follows 200,000 open orders",
        "limit: half a core",
        "cores",
        "poll",
        limit=0.5,
        at_most=True,
    ),
    Measure(
        "poll-oldest",
        "the oldest answer known of any of them at the end",
        "limit: 15 minutes",
        "s",
        "poll-oldest",
        limit=900,
        at_most=True,
    ),
    Measure(
        "poll-young",
        "the oldest answer known of those sent within the last hour",
        "limit: 30 s",
        "s",
        "poll-young",
        limit=30,
        at_most=True,
    ),
    Measure(
        "fairness",
        "p99 of one customer's add, status, balance and list beside another's dearest asks at 64 connections",
        "its p99 alone",
        "ms",
        "fair-crowded",
        ("fair-quiet",),
        target=10,
        at_most=True,
    ),
    Measure(
        "idle",
        "processor time of an idle panel, all its processes",
        "limit: a hundredth of a core",
        "cores",
        "idle",
        limit=0.01,
        at_most=True,
    ),
    Measure("start", "start to first answer, existing data folder", "limit", "s", "start", limit=3, at_most=True),
    Measure("memory", "memory of the API process (RSS)", "limit", "MiB", "memory", limit=256, at_most=True),
)


class Result(Struct, frozen=True):
    """Medians over the rounds, each of which is kept as (ours, yardstick).

    The ratio is the median of the rounds' ratios: the two sides of a round stand side by side in time, so that a
    machine that is slower for a while is so for both.
    """

    measure: Measure
    ours: float
    yardstick: float
    ratio: float
    met: bool
    rounds: list[tuple[float, float]]


def result(measure: Measure, rounds: Sequence[dict[str, Reading]]) -> Result:
    pairs = [(taken[measure.ours].value, _yardstick(measure, taken)) for taken in rounds if measure.ours in taken]
    ours, yardstick = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    ratio = median(pair[0] / pair[1] for pair in pairs)
    met = ratio <= measure.target if measure.at_most else ratio >= measure.target
    return Result(measure, ours, yardstick, ratio, met, pairs)


def _yardstick(measure: Measure, taken: dict[str, Reading]) -> float:
    return sum(taken[name].value for name in measure.yardstick) if measure.yardstick else measure.limit
