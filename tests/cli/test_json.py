"""What programs rely on: each verb's --json is one object on one line, in one shape, as docs/json.md tells it."""

import asyncio
import json
import sys
from datetime import datetime

import psycopg
import pytest
import typer
from tests.cli.json_page import CODED, answers, inner_objects, long_runs, objects
from tests.cli.test_providers import KEY, LINE, rows, run_json, upstream
from tests.faults.processes import free_port, running
from tests.panel import buyer, now, open_api
from tests.stepped_worker import open_worker
from typer import _click

from opensmm.base.ids import OrderId
from opensmm.cli import app, main
from opensmm.cli.context import MISUSED
from opensmm.domain.codes import EventCode
from opensmm.store import notices
from opensmm.store.connection import connect
from opensmm.store.notices import LateAcceptance

__all__ = ["rows", "run_json"]  # fixtures

IDS = {"customer", "service", "provider", "order", "run", "refill"}
TIMES = {"at", "since", "created", "ended", "seen", "started", "synced", "resting_until", "balance_at"}
BEHAVIOURS = ("me", "stuck", "timeout", "refuse", "partial-40", "stuck", "stuck", "me", "me", "timeout")
WITH_STAFF = 3
UNREADABLE = {**LINE, "service": 10, "rate": None}
WORKER = """insert into worker (id, host, pid, started, seen, shut)
            values (gen_random_uuid(), 'h', 1, now(), now(), '{"1": "address_private"}')"""
CLOCK_STEP = """insert into clock_step (noted, since, until, moved, cause)
                values (now(), now() - interval '1 hour', now(), '-5 minutes', 'moved')"""


def verbs(command=None, words=()):
    command = command or typer.main.get_command(app)
    if not hasattr(command, "list_commands"):
        yield " ".join(words)
        return
    context = _click.Context(command)
    for name in command.list_commands(context):
        yield from verbs(command.get_command(context, name), (*words, name))


def test_the_page_has_a_line_for_every_verb():
    assert not set(long_runs()) & set(answers())
    assert set(verbs()) == set(long_runs()) | set(answers())


async def place_orders(url):
    """Orders with every fate; the last ones are with the staff, those that are completed have refills asked for."""
    connection = await connect(url)
    async with open_api(url) as api, open_worker(url) as worker:
        who = await buyer(connection)
        orders = [
            await api.add(who.key, 2, link=f"https://example.com/{at}/{one}") for at, one in enumerate(BEHAVIOURS)
        ]
        orders += [await api.add(who.key, 3, link=f"https://example.com/staff/{at}") for at in range(WITH_STAFF)]
        for seconds in (0, 2, 10):
            await worker.round(seconds)
        # The works' clock ran ahead of the one that the API goes by.
        await connection.execute("update orders set ended = created where ended is not null")
        for order, behaviour in zip(orders, BEHAVIOURS, strict=False):
            if behaviour == "me":
                assert "refill" in (await api.ask("v2", who.key, "refill", order=order))
    await notices.keep_late(
        connection, [LateAcceptance((OrderId(orders[BEHAVIOURS.index("refuse")]), 1, 1), "99001", "")], now()
    )
    await connection.close()
    return orders


def check_values(value, path):
    """Ids are numbers, and times are ISO with their zone, wherever they stand."""
    if isinstance(value, list):
        for item in value:
            check_values(item, path)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in IDS and not isinstance(item, dict | list):
                assert item is None or isinstance(item, int), f"{path}.{name}: {item!r} is no id"
            if name in TIMES and item is not None and not path.endswith(f".{CODED}"):
                assert datetime.fromisoformat(item).tzinfo is not None, f"{path}.{name}: {item!r} has no zone"
            check_values(item, f"{path}.{name}")


@pytest.fixture
def tried():
    """The verbs that were run."""
    return set()


@pytest.fixture
def seen():
    """The objects within answers that were seen, by verb and path."""
    return set()


@pytest.fixture
def verb(run_json, tried, seen):
    """Runs a verb; checks its answer by the page and by the rules."""
    keys, within = answers(), inner_objects()

    def run(*words, typed=None, code=0):
        name = next(one for one in sorted(keys, key=len, reverse=True) if " ".join(map(str, words)).startswith(one))
        exit_code, answer = run_json(*words, typed=typed)
        assert code == exit_code, words
        if answer is None:  # it was refused
            return None
        assert keys[name] == set(answer), words
        check_values(answer, name)
        tried.add(name)
        varying = {path for (of, path), named in within.items() if of == name and not named}
        for path, entry in objects(answer, varying):
            assert (name, path) in within, f"`{name}`, `{path}` is not documented: {sorted(entry)}"
            assert path in varying or within[name, path] == set(entry), (words, path)
            seen.add((name, path))
        return answer

    return run


def offers(*numbers, **changes):
    return [{**LINE, "service": number, "name": f"Likes {number}", **changes} for number in numbers]


def test_each_verb_answers_in_its_documented_shape(verb, tried, seen, database, monkeypatch, tmp_path):
    monkeypatch.setenv("DATABASE_ADMIN_URL", database.owner_url)
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        connection.execute("insert into provider (name, kind, currency) values ('Sandbox', 'sandbox', 'USD')")
    listed = {"services": [*offers(7, 8, 9), UNREADABLE], "balance": {"balance": "5.00", "currency": "USD"}}
    with upstream(listed) as (url, _):
        accounts(verb, tmp_path)
        provider(verb, url)
        catalogue(verb)
        prices_and_policy(verb)
        price_list_that_moves(verb, listed)
        orders(verb, asyncio.run(place_orders(database.app_url)))
        prices_that_follow(verb, listed)
    providers_that_fail(verb)
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        connection.execute(WORKER)
        connection.execute(CLOCK_STEP)
    verb("audit", "list", "--limit", 3)
    verb("verify")
    verb("health", code=2)
    assert (set(answers()), set(inner_objects())) == (tried, seen | {("bench", "measures")})


def accounts(verb, folder):
    verb("migrate")
    verb("currency", "USD")
    verb("customer", "add", "--name", "Ann")
    verb("key", "add", "Ann", "--label", "second")
    verb("key", "import", "Ann", "--key-file", "-", typed="k" * 40 + "\n")
    verb("key", "edit", 1, "--title-case")
    verb("key", "list")
    verb("key", "revoke", 1)
    paid = verb("topup", "Ann", "5", "--id", "A1")["transfer"]
    options = ("--reference", "r", "--reason", "why")
    verb("adjust", "Ann", "1", "--take", "--corrects", paid, *options)
    verb("payout", "Ann", "1", *options)
    verb("bonus", "Ann", "3", *options)
    verb("chargeback", "operator", "A1", "--amount", "1", "--reason", "why")
    verb("credit-limit", "Ann", "5", *options)
    verb("new-pepper", "--reason", "why")
    verb("customer", "list")
    verb("customer", "suspend", "Ann")
    verb("customer", "resume", "Ann")


def provider(verb, url):
    verb("provider", "add", "Up", "--url", url, "--key-file", "-", typed=KEY + "\n")
    verb("provider", "edit", "Up", "--concurrency", 3, "--adds-at-a-time", 1)
    verb("provider", "disable", "Up")
    verb("provider", "enable", "Up")
    verb("provider", "balance", "Up")
    for name in ("list", "show Up", "check Up", "services Up", "sync Up"):
        verb("provider", *name.split())
    verb("provider", "follow", "Up", "--every", 30)


def catalogue(verb):
    verb("import-services", "Up", "--margin", 100, "--write")
    verb("service", "deliver", "--method", "staff_work", 1, 2, 3, "--on-sale", "--write")
    verb("service", "refill", "--days", 30, "--offered", "--mode", "other", 2, "--write")
    verb("service", "add", "--name", "Own", "--category", "A", "--rate", "1", "--method", "staff_work")
    verb("service", "edit", "Own", "--rate", "2")
    verb("service", "list")
    verb("service", "show", "Own")
    verb("route", "add", 2, "Sandbox", "2", "--first")
    verb("route", "first", 2, "Sandbox")
    verb("route", "order", 2, "--as-listed")
    verb("route", "remove", 2, "Up")
    verb("route", "list", 2)
    verb("staff", "assign", 3)


def prices_and_policy(verb):
    verb("price-list", "add", "gold")
    verb("price-list", "set", "gold", 1, "3")
    verb("price-list", "show", "gold")
    verb("price-list", "unset", "gold", 1)
    verb("price-list", "list")
    verb("price-list", "assign", "gold", "Ann")
    rule = verb("policy", "add", "deny", "bad.example")["rule"]["id"]
    verb("policy", "test", "https://bad.example/x", code=1)
    verb("policy", "test", "https://example.com/x")
    verb("policy", "remove", rule)
    rule = verb("policy", "add", "prohibit", "likes 9", "--take-off-sale")["rule"]["id"]
    verb("service", "deliver", "--method", "paid_ads", "--on-sale", 2, 3)
    verb("policy", "remove", rule)
    verb("service", "edit", 3, "--on-sale")
    verb("policy", "show")
    verb("policy", "history", "--limit", 2)


def price_list_that_moves(verb, listed):
    for services in (offers(7, rate="0.95"), offers(8)):
        listed["services"] = services
        verb("import-services", "Up", "--margin", 100)
    listed["services"] = [*offers(7, rate="5"), *offers(8, 9), UNREADABLE]
    verb("provider", "sync", "Up")
    verb("service", "quarantine", "list")
    verb("service", "quarantine", "approve", 1)
    verb("service", "below-cost", "list")
    verb("service", "below-cost", "set", "hold")


def prices_that_follow(verb, listed):
    """Prices set by hand that a margin overwrites, and a list that lacks so much that nothing follows it."""
    verb("service", "edit", 1, "--rate", "70")
    verb("provider", "follow", "Up", "--margin", 100, "--confirm")
    verb("service", "edit", 1, "--rate", "80")
    listed["services"] = []
    verb("provider", "sync", "Up", code=1)
    verb("provider", "follow", "Up")


def providers_that_fail(verb):
    verb("provider", "list")
    verb("provider", "show", "Sandbox")
    verb("provider", "add", "Down", "--url", "http://127.0.0.1:9/", "--key-file", "-", typed=KEY + "\n")
    verb("provider", "check", "Down", code=1)


def orders(verb, placed):
    done, stuck, unsure, late, _, completed, partial, _, _, risked, staffed, finished, given_up = placed
    for order in placed:
        verb("orders", "show", order)
    verb("orders", "list")
    verb("orders", "cancel", stuck, "--reason", "asked for")
    verb("orders", "complete", completed, "--reason", "by hand")
    verb("orders", "partial", partial, "--remains", 3, "--reason", "by hand")
    verb("orders", "settle", unsure, "--accepted", "7007", "--reason", "seen there")
    verb("orders", "refund", done, "0.01", "--reason", "goodwill")
    verb("staff", "list")
    verb("staff", "refills")
    verb("staff", "start", staffed)
    verb("staff", "progress", staffed, "--remains", 5)
    verb("staff", "partial", staffed, "--remains", 5)
    verb("staff", "done", finished)
    verb("staff", "cancel", given_up, "--reason", "why")
    verb("route", "add", 2, "Up", "8")
    verb("staff", "buy", 1, "--quantity", 3)
    verb("staff", "refilled", 2)
    verb("staff", "reject", 3)
    verb("orders", "resend", risked, "--accept-risk", "I pay", "--reason", "urgent")
    verb("orders", "dealt-with", late, "--reason", "cancelled there")
    verb("orders", "wait", 48)
    for order in placed:
        for event in verb("orders", "show", order)["events"]:
            assert event["message"]
            assert event["code"] in set(EventCode)


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("orders", "show", 99), "no_order", 1),
        (("service", "show", "Lkes"), "unknown_service", 1),
        (("service", "edit", 1), "misused", 2),
        (("orders", "show", "x"), "misused", 2),
        (("nonsense",), "misused", 2),
        (("customer", "add"), "misused", 2),
        (("health", "--data", "/nowhere at all"), "no_panel", 3),
    ],
)
def test_a_verb_that_fails_says_why_as_an_object(run_json, monkeypatch, capsys, words, code, exit_code):
    if code == "no_panel":
        monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setattr(sys, "argv", ["opensmm", *map(str, words), "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    assert (exit_code, "", ["error"]) == (ended.value.code, printed.err, list(answer))
    assert (code, ["code", "message", "fields"]) == (answer["error"]["code"], list(answer["error"]))
    assert answer["error"]["message"]


def test_a_verb_that_fails_tells_a_person_in_words(run_json, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["opensmm", "service", "show", "Lkes"])
    with pytest.raises(SystemExit):
        main()
    printed = capsys.readouterr()
    assert ("", "opensmm: There is no service Lkes. There are: none.") == (printed.out, printed.err.strip())


@pytest.mark.parametrize("typed", [("--sign", "I pay"), ("--sign=I pay",), ("--sign",)])
@pytest.mark.parametrize("for_program", [True, False])
def test_an_option_by_its_old_name_is_refused_with_the_new_name(run_json, monkeypatch, capsys, typed, for_program):
    words = ["opensmm", "orders", "resend", "7", "--reason", "urgent", *typed, *(["--json"] if for_program else [])]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit) as ended:
        main()
    printed, message = capsys.readouterr(), "The option --sign is called --accept-risk now."
    assert MISUSED == ended.value.code
    if for_program:
        assert {"error": {"code": "misused", "message": message, "fields": {}}} == json.loads(printed.out)
    else:
        assert ("", True) == (printed.out, f"Error: {message}" in printed.err)


def test_an_old_name_on_another_verb_is_only_unknown(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["opensmm", "orders", "cancel", "7", "--sign", "--json"])
    with pytest.raises(SystemExit):
        main()
    assert "--accept-risk" not in json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.parametrize("name", ["api", "sandbox", "worker"])
def test_a_verb_that_runs_on_begins_with_its_documented_keys(database, tmp_path, name):
    port = [] if name == "worker" else ["--port", str(free_port())]
    with running(name, *port, "--data", str(tmp_path), database_url=database.app_url) as (_, first):
        assert long_runs()[name] == set(first)
