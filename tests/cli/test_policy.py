"""``policy``: rules come and go under one audit row each, and the history keeps them all."""

import pytest

from opensmm.cli.context import ACTOR
from opensmm.domain.policy import RuleKind, read_value

DONE, FAILED, MISUSED = 0, 1, 2
RULES = "select id, kind, value, removes from policy_rule where actor <> 'OpenSMM' order by id"
AUDIT = "select action, subject, detail from audit where action like 'policy%' order by id"


def everything(rows):
    return [rows(f"select * from {table} order by 1") for table in ("policy_rule", "audit", "service", "panel")]


@pytest.fixture
def likes(run_json, sandbox):
    words = ("service", "add", "--name", "Odd Likes", "--category", "A", "--rate", "1", "--method", "paid_ads")
    assert (DONE, {"id": 1}) == run_json(*words)


def test_a_panel_starts_with_rules_that_name_their_reasons(run_json, run):
    code, answer = run_json("policy", "show")
    assert (DONE, 1, {"prohibit", "deny"}) == (code, answer["version"], {rule["kind"] for rule in answer["rules"]})
    assert all(rule["reason"] for rule in answer["rules"])
    assert all(rule["value"] == read_value(RuleKind(rule["kind"]), rule["value"]) for rule in answer["rules"])
    assert {"review*", "vote*", "hate*", "verified badge*", "pva*", "password*", "trustpilot.com"} <= {
        rule["value"] for rule in answer["rules"]
    }
    assert "trustpilot.com" in run("policy", "show")[1]


def test_a_rule_is_added_and_told(run_json, rows):
    version = run_json("policy", "show")[1]["version"]
    code, answer = run_json("policy", "add", "deny", "https://EXAMPLE.com/@Name", "--reason", "they asked us to")
    number = answer["rule"]["id"]
    rule = {"id": number, "kind": "deny", "value": "example.com/@name", "reason": "they asked us to"}
    assert (DONE, {"rule": rule, "off_sale": []}) == (code, answer)
    assert [(number, "deny", "example.com/@name", None)] == rows(RULES)
    changes = {"kind": [None, "deny"], "value": [None, "example.com/@name"]}
    detail = {"changes": changes, "reason": "they asked us to"}
    assert [("policy.add", str(number), detail)] == rows(AUDIT)
    assert version + 1 == run_json("policy", "show")[1]["version"]
    assert rule in run_json("policy", "show")[1]["rules"]


def test_a_rule_is_removed_and_stays_in_the_history(run_json, run, rows):
    number = run_json("policy", "add", "allow", "example.com")[1]["rule"]["id"]
    code, answer = run_json("policy", "remove", number, "--reason", "no longer needed")
    assert (DONE, [number]) == (code, [rule["id"] for rule in answer["removed"]])
    assert [(number, "allow", "example.com", None), (number + 1, "allow", "example.com", number)] == rows(RULES)
    gone = {"kind": ["allow", None], "value": ["example.com", None]}
    assert [("policy.remove", str(number), {"changes": gone, "reason": "no longer needed"})] == rows(AUDIT)[1:]
    code, answer = run_json("policy", "history", "--limit", 2)
    assert (DONE, [(number + 1, number, 3, str(ACTOR)), (number, None, 2, str(ACTOR))]) == (
        code,
        [(one["id"], one["removes"], one["version"], one["actor"]) for one in answer["history"]],
    )
    assert f"removed rule {number}: allow" in run("policy", "history")[1]
    assert (FAILED, None) == run_json("policy", "remove", number)
    assert DONE == run_json("policy", "add", "allow", "example.com")[0]


def test_what_is_no_rule_or_holds_already_changes_nothing(run_json, rows, likes):
    assert DONE == run_json("policy", "add", "deny", "example.com")[0]
    before = everything(rows)
    for refused in (
        ("add", "deny", "no-place"), ("add", "prohibit", "*"), ("add", "deny", "EXAMPLE.com."),
        ("remove", 999_999), ("remove", 1, 999_999),
        ("add", "prohibit", "odd likes"),
    ):  # fmt: skip
        assert (FAILED, None) == run_json("policy", *refused)
    assert MISUSED == run_json("policy", "add", "forbid", "x")[0]
    assert MISUSED == run_json("policy", "add", "deny", "a.example", "--reason", "x" * 501)[0]
    assert MISUSED == run_json("policy", "remove", 1, "--reason", "x" * 501)[0]
    assert before == everything(rows)


def test_a_new_prohibition_takes_services_off_sale_only_where_it_is_told_to(run_json, rows, likes):
    code, answer = run_json("policy", "add", "prohibit", "odd *", "--take-off-sale")
    assert (DONE, [1]) == (code, answer["off_sale"])
    assert [(1, False)] == rows("select id, on_sale from service")
    detail = {"changes": {"on_sale": [True, False]}, "rule": answer["rule"]["id"]}
    assert [("1", detail)] == rows("select subject, detail from audit where action = 'service.prohibit'")
    assert (FAILED, None) == run_json("service", "edit", 1, "--on-sale")
    assert [(1, False)] == rows("select id, on_sale from service")
    run_json("policy", "remove", answer["rule"]["id"])
    assert DONE == run_json("service", "edit", 1, "--on-sale")[0]


def test_a_prohibited_service_is_refused_by_the_name_of_its_rule(run, run_json, rows, sandbox, capfd):
    before = everything(rows)
    words = ("service", "add", "--category", "A", "--rate", "1", "--method", "staff_work")
    for name in ("Google Reviews", "Election Votes", "Blue Tick", "Aged Accounts", "تقييمات جوجل"):
        assert FAILED == run(*words, "--name", name)[0]
    assert FAILED == run(*words, "--name", "Stars", "--category", "Ratings")[0]
    assert before == everything(rows)
    assert DONE == run_json(*words, "--name", "Google Reviews", "--off-sale")[0]


@pytest.mark.parametrize(
    ("words", "code", "value"),
    [
        (("https://www.trustpilot.com/review/x",), FAILED, "trustpilot.com"),
        (("https://google.com/maps/place/x",), FAILED, "google.com/maps"),
        (("https://google.com/search",), DONE, None),
        (("@name",), DONE, None),
        (("--service", "Google Reviews"), FAILED, "review*"),
        (("--service", "Instagram Followers"), DONE, None),
    ],
)
def test_links_and_names_are_tried_on_the_policy(run_json, run, words, code, value):
    got, answer = run_json("policy", "test", *words)
    assert (code, code == FAILED, value) == (got, answer["refused"], (answer["rule"] or {}).get("value"))
    assert ("refused by rule" if value else "passes: no rule matches it") in run("policy", "test", *words)[1]


def test_one_thing_is_tried_at_a_time(run_json):
    assert MISUSED == run_json("policy", "test")[0]
    assert MISUSED == run_json("policy", "test", "x.example", "--service", "y")[0]
