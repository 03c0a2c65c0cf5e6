"""What an API process tells Prometheus."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from prometheus_client.core import Metric

from opensmm.actions.order_placing import MONEY_PLACED, ORDERS_PLACED
from opensmm.api.metrics import REFUSALS, REQUESTS
from opensmm.base.metrics import Histogram
from opensmm.base.money import PER_WHOLE
from opensmm.domain import requests
from opensmm.runtime.metrics import Labels, counter, histogram, lanes

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
    yield from request_metrics()
    yield counter(
        "opensmm_refusals",
        "Refusals by their kind, of whole requests and of single ids in lists.",
        ("kind",),
        {(str(kind),): count for kind, count in REFUSALS.copy().items()},
    )
    yield counter("opensmm_orders_placed", "Orders placed.", ("currency",), _by_currency(ORDERS_PLACED))
    money = {currency: units / PER_WHOLE for currency, units in _by_currency(MONEY_PLACED).items()}
    yield counter("opensmm_money_placed", "What placed orders were charged, in the currency.", ("currency",), money)
    yield from lanes()


def request_metrics() -> Iterable[Metric]:
    """How many there were, by outcome, and how long those that were understood took."""
    counts: Counter[Labels] = Counter()
    times: dict[Labels, Histogram] = {}
    for (dialect, asked, outcome), observed in REQUESTS.copy().items():
        action = ACTIONS.get(asked, NO_ACTION)
        counts[dialect, action, outcome] += sum(observed.counts)
        if action != NO_ACTION:
            _add(times.setdefault((dialect, action), Histogram(observed.edges)), observed)
    labels = ("dialect", "action")
    yield counter("opensmm_requests", "Requests answered.", (*labels, "outcome"), counts)
    yield histogram("opensmm_request_seconds", "From a request's last byte to its answer.", labels, times)


def _add(sum_of_them: Histogram, histogram: Histogram) -> None:
    sum_of_them.counts = [old + new for old, new in zip(sum_of_them.counts, histogram.counts, strict=True)]
    sum_of_them.total += histogram.total


def _by_currency(found: Counter[str]) -> dict[Labels, float]:
    return {(currency,): count for currency, count in found.copy().items()}
