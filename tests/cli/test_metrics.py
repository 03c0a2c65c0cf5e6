"""Metrics: what is counted, what is told, and that the page of docs names exactly that."""

import re
import socket
import urllib.request
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from prometheus_client import generate_latest
from tests.panel import DEFAULT, LINK, PACKAGE, PEPPER

from opensmm.actions.batcher import TRAFFIC
from opensmm.actions.monitoring import MetricsSampler
from opensmm.api.metrics import OUTCOMES, REQUESTS
from opensmm.base.metrics import MILLISECOND, Histogram, Histograms
from opensmm.domain.dispatch import SendOutcome
from opensmm.runtime import api_metrics, metrics, worker_metrics
from opensmm.runtime.serving import LOOPBACK
from opensmm.store.connection import ReconnectingConnection

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def read_samples(families):
    """Every sample by its line's head: ``name{label="value"}`` as Prometheus reads it."""
    lines = generate_latest(metrics.make_registry(families)).decode().splitlines()
    return {head: float(value) for head, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


@pytest.fixture
def since():
    """What has been added since the test began: counts are the process's, and other tests count too."""
    before = read_samples(api_metrics.families) | read_samples(worker_metrics.families_with(lambda: None))

    def added(families):
        return {head: value - before.get(head, 0) for head, value in read_samples(families).items()}

    return added


@pytest.fixture
async def sampling(stocked, database, clock):
    line = ReconnectingConnection(database.app_url)
    sampling = MetricsSampler(line, PEPPER, clock, private=True)
    await sampling.step()
    yield sampling
    await line.drop()


def test_a_spread_counts_up_to_each_edge():
    spread = Histogram((10, 20))
    for value in (0, 10, 11, 20, 21, 1000):
        spread.observe(value)
    assert ([2, 2, 2], 1062) == (spread.counts, spread.total)


def test_a_histogram_is_told_in_seconds_and_adds_up():
    spreads: Histograms[tuple[str, ...]] = Histograms((MILLISECOND, 5 * MILLISECOND))
    for ms in (1, 2, 9):
        spreads["a",].observe(ms * MILLISECOND)
    told_back = read_samples(lambda: [metrics.make_histogram("x_seconds", "x", ("label",), spreads)])
    expected = {
        'x_seconds_bucket{label="a",le="0.001"}': 1.0,
        'x_seconds_bucket{label="a",le="0.005"}': 2.0,
        'x_seconds_bucket{label="a",le="+Inf"}': 3.0,
        'x_seconds_count{label="a"}': 3.0,
        'x_seconds_sum{label="a"}': 0.012,
    }
    assert expected == {head: value for head, value in told_back.items() if head.startswith("x_")}


async def test_requests_are_counted_by_dialect_action_and_outcome(api, ann, since):
    await api.add(ann.key)
    await api.add(ann.key)
    await api.ask("v1", ann.key, "add", service=DEFAULT, link=LINK, quantity=1)
    await api.ask("v2", ann.key, "status", orders="1,2,777")
    await api.ask("v2", "nobody", "balance")
    await api.ask("v2", ann.key, "dance")
    added = since(api_metrics.families)
    assert 2 == added['opensmm_requests_total{action="add",dialect="v2",outcome="ok"}']
    assert 1 == added['opensmm_requests_total{action="add",dialect="v1",outcome="refused"}']
    assert 1 == added['opensmm_requests_total{action="status",dialect="v2",outcome="ok"}']
    assert 1 == added['opensmm_requests_total{action="balance",dialect="v2",outcome="refused"}']
    assert 1 == added['opensmm_requests_total{action="none",dialect="v2",outcome="refused"}']
    assert 2 == added['opensmm_request_seconds_count{action="add",dialect="v2"}']
    kinds = ("quantity_too_low", "order_unknown", "unknown_key", "unknown_action")
    assert [1, 1, 1, 1] == [added[f'opensmm_refusals_total{{kind="{kind}"}}'] for kind in kinds]
    assert {outcome for _, _, outcome in REQUESTS} <= set(OUTCOMES)


def test_every_outcome_of_a_send_has_a_name():
    assert set(get_args(SendOutcome)) == set(worker_metrics.OUTCOMES)


async def test_orders_and_their_money_are_counted_once(api, ann, since):
    for key in ("", "k", "k"):
        await api.add(ann.key, PACKAGE, idempotency_key=key)
    added = since(api_metrics.families)
    assert 2 == added['opensmm_orders_placed_total{currency="USD"}']
    assert pytest.approx(9.5) == added['opensmm_money_placed_total{currency="USD"}']


async def test_lanes_tell_what_went_together_and_nothing_is_left_waiting(api, ann, since):
    await api.ask("v2", ann.key, "balance")
    await api.ask("v2", ann.key, "balance")
    added = since(api_metrics.families)
    assert 2 == added['opensmm_lane_batch_asks_count{lane="balance"}']
    assert 2 == added['opensmm_lane_batch_asks_bucket{lane="balance",le="1.0"}']
    assert 0 == added['opensmm_lane_waiting{lane="balance"}']
    api_lanes = {"keep", "decide", "status", "balance", "keys", "refill", "refill status", "cancel", "orders"}
    assert api_lanes <= set(TRAFFIC)


async def test_sends_polls_and_calls_are_counted(api, ann, worker, since):
    for behaviour in ("me", "refuse", "drop"):
        await api.add(ann.key, link=f"{LINK}/{behaviour}")
    await worker.send()
    worker.clock.forward(2)
    await worker.follow()
    added = since(worker_metrics.families_with(lambda: None))
    outcomes = {"accepted": 2, "declined": 1}
    for outcome, count in outcomes.items():
        assert count == added[f'opensmm_sends_total{{outcome="{outcome}",provider="Sandbox"}}']
    assert 2 == added['opensmm_polls_total{outcome="understood"}']
    name = "opensmm_provider_call_seconds_count"
    assert 3 == added[f'{name}{{kind="add",outcome="answered",provider="Sandbox"}}']
    assert 1 == added[f'{name}{{kind="status",outcome="answered",provider="Sandbox"}}']


async def test_the_facts_of_health_are_gauges(api, ann, stocked, sampling, clock):
    await api.add(ann.key)
    await stocked.execute("update provider set failures = 4, resting_until = %s", [clock() + timedelta(seconds=9)])
    clock.forward(7)
    await sampling.step()
    samples = read_samples(worker_metrics.families_with(lambda: sampling.newest))
    assert (1, 7) == (samples['opensmm_queue{queue="due"}'], samples['opensmm_queue_oldest_seconds{queue="due"}'])
    assert (4, 1) == (
        samples['opensmm_provider_failures{provider="Sandbox"}'],
        samples['opensmm_provider_resting{provider="Sandbox"}'],
    )
    assert (2, 1) == (
        samples['opensmm_health{finding="workers"}'],
        samples['opensmm_health{finding="provider Sandbox"}'],
    )
    assert (0, 2) == (samples["opensmm_workers_alive"], samples["opensmm_catalogue_version"])


async def test_the_page_names_every_metric_and_no_other(sampling):
    families = [
        *metrics.make_registry(api_metrics.families).collect(),
        *metrics.make_registry(worker_metrics.families_with(lambda: sampling.newest)).collect(),
    ]
    exported = {(f"{one.name}_total" if one.type == "counter" else one.name, one.type) for one in families}
    assert exported == set(re.findall(r"^\| `(\w+)` \| (\w+) \|", PAGE.read_text(), re.MULTILINE))


def test_metrics_are_served_where_a_port_was_given_and_a_taken_one_ends_nothing(capsys):
    metrics.serve(None, LOOPBACK, api_metrics.families)
    with socket.create_server((LOOPBACK, 0)) as taken:
        metrics.serve(taken.getsockname()[1], LOOPBACK, api_metrics.families)
        port = taken.getsockname()[1]
    assert "cannot listen" in capsys.readouterr().out
    metrics.serve(port, LOOPBACK, api_metrics.families)
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics") as answer:
        assert b"# TYPE opensmm_requests_total counter" in answer.read()
