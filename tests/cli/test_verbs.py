"""The command line: what each verb does, says as JSON, and how it exits."""

import json
from decimal import Decimal

import psycopg
import pytest
from tests.panel import DEFAULT, PEPPER
from typer.testing import CliRunner

from opensmm import __version__
from opensmm.cli import app, main
from opensmm.cli.context import ACTOR, MAX_NAME, name_actor

DONE, FAILED, MISUSED, UNAVAILABLE = 0, 1, 2, 3
METHOD = ("--method", "staff_work")


def test_a_customer_is_added_with_money_and_a_key(run_json, rows):
    code, answer = run_json("customer", "add", "--name", "Ann", "--balance", "10.00")
    assert (DONE, {"id", "name", "balance", "key"}) == (code, set(answer))
    assert [(answer["id"], "Ann", 1_000_000)] == rows("select id, name, balance from customer")
    assert 40 == len(answer["key"])
    assert (FAILED, None) == run_json("customer", "add", "--name", "Ann")


@pytest.mark.parametrize(
    "balance", ["x", "-1", "0.000001", "NaN", "1e3", "1_0", "١٠", "+5", "9" * 20, "9223372036854775807"]
)
def test_a_balance_that_is_no_amount_is_refused_and_nobody_added(run_json, rows, balance):
    code, _ = run_json("customer", "add", "--name", "Ann", "--balance", balance)
    assert (MISUSED, [(0,)]) == (code, rows("select count(*) from customer"))


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\x00b", "\x7f"])
def test_a_name_that_shows_nothing_or_breaks_a_line_is_refused(run_json, rows, name):
    code, _ = run_json("customer", "add", "--name", name)
    assert (MISUSED, [(0,)]) == (code, rows("select count(*) from customer"))
    service = ("service", "add", "--rate", "1", *METHOD)
    assert [MISUSED, MISUSED] == [
        run_json(*service, "--name", name, "--category", "C")[0],
        run_json(*service, "--name", "S", "--category", name)[0],
    ]  # fmt: skip


def test_a_name_may_be_in_any_script(run_json, rows):
    for name in ("é 👨‍👩‍👧", "متجر\u200cآن"):
        assert DONE == run_json("customer", "add", "--name", name)[0]
        assert [(1,)] == rows(f"select count(*) from customer where name = '{name}'")


def test_the_version_is_told():
    result = CliRunner().invoke(app, ["--version"])
    assert (DONE, f"opensmm {__version__}\n") == (result.exit_code, result.stdout)


@pytest.mark.parametrize("words", [("customer", "add", "--name", "Ann"), ("worker",), ("migrate",)])
def test_a_data_folder_that_cannot_be_is_refused_in_words(words, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    (tmp_path / "file").touch()
    monkeypatch.setattr("sys.argv", ["opensmm", *words, "--data", str(tmp_path / "file")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert UNAVAILABLE == ended.value.code
    assert f"opensmm: the data folder {tmp_path / 'file'} cannot be created: File exists\n" == capsys.readouterr().err


def test_an_empty_data_folder_is_not_the_one_where_one_stands():
    result = CliRunner().invoke(app, ["customer", "add", "--name", "Ann", "--data", ""])
    assert MISUSED == result.exit_code


def test_lists_show_what_is_set_of_a_key(run_json, run):
    for name in ("Ann", "Bob"):
        run_json("customer", "add", "--name", name)
    settings = {"title_case": False, "as_panel": True, "addresses": ["192.0.2.1", "2001:db8::1"]}
    at = ("--address", "192.0.2.1", "--address", "2001:db8::1")
    _, added = run_json("key", "add", "Bob", "--label", "shop", "--page-case", "--as-panel", *at)
    fields = {"id": added["id"], "hint": added["key"][-4:], "label": "shop", **settings}
    ann, bob = run_json("customer", "list")[1]["customers"]
    assert [None, None, []] == [ann["keys"][0][name] for name in settings]
    assert fields == bob["keys"][1]
    assert {**fields, "customer": 2, "customer_name": "Bob"} == run_json("key", "list")[1]["keys"][2]
    assert [1, 2] == [len(run_json("key", "list", name)[1]["keys"]) for name in ("1", "Bob")]
    assert (FAILED, None) == run_json("key", "list", "Carl")
    run_json("key", "revoke", str(added["id"]))
    assert [1, 2] == [key["id"] for key in run_json("key", "list")[1]["keys"]]


def test_what_is_set_of_a_key_is_told_in_words(run):
    run("customer", "add", "--name", "Ann", "--title-case", "--as-page")
    run("key", "edit", "1", "--address", "192.0.2.1")
    for verb in ("customer", "key"):
        assert "title case, as page, only from 192.0.2.1" in " ".join(run(verb, "list")[1].split())


def test_a_key_to_import_is_never_one_of_the_commands_words(run, refusal, database):
    run("customer", "add", "--name", "Ann")
    code, printed = refusal("key", "import", "Ann", "x" * 32)
    assert (MISUSED, True) == (code, "everyone on this machine can see" in printed)
    assert "x" * 32 not in printed
    with psycopg.connect(database.app_url) as conn:
        assert (1,) == conn.execute("select count(*) from api_key").fetchone()


def test_a_key_to_import_may_be_piped_in(database, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database.app_url)
    monkeypatch.setenv("OPENSMM_PEPPER", PEPPER.decode())

    def run(*words, stdin=""):
        return CliRunner().invoke(app, [*map(str, words), "--data", str(tmp_path)], input=stdin)

    assert DONE == run("customer", "add", "--name", "Ann").exit_code
    key = "k" * 40
    done = run("key", "import", "Ann", "--key-file", "-", stdin=f"{key}\n")
    assert (DONE, False) == (done.exit_code, key in done.stdout)
    missing = run("key", "import", "Ann")
    assert (MISUSED, True) == (missing.exit_code, "the key is missing" in missing.output)


def test_keys_are_added_imported_and_revoked(run_json, rows, tmp_path):
    customer = run_json("customer", "add", "--name", "Ann")[1]["id"]
    code, added = run_json("key", "add", customer, "--label", "shop", "--title-case", "--address", "192.0.2.1")
    assert (DONE, [("shop", True, ["192.0.2.1"])]) == (
        code,
        rows(f"select label, title_case, addresses from api_key where id = {added['id']}"),
    )
    brought = "x" * 32
    assert MISUSED == run_json("key", "add", customer, "--address", "10.0.0.0/8")[0]
    assert DONE == run_json("key", "edit", added["id"], "--page-case", "--address", "2001:DB8::1")[0]
    assert [(False, ["2001:db8::1"])] == rows(f"select title_case, addresses from api_key where id = {added['id']}")
    assert DONE == run_json("key", "edit", added["id"], "--title-case", "--anywhere")[0]
    assert [(True, [])] == rows(f"select title_case, addresses from api_key where id = {added['id']}")
    switches = f"select title_case, as_panel from api_key where id = {added['id']}"
    for words, stored in (
        (["--as-panel"], (True, True)),
        (["--as-page"], (True, False)),
        (["--by-client", "--as-panel"], (None, True)),
        (["--by-client"], (None, None)),
    ):
        assert DONE == run_json("key", "edit", added["id"], *words)[0]
        assert [stored] == rows(switches)
    other = run_json("customer", "add", "--name", "Bob", "--page-case", "--as-panel")[1]["id"]
    assert [(False, True)] == rows(f"select title_case, as_panel from api_key where customer_id = {other}")
    assert [MISUSED, MISUSED, FAILED] == [
        run_json("key", "edit", *words)[0]
        for words in ((added["id"],), (added["id"], "--anywhere", "--address", "::1"), (99, "--title-case"))
    ]
    file = tmp_path / "their key"
    file.write_text(f"{brought}\n")
    imported = run_json("key", "import", customer, "--key-file", file)
    assert (DONE, brought) == (imported[0], imported[1]["key"])
    assert FAILED == run_json("key", "import", customer, "--key-file", file)[0]
    file.write_text("short")
    assert MISUSED == run_json("key", "import", customer, "--key-file", file)[0]
    assert MISUSED == run_json("key", "import", customer, "--key-file", tmp_path / "none")[0]
    assert FAILED == run_json("key", "add", 99)[0]
    assert (DONE, {"revoked": [added["id"]]}) == run_json("key", "revoke", added["id"])
    assert (FAILED, {"revoked": []}) == run_json("key", "revoke", added["id"])


def test_a_top_up_is_booked_once_per_payment(run_json, rows):
    customer = run_json("customer", "add", "--name", "Ann")[1]["id"]
    booked = {"customer": customer, "amount": "25.50", "transfer": 1, "booked": True}
    assert (DONE, booked) == run_json("topup", customer, "25.50", "--gateway", "g", "--id", "1")
    assert (DONE, booked | {"booked": False}) == run_json("topup", customer, "25.50", "--gateway", "g", "--id", "1")
    assert [(2_550_000,)] == rows("select balance from customer")
    assert not run_json("topup", customer, "25.50", "--gateway", "g", "--id", "1 ", "--different")[1]["booked"]
    assert FAILED == run_json("topup", 99, "1.00", "--id", "2")[0]
    assert MISUSED == run_json("topup", customer, "1.00")[0], "a payment has a reference"
    assert MISUSED == run_json("topup", customer, "0", "--id", "2")[0]
    assert MISUSED == run_json("topup", customer, "1,5", "--id", "2")[0]


def test_money_is_moved_by_verbs_each_done_once(run_json, run, rows):
    customer = run_json("customer", "add", "--name", "Ann", "--balance", "10")[1]["id"]
    paid = run_json("topup", customer, "25.50", "--gateway", "Bank", "--id", "A1")[1]["transfer"]
    why = ("--reason", "why")
    for words in (
        ("adjust", customer, "5.50", "--take", "--corrects", paid, "--reference", "r", *why),
        ("bonus", customer, "1", "--reference", "r", *why),
        ("payout", customer, "2", "--reference", "r", *why),
        ("chargeback", "bank", "A1", "--amount", "19", *why),
        ("chargeback", "opening", customer, *why),
    ):
        code, answer = run_json(*words)
        assert (DONE, True) == (code, answer["booked"]), words
        assert (DONE, answer | {"booked": False}) == run_json(*words), words
    words = ("credit-limit", customer, "50", "--reference", "r", *why)
    assert (DONE, {"customer": customer, "credit_limit": "50.00", "changed": True}) == run_json(*words)
    assert (DONE, {"customer": customer, "credit_limit": "50.00", "changed": False}) == run_json(*words)
    assert [(0, 5_000_000)] == rows("select balance, credit_limit from customer")
    assert FAILED == run("topup", customer, "25.50", "--gateway", "bank", "--id", "a1")[0]
    assert FAILED == run("chargeback", "bank", "A1", *why, "--reference", "x")[0]
    assert MISUSED == run("adjust", customer, "1", "--give", "--to", 9, "--corrects", paid, "--reference", "x", *why)[0]
    for own in ("Ann", customer):
        own_words = ("--take", "--to", own, "--corrects", paid, "--reference", "x")
        assert MISUSED == run("adjust", customer, "1", *own_words, *why)[0], "nothing would be corrected"
    assert FAILED == run("bonus", customer, "1", "--reference", "R", *why)[0], "it differs in case alone"
    assert MISUSED == run("bonus", customer, "1", "--reference", "x", "--reason", " ")[0]
    assert "credit limit 50.00" in run("customer", "list")[1]
    assert DONE == run_json("verify")[0]


def test_a_service_is_added_listed_and_edited(run_json, rows, sandbox):
    words = ("service", "add", "--name", "Likes ❤️", "--category", "A", "--rate", "0.90", "--min", "10", "--max", "100",
             *METHOD)  # fmt: skip
    assert (DONE, {"id": 1}) == run_json(*words)
    assert (DONE, {"id": 7}) == run_json(*words, "--id", "7", "--type", "custom comments", "--cancel")
    assert FAILED == run_json(*words, "--id", "7")[0]
    assert [(1, "1"), (7, "7")] == rows("select service_id, provider_service from route order by 1")
    assert (DONE, {"id": 1, "changed": ["on_sale", "rate"], "price_follows": None}) == run_json(
        "service", "edit", 1, "--rate", "1.0", "--off-sale"
    )
    listed = run_json("service", "list")[1]["services"]
    assert [(1, "1.0", False, "Default"), (7, "0.90", True, "Custom Comments")] == [
        (one["id"], one["rate"], one["on_sale"], one["type"]) for one in listed
    ]
    assert FAILED == run_json("service", "edit", 99, "--rate", "1")[0]
    assert MISUSED == run_json("service", "edit", 1)[0]
    assert MISUSED == run_json("service", "edit", 1, "--min", "101")[0]


@pytest.mark.parametrize(
    "words",
    [
        ("--rate", "x"), ("--rate", "0"), ("--rate", "-1"), ("--rate", "NaN"), ("--rate", "1e12"),
        ("--rate", "1", "--min", "5", "--max", "4"), ("--rate", "1", "--max", "99999999999999999999"),
    ],
)  # fmt: skip
def test_a_service_that_makes_no_sense_is_refused(run_json, rows, sandbox, words):
    assert MISUSED == run_json("service", "add", "--name", "N", "--category", "C", *words)[0]
    assert [(0,)] == rows("select count(*) from service")


def test_verify_names_every_invariant_and_fails_where_one_is_broken(run_json, run, database):
    code, answer = run_json("verify")
    assert (DONE, True) == (code, answer["holds"])
    assert "L3" in [check["name"] for check in answer["checks"]]
    run_json("customer", "add", "--name", "Ann", "--balance", "1")
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("update customer set balance = 7")
    code, answer = run_json("verify")
    (broken,) = [check for check in answer["checks"] if not check["holds"]]
    assert (FAILED, False, "L3", ["customer 1: 7 is not 100000"]) == (
        code,
        answer["holds"],
        broken["name"],
        broken["examples"],
    )
    assert ("balances_are_sums", "a customer's balance is the sum of its transfers") == (
        broken["code"],
        broken["message"],
    )
    code, printed = run("verify")
    assert FAILED == code
    assert "customer 1: 7 is not 100000" in printed


def test_verify_looks_at_a_range_of_orders_by_the_invariants_of_single_orders(run_json, run, database):
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("insert into delivery (order_id, run, service_id, quantity, state) values (7, 1, 1, 100, 'held')")
    assert FAILED == run_json("verify")[0]
    for words, code in ((("--from", 8), DONE), (("--to", 6), DONE), (("--from", 7, "--to", 7), FAILED)):
        exited, answer = run_json("verify", *words)
        assert (code, code == DONE) == (exited, answer["holds"])
        assert not {"L3", "L6"} & {check["name"] for check in answer["checks"]}
    assert "every invariant of these orders holds" in run("verify", "--from", 8)[1]


def test_an_orders_story_is_told(run_json, run, rows, sandbox, database):
    customer = run_json("customer", "add", "--name", "Ann", "--balance", "1")[1]["id"]
    run_json("service", "add", "--name", "N", "--category", "C", "--rate", "0.90", *METHOD)
    with psycopg.connect(database.app_url, autocommit=True) as conn:
        conn.execute(
            """insert into orders (customer_id, service_id, link, quantity, rate, packaged, charge, created)
               values (%s, 1, 'https://example.com', 100, %s, false, 9000, now())""",
            [customer, Decimal("0.90")],
        )
    code, answer = run_json("orders", "show", 1)
    assert (DONE, "0.09000", "open") == (code, answer["charge"], answer["state"])
    assert "placed: 100 of service 1 for 0.09" in [event["message"] for event in answer["events"]]
    assert FAILED == run_json("orders", "show", 2)[0]
    assert "customer: 1, " in run("orders", "show", 1)[1]


def test_migrate_needs_the_owner_and_says_so(run_json, database, monkeypatch):
    assert UNAVAILABLE == run_json("migrate")[0]
    monkeypatch.setenv("DATABASE_ADMIN_URL", database.owner_url)
    assert (DONE, {"applied": []}) == run_json("migrate")


@pytest.mark.parametrize(
    "words",
    [
        ("verify",), ("health",), ("orders", "show", 1), ("orders", "list"), ("customer", "list"), ("service", "list"),
        ("service", "show", 1), ("price-list", "list"), ("price-list", "show", "x"), ("route", "list", 1),
        ("policy", "show"), ("policy", "history"), ("policy", "test", "x"), ("staff", "list"), ("staff", "refills"),
        ("provider", "list"), ("provider", "check", "x"), ("provider", "balance", "x"), ("provider", "services", "x"),
        ("provider", "sync", "x"), ("service", "quarantine", "list"), ("service", "below-cost", "list"),
        ("import-services", "x"), ("topup", 1, 5, "--id", 1), ("key", "add", 1), ("key", "revoke", 1),
        ("staff", "assign", 1), ("bonus", 1, 5, "--reference", "x", "--reason", "x"),
        ("service", "edit", 1, "--max", 9), ("service", "refill", 1, "--mode", "manual"), ("provider", "disable", "x"),
        ("route", "order", 1, "--by-cost"), ("orders", "cancel", 1, "--reason", "x"),
    ],
    ids=str,
)  # fmt: skip
def test_a_verb_for_what_exists_makes_no_panel_in_a_folder_without_one(words, tmp_path, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    for folder in (tmp_path, tmp_path / "none"):
        result = CliRunner().invoke(app, [*map(str, words), "--data", str(folder), "--json"])
        assert (UNAVAILABLE, "") == (result.exit_code, result.stderr)
        error = json.loads(result.stdout)["error"]
        assert ("no_panel", True) == (error["code"], f"there is no panel in {folder}" in error["message"])
        assert [] == list(tmp_path.iterdir())


def test_a_verb_that_only_reads_takes_the_database_that_is_configured(run):
    assert DONE == run("customer", "list")[0]


def test_a_partial_order_lacks_one_unit_at_least(run):
    assert MISUSED == run("orders", "partial", 1, "--remains", 0, "--reason", "x")[0]


def test_without_a_database_a_verb_says_so(run_json, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    for words in (("verify",), ("customer", "add", "--name", "Ann"), ("orders", "show", DEFAULT)):
        assert (UNAVAILABLE, None) == run_json(*words)


@pytest.mark.parametrize(
    "words",
    [(), ("demo",), ("serve",), ("api",), ("worker",), ("migrate",), ("verify",), ("health",), ("customer",),
     ("customer", "add"), ("key",), ("service",), ("topup",), ("adjust",),
     ("chargeback",), ("payout",), ("bonus",), ("credit-limit",), ("orders",), ("orders", "show"), ("bench",)],
)  # fmt: skip
def test_every_verb_explains_itself(words):
    result = CliRunner().invoke(app, [*words, "--help"])
    assert 0 == result.exit_code
    assert "Usage" in result.stdout


def test_words_that_are_off_exit_with_2():
    for words in (["nonsense"], ["orders", "show", "x"], ["customer", "add"], ["demo", "--port", "99999999"]):
        assert 2 == CliRunner().invoke(app, words).exit_code


@pytest.mark.parametrize(
    ("environ", "uid", "actor"),
    [
        ({}, 0, "root"),
        ({}, 4_000_000_001, "uid 4000000001"),
        ({"SUDO_USER": "ann"}, 0, "ann"),
        ({"SUDO_USER": "ann", "OPENSMM_ACTOR": "Bob of the shop"}, 0, "Bob of the shop"),
        ({"SUDO_USER": "", "OPENSMM_ACTOR": " \n"}, 0, "root"),
        (
            {"OPENSMM_ACTOR": "a\nb\x1b\udcff"},
            0,
            "a b\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}",
        ),
        ({"OPENSMM_ACTOR": "x" * (MAX_NAME + 1)}, 0, "x" * MAX_NAME),
    ],
)
def test_who_decides_is_who_is_named_or_called_sudo_or_runs_the_process(environ, uid, actor):
    assert actor == name_actor(environ, uid)


def test_the_audit_trail_names_who_decided(run_json, rows):
    run_json("customer", "add", "--name", "Ann")
    added = [(ACTOR.name, "command line", action) for action in ("customer.add", "key.add")]
    assert added == rows("select actor, actor_kind, action from audit order by id")
