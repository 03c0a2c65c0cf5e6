"""Prometheus metrics of a worker process: its own counts, and the facts of the whole panel."""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client.core import Metric

from opensmm.actions.monitoring import MetricsSample
from opensmm.actions.poller import POLLED
from opensmm.actions.sending import ATTEMPTS_MADE
from opensmm.domain import dispatch, requests
from opensmm.domain.findings import SEVERITY
from opensmm.domain.panel_facts import PanelFacts, WaitingCount, alive
from opensmm.providers.client import CALLS
from opensmm.runtime.metrics import Gauged, batcher_metrics, make_counter, make_gauge, make_histogram

OUTCOMES: Final[dict[type, str]] = {
    dispatch.Accepted: "accepted",
    dispatch.Declined: "declined",
    dispatch.Deferred: "not_sent",
    dispatch.TurnedAway: "turned_away",
    dispatch.Unsure: "unsure",
}
CALL_KINDS: Final[dict[type, str]] = {
    requests.AddOrder: "add",
    requests.GetStatus: "status",
    requests.RequestRefills: "refill",
    requests.GetRefillStatus: "refill_status",
    requests.CancelOrders: "cancel",
    requests.GetBalance: "balance",
    requests.ListServices: "services",
}


def families_with(sample: Callable[[], MetricsSample | None]) -> Callable[[], Iterable[Metric]]:
    """Returns a function that yields all metrics of a worker. ``sample`` returns the newest facts of the panel."""

    def families() -> Iterable[Metric]:
        yield from _own_counts()
        yield from batcher_metrics()
        newest = sample()
        if newest is not None:
            yield from panel_metrics(newest)

    return families


def _own_counts() -> Iterable[Metric]:
    yield make_counter(
        "opensmm_sends",
        "Attempts to send a delivery to a provider.",
        ("provider", "outcome"),
        {(provider, OUTCOMES[outcome]): count for (provider, outcome), count in ATTEMPTS_MADE.copy().items()},
    )
    yield make_counter(
        "opensmm_polls",
        "Deliveries polled.",
        ("outcome",),
        {(outcome,): count for outcome, count in POLLED.copy().items()},
    )
    yield make_histogram(
        "opensmm_provider_call_seconds",
        "Duration of calls to providers.",
        ("provider", "kind", "outcome"),
        {
            (provider, CALL_KINDS.get(kind, "other"), outcome): observed
            for (provider, kind, outcome), observed in CALLS.copy().items()
        },
    )


def panel_metrics(sample: MetricsSample) -> Iterable[Metric]:
    """Yields the facts of a sample. Every worker reports the whole panel, so take the largest value, not the sum."""
    facts, at = sample.facts, sample.at
    queues = _queues(facts)
    depths: Gauged = {(name,): waiting.count for name, waiting in queues.items()}
    ages: Gauged = {
        (name,): 0.0 if waiting.since is None else max(0.0, (at - waiting.since).total_seconds())
        for name, waiting in queues.items()
    }
    yield make_gauge(
        "opensmm_sampled_at_seconds", "Unix time at which the panel's figures were read.", (), {(): at.timestamp()}
    )
    yield make_gauge("opensmm_queue", "Entries that wait, by queue.", ("queue",), depths)
    yield make_gauge("opensmm_queue_oldest_seconds", "Age of the oldest entry, by queue.", ("queue",), ages)
    yield make_gauge("opensmm_sending", "Deliveries being sent.", (), {(): facts.sending})
    yield make_gauge("opensmm_at_providers", "Deliveries at providers.", (), {(): facts.moving.count})
    yield make_gauge("opensmm_workers_alive", "Workers with a heartbeat.", (), {(): len(alive(facts.workers, at))})
    levels: Gauged = {(finding.name,): SEVERITY[finding.level] for finding in sample.findings}
    yield make_gauge("opensmm_health", "Level of each finding: 0 ok, 1 warning, 2 critical.", ("finding",), levels)
    yield from _provider_metrics(sample)
    yield make_gauge("opensmm_database_bytes", "Size of the database.", (), {(): facts.database_bytes})
    oldest = 0.0 if facts.oldest_transaction is None else (at - facts.oldest_transaction).total_seconds()
    yield make_gauge(
        "opensmm_oldest_transaction_seconds",
        "Age of the oldest open transaction of the app's role.",
        (),
        {(): max(0.0, oldest)},
    )
    yield make_gauge(
        "opensmm_catalogue_version",
        "Version of the price list; every edit increases it.",
        (),
        {(): facts.catalogue_version},
    )


def _queues(facts: PanelFacts) -> dict[str, WaitingCount]:
    return {
        "due": facts.due,
        "unpolled": facts.moving.unpolled,
        "long": facts.moving.long,
        "unsure": facts.unsure,
        "held": facts.held,
        "refills": facts.refills,
        "cancels": facts.cancels,
    }


def _provider_metrics(sample: MetricsSample) -> Iterable[Metric]:
    providers = {(provider.name,): provider for provider in sample.facts.providers}
    resting: Gauged = {
        name: int(provider.resting_until is not None and provider.resting_until > sample.at)
        for name, provider in providers.items()
    }
    failures: Gauged = {name: provider.failures for name, provider in providers.items()}
    enabled: Gauged = {name: int(provider.enabled) for name, provider in providers.items()}
    yield make_gauge(
        "opensmm_provider_enabled",
        "1 if the provider is enabled, 0 if the operator disabled it.",
        ("provider",),
        enabled,
    )
    yield make_gauge("opensmm_provider_failures", "Failed sends in a row.", ("provider",), failures)
    yield make_gauge(
        "opensmm_provider_resting", "1 while the provider is paused after failures.", ("provider",), resting
    )
