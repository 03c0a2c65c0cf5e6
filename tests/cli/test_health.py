"""``opensmm health``: words for a person, JSON for a program, and the worst finding as exit code."""

import json

import psycopg
import pytest
from tests.panel import PEPPER
from typer.testing import CliRunner

from opensmm.cli import app
from opensmm.providers.key_encryption import seal

WELL, WARNING, CRITICAL, UNAVAILABLE = 0, 1, 2, 3


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
    assert {"ok"} == {line.split()[0] for line in printed.splitlines()}
    assert "provider Far [away]" in printed


@pytest.fixture
def paid(execute):
    """A provider that is paid in advance; tells its balances, each so many hours old."""
    url = "https://up.example/"
    statement = "insert into provider (name, kind, currency, url) values ('Up', 'panel', 'USD', %s) returning id"
    ((provider,),) = execute(statement, [url]).fetchall()
    execute(
        "update provider set sealed_key = %s where id = %s", [seal(PEPPER, provider, url, "a key of ours"), provider]
    )

    def store_readings(*readings):
        for balance, age_min in readings:
            statement = """insert into balance_reading
                           select id, now() - make_interval(mins => %s), %s from provider where name = 'Up'"""
            execute(statement, [age_min, balance])

    return store_readings


@pytest.fixture
def findings(health):
    """What is found, by its name."""
    return lambda: {one["name"]: (one["level"], one["says"]) for one in json.loads(health("--json")[1])["findings"]}


def test_a_balance_that_is_not_read_any_more_runs_down(findings, well, paid):
    paid((26, 21 * 60), (25, 20 * 60))
    by_name = findings()
    assert ("critical", "25 USD, which lasts 5.0 h at the pace of the last day") == by_name["balance Up"]
    assert ("warning", "its balance was read 20 hours ago") == by_name["reading Up"]


def test_an_empty_balance_stays_a_finding_when_nothing_can_be_spent_any_more(findings, well, paid):
    paid((5, 26 * 60), *((0, 5 * at) for at in range(25 * 12)))
    by_name = findings()
    assert ("critical", "nothing is left") == by_name["balance Up"]
    assert "ok" == by_name["reading Up"][0]


def test_a_provider_is_said_to_answer_where_it_did_of_late(findings, well, paid):
    assert ("ok", "not called yet") == findings()["provider Up"]
    paid((9, 29))
    assert ("ok", "answers") == findings()["provider Up"]


def test_a_provider_whose_key_does_not_open_wants_an_act(findings, well, paid, execute, monkeypatch):
    paid((9, 1))
    monkeypatch.setenv("OPENSMM_PEPPER", "another pepper, of thirty-two characters or more")
    why = "its stored key cannot be decrypted: it was encrypted with another pepper or for another address"
    assert ("critical", f"is not called: {why}; its orders wait") == findings()["provider Up"]
    execute("update provider set sealed_key = null")
    assert ("critical", "is not called: it has no key; its orders wait") == findings()["provider Up"]
    assert ("ok", "not called yet") == findings()["provider Far [away]"]


def test_what_the_workers_cannot_call_is_told_whatever_the_shell_may(
    health, findings, well, paid, execute, run, monkeypatch
):
    up = "select id from provider where name = 'Up'"
    execute(f"update worker set shut = jsonb_build_object(({up}), 'address_private')")
    monkeypatch.setenv("OPENSMM_PRIVATE_PROVIDERS", "1")
    (answer,) = [one for one in json.loads(health("--json")[1])["findings"] if one["name"] == "provider Up"]
    assert ("critical", "provider_not_allowed") == (answer["level"], answer["code"])
    assert "OPENSMM_PRIVATE_PROVIDERS=1" in answer["do"]
    assert "not called: the address is not on the public internet" in run("provider", "list")[1]
    execute("update worker set shut = '{}'")
    execute("update provider set url = 'http://127.0.0.1/' where name = 'Up'")
    monkeypatch.setenv("OPENSMM_PRIVATE_PROVIDERS", "0")
    assert "ok" == findings()["provider Up"][0]


def test_without_a_pepper_no_key_is_tried_and_no_pepper_is_made(findings, well, paid, monkeypatch, tmp_path):
    paid((9, 1))
    monkeypatch.delenv("OPENSMM_PEPPER")
    assert ("ok", "answers") == findings()["provider Up"]
    assert [] == list(tmp_path.iterdir())


def test_the_worst_finding_decides_and_stands_first(health, well, execute):
    execute("update provider set failures = 3")
    assert WARNING == health()[0]
    execute("delete from worker")
    code, printed = health()
    assert CRITICAL == code
    lines = [line.split() for line in printed.splitlines()]
    assert [["critical", "workers"], ["→", "start"], ["warning", "provider"]] == [words[:2] for words in lines[:3]]


def test_a_program_reads_findings_and_facts(health, well):
    code, printed = health("--json")
    answer = json.loads(printed)
    assert (WELL, "ok", 1) == (code, answer["level"], len(printed.splitlines()))
    coded = {"code": "workers_alive", "fields": {"count": 1}}
    assert {"name": "workers", "level": "ok", "says": "1 is alive", "do": "", **coded} == answer["findings"][0]
    assert {"count": 0, "since": None} == answer["facts"]["due"]
    assert ["alpha"] == [worker["host"] for worker in answer["facts"]["workers"]]


def test_without_a_database_there_is_no_finding(health, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    assert (UNAVAILABLE, "") == health()
