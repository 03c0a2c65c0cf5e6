"""``orders``: the operator's verbs, what they say as JSON, and how they exit."""

import asyncio
import json
from datetime import timedelta

import psycopg
import pytest
from tests.panel import PEPPER, SANDBOX, fetch
from tests.works import state
from typer.testing import CliRunner

from opensmm.base.ids import OrderId
from opensmm.cli import app
from opensmm.cli.frame import ACTOR
from opensmm.store import notices
from opensmm.store.notices import Late

DONE, FAILED, MISUSED = 0, 1, 2


@pytest.fixture
def said(database, tmp_path, monkeypatch):
    """Runs a verb of ``orders`` with --json; returns its exit code and what it said."""
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("OPENSMM_PEPPER", PEPPER.decode())

    def verb(*words):
        result = CliRunner().invoke(app, ["orders", *map(str, words), "--data", str(tmp_path), "--json"])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, json.loads(result.stdout) if result.stdout else result.stderr

    return verb


@pytest.fixture
def aged(database):
    """Makes everything look as if it had happened days ago."""

    def age(days):
        with psycopg.connect(database.app_url, autocommit=True) as conn:
            conn.execute("update delivery set sent = sent - %s, due = due - %s", [timedelta(days=days)] * 2)

    return age


async def on_thread(verb, *words):
    """The command line runs a loop of its own."""
    return await asyncio.to_thread(verb, *words)


async def place(api, works, ann, *behaviours):
    orders = [await api.add(ann.key, link=f"https://example.com/{one}") for one in behaviours]
    await works.send()
    return orders


async def test_each_verb_says_what_it_did_and_that_it_was_done_before(api, works, stocked, ann, said):
    one, two, three, four = await place(api, works, ann, "stuck", "stuck", "garbage", "lost")
    for words, done in (
        (("cancel", one), "cancel"),
        (("complete", two), "complete"),
        (("settle", three, "--accepted", "33"), "settle"),
        (("settle", four, "--declined"), "settle"),
        (("refund", two, "0.05"), "refund"),
    ):
        told = {"order": words[1], "action": done}
        assert (DONE, told | {"changed": True}) == await on_thread(said, *words, "--reason", "why")
        assert (DONE, told | {"changed": False}) == await on_thread(said, *words, "--reason", "why")
    assert 5 == len(await fetch(stocked, f"select from audit where actor = '{ACTOR.name}'"))
    _, story = await on_thread(said, "show", three)
    events = [event["message"] for event in story["events"]]
    assert f"evidence: run 1, try 1, bought: by {ACTOR}, reason why, provider_order 33" in events


async def test_what_is_refused_is_said_in_words_and_exits_with_1(api, works, stocked, ann, said):
    (order,) = await place(api, works, ann, "garbage")
    for words in (("cancel", order), ("resend", order), ("partial", order, "--remains", 5), ("refund", order, "1")):
        code, told = await on_thread(said, *words, "--reason", "why")
        assert (FAILED, True) == (code, told["error"]["message"].startswith(f"order {order}: it "))
    assert "unsure" == await state(stocked, order)


@pytest.mark.parametrize(
    "words",
    [
        ("cancel", 1), ("cancel", 1, "--reason", " "), ("settle", 1, "--reason", "x"),
        ("settle", 1, "--accepted", "1", "--declined", "--reason", "x"), ("refund", 1, "0", "--reason", "x"),
        ("settle", 1, "--accepted", "a b", "--reason", "x"), ("refund", 1, "1,5", "--reason", "x"),
        ("partial", 1, "--reason", "x"), ("cancel", 1, "--reason", "x" * 501),
    ],
)  # fmt: skip
def test_words_that_are_off_exit_with_2(said, words):
    assert MISUSED == said(*words)[0]


async def test_the_list_shows_what_waits_for_the_operator(api, works, stocked, ann, said, aged):
    await stocked.execute("update service set hold_when_refused = true")
    unsure, held, stuck, _ = await place(api, works, ann, "garbage", "refuse", "stuck", "me")
    code, told = await on_thread(said, "list")
    assert (DONE, [(unsure, "unsure"), (held, "held")]) == (
        code,
        [(one["order"], one["why"]) for one in told["orders"]],
    )
    await works.round(20)
    aged(4)
    for flag, order in (("--unsure", unsure), ("--held", held), ("--stuck", stuck)):
        code, told = await on_thread(said, "list", flag)
        assert (DONE, [order]) == (code, [one["order"] for one in told["orders"]])


async def test_a_story_tells_what_was_asked_and_what_was_concluded(api, works, stocked, ann, said):
    (order,) = await place(api, works, ann, "garbage")
    works.clock.forward(400)
    await works.settle()
    _, story = await on_thread(said, "show", order)
    told = [event["message"] for event in story["events"] if event["message"].startswith("evidence")]
    assert ["evidence: run 1, try 1, no neighbours: no ids asked for between 0 and what is still to come"] == told


async def test_what_was_bought_too_late_stands_on_the_list_until_it_is_dealt_with(api, works, stocked, ann, said):
    (order,) = await place(api, works, ann, "garbage")
    await on_thread(said, "settle", order, "--declined", "--reason", "not in their list")
    await notices.keep_late(stocked, [Late((OrderId(order), 1, 1), "7001", "")], works.clock())
    for flags in ((), ("--late",)):
        code, told = await on_thread(said, "list", *flags)
        (line,) = told["orders"]
        assert (DONE, order, "late", "canceled", SANDBOX, "7001") == (
            code, line["order"], line["why"], line["state"], line["provider_name"], line["provider_order"],
        )  # fmt: skip
        assert "Sandbox took it as their order 7001 after it had been settled otherwise" in line["answer"]
    assert (DONE, {"orders": []}) == await on_thread(said, "list", "--odd")
    for changed in (True, False):
        told = {"order": order, "action": "deal_with", "changed": changed}
        assert (DONE, told) == await on_thread(said, "dealt-with", order, "--reason", "cancelled there")
    assert (DONE, {"orders": []}) == await on_thread(said, "list")
    _, story = await on_thread(said, "show", order)
    assert "dealt with: what Sandbox said of run 1, try 1" in [event["message"] for event in story["events"]]
    code, told = await on_thread(said, "dealt-with", order + 1, "--reason", "why")
    assert (FAILED, f"Order {order + 1} has no notice that could be dealt with.") == (code, told["error"]["message"])


async def test_the_list_shows_an_id_that_stands_where_none_is_documented(api, works, stocked, ann, said):
    (order,) = await place(api, works, ann, "garbage")
    await stocked.execute("update attempt set answer = %s where order_id = %s", ['{"order_id": 7001}', order])
    _, told = await on_thread(said, "list", "--unsure")
    assert ["7001"] == [one["looks_like_order"] for one in told["orders"]]
