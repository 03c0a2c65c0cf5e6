"""Verbs of the command line, run on the test's own database."""

import json

import psycopg
import pytest
from tests.panel import PEPPER, SANDBOX
from typer.testing import CliRunner

from opensmm.cli import app


@pytest.fixture
def run(database, tmp_path, monkeypatch):
    """Runs a verb on the test's database; returns its exit code and what it printed."""
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("OPENSMM_PEPPER", PEPPER.decode())

    def verb(*words):
        result = invoke(words, tmp_path)
        return result.exit_code, result.stdout

    return verb


@pytest.fixture
def refusal(run, tmp_path):
    """Runs a verb that is refused; returns its exit code and the words of the refusal."""

    def verb(*words):
        result = invoke(words, tmp_path)
        assert "" == result.stdout
        return result.exit_code, result.stderr.strip()

    return verb


def read_answer(lines):
    """What a verb said in its one line of JSON; None where it was refused, whose reason has a shape of its own."""
    if not lines:
        return None
    answer = json.loads(lines[0])
    if "error" not in answer:
        return answer
    assert ["error"] == list(answer)
    assert ["code", "message", "fields"] == list(answer["error"])
    assert all(answer["error"][name] for name in ("code", "message"))
    return None


def invoke(words, data):
    result = CliRunner().invoke(app, [*map(str, words), "--data", str(data)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def run_json(run):
    """Runs a verb with --json; returns its exit code and the one line it said."""

    def verb(*words):
        code, printed = run(*words, "--json")
        lines = printed.splitlines()
        assert len(lines) <= 1, printed
        return code, read_answer(lines)

    return verb


@pytest.fixture
def rows(database):
    with psycopg.connect(database.app_url, autocommit=True) as conn:
        yield lambda query: conn.execute(query).fetchall()


@pytest.fixture
def sandbox(database):
    with psycopg.connect(database.app_url, autocommit=True) as conn:
        conn.execute("insert into provider (name, kind, currency) values (%s, 'sandbox', 'USD')", [SANDBOX])
