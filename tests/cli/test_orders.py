"""``orders``: the operator's verbs, what they say as JSON, and how they exit."""

import asyncio
import json
from datetime import timedelta
from io import StringIO

import psycopg
import pytest
from rich.console import Console
from rich.table import Table
from tests.panel import PEPPER, SANDBOX, fetch
from tests.stepped_worker import state
from typer.testing import CliRunner

from opensmm.base.ids import OrderId
from opensmm.cli import app, context
from opensmm.cli.context import ACTOR
from opensmm.domain.codes import EventCode
from opensmm.store import notices
from opensmm.store.notices import LateAcceptance
from opensmm.store.order_events import read_history
from opensmm.texts.speech import ENGLISH

DONE, FAILED, MISUSED = 0, 1, 2


@pytest.fixture
def run_json(database, tmp_path, monkeypatch):
    """Runs a verb of ``orders`` with --json, or for a person; returns its exit code and what it said."""
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("OPENSMM_PEPPER", PEPPER.decode())

    def verb(*words, json_wanted=True):
        options = ["--data", str(tmp_path), *(["--json"] if json_wanted else [])]
        result = CliRunner().invoke(app, ["orders", *map(str, words), *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        if not json_wanted:
            return result.exit_code, result.stdout
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


async def place(api, worker, ann, *behaviours):
    orders = [await api.add(ann.key, link=f"https://example.com/{one}") for one in behaviours]
    await worker.send()
    return orders


async def test_each_verb_says_what_it_did_and_that_it_was_done_before(api, worker, stocked, ann, run_json):
    answer, two, three, four = await place(api, worker, ann, "stuck", "stuck", "garbage", "lost")
    for words, done in (
        (("cancel", answer), "cancel"),
        (("complete", two), "complete"),
        (("settle", three, "--accepted", "33"), "settle"),
        (("settle", four, "--declined"), "settle"),
        (("refund", two, "0.05"), "refund"),
    ):
        fields = {"order": words[1], "action": done}
        assert (DONE, fields | {"changed": True}) == await on_thread(run_json, *words, "--reason", "why")
        assert (DONE, fields | {"changed": False}) == await on_thread(run_json, *words, "--reason", "why")
    assert 5 == len(await fetch(stocked, f"select from audit where actor = '{ACTOR.name}'"))
    _, story = await on_thread(run_json, "show", three)
    events = [event["message"] for event in story["events"]]
    assert f"resolved by {ACTOR}: it is the provider's order 33. Reason: why" in events


async def test_what_is_refused_is_said_in_words_and_exits_with_1(api, worker, stocked, ann, run_json):
    (order,) = await place(api, worker, ann, "garbage")
    for words in (("cancel", order), ("resend", order), ("partial", order, "--remains", 5), ("refund", order, "1")):
        code, answer = await on_thread(run_json, *words, "--reason", "why")
        assert (FAILED, True) == (code, answer["error"]["message"].startswith(f"order {order}: "))
        assert {"order": order} == answer["error"]["fields"]
    assert "not_ended" == answer["error"]["code"]
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
def test_words_that_are_off_exit_with_2(run_json, words):
    assert MISUSED == run_json(*words)[0]


async def test_the_list_shows_what_waits_for_the_operator(api, worker, stocked, ann, run_json, aged):
    await stocked.execute("update service set hold_when_refused = true")
    unsure, held, stuck, _ = await place(api, worker, ann, "garbage", "refuse", "stuck", "me")
    code, answer = await on_thread(run_json, "list")
    assert (DONE, [(unsure, "unsure"), (held, "held")]) == (
        code,
        [(one["order"], one["why"]) for one in answer["orders"]],
    )
    await worker.round(20)
    aged(4)
    for flag, order in (("--unsure", unsure), ("--held", held), ("--stuck", stuck)):
        code, answer = await on_thread(run_json, "list", flag)
        assert (DONE, [order]) == (code, [one["order"] for one in answer["orders"]])


async def test_a_story_tells_what_was_asked_and_what_was_concluded(api, worker, stocked, ann, run_json):
    (order,) = await place(api, worker, ann, "garbage")
    worker.clock.forward(400)
    await worker.settle()
    _, story = await on_thread(run_json, "show", order)
    messages = [event["message"] for event in story["events"] if event["message"].startswith("checked")]
    assert [
        "checked: still unsure, because 3 earlier and 3 later orders at Sandbox are needed; there are 0 and 0 so far"
    ] == messages


async def test_what_is_sent_again_at_the_operators_risk_is_not_told_to_be_unbought(api, worker, stocked, ann, run_json):
    (order,) = await place(api, worker, ann, "garbage")
    risk = ("--reason", "they are slow", "--accept-risk", "twice is cheap")
    assert DONE == (await on_thread(run_json, "resend", order, *risk))[0]
    _, answer = await on_thread(run_json, "show", order)
    codes = {event["code"] for event in answer["events"]}
    assert {"unsure", "operator_risked"} == codes & {
        "unsure",
        "operator_risked",
        "settled_bought",
        "settled_not_bought",
    }
    (risked,) = [event["message"] for event in answer["events"] if event["code"] == "operator_risked"]
    assert risked == (
        f"sent again by {ACTOR}, although the provider may have accepted it: twice is cheap. Reason: they are slow"
    )


async def test_the_list_tells_a_person_no_codes(api, worker, stocked, ann, run_json):
    (order,) = await place(api, worker, ann, "garbage")
    worker.clock.forward(400)
    await worker.settle()
    (line,) = (await on_thread(run_json, "list"))[1]["orders"]
    assert (order, "no_neighbours") == (line["order"], line["concluded"])
    out = (await asyncio.to_thread(run_json, "list", json_wanted=False))[1]
    assert "too few orders before and after it so far" in out
    assert "no_neighbours" not in out


def test_a_narrow_terminal_squeezes_no_column_of_the_list(monkeypatch):
    paper = StringIO()
    monkeypatch.setattr(context, "out", Console(file=paper, width=40, soft_wrap=True, highlight=False))
    table = Table("order", "what is known", box=None, pad_edge=False)
    table.add_row("7", "a word " * 30)
    context.print_long_table(table, "none")
    assert ["order  what is known", f"7      {'a word ' * 30}".rstrip()] == paper.getvalue().splitlines()


async def test_what_was_bought_too_late_stands_on_the_list_until_it_is_dealt_with(api, worker, stocked, ann, run_json):
    (order,) = await place(api, worker, ann, "garbage")
    await on_thread(run_json, "settle", order, "--declined", "--reason", "not in their list")
    await notices.keep_late(stocked, [LateAcceptance((OrderId(order), 1, 1), "7001", "")], worker.clock())
    for flags in ((), ("--late",)):
        code, answer = await on_thread(run_json, "list", *flags)
        (line,) = answer["orders"]
        assert (DONE, order, "late", "canceled", SANDBOX, "7001") == (
            code, line["order"], line["why"], line["state"], line["provider_name"], line["provider_order"],
        )  # fmt: skip
        assert "Sandbox accepted it as its order 7001 after it had been resolved otherwise" in line["answer"]
        assert "late_acceptance" == line["note"]["code"]
    assert (DONE, {"orders": []}) == await on_thread(run_json, "list", "--odd")
    for changed in (True, False):
        answer = {"order": order, "action": "deal_with", "changed": changed}
        assert (DONE, answer) == await on_thread(run_json, "dealt-with", order, "--reason", "cancelled there")
    assert (DONE, {"orders": []}) == await on_thread(run_json, "list")
    _, story = await on_thread(run_json, "show", order)
    assert "dealt with: you have handled what Sandbox reported" in [event["message"] for event in story["events"]]
    code, answer = await on_thread(run_json, "dealt-with", order + 1, "--reason", "why")
    assert (FAILED, f"Order {order + 1} has no open notice.") == (code, answer["error"]["message"])


async def test_the_list_shows_an_id_that_stands_where_none_is_documented(api, worker, stocked, ann, run_json):
    (order,) = await place(api, worker, ann, "garbage")
    await stocked.execute("update attempt set answer = %s where order_id = %s", ['{"order_id": 7001}', order])
    _, answer = await on_thread(run_json, "list", "--unsure")
    assert ["7001"] == [one["looks_like_order"] for one in answer["orders"]]


async def listed(run_json, order, *words):
    """An order's line on the list."""
    code, answer = await on_thread(run_json, "list", *words)
    assert DONE == code
    return next((line for line in answer["orders"] if line["order"] == order), None)


async def polled(api, worker, fake, ann, answer, seconds=2):
    """An order about which its provider said something."""
    fake.answers |= {"add": {"order": 7}, "status": {"7": answer}}
    order = await api.add(ann.key)
    await worker.send()
    worker.clock.forward(seconds)
    await worker.follow()
    return order


async def test_the_list_tells_the_word_the_remains_and_the_charge_that_held_an_order(api, ann, lied_to, run_json):
    worker, fake = lied_to
    order = await polled(api, worker, fake, ann, {"status": "Canceled", "charge": "0.05", "remains": "0"})
    line = await listed(run_json, order, "--held")
    assert "held: its provider reports “canceled” with 0 of 100 remaining and a charge of 0.05" == line["answer"]
    fields = {"word": "canceled", "remains": "0", "quantity": "100", "charge": "0.05"}
    assert {"code": "end_not_believed", "fields": fields} == line["note"]


async def test_what_is_not_understood_is_on_the_list_with_the_words_that_came(api, ann, stocked, lied_to, run_json):
    worker, fake = lied_to
    order = await polled(api, worker, fake, ann, {"status": "Teapot", "remains": "5"})
    line = await listed(run_json, order, "--unread")
    assert ("unread", "pending", "not understood: its provider reports “Teapot”") == (
        line["why"],
        line["state"],
        line["answer"],
    )
    since = line["noted"]
    for answer, same in (({"status": "Kettle"}, True), ({"error": "Incorrect order ID"}, False)):
        fake.answers["status"] = {"7": answer}
        worker.clock.forward(5)
        await worker.follow()
        line = await listed(run_json, order, "--unread")
        assert same == (line["noted"] == since), "another word of the same kind does not count anew"
    assert "no status: its provider returns the error “Incorrect order ID”" == line["answer"]
    fake.answers["status"] = {"7": {"status": "In progress", "remains": "5"}}
    worker.clock.forward(5)
    await worker.follow()
    assert None is await listed(run_json, order, "--unread")


async def test_an_id_that_is_given_twice_is_told_in_words_of_ours(api, ann, stocked, lied_to, run_json):
    worker, fake = lied_to
    fake.answers["add"] = {"order": 7}
    orders = [await api.add(ann.key, link=f"https://example.com/{at}") for at in range(2)]
    await worker.send()
    (twice,) = [order for order in orders if await state(stocked, order) == "unsure"]
    line = await listed(run_json, twice, "--unsure")
    assert "unsure: its provider returned the order id 7, which already belongs to another delivery" == line["answer"]
    assert [('{"order": 7}',)] == await fetch(stocked, "select answer from attempt where order_id = %s", twice)


async def test_before_the_first_news_nothing_is_said_of_what_remains(api, ann, stocked, lied_to):
    worker, fake = lied_to
    order = await polled(api, worker, fake, ann, {"status": "Teapot"})
    history = await read_history(stocked, order)
    assert history is not None
    (requests,) = [event for event in history.events if event.kind is EventCode.ASKED_AFTER]
    assert (None, "last polled: pending") == (requests.fields["remains"], ENGLISH.event(requests.kind, requests.fields))


async def test_what_waits_for_a_provider_that_refuses_us_is_on_the_list(api, ann, lied_to, run_json):
    worker, fake = lied_to
    fake.answers["add"] = {"error": "Invalid API key"}
    order = await api.add(ann.key)
    await worker.send()
    line = await listed(run_json, order, "--waits")
    message = "waiting: its provider refuses our key, account or address, “Invalid API key”"
    assert ("waits", "queued", message) == (line["why"], line["state"], line["answer"])


def test_how_long_orders_wait_is_set(stocked, run_json):
    assert (DONE, {"refused_wait_h": 48}) == run_json("wait", 48)
    assert MISUSED == run_json("wait", 721)[0]
