"""``provider`` and ``route``: what each verb does, what is kept of it, and that a key is never shown."""

import json
import socketserver
import threading
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs

import psycopg
import pytest
from tests.cli.conftest import read_answer
from tests.panel import PEPPER
from typer.testing import CliRunner

from opensmm.base.ids import ProviderId
from opensmm.cli import app
from opensmm.cli.context import ACTOR
from opensmm.providers.key_encryption import unseal

DONE, FAILED, MISUSED = 0, 1, 2
KEY = "0123456789abcdef0123456789abcdef01234567"
URL = "https://panel.example/api/v2"
LINE = {"service": 7, "name": "Likes", "type": "Default", "category": "First", "rate": "0.90", "min": 10, "max": 100}

STATED = ("--method", "staff_work")


@pytest.fixture
def run_json(database, tmp_path, monkeypatch):
    """Runs a verb with --json on the test's database; returns its exit code and what it said."""
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("OPENSMM_PEPPER", PEPPER.decode())
    monkeypatch.setenv("OPENSMM_PRIVATE_PROVIDERS", "1")
    printed = []

    def verb(*words, typed=None):
        result = CliRunner().invoke(app, [*map(str, words), "--data", str(tmp_path), "--json"], input=typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        printed.append(result.output)
        lines = result.stdout.splitlines()
        return result.exit_code, read_answer(lines)

    yield verb
    assert KEY not in "".join(printed)


@pytest.fixture
def rows(database):
    with psycopg.connect(database.app_url, autocommit=True) as conn:
        yield lambda query: conn.execute(query).fetchall()


def add(run_json, name="Up", url=URL, *more):
    return run_json("provider", "add", name, "--url", url, "--key-file", "-", *more, typed=KEY + "\n")


def test_a_provider_is_added_and_its_key_is_nowhere_in_clear(run_json, rows):
    code, answer = add(run_json, "Up", URL, "--currency", "eur", "--exchange-rate", "1.0870", "--calls-per-second", 5)
    assert (DONE, {"id": 1, "name": "Up", "needs_private_providers": False}) == (code, answer)
    log = rows("select name, kind, url, dialect, currency, exchange_rate, concurrency, calls_per_second from provider")
    assert [("Up", "panel", URL, "v2", "EUR", Decimal("1.0870"), 16, 5)] == log
    ((sealed,),) = rows("select sealed_key from provider")
    assert KEY == unseal(PEPPER, ProviderId(1), URL, sealed)
    assert [(ACTOR.name, "provider.add", "1")] == rows("select actor, action, subject from audit")
    query = str(rows("select provider::text from provider")) + str(rows("select audit::text from audit"))
    assert KEY not in query
    assert KEY.encode().hex() not in query


def test_a_key_comes_from_a_file_or_the_environment(run_json, tmp_path, monkeypatch):
    (tmp_path / "key").write_text(KEY + "\n")
    assert DONE == run_json("provider", "add", "One", "--url", URL, "--key-file", tmp_path / "key")[0]
    assert MISUSED == run_json("provider", "add", "Two", "--url", URL)[0]
    monkeypatch.setenv("OPENSMM_PROVIDER_KEY", KEY)
    assert DONE == run_json("provider", "add", "Two", "--url", URL)[0]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--url", "https://me:secret@panel.example/"], FAILED),
        (["--url", "ftp://panel.example/"], FAILED),
        (["--url", URL, "--currency", "EURO"], MISUSED),
        (["--url", URL, "--exchange-rate", "NaN"], MISUSED),
        (["--url", URL, "--exchange-rate", "0"], MISUSED),
        (["--url", URL, "--dialect", "v3"], MISUSED),
        (["--url", URL, "--concurrency", "0"], MISUSED),
        (["--url", URL, "--calls-per-second", "-1"], MISUSED),
        (["--url", URL, "--adds-at-a-time", "-1"], MISUSED),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_kept(run_json, rows, words, code):
    assert code == run_json("provider", "add", "Up", "--key-file", "-", *words, typed=KEY)[0]
    assert [(0, 0)] == rows("select (select count(*) from provider), (select count(*) from audit)")


@pytest.mark.parametrize("key", ["", "short", "x" * 501, "with blank inside it", "schlüssel-ohne-ascii"])
def test_a_key_that_is_none_is_refused(run_json, rows, key):
    assert MISUSED == run_json("provider", "add", "Up", "--url", URL, "--key-file", "-", typed=key + "\n")[0]
    assert [] == rows("select id from provider")


def test_private_addresses_are_refused_where_the_setting_does_not_allow_them(run_json, rows, monkeypatch):
    assert DONE == add(run_json, "House", "http://127.0.0.1:1/api/v2")[0]
    monkeypatch.setenv("OPENSMM_PRIVATE_PROVIDERS", "0")
    for url in ("http://panel.example/", "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/"):
        assert FAILED == add(run_json, "Other", url)[0]
    assert [("House",)] == rows("select name from provider")


def test_a_name_is_given_once(run_json, rows):
    add(run_json)
    assert FAILED == add(run_json)[0]
    add(run_json, "Other")
    assert FAILED == run_json("provider", "edit", "Other", "--name", "Up")[0]
    assert [("Other",), ("Up",)] == rows("select name from provider order by name")


def refused(folder, *words):
    result = CliRunner().invoke(app, [*words, "--data", str(folder), "--json"])
    assert FAILED == result.exit_code
    error = json.loads(result.stdout)["error"]
    return error["code"], error["fields"]


def test_an_address_is_refused_before_the_key_is_asked_for(run_json, rows, monkeypatch, tmp_path):
    monkeypatch.setattr("opensmm.cli.providers._read_key", lambda file: pytest.fail("the key was asked for"))
    monkeypatch.setenv("OPENSMM_PRIVATE_PROVIDERS", "0")
    for words in (["add", "Up", "--url", "http://127.0.0.1:1/"], ["edit", "Up", "--ask-key", "--url", "http://x/"]):
        code, fields = refused(tmp_path, "provider", *words)
        assert ("bad_address", "address_without_tls") == (code, fields["why"])
    assert [] == rows("select id from provider")


def test_an_address_that_only_a_setting_allows_says_that_the_panel_needs_it_too(run_json):
    assert add(run_json, "House", "http://127.0.0.1:1/api/v2")[1]["needs_private_providers"]
    assert not add(run_json, "Up")[1]["needs_private_providers"]
    edited = run_json("provider", "edit", "Up", "--url", "http://panel.example/api/v2")[1]
    assert (["url"], True) == (edited["changed"], edited["needs_private_providers"])


def test_an_edit_tells_before_and_after(run_json, tmp_path):
    add(run_json)
    words = ["provider", "edit", "Up", "--concurrency", "4", "--calls-per-second", "10", "--data", str(tmp_path)]
    printed = CliRunner().invoke(app, words).stdout
    assert "Up: calls per second: no limit → 10, calls at once: 16 → 4\n" == printed
    words = ["provider", "edit", "Up", "--url", "https://panel.example/v1", "--key-file", "-", "--data", str(tmp_path)]
    printed = CliRunner().invoke(app, words, input=KEY).stdout
    assert printed.startswith(f"Up: another key, address: {URL} → https://panel.example/v1; `opensmm provider check")


def test_a_check_says_where_the_workers_cannot_call_what_this_shell_can(run_json, rows):
    with upstream({"balance": {"balance": "1", "currency": "USD"}, "services": [LINE]}) as (url, _):
        add(run_json, "Up", url)
        assert "workers_cannot_call" not in [
            note["code"] for note in run_json("provider", "check", "Up")[1]["tried"][0]["notes"]
        ]
        rows(
            "insert into worker (id, host, pid, started, seen, shut) values (gen_random_uuid(), 'h', 1, now(), now(), "
            '\'{"1": "address_private"}\') returning 1'
        )
        notes = run_json("provider", "check", "Up")[1]["tried"][0]["notes"]
    (note,) = [one["fields"] for one in notes if one["code"] == "workers_cannot_call"]
    assert {"provider": 1, "provider_name": "Up", "why": "address_private"} == note


def test_a_kept_key_is_not_sent_to_another_host_unless_it_is_said_to_be_right_there(run_json, rows, tmp_path):
    add(run_json)
    there = ("--url", "https://new.example/api/v2")
    code, fields = refused(tmp_path, "provider", "edit", "Up", *there)
    assert "key_for_other_host" == code
    assert {"provider": "Up", "before": "panel.example", "after": "new.example"} == fields
    assert [(URL,)] == rows("select url from provider")
    assert DONE == run_json("provider", "edit", "Up", *there, "--key-file", "-", typed=KEY[::-1])[0]
    ((url, sealed),) = rows("select url, sealed_key from provider")
    assert KEY[::-1] == unseal(PEPPER, ProviderId(1), url, sealed)
    assert DONE == run_json("provider", "edit", "Up", "--url", "https://new.example:8443/api/v1")[0]


def test_a_kept_key_goes_along_to_a_new_address(run_json, rows):
    add(run_json)
    new = ("--url", "https://new.example/api/v2", "--keep-key")
    assert DONE == run_json("provider", "edit", "Up", *new, "--concurrency", 1)[0]
    ((url, sealed),) = rows("select url, sealed_key from provider")
    assert (KEY, "https://new.example/api/v2") == (unseal(PEPPER, ProviderId(1), url, sealed), url)
    assert [("provider.add",), ("provider.edit",)] == rows("select action from audit order by id")


def test_providers_are_listed_shown_switched_off_and_on(run_json, rows):
    add(run_json)
    assert DONE == run_json("provider", "disable", "Up")[0]
    ((code, answer), (_, shown)) = run_json("provider", "list"), run_json("provider", "show", 1)
    (shown_provider,) = answer["providers"]
    assert (DONE, "Up", False, True) == (
        code,
        shown_provider["name"],
        shown_provider["enabled"],
        shown_provider["has_key"],
    )
    assert shown_provider == shown
    assert "sealed_key" not in shown_provider
    run_json("provider", "enable", 1)
    assert [(True,)] == rows("select enabled from provider")
    assert FAILED == run_json("provider", "show", "nobody")[0]


def test_a_line_of_a_table_is_one_line_where_it_is_piped(run_json, run):
    name = "A provider of a long name, so that its line is longer than a terminal is wide by a little"
    add(run_json, name)
    lines = run("provider", "list")[1].splitlines()
    assert 2 == len(lines)
    assert name in lines[1]


def test_a_provider_that_failed_is_listed_as_paused(run_json, run, database):
    add(run_json)
    with psycopg.connect(database.app_url, autocommit=True) as connection:
        connection.execute(
            "update provider set failures = 4, resting_until = now() + interval '1 hour', fault = 'gone'"
        )
    assert "  paused until " in run("provider", "list")[1].splitlines()[1]
    assert "paused until: " in run("provider", "show", "Up")[1]


@contextmanager
def upstream(answers):
    """A panel over HTTP that answers each action with the same words; its address and what it was asked."""
    requests = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            requests.append((self.path, form["action"][0], form["key"][0]))
            answer = answers.get((self.path, form["action"][0]), answers.get(form["action"][0], {"error": "Nothing"}))
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", requests
        server.shutdown()


def test_a_check_tells_what_was_understood_and_what_was_odd(run_json):
    line = {**LINE, "type": "default", "service": "7"}
    both = [line, {**line, "service": "8", "rate": None}]
    with upstream({"balance": {"status": "success", "balance": "1,234.5", "currency": "EUR"}, "services": both}) as (
        url, requests,
    ):  # fmt: skip
        add(run_json, "Up", url + "/api/v2")
        code, answer = run_json("provider", "check", "Up")
    (tried,) = answer["tried"]
    assert (DONE, True, "v1", "1234.50", "EUR", 1) == (
        code, answer["ok"], tried["dialect"], tried["balance"], tried["currency"], tried["services"],
    )  # fmt: skip
    assert 4 == len(tried["odd"])
    codes = ["exchange_rate_one", "other_currency", "other_dialect", "line_left_out"]
    assert sorted(codes) == sorted(odd["code"] for odd in tried["odd"])
    assert any("its exchange rate is 1, but EUR is not USD" in odd["says"] for odd in tried["odd"])
    assert {KEY} == {key for _, _, key in requests}


def test_a_check_finds_the_dialect_at_its_customary_place(run_json):
    answers = {("/api/v1", "balance"): {"status": "success", "balance": "1"}, ("/api/v1", "services"): [LINE]}
    with upstream(answers) as (url, _):
        add(run_json, "Up", url + "/")
        assert FAILED == run_json("provider", "check", "Up")[0]
        code, answer = run_json("provider", "check", "Up", "--any-dialect")
    assert (DONE, [f"{url}/", f"{url}/api/v2", f"{url}/api/v1"]) == (code, [one["url"] for one in answer["tried"]])


def test_a_check_of_a_wrong_key_says_so_without_the_key(run_json):
    with upstream({"balance": {"error": f"Invalid API key {KEY}"}}) as (url, _):
        add(run_json, "Up", url)
        code, answer = run_json("provider", "check", "Up")
    assert (FAILED, "Invalid API key [key]") == (code, answer["tried"][0]["fault"])


def test_a_balance_and_a_price_list_are_asked_for_and_kept(run_json, rows):
    with upstream({"balance": {"balance": "9.5", "currency": "USD"}, "services": [LINE, {**LINE, "service": 8}]}) as (
        url, _,
    ):  # fmt: skip
        add(run_json, "Up", url)
        code, answer = run_json("provider", "balance", "Up")
        assert (DONE, 1, "9.50", "USD") == (code, answer["id"], answer["balance"], answer["currency"])
        code, answer = run_json("provider", "services", "Up", "--search", "likes")
    assert (DONE, ["7", "8"]) == (code, [one["provider_service"] for one in answer["services"]])
    assert [(Decimal("9.50"),)] == rows("select balance from balance_reading")
    assert [("7", Decimal("0.90")), ("8", Decimal("0.90"))] == rows(
        "select provider_service, rate from offer order by 1"
    )
    assert "9.50" == run_json("provider", "list")[1]["providers"][0]["balance"]


def test_routes_are_added_put_first_and_removed(run_json, rows):
    for name in ("One", "Two", "Three"):
        add(run_json, name)
    run_json("service", "add", "--name", "Likes", "--category", "First", "--rate", "1", *STATED,
         "--provider", "One", "--their-service", "x-1")  # fmt: skip
    assert DONE == run_json("route", "add", 1, "Two", "77")[0]
    code, answer = run_json("route", "add", 1, "Three", "x-9", "--first")
    assert (DONE, ["Three", "One", "Two"]) == (code, [one["provider_name"] for one in answer["routes"]])
    assert FAILED == run_json("route", "add", 1, "Two", "77")[0]
    assert FAILED == run_json("route", "add", 9, "Two", "77")[0]
    assert FAILED == run_json("route", "add", 1, "Nobody", "77")[0]
    run_json("route", "first", 1, "Two")
    assert DONE == run_json("route", "remove", 1, "One")[0]
    assert FAILED == run_json("route", "remove", 1, "One")[0]
    assert [(0, 2, "77"), (1, 3, "x-9")] == rows("select position, provider_id, provider_service from route order by 1")
    assert [("route.set", "1")] * 5 == rows("select action, subject from audit where action like 'route%'")


def test_routes_by_cost_follow_the_price_lists(run_json, rows):
    add(run_json, "Dear", URL, "--exchange-rate", "2")
    run_json("service", "add", "--name", "Likes", "--category", "First", "--rate", "1", *STATED,
         "--provider", "Dear", "--their-service", "7")  # fmt: skip
    answers = {"services": [{**LINE, "rate": "0.80"}]}
    with upstream(answers) as (url, _):
        add(run_json, "Cheap", url)
        run_json("provider", "services", "Cheap")
        code, answer = run_json("route", "add", 1, "Cheap", "7", "--by-cost")
        assert (DONE, ["Cheap", "Dear"]) == (code, [one["provider_name"] for one in answer["routes"]])
        run_json("provider", "edit", "Dear", "--url", url, "--keep-key")
        answers["services"] = [{**LINE, "rate": "0.39"}]
        assert [] == run_json("provider", "services", "Dear")[1]["reordered"][1:]
    assert [(1,), (2,)] == rows("select provider_id from route order by position")
    costs = [one["cost"] for one in run_json("route", "list", 1)[1]["routes"]]
    assert ["0.78", "0.80"] == costs


def test_a_check_says_where_order_ids_do_not_grow(run_json, rows, database):
    with upstream({"balance": {"balance": "1", "currency": "USD"}, "services": [LINE]}) as (url, _):
        add(run_json, "Up", url)
        with psycopg.connect(database.app_url, autocommit=True) as app:
            app.execute(
                """insert into attempt (order_id, run, number, provider_id, provider_service, outcome, fence, sent,
                                        answered, provider_order)
                   select 1, 1, 1, id, '7', 'accepted', 1, now(), now(), 'XKQPLMZR' from provider where name = 'Up'"""
            )
        code, answer = run_json("provider", "check", "Up")
    _, note, forms = answer["tried"][0]["notes"][:3]
    assert "forms_none" == forms["code"]
    assert (DONE, "order_ids_do_not_grow", {"newest": "XKQPLMZR"}) == (code, note["code"], note["fields"])


def test_a_new_v1_panel_takes_one_add_at_a_time_until_the_operator_sets_it_otherwise(run_json, rows, run):
    add(run_json, "First", "https://panel.example/api/v1/")
    add(run_json, "Second", URL, "--dialect", "v1", "--adds-at-a-time", 0)
    add(run_json, "Third")
    query = "select name, adds_at_a_time from provider where kind = 'panel' order by id"
    assert [("First", 1), ("Second", 0), ("Third", None)] == rows(query)
    result = run_json("provider", "edit", "First", "--adds-at-a-time", 3)[1]
    assert (["adds_at_a_time"], 3) == (result["changed"], run_json("provider", "show", "First")[1]["adds_at_a_time"])
    (detail,) = rows("select detail -> 'changes' -> 'adds_at_a_time' from audit where action = 'provider.edit'")
    assert ([1, 3],) == detail
    assert "adds at once: 3\n" in run("provider", "show", "First")[1]
    run_json("provider", "edit", "First", "--adds-at-a-time", 0)
    for name in ("First", "Third"):
        assert "adds at once: as many as calls\n" in run("provider", "show", name)[1]
    run_json("provider", "edit", "First", "--concurrency", 2)
    assert ("First", 0) == rows(query)[0]


@pytest.mark.parametrize(
    ("words", "code", "count"),
    [
        (["--dialect", "v1"], "adds_few_at_a_time", 1),
        (["--dialect", "v1", "--adds-at-a-time", "0"], "adds_as_many_as_calls", 16),
        ([], "adds_as_many_as_calls", 16),
    ],
)
def test_a_check_says_how_many_adds_go_at_a_time(run_json, words, code, count):
    with upstream({"balance": {"status": "success", "balance": "1", "currency": "USD"}, "services": [LINE]}) as (
        url,
        _,
    ):
        add(run_json, "Up", url, *words)
        note, *_ = run_json("provider", "check", "Up")[1]["tried"][0]["notes"]
    assert (code, {"provider": 1, "provider_name": "Up", "count": count}) == (note["code"], note["fields"])


def test_a_check_says_in_words_why_adds_go_one_at_a_time(run_json, tmp_path):
    with upstream({"balance": {"status": "success", "balance": "1", "currency": "USD"}, "services": [LINE]}) as (
        url,
        _,
    ):
        add(run_json, "Up", url, "--dialect", "v1")
        printed = CliRunner().invoke(app, ["provider", "check", "Up", "--data", str(tmp_path)]).stdout
    assert "Adds go to Up one at a time, over all workers. Panels of the v1 family read their balance and" in printed


def test_the_dialect_is_taken_from_the_address_and_a_wrong_one_is_mended_by_the_command_that_is_printed(
    run_json, rows, run
):
    add(run_json, "First", "https://panel.example/api/v1/")
    add(run_json, "Second", "https://other.example/api/v2")
    assert [("v1",), ("v2",)] == rows("select dialect from provider where kind = 'panel' order by id")
    with upstream({"balance": {"status": "success", "balance": "1", "currency": "USD"}, "services": []}) as (url, _):
        add(run_json, "Up there", url)
        _, answer = run_json("provider", "check", "Up there")
        lines = run("provider", "check", "Up there")[1].splitlines()
    assert any(line.startswith("  warning: ") and "--dialect v1" in line for line in lines)
    assert any("`opensmm provider edit 'Up there' --dialect v1`" in odd["says"] for odd in answer["tried"][0]["odd"])


def test_a_check_tells_and_keeps_the_forms_of_what_stands_there_and_makes_nothing(run_json, rows, database, run):
    answers = {"balance": {"balance": "1", "currency": "USD"}, "services": [LINE], "status": {"status": "Pending"}}
    with upstream(answers) as (url, requests):
        add(run_json, "Up", url)
        codes = [one["code"] for one in run_json("provider", "check", "Up")[1]["tried"][0]["notes"]]
        assert ["forms_not_tried", "forms_not_tried", "forms_with_effects"] == codes[1:]
        with psycopg.connect(database.app_url, autocommit=True) as app:
            app.execute(
                """insert into attempt (order_id, run, number, provider_id, provider_service, outcome, fence, sent,
                                        answered, provider_order)
                   select n, 1, 1, id, '7', 'accepted', 1, now(), now(), 70 + n
                   from provider, generate_series(1, 3) n where name = 'Up'"""
            )
            app.execute(
                """insert into refill_task (refill_id, order_id, provider_id, run, provider_order, provider_refill)
                   select 1, 1, id, 1, '71', '9' from provider where name = 'Up'"""
            )
        tried = run_json("provider", "check", "Up")[1]["tried"][0]
    assert {"status": "one_by_one"} == tried["forms"]
    assert ["forms_one_alone", "forms_none", "forms_with_effects"] == [one["code"] for one in tried["notes"][1:]]
    assert {"balance", "services", "status", "refill_status"} == {action for _, action, _ in requests}
    assert {"status": "one_by_one"} == run_json("provider", "show", "Up")[1]["forms"]
    assert "ids in calls: status one by one\n" in run("provider", "show", "Up")[1]


def test_the_name_that_calls_bear_is_set_shown_and_taken_back(run_json, rows, run, tmp_path):
    add(run_json, "Up", URL, "--user-agent", "acme-panel")
    assert "User-Agent: acme-panel\n" in run("provider", "show", "Up")[1]
    assert ["user_agent"] == run_json("provider", "edit", "Up", "--user-agent", "")[1]["changed"]
    assert "User-Agent: OpenSMM" in run("provider", "show", "Up")[1]
    assert ("bad_user_agent", {"most": 200}) == refused(tmp_path, "provider", "edit", "Up", "--user-agent", "a\nb")
    assert [("",)] == rows("select user_agent from provider where name = 'Up'")
