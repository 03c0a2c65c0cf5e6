"""The whole bench in miniature: that it runs to its end, and what it writes. How fast it was is not looked at."""

import json
import subprocess
import sys

import pytest
from bench.probes import Reading
from bench.sampled import LOOP, stage_of
from tests.cli.json_page import inner_objects
from tests.panel import HANG_S
from tests.tidy.source import ROOT

from bench import measures
from opensmm.api import endpoint, server
from opensmm.store import orders

FIELDS = inner_objects()["bench", "measures"]
MEASURES = [
    "add",
    "add-one",
    "status",
    "balance",
    "status-100",
    "services",
    "services-gzip",
    "services-edit",
    "services-edit-adds",
    "add-stored",
    "add-p99",
    "add-p99-bare",
    "dispatch",
    "dispatch-client",
    "poll",
    "poll-oldest",
    "poll-young",
    "fairness",
    "idle",
    "start",
    "memory",
]


WITHOUT_TARGET = {"add-p99-bare"}


def is_met(row):
    ratio, target = row["ratio"], row["target"]
    return None if target is None else ratio <= target if row["at_most"] else ratio >= target


def bench(*words):
    command = [sys.executable, "-m", "opensmm", "bench", *words]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=False)
    except subprocess.TimeoutExpired as late:
        pytest.fail(f"the bench hangs: {late.stderr!r}")


def test_the_bench_in_miniature_takes_every_measure(tmp_path):
    before = (ROOT / "docs" / "performance.md").read_bytes()
    out = tmp_path / "bench.json"
    words = (
        "--rounds",
        "1",
        "--seconds",
        "0.1",
        "--scale",
        "0.002",
        "--patience",
        "0",
        "--data",
        str(tmp_path / "data"),
        "--out",
        str(out),
    )
    done = bench(*words, "--json")
    assert 0 == done.returncode, done.stderr
    rows = json.loads(out.read_text())
    assert rows == json.loads(done.stdout)["measures"]
    assert MEASURES == [row["measure"] for row in rows]
    for row in rows:
        assert FIELDS == set(row)
        assert (row["target"] is None) == (row["measure"] in WITHOUT_TARGET)
        assert row["met"] is is_met(row)
        assert all(ours > 0 and yardstick > 0 for ours, yardstick in row["rounds"])
    # Only a whole run may speak in the documentation, and nothing of a run is left behind.
    assert before == (ROOT / "docs" / "performance.md").read_bytes()
    assert [] == list((tmp_path / "data").iterdir())


@pytest.mark.parametrize(("orders_a_second", "target"), [(5_999, 1.5), (6_000, 2)])
def test_a_machine_on_which_pgbench_is_quick_has_targets_of_its_own(orders_a_second, target):
    (measure,) = [measure for measure in measures.MEASURES if measure.name == "add"]
    taken = {"add": Reading(1.75 * orders_a_second), "pgbench": Reading(orders_a_second)}
    result = measures.result(measure, [taken])
    assert (target, target == 1.5) == (result.target, result.met)


def test_a_machine_on_which_pgbench_was_not_measured_counts_as_slow():
    assert not measures.is_quick([{"add": Reading(20_000.0)}])


def test_a_measure_that_does_not_exist_is_named_with_those_that_do(tmp_path):
    done = bench("--only", "add,fly", "--data", str(tmp_path))
    assert 2 == done.returncode
    assert "there is no measure fly; there are add, add-one," in done.stderr


@pytest.mark.parametrize("measure", MEASURES)
def test_the_manual_names_every_measure(measure):
    assert f"`{measure}`" in (ROOT / "bench" / "README.md").read_text()


def test_time_is_counted_for_the_stage_whose_file_spends_it():
    assert LOOP == stage_of(server.__file__) == stage_of("/lib/uvicorn/server.py")
    assert "endpoint: body, key, answer" == stage_of(endpoint.__file__)
    assert "statements: parameters and rows" == stage_of(orders.__file__) == stage_of("/lib/psycopg/cursor.py")
    assert "" == stage_of("/lib/asyncio/events.py")
