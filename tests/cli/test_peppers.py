"""A lost pepper is not replaced in silence, by no verb and by no process, and another one is taken on purpose alone."""

import asyncio
import threading

import pytest
from tests.faults.processes import free_port
from tests.panel import PEPPER, fetch

from opensmm.actions.peppers import choose_pepper
from opensmm.domain.api_keys import digest, pepper_mark
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.runtime import logs
from opensmm.store.connection import connect

DONE, FAILED, UNAVAILABLE = 0, 1, 3
OTHER = "another pepper that is only ever used in tests"
VERBS = (
    ("customer", "add", "--name", "Bob"),
    ("key", "add", "Ann"),
    ("key", "import", "Ann", "--key-file", "KEY"),
    ("provider", "add", "Up", "--url", "https://panel.example/api", "--key-file", "KEY"),
    ("api", "--port", "PORT"),
    ("worker",),
    ("serve", "--port", "PORT"),
    ("sandbox", "--port", "PORT"),
)


@pytest.fixture
def panel(run_json, tmp_path, monkeypatch):
    """A panel with a customer, whose pepper is the one it made."""
    monkeypatch.delenv("OPENSMM_PEPPER")
    monkeypatch.setattr(logs, "set_up", lambda level: None)  # it would write to the verb's own stream for ever
    assert DONE == run_json("customer", "add", "--name", "Ann")[0]
    return tmp_path / "pepper"


def with_key(words, panel):
    """The words, with a file that has a provider's key in it, and a port that nobody has."""
    file = panel.with_name("key")
    file.write_text("a-key-of-theirs-0123456789-0123456789-012")
    given = {"KEY": file, "PORT": free_port()}
    return [given.get(word, word) for word in words]


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_verb_makes_another_pepper_beside_a_database_with_keys(run_json, rows, panel, words):
    panel.unlink()
    before = rows("select * from api_key"), rows("select pepper_mark from panel"), rows("select * from audit")
    code, answer = run_json(*with_key(words, panel))
    assert (FAILED, None) == (code, answer)
    assert not panel.exists()
    assert before == (
        rows("select * from api_key"),
        rows("select pepper_mark from panel"),
        rows("select * from audit"),
    )


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_verb_takes_another_pepper_unasked(run_json, rows, panel, monkeypatch, words):
    monkeypatch.setenv("OPENSMM_PEPPER", OTHER)
    before = rows("select * from api_key"), rows("select pepper_mark from panel")
    code, answer = run_json(*with_key(words, panel))
    assert (FAILED, None) == (code, answer)
    assert before == (rows("select * from api_key"), rows("select pepper_mark from panel"))


def find_findings(run_json):
    return {one["name"]: (one["level"], one.get("code")) for one in run_json("health")[1]["findings"]}


def test_another_pepper_is_found_by_health_and_taken_on_purpose(run_json, rows, panel, monkeypatch):
    assert "pepper" not in find_findings(run_json)
    text = panel.read_text()
    panel.unlink()
    assert ("warning", "pepper_unread") == find_findings(run_json)["pepper"]
    monkeypatch.setenv("OPENSMM_PEPPER", OTHER)
    assert ("critical", "pepper") == find_findings(run_json)["pepper"]
    assert DONE == run_json("new-pepper", "--reason", "it is lost")[0]
    assert "pepper" not in find_findings(run_json)
    assert DONE == run_json("customer", "add", "--name", "Bob")[0]
    assert [({"changes": {"pepper": ["(withheld)", "(withheld)"]}, "reason": "it is lost"},)] == rows(
        "select detail from audit where action = 'panel.pepper'"
    )
    dump = str(rows("select a::text from audit a")) + str(rows("select p::text from panel p"))
    assert not any(secret in dump for secret in (OTHER, text.strip()))


def test_a_pepper_of_raw_bytes_is_no_fault_of_ours(run_json, panel):
    panel.write_bytes(bytes(range(128, 168)))
    assert ("critical", "pepper") == find_findings(run_json)["pepper"]
    assert (UNAVAILABLE, None) == run_json("customer", "add", "--name", "Bob")


def test_a_new_pepper_is_made_where_there_is_none(run_json, panel):
    text = panel.read_text()
    panel.unlink()
    assert DONE == run_json("new-pepper", "--reason", "it is lost")[0]
    assert text != panel.read_text()
    assert DONE == run_json("customer", "add", "--name", "Bob")[0]


async def test_a_database_from_before_is_marked_by_the_pepper_that_opens_its_keys(run_json, rows, panel, database):
    def add():
        return run_json(*with_key(VERBS[3], panel))[0]

    assert DONE == await asyncio.to_thread(add)
    rows("update panel set pepper_mark = null returning 1")
    connection = await connect(database.app_url)
    with pytest.raises(OperatorRefusal) as refused:
        await choose_pepper(connection, OTHER.encode(), lambda: b"")
    assert RefusalCode.PEPPER_DIFFERS is refused.value.code
    own = panel.read_text().strip().encode()
    assert own == await choose_pepper(connection, own, lambda: b"")
    assert [(pepper_mark(own),)] == await fetch(connection, "select pepper_mark from panel")
    await connection.close()


async def test_of_many_who_come_first_one_makes_the_pepper(database):
    made: list[bytes] = []
    lock = threading.Lock()

    def make():
        with lock:
            made.append(f"pepper {len(made)} of many that come at once".encode())
        return made[-1]

    lines = [await connect(database.app_url) for _ in range(8)]
    answers = await asyncio.gather(*(choose_pepper(line, None, make) for line in lines), return_exceptions=True)
    assert [1, 7] == [sum(one == made[0] for one in answers), sum(isinstance(one, OperatorRefusal) for one in answers)]
    assert 1 == len(made)
    for line in lines:
        await line.close()


def test_the_mark_is_no_keys_hash_and_tells_no_pepper():
    mark = pepper_mark(PEPPER)
    assert (16, 32) == (len(mark), len(digest(PEPPER, "")))
    assert not digest(PEPPER, "").startswith(mark)
    assert mark != pepper_mark(OTHER.encode())
