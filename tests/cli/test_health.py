"""``opensmm health``: words for a person, JSON for a program, and the worst finding as exit code."""

import json

import psycopg
import pytest
from tests.panel import PEPPER
from typer.testing import CliRunner

from opensmm.cli import app

WELL, LOOK, ACT, UNAVAILABLE = 0, 1, 2, 3


@pytest.fixture
def health(database, tmp_path, monkeypatch):
    """Runs the verb; returns its exit code and what it printed."""
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("OPENSMM_PEPPER", PEPPER.decode())

    def run(*words):
        result = CliRunner().invoke(app, ["health", *words, "--data", str(tmp_path)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout

    return run


@pytest.fixture
def execute(database):
    with psycopg.connect(database.app_url, autocommit=True) as conn:
        yield conn.execute


@pytest.fixture
def well(execute):
    """A panel with a worker and a provider."""
    execute("insert into worker values (gen_random_uuid(), now(), now() + interval '5 seconds', 7, 'alpha')")
    execute("insert into provider (name, kind, currency) values ('Far [away]', 'sandbox', 'USD')")


def test_a_panel_that_is_well_exits_with_0(health, well):
    code, printed = health()
    assert WELL == code
    assert ["ok"] * 15 == [line.split()[0] for line in printed.splitlines()]
    assert "provider Far [away]" in printed


def test_the_worst_finding_decides_and_stands_first(health, well, execute):
    execute("update provider set failures = 3")
    assert LOOK == health()[0]
    execute("delete from worker")
    code, printed = health()
    assert ACT == code
    lines = [line.split() for line in printed.splitlines()]
    assert [["act", "workers"], ["→", "start"], ["look", "provider"]] == [words[:2] for words in lines[:3]]


def test_a_program_reads_findings_and_facts(health, well):
    code, printed = health("--json")
    said = json.loads(printed)
    assert (WELL, "ok", 1) == (code, said["level"], len(printed.splitlines()))
    assert {"name": "workers", "level": "ok", "says": "1 alive", "do": ""} == said["findings"][0]
    assert {"count": 0, "since": None} == said["facts"]["due"]
    assert ["alpha"] == [worker["host"] for worker in said["facts"]["workers"]]


def test_without_a_database_there_is_no_finding(health, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    assert (UNAVAILABLE, "") == health()
