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
def panel(said, tmp_path, monkeypatch):
    """A panel with a customer, whose pepper is the one it made."""
    monkeypatch.delenv("OPENSMM_PEPPER")
    monkeypatch.setattr(logs, "set_up", lambda level: None)  # it would write to the verb's own stream for ever
    assert DONE == said("customer", "add", "--name", "Ann")[0]
    return tmp_path / "pepper"


def with_key(words, panel):
    """The words, with a file that has a provider's key in it, and a port that nobody has."""
    file = panel.with_name("key")
    file.write_text("a-key-of-theirs-0123456789-0123456789-012")
    given = {"KEY": file, "PORT": free_port()}
    return [given.get(word, word) for word in words]


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_verb_makes_another_pepper_beside_a_database_with_keys(said, rows, panel, words):
    panel.unlink()
    before = rows("select * from api_key"), rows("select pepper_mark from panel"), rows("select * from audit")
    code, told = said(*with_key(words, panel))
    assert (FAILED, None) == (code, told)
    assert not panel.exists()
    assert before == (
        rows("select * from api_key"),
        rows("select pepper_mark from panel"),
        rows("select * from audit"),
    )


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_verb_takes_another_pepper_unasked(said, rows, panel, monkeypatch, words):
    monkeypatch.setenv("OPENSMM_PEPPER", OTHER)
    before = rows("select * from api_key"), rows("select pepper_mark from panel")
    code, told = said(*with_key(words, panel))
    assert (FAILED, None) == (code, told)
    assert before == (rows("select * from api_key"), rows("select pepper_mark from panel"))


def found(said):
    return {one["name"]: (one["level"], one.get("code")) for one in said("health")[1]["findings"]}


def test_another_pepper_is_found_by_health_and_taken_on_purpose(said, rows, panel, monkeypatch):
    assert "pepper" not in found(said)
    kept = panel.read_text()
    panel.unlink()
    assert ("warning", "pepper_unread") == found(said)["pepper"]
    monkeypatch.setenv("OPENSMM_PEPPER", OTHER)
    assert ("critical", "pepper") == found(said)["pepper"]
    assert DONE == said("new-pepper", "--reason", "it is lost")[0]
    assert "pepper" not in found(said)
    assert DONE == said("customer", "add", "--name", "Bob")[0]
    assert [({"changes": {"pepper": ["(withheld)", "(withheld)"]}, "reason": "it is lost"},)] == rows(
        "select detail from audit where action = 'panel.pepper'"
    )
    told = str(rows("select a::text from audit a")) + str(rows("select p::text from panel p"))
    assert not any(secret in told for secret in (OTHER, kept.strip()))


def test_a_pepper_of_raw_bytes_is_no_fault_of_ours(said, panel):
    panel.write_bytes(bytes(range(128, 168)))
    assert ("critical", "pepper") == found(said)["pepper"]
    assert (UNAVAILABLE, None) == said("customer", "add", "--name", "Bob")


def test_a_new_pepper_is_made_where_there_is_none(said, panel):
    kept = panel.read_text()
    panel.unlink()
    assert DONE == said("new-pepper", "--reason", "it is lost")[0]
    assert kept != panel.read_text()
    assert DONE == said("customer", "add", "--name", "Bob")[0]


async def test_a_database_from_before_is_marked_by_the_pepper_that_opens_its_keys(said, rows, panel, database):
    def add():
        return said(*with_key(VERBS[3], panel))[0]

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
    told = await asyncio.gather(*(choose_pepper(line, None, make) for line in lines), return_exceptions=True)
    assert [1, 7] == [sum(one == made[0] for one in told), sum(isinstance(one, OperatorRefusal) for one in told)]
    assert 1 == len(made)
    for line in lines:
        await line.close()


def test_the_mark_is_no_keys_hash_and_tells_no_pepper():
    mark = pepper_mark(PEPPER)
    assert (16, 32) == (len(mark), len(digest(PEPPER, "")))
    assert not digest(PEPPER, "").startswith(mark)
    assert mark != pepper_mark(OTHER.encode())
