"""Metrics for Prometheus, on a port of their own. The counts are summed up when they are asked for, never before."""

from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from opensmm.actions.batcher import TRAFFIC
from opensmm.base.metrics import SECOND, Histogram

Labels = tuple[str, ...]
Gauged = dict[Labels, float]
log = structlog.get_logger()


class MetricsSource(Collector):
    """What one kind of process has to tell; ``families`` is called at every scrape, in a thread of its own."""

    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()


def registry(families: Callable[[], Iterable[Metric]]) -> CollectorRegistry:
    found = CollectorRegistry()
    ProcessCollector(registry=found)
    found.register(MetricsSource(families))
    return found


def serve(port: int | None, host: str, families: Callable[[], Iterable[Metric]]) -> None:
    """Begins to answer scrapes, where a port was given. A port that is taken is no reason not to take orders."""
    if port is None:
        return
    try:
        start_http_server(port, host, registry(families))
    except OSError as error:
        log.error("no metrics: cannot listen", host=host, port=port, error=error.strerror)


def counter(name: str, says: str, labels: Labels, found: Mapping[Labels, float]) -> Metric:
    family = CounterMetricFamily(name, says, labels=labels)
    for values, value in found.items():
        family.add_metric(values, value)
    return family


def gauge(name: str, says: str, labels: Labels, found: Mapping[Labels, float]) -> Metric:
    family = GaugeMetricFamily(name, says, labels=labels)
    for values, value in found.items():
        family.add_metric(values, value)
    return family


def histogram(name: str, says: str, labels: Labels, found: Mapping[Labels, Histogram], unit: int = SECOND) -> Metric:
    """``unit``: how many of what was counted make one of what is told."""
    family = HistogramMetricFamily(name, says, labels=labels)
    for values, spread in found.items():
        counts = list(accumulate(spread.counts))
        edges = [*(str(edge / unit) for edge in spread.edges), "+Inf"]
        family.add_metric(values, list(zip(edges, counts, strict=True)), spread.total / unit)
    return family


def lanes() -> Iterable[Metric]:
    """The lanes of this process: how much waits, goes together, and was turned away."""
    traffic = {(name,): one for name, one in TRAFFIC.copy().items()}
    # Read before what was asked: what is taken meanwhile must not make less than nothing wait.
    taken = {name: one.batches.total for name, one in traffic.items()}
    waiting: Gauged = {name: one.asked - taken[name] for name, one in traffic.items()}
    yield gauge("opensmm_lane_waiting", "Asks that wait for their lane's next transaction.", ("lane",), waiting)
    yield histogram(
        "opensmm_lane_batch_asks",
        "Asks that shared a transaction.",
        ("lane",),
        {name: one.batches for name, one in traffic.items()},
        unit=1,
    )
    yield counter(
        "opensmm_lane_refused",
        "Asks turned away because too many waited.",
        ("lane",),
        {name: one.refused for name, one in traffic.items()},
    )
