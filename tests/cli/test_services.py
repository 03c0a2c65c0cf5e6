"""``service add`` and ``edit``: what may be set of a service, and who fulfils a new one."""

import pytest
from tests.cli.test_providers import DONE, FAILED, LINE, MISUSED, STATED, add, rows, run_json, upstream

from opensmm.cli.context import ACTOR

__all__ = ["rows", "run_json"]  # fixtures

WORDS = ("service", "add", "--name", "Likes", "--category", "First", "--rate", "1", *STATED)
SET = ("--free", "--one-active-per-link", "--refill-wait-hours", 12, "--hold-when-refused")
UNSET = ("--not-free", "--many-per-link", "--refill-wait-hours", 0, "--cancel-when-refused")
FIELDS = ("free", "one_active_per_link", "refill_wait_h", "hold_when_refused")
ROUTES = "select service_id, position, provider_id, provider_service from route order by 1, 2"
SETTINGS = f"select {', '.join(FIELDS)} from service order by id"


def settings(run_json, service=1):
    result = run_json("service", "show", service)[1]
    return tuple(result[name] for name in FIELDS)


def everything(rows):
    return [rows(f"select * from {table} order by 1") for table in ("service", "route", "category", "audit", "panel")]


def test_a_service_is_plain_unless_it_is_told_otherwise(run_json, rows):
    assert (DONE, {"id": 1}) == run_json(*WORDS)
    assert (DONE, {"id": 2}) == run_json(*WORDS, *SET)
    assert [(False, False, 0, False), (True, True, 12, True)] == rows(SETTINGS)
    assert ((False, False, 0, False), (True, True, 12, True)) == (settings(run_json), settings(run_json, 2))


def test_a_new_service_that_nobody_fulfils_says_what_to_do(run):
    message = "service 1 is on the price list, but has no provider yet: `opensmm route add 1 PROVIDER ID` adds one\n"
    assert (DONE, message) == run(*WORDS)


def test_settings_of_a_service_are_edited_one_by_one_and_told(run_json, rows):
    run_json(*WORDS)
    for at, (name, words) in enumerate(zip(FIELDS, (SET[:1], SET[1:2], SET[2:4], SET[4:]), strict=True), 1):
        assert (DONE, {"id": 1, "changed": [name], "price_follows": None}) == run_json("service", "edit", 1, *words)
        assert [*(True, True, 12, True)[:at], *(False, False, 0, False)[at:]] == list(settings(run_json))
    assert (DONE, {"id": 1, "changed": sorted(FIELDS), "price_follows": None}) == run_json("service", "edit", 1, *UNSET)
    assert (False, False, 0, False) == settings(run_json)
    assert MISUSED == run_json("service", "edit", 1, "--refill-wait-hours", -1)[0]


STATED_TEXTS = ("--description", "Starts\nwithin an hour", "--average-time", 95, "--position", 7)
TEXTS = ("description", "average_time_min", "position")


def test_description_average_time_and_position_are_set_shown_and_audited(run_json, run, rows):
    run_json(*WORDS)
    assert (DONE, {"id": 2}) == run_json(*WORDS, *STATED_TEXTS)
    shown = [run_json("service", "show", number)[1] for number in (1, 2)]
    assert [("", None, 0), ("Starts\nwithin an hour", 95, 7)] == [tuple(one[name] for name in TEXTS) for one in shown]
    edit = ("service", "edit", 2)
    assert (DONE, {"id": 2, "changed": sorted(TEXTS), "price_follows": None}) == (
        run_json(*edit, "--description", "At once", "--average-time", 5, "--position", 3)
    )  # fmt: skip
    assert (
        "service 2: average time (minutes): 5 → unknown, description: At once → none, "
        "position in the price list: 3 → 4\n"
        == run(*edit, "--no-average-time", "--description", "", "--position", 4)[1]
    )
    changes = [detail["changes"] for (detail,) in rows("select detail from audit where subject = '2' order by id")]
    assert (
        {"description": ["Starts\nwithin an hour", "At once"], "average_time_min": [95, 5], "position": [7, 3]},
        {"description": ["At once", ""], "average_time_min": [5, None], "position": [3, 4]},
    ) == tuple(changes[1:])
    assert "position in the price list: 4" in run("service", "show", 2)[1]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--average-time", -1), MISUSED),
        (("--position", -1), MISUSED),
        (("--position", 10**9 + 1), MISUSED),
        (("--average-time", 5, "--no-average-time"), MISUSED),
        (("--description", "x" * 4001), MISUSED),
        (("--description", "a\x1bb"), MISUSED),
        (("--description", "Google reviews"), FAILED),
    ],
)
def test_a_description_time_or_position_that_cannot_be_is_refused(run_json, rows, words, code):
    run_json(*WORDS)
    before = everything(rows)
    assert (code, None) == run_json("service", "edit", 1, *words)
    assert before == everything(rows)


def test_services_are_listed_in_the_order_in_which_customers_see_them(run_json, run):
    for position in (2, 1, 1):
        run_json(*WORDS, "--position", position)
    assert [2, 3, 1] == [one["id"] for one in run_json("service", "list")[1]["services"]]
    assert [["place", "id"], ["1", "2"], ["1", "3"], ["2", "1"]] == [
        line.split()[:2] for line in run("service", "list")[1].splitlines()
    ]
    run_json("service", "edit", 1, "--position", 0)
    assert [1, 2, 3] == [one["id"] for one in run_json("service", "list")[1]["services"]]


def test_a_rate_of_0_is_for_what_is_marked_free(run_json, rows):
    run_json(*WORDS)
    before = everything(rows)
    assert MISUSED == run_json("service", "edit", 1, "--rate", 0)[0]
    assert MISUSED == run_json(*WORDS, "--rate", 0)[0]
    assert MISUSED == run_json(*WORDS, "--rate", -1, "--free")[0]
    assert before == everything(rows)
    assert DONE == run_json("service", "edit", 1, "--rate", 0, "--free")[0]
    assert MISUSED == run_json("service", "edit", 1, "--not-free")[0]
    assert [("0", True)] == rows("select rate::text, free from service")
    assert DONE == run_json("service", "edit", 1, "--not-free", "--rate", "0.5")[0]


def test_imports_and_price_lists_that_are_followed_leave_the_settings_alone(run_json, rows):
    answers = {"services": [LINE]}
    with upstream(answers) as (url, _):
        add(run_json, "Up", url)
        run_json("import-services", "Up", "--write")
        run_json("service", "edit", 1, *SET)
        for most, words in (
            (200, ("import-services", "Up", "--write", "--reprice")),
            (300, ("provider", "sync", "Up")),
        ):
            answers["services"] = [{**LINE, "max": most, "rate": "0.91"}]
            assert DONE == run_json(*words)[0]
            assert [(most,)] == rows("select max from service")
            assert [(True, True, 12, True)] == rows(SETTINGS)
        run_json("service", "refill", 1, "--days", 30, "--write")
        run_json("service", "deliver", 1, "--method", "paid_ads", "--write")
        assert [(True, True, 12, True)] == rows(SETTINGS)


def test_a_new_service_is_fulfilled_by_the_sandbox_where_there_is_one(run_json, rows):
    assert (DONE, {"id": 1}) == run_json(*WORDS)
    assert [] == rows(ROUTES)
    rows("insert into provider (name, kind, currency) values ('Play', 'sandbox', 'USD') returning 1")
    assert (DONE, {"id": 2}) == run_json(*WORDS)
    assert [(2, 0, 1, "2")] == rows(ROUTES)
    assert [(ACTOR.name, "route.set", "2", {"changes": {"routes": [[], ["1:2"]], "by_cost": [False, False]}})] == rows(
        "select actor, action, subject, detail from audit where action like 'route%'"
    )


def test_a_panel_fulfils_a_new_service_under_its_own_number(run_json, rows):
    add(run_json, "Up")
    assert (DONE, {"id": 1}) == run_json(*WORDS, "--provider", "Up", "--their-service", "x-7")
    assert (DONE, {"id": 2}) == run_json(*WORDS, "--provider", 1, "--their-service", 7341)
    assert [(1, 0, 1, "x-7"), (2, 0, 1, "7341")] == rows(ROUTES)
    assert [("route.set", "1", {"changes": {"routes": [[], ["1:x-7"]], "by_cost": [False, False]}})] == rows(
        "select action, subject, detail from audit where action like 'route%' and subject = '1'"
    )


def test_the_staff_takes_a_new_service_under_our_number(run_json, rows):
    run_json(*WORDS)
    run_json("staff", "assign", 1)
    assert (DONE, {"id": 2}) == run_json(*WORDS, "--provider", "Staff")
    assert [(1, 0, 1, "1"), (2, 0, 1, "2")] == rows(ROUTES)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--provider", "Upp"), FAILED),
        (("--provider", ""), FAILED),
        (("--provider", "Up"), FAILED),
        (("--provider", "Up", "--their-service", ""), MISUSED),
        (("--provider", "Up", "--their-service", "é"), MISUSED),
        (("--provider", "Up", "--their-service", "7" * 65), MISUSED),
        (("--their-service", "7"), MISUSED),
    ],
)
def test_a_new_service_that_would_be_fulfilled_by_nobody_named_is_refused(run_json, rows, words, code):
    add(run_json, "Up")
    before = everything(rows)
    assert (code, None) == run_json(*WORDS, *words)
    assert before == everything(rows)


def test_an_empty_list_says_so_and_an_edit_says_what_became_of_what(run):
    assert "no services yet: `opensmm service add`" in run("service", "list")[1]
    assert "no customers yet: `opensmm customer add`" in run("customer", "list")[1]
    assert "no order waits" in run("orders", "list")[1]
    assert "no service waits for approval" in run("service", "quarantine", "list")[1]
    run("service", "add", "--name", "Likes", "--category", "First", "--rate", "1", "--method", "staff_work")
    assert "service 1: drip-feed: no → yes, max: 10000 → 500\n" == run(
        "service", "edit", "1", "--dripfeed", "--max", "500"
    )[1]  # fmt: skip
    printed = run("service", "list")[1]
    assert "customers may" in printed
    assert "drip-feed" in printed
    shown = run("service", "show", "1")[1]
    assert "sale: on sale" in shown
    assert not {"None", "True", "False"} & set(shown.split())
