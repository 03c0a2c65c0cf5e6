"""The measures: each reading, its reference, and the ratio that is the target."""

from collections.abc import Sequence
from statistics import median
from typing import Final

from msgspec import Struct

from bench.probes import Reading

QUICK_ORDERS_A_SECOND: Final = 6000
"""A machine on which pgbench reaches this is quick; one on which it was not measured counts as slow."""


class Measure(Struct, frozen=True):
    """``ours`` names a probe, ``yardstick`` the probes whose sum is its reference; without any, ``limit`` is.

    ``target`` is the smallest ratio of the two, or the largest if ``at_most``; None: the ratio is shown and not judged.
    ``quick_target`` replaces it on a quick machine.
    """

    name: str
    says: str
    against: str
    unit: str
    ours: str
    yardstick: tuple[str, ...] = ()
    limit: float = 0.0
    target: float | None = 1.0
    at_most: bool = False
    quick_target: float | None = None

    def target_on(self, *, quick: bool) -> float | None:
        return self.quick_target if quick and self.quick_target is not None else self.target


BARE: Final = "a bare ASGI callable that answers a constant, same server"
MEASURES: Final = (
    Measure(
        "add",
        "add, 1,000 customers, 64 connections, one API process",
        "pgbench, 32 clients, prepared, one order per transaction",
        "orders/s",
        "add",
        ("pgbench",),
        target=1.5,
        quick_target=2,
    ),
    Measure(
        "add-one",
        "add, one customer, 64 connections",
        "pgbench the same, one customer",
        "orders/s",
        "add-one",
        ("pgbench-one",),
        target=7,
        quick_target=9,
    ),
    Measure("status", "status of one order", BARE, "answers/s", "status", ("bare-status",), target=0.6),
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
        "services after an edit: time to the first complete answer",
        "limit",
        "ms",
        "edit",
        limit=300,
        at_most=True,
    ),
    Measure(
        "services-edit-adds",
        "the longest add during an edit",
        "limit: not stalled",
        "ms",
        "edit-adds",
        limit=100,
        at_most=True,
    ),
    Measure(
        "add-stored",
        "add on the loaded database",
        "add on an empty database",
        "orders/s",
        "add",
        ("add-empty",),
        target=0.8,
    ),
    Measure(
        "add-p99",
        "p99 of add at half of pgbench's top rate, open loop",
        "pgbench's own p99 at the same rate, schedule lag counted",
        "ms",
        "p99-paced",
        ("p99-pgbench",),
        target=1.5,
        at_most=True,
    ),
    Measure(
        "add-p99-bare",
        "p99 of add at half the top rate, open loop",
        "p99 of the bare callable at the same rate + one fsync",
        "ms",
        "p99-add",
        ("p99-bare", "fsync"),
        target=None,
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
        target=0.7,
    ),
    Measure(
        "poll",
        "processor time of a worker that polls 200,000 open orders",
        "limit: half a core",
        "cores",
        "poll",
        limit=0.5,
        at_most=True,
    ),
    Measure(
        "poll-oldest",
        "age of the oldest status of any of them at the end",
        "limit: 15 minutes",
        "s",
        "poll-oldest",
        limit=900,
        at_most=True,
    ),
    Measure(
        "poll-young",
        "age of the oldest status of orders sent within the last hour",
        "limit: 30 s",
        "s",
        "poll-young",
        limit=30,
        at_most=True,
    ),
    Measure(
        "fairness",
        "p99 of one customer's requests while another sends the costliest ones over 64 connections",
        "the same customer's p99 alone",
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
    Measure(
        "start",
        "start to first answer, existing data folder",
        "limit",
        "s",
        "start",
        limit=3,
        target=0.6,
        at_most=True,
    ),
    Measure("memory", "memory of the API process (RSS)", "limit", "MiB", "memory", limit=256, at_most=True),
)


class Result(Struct, frozen=True):
    """Medians over the rounds, each of which is kept as (ours, yardstick).

    The ratio is the median of the rounds' ratios: the two sides of a round stand side by side in time, so that a
    machine that is slower for a while is so for both. ``target`` is that of this machine; ``met`` is None where there
    is none.
    """

    measure: Measure
    ours: float
    yardstick: float
    ratio: float
    target: float | None
    met: bool | None
    rounds: list[tuple[float, float]]


def is_quick(rounds: Sequence[dict[str, Reading]]) -> bool:
    """Returns True where pgbench took as many orders a second as a quick machine's does."""
    rates = [taken["pgbench"].value for taken in rounds if "pgbench" in taken]
    return bool(rates) and median(rates) >= QUICK_ORDERS_A_SECOND


def result(measure: Measure, rounds: Sequence[dict[str, Reading]]) -> Result:
    pairs = [(taken[measure.ours].value, _yardstick(measure, taken)) for taken in rounds if measure.ours in taken]
    ours, yardstick = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    ratio = median(pair[0] / pair[1] for pair in pairs)
    target = measure.target_on(quick=is_quick(rounds))
    met = None if target is None else ratio <= target if measure.at_most else ratio >= target
    return Result(measure, ours, yardstick, ratio, target, met, pairs)


def _yardstick(measure: Measure, taken: dict[str, Reading]) -> float:
    return sum(taken[name].value for name in measure.yardstick) if measure.yardstick else measure.limit
