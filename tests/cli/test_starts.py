"""``serve`` tells what it does: the steps of a first start, and a process that died."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from tests.cli.json_page import long_runs
from tests.faults.processes import environ, free_port
from typer.testing import CliRunner

from opensmm.cli import app
from opensmm.cli.stages import Stages
from opensmm.domain.codes import NO_FIELDS, StageCode
from opensmm.runtime.crashes import UNAVAILABLE
from opensmm.store import schema
from opensmm.store.embedded import EmbeddedPostgres
from opensmm.texts.speech import ENGLISH

PATIENCE_S = 300


def wait_for(condition, of):
    """Waits until ``condition()`` is something, for as long as ``of`` runs."""
    limit = time.monotonic() + PATIENCE_S
    while not (seen := condition()):
        assert of.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.05)
    return seen


def children(pid):
    """The processes that a process started, by their roles."""
    pids = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            line = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            if b"opensmm.runtime.child" in line:
                pids[line[line.index(b"opensmm.runtime.child") + 1].decode()] = int(child)
    return pids


@pytest.fixture
def served(tmp_path):
    """A panel that starts for the first time, and the file with what it prints on standard error."""
    log = tmp_path / "stderr"
    command = [sys.executable, "-m", "opensmm", "serve", "--json", "--port", "0", "--data", str(tmp_path / "data")]
    command[command.index("0")] = str(_free_port())
    with log.open("wb") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
        assert process.stdout is not None
        assert long_runs()["serve"] == set(json.loads(process.stdout.readline()))
        yield process, log
        process.terminate()
        assert 0 == process.wait(timeout=PATIENCE_S)


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def test_a_first_start_tells_its_steps_and_a_dead_worker_leaves_a_line(served):
    process, log = served
    steps = [line for line in log.read_text().splitlines() if line.startswith("opensmm: ")]
    assert "opensmm: creating the database (once)" in steps
    assert sum("bringing the tables up to date" in line for line in steps) == 1
    killed = wait_for(lambda: children(process.pid).get("worker"), process)
    os.kill(killed, signal.SIGKILL)

    def line():
        return [json.loads(line) for line in log.read_text().splitlines() if "is started again" in line]

    (printed,) = wait_for(line, process)
    assert ("a process died and is started again", "worker", "signal 9", "error") == (
        printed["event"],
        printed["verb"],
        printed["ended"],
        printed["level"],
    )
    wait_for(lambda: children(process.pid).get("worker", killed) != killed, process)


def test_the_steps_of_a_start_come_in_order(tmp_path):
    heard = []
    embedded = EmbeddedPostgres(
        tmp_path / "data", {"shared_buffers": "16MB", "fsync": "off"}, report=lambda *step: heard.append(step)
    )
    urls = embedded.start()
    schema.migrate(urls.owner, report=lambda *step: heard.append(step))
    embedded.stop()
    codes = list(dict.fromkeys(code for code, _ in heard if code is not StageCode.COPYING_PROGRAMS))
    assert [StageCode.CREATING_DATABASE, StageCode.STARTING_DATABASE, StageCode.MIGRATING] == codes
    numbers = [fields["number"] for code, fields in heard if code is StageCode.MIGRATING]
    assert list(range(1, len(numbers) + 1)) == numbers
    assert {len(numbers)} == {fields["total"] for code, fields in heard if code is StageCode.MIGRATING}


def test_a_port_that_is_taken_is_told_before_anything_is_made(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = CliRunner().invoke(app, ["demo", "--port", port, "--data", str(tmp_path / "data")])
    assert UNAVAILABLE == result.exit_code
    assert (
        f"opensmm: 127.0.0.1 port {port} is in use: stop the program that listens there, or choose another port "
        "with --port\n" == result.stderr
    )
    assert not (tmp_path / "data").exists()


def test_without_a_terminal_each_step_is_one_line_and_quick_ones_none():
    printed = StringIO()
    with Stages(Console(file=printed, soft_wrap=True)) as steps:
        steps(StageCode.STARTING_DATABASE, NO_FIELDS)
        for number in (1, 2):
            steps(StageCode.MIGRATING, {"number": number, "total": 2})
    assert "opensmm: bringing the tables up to date: step 1 of 2\n" == printed.getvalue()


def test_on_a_terminal_the_line_changes_and_nothing_is_told_after_the_end():
    printed = StringIO()
    with Stages(Console(file=printed, force_terminal=True, width=200)) as steps:
        steps(StageCode.MIGRATING, {"number": 1, "total": 2})
        steps.end()
        steps(StageCode.FILLING_DEMO, NO_FIELDS)
    assert ENGLISH.stage(StageCode.MIGRATING, {"number": 1, "total": 2}) in printed.getvalue()
    assert ENGLISH.stage(StageCode.FILLING_DEMO, NO_FIELDS) not in printed.getvalue()


def test_a_start_looks_at_an_embedded_database_that_stands_over_one_connection(tmp_path):
    """No pooler stands before it, and what root starts first leaves the looks to the process that serves."""
    embedded = EmbeddedPostgres(tmp_path / "data", {"shared_buffers": "16MB", "fsync": "off", "log_connections": "on"})
    schema.migrate(embedded.start().owner)
    command = [sys.executable, "-m", "opensmm", "api", "--port", str(free_port()), "--data", str(tmp_path / "data")]
    try:
        with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, env=environ()) as process:
            assert process.stdout is not None
            assert process.stdout.readline()
            process.send_signal(signal.SIGTERM)
    finally:
        embedded.stop()
    assert 1 == (tmp_path / "data" / "postgres.log").read_text().count("application_name=opensmm start")
