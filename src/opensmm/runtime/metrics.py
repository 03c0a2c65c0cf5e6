"""Metrics for Prometheus, on a port of their own. They are computed only when they are scraped."""

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
    """A collector of one process's metrics. ``families`` is called at every scrape, in a thread of its own."""

    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()


def make_registry(families: Callable[[], Iterable[Metric]]) -> CollectorRegistry:
    collectors = CollectorRegistry()
    ProcessCollector(registry=collectors)
    collectors.register(MetricsSource(families))
    return collectors


def serve(port: int | None, host: str, families: Callable[[], Iterable[Metric]]) -> None:
    """Starts to answer scrapes, if a port was given. A port that is taken is logged: orders matter more."""
    if port is None:
        return
    # The server runs in a thread of its own, and never in the event loop that answers requests.
    try:
        start_http_server(port, host, make_registry(families))
    except OSError as error:
        log.error("no metrics: cannot listen", host=host, port=port, error=error.strerror)


def make_counter(name: str, description: str, labels: Labels, samples: Mapping[Labels, float]) -> Metric:
    family = CounterMetricFamily(name, description, labels=labels)
    for values, value in samples.items():
        family.add_metric(values, value)
    return family


def make_gauge(name: str, description: str, labels: Labels, samples: Mapping[Labels, float]) -> Metric:
    family = GaugeMetricFamily(name, description, labels=labels)
    for values, value in samples.items():
        family.add_metric(values, value)
    return family


def make_histogram(
    name: str, description: str, labels: Labels, samples: Mapping[Labels, Histogram], unit: int = SECOND
) -> Metric:
    """Makes a histogram. ``unit``: how many counted units make one reported unit."""
    family = HistogramMetricFamily(name, description, labels=labels)
    for values, observed in samples.items():
        counts = list(accumulate(observed.counts))
        edges = [*(str(edge / unit) for edge in observed.edges), "+Inf"]
        family.add_metric(values, list(zip(edges, counts, strict=True)), observed.total / unit)
    return family


def batcher_metrics() -> Iterable[Metric]:
    """Yields the metrics of this process's batchers: waiting requests, sizes of batches, refusals."""
    traffic = {(name,): counts for name, counts in TRAFFIC.copy().items()}
    # Read before ``submitted``: a batch that starts in between must not make the difference negative.
    started = {name: counts.batches.total for name, counts in traffic.items()}
    waiting: Gauged = {name: counts.submitted - started[name] for name, counts in traffic.items()}
    yield make_gauge(
        "opensmm_lane_waiting", "Requests that wait for their batcher's next transaction.", ("lane",), waiting
    )
    yield make_histogram(
        "opensmm_lane_batch_asks",
        "Requests that shared a transaction.",
        ("lane",),
        {name: counts.batches for name, counts in traffic.items()},
        unit=1,
    )
    yield make_counter(
        "opensmm_lane_refused",
        "Requests answered with 503 because too many waited, or the previous batch did not end in time.",
        ("lane",),
        {name: counts.refused for name, counts in traffic.items()},
    )
