"""Prometheus metrics of an API process."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from prometheus_client.core import Metric

from opensmm.actions.order_placing import MONEY_PLACED, ORDERS_PLACED
from opensmm.api.metrics import REFUSALS, REQUESTS
from opensmm.base.metrics import Histogram
from opensmm.base.money import PER_WHOLE
from opensmm.domain import requests
from opensmm.runtime.metrics import Labels, batcher_metrics, make_counter, make_histogram

ACTIONS: Final[dict[type | None, str]] = {
    requests.ListServices: "services",
    requests.AddOrder: "add",
    requests.GetStatus: "status",
    requests.ListOrders: "orders",
    requests.RequestRefills: "refill",
    requests.GetRefillStatus: "refill_status",
    requests.CancelOrders: "cancel",
    requests.GetBalance: "balance",
}
NO_ACTION: Final = "none"


def families() -> Iterable[Metric]:
    """Yields all metrics of the process."""
    yield from request_metrics()
    yield make_counter(
        "opensmm_refusals",
        "Refusals by kind, of whole requests and of single ids in lists.",
        ("kind",),
        {(str(kind),): count for kind, count in REFUSALS.copy().items()},
    )
    yield make_counter("opensmm_orders_placed", "Orders placed.", ("currency",), _by_currency(ORDERS_PLACED))
    money = {currency: units / PER_WHOLE for currency, units in _by_currency(MONEY_PLACED).items()}
    yield make_counter(
        "opensmm_money_placed", "Total charge of placed orders, in units of the currency.", ("currency",), money
    )
    yield from batcher_metrics()


def request_metrics() -> Iterable[Metric]:
    """Yields the requests by outcome, and the times of those that were decoded."""
    counts: Counter[Labels] = Counter()
    times: dict[Labels, Histogram] = {}
    for (dialect, kind, outcome), observed in REQUESTS.copy().items():
        action = ACTIONS.get(kind, NO_ACTION)
        counts[dialect, action, outcome] += sum(observed.counts)
        if action != NO_ACTION:
            _add(times.setdefault((dialect, action), Histogram(observed.edges)), observed)
    labels = ("dialect", "action")
    yield make_counter("opensmm_requests", "API requests answered.", (*labels, "outcome"), counts)
    yield make_histogram("opensmm_request_seconds", "Time from a request's last byte to its answer.", labels, times)


def _add(total: Histogram, part: Histogram) -> None:
    total.counts = [old + new for old, new in zip(total.counts, part.counts, strict=True)]
    total.total += part.total


def _by_currency(counts: Counter[str]) -> dict[Labels, float]:
    return {(currency,): count for currency, count in counts.copy().items()}
