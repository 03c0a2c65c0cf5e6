"""``service``: a service that does not say how it is delivered is not sold; many are stated in one command."""

import re

import pytest
from typer.testing import CliRunner

from opensmm.cli import app
from opensmm.domain.catalogue import DeliveryMethod

DONE, FAILED, MISUSED = 0, 1, 2
SERVICES = "select id, delivery_method, on_sale from service order by id"
AUDIT = "select action, subject, detail from audit where action = 'service.deliver'"
KEPT = "select id, delivery_method, on_sale, version, name from service order by id"


def words(name, *other, category="A"):
    return ("service", "add", "--name", name, "--category", category, "--rate", "0.90", *other)


@pytest.fixture
def undisclosed(run_json, sandbox):
    """Three services off sale that say nothing of their delivery, and one on sale."""
    for name, category in (("First Likes", "A"), ("Second Likes", "B"), ("Third Views", "B")):
        assert DONE == run_json(*words(name, "--off-sale", category=category))[0]
    assert DONE == run_json(*words("Fourth Views", "--method", "paid_ads", category="C"))[0]


def test_a_service_goes_on_sale_only_with_a_stated_delivery(run_json, rows, sandbox):
    assert (FAILED, None) == run_json(*words("Likes"))
    assert [] == rows(SERVICES)
    assert [(0,)] == rows("select count(*) from audit")
    assert (DONE, {"id": 1}) == run_json(*words("Likes", "--off-sale"))
    assert (FAILED, None) == run_json("service", "edit", 1, "--on-sale")
    assert [(1, "undisclosed", False)] == rows(SERVICES)
    assert DONE == run_json("service", "edit", 1, "--on-sale", "--method", "creator_placement")[0]
    assert (FAILED, None) == run_json("service", "edit", 1, "--method", "undisclosed")
    assert [(1, "creator_placement", True)] == rows(SERVICES)
    assert MISUSED == run_json("service", "edit", 1, "--method", "bots")[0]


def test_the_list_says_how_each_service_is_delivered(run, run_json, undisclosed):
    assert ["undisclosed"] * 3 + ["paid_ads"] == [
        one["delivery_method"] for one in run_json("service", "list")[1]["services"]
    ]
    assert "paid ads" in run("service", "list")[1]
    assert "delivery method: paid ads" in run("service", "show", 4)[1]
    code, answer = run_json("service", "show", 4)
    assert (DONE, "paid_ads", "Fourth Views", "0.90") == (
        code,
        answer["delivery_method"],
        answer["name"],
        answer["rate"],
    )
    assert (FAILED, None) == run_json("service", "show", 9)


def test_a_plan_says_what_would_change_and_changes_nothing(run_json, run, rows, undisclosed):
    before = rows(KEPT)
    code, plan = run_json("service", "deliver", "--method", "staff_work", "--category", "b")
    assert (DONE, False, [2, 3]) == (code, plan["written"], [one["id"] for one in plan["services"]])
    assert {"id": 2, "name": "Second Likes", "from": "undisclosed", "on_sale": False} == plan["services"][0]
    assert (
        "2 services would change; add --write to carry it out"
        in run("service", "deliver", "--method", "staff_work", "--category", "b")[1]
    )
    assert (before, []) == (rows(KEPT), rows(AUDIT))


def stated(number):
    return {"changes": {"delivery_method": ["paid_ads" if number == 4 else "undisclosed", "staff_work"]}}


def test_many_are_stated_each_with_its_audit_row(run_json, rows, undisclosed):
    run_json("service", "deliver", "--method", "staff_work", "--provider", "sandbox", "--write")
    assert [(number, "staff_work", number == 4) for number in (1, 2, 3, 4)] == rows(SERVICES)
    assert [("service.deliver", str(number), stated(number)) for number in (1, 2, 3, 4)] == rows(AUDIT)
    assert [(1,)] == rows("select count(distinct version) from service")


@pytest.mark.parametrize(
    ("chosen", "ids"),
    [
        (("--name-like", "LIKES"), [1, 2]),
        (("--name-like", "likes", "--category", "B"), [2]),
        ((1, 3), [1, 3]),
        ((1, 3, "--name-like", "views"), [3]),
        (("--category", "A", "--write", "--on-sale"), [1]),
    ],
)
def test_those_are_meant_that_every_mark_fits(run_json, undisclosed, chosen, ids):
    code, answer = run_json("service", "deliver", "--method", "consented_users", *chosen)
    assert (DONE, ids) == (code, [one["id"] for one in answer["services"]])


def test_a_mistyped_mark_is_refused_with_what_there_is(refusal, undisclosed):
    for chosen, named in (
        (("--provider", "Nobody"), "There is no provider Nobody. There are: Sandbox."),
        (("--category", "Instagram"), "There is no category Instagram. There are: A, B, C."),
    ):
        assert (FAILED, f"opensmm: {named}") == refusal("service", "deliver", "--method", "paid_ads", *chosen)


def test_stating_a_delivery_may_put_on_sale_too(run_json, rows, undisclosed):
    code, answer = run_json("service", "deliver", "--method", "consented_users", 1, 4, "--on-sale", "--write")
    assert (DONE, True) == (code, answer["written"])
    assert [(1, "consented_users", True), (4, "consented_users", True)] == [
        row for row in rows(SERVICES) if row[0] in (1, 4)
    ]
    again = run_json("service", "deliver", "--method", "consented_users", 1, 4, "--on-sale", "--write")
    assert (DONE, {"method": "consented_users", "written": False, "services": [], "left_out": []}) == again
    assert ["1", "4"] == [subject for _, subject, _ in rows(AUDIT)]


def test_where_nothing_of_a_choice_may_be_sold_nothing_is_done(run_json, rows, undisclosed):
    run_json("service", "edit", 2, "--name", "Shop Reviews")
    before, audit = rows(KEPT), rows("select * from audit")
    for refused in (
        ("--method", "paid_ads", 2, "--on-sale", "--write"),
        ("--method", DeliveryMethod.UNDISCLOSED, 4, "--write"),
        ("--method", "paid_ads", 1, 99, "--write"),
    ):
        assert FAILED == run_json("service", "deliver", *refused)[0]
    assert MISUSED == run_json("service", "deliver", "--method", "paid_ads", "--write")[0]
    assert MISUSED == run_json("service", "deliver", "--method", "bots", 1)[0]
    assert (before, audit) == (rows(KEPT), rows("select * from audit"))


REFILLS = "select id, refill, refill_days, refill_mode from service order by id"


def test_refills_are_stated_for_many_services_in_one_command(run_json, rows, undisclosed):
    before = rows(REFILLS)
    words = ("service", "refill", "--category", "b", "--days", 30, "--mode", "manual", "--offered")
    code, plan = run_json(*words)
    assert (DONE, False, [2, 3]) == (code, plan["written"], [one["id"] for one in plan["services"]])
    assert before == rows(REFILLS)
    assert (DONE, True) == (run_json(*words, "--write")[0], True)
    stated = [
        (1, False, None, "provider"),
        (2, True, 30, "manual"),
        (3, True, 30, "manual"),
        (4, False, None, "provider"),
    ]
    assert stated == rows(REFILLS)
    assert [] == run_json(*words, "--write")[1]["services"], "nothing is left to change"
    assert DONE == run_json("service", "refill", 2, "--lifetime", "--write")[0]
    assert (2, True, None, "manual") == rows(REFILLS)[1]
    assert [("2",), ("3",), ("2",)] == rows("select subject from audit where action = 'service.refill' order by id")
    assert [("manual",)] == rows("select kind from provider where name = 'Staff'")


def test_a_plan_of_refills_tells_before_and_after(run_json, undisclosed, tmp_path):
    words = ["service", "refill", "2", "--days", "30", "--offered", "--data", str(tmp_path)]
    printed = CliRunner().invoke(app, words).stdout
    assert ["no → yes", "no limit → 30 days", "the provider that delivered it"] == [
        cell for cell in re.split(r"\s{2,}", printed.splitlines()[1].strip())[2:] if cell
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("--days", 30),
        (2,),
        (2, "--days", 30, "--lifetime"),
        (2, "--days", 0),
        (2, "--days", "x"),
        (2, "--mode", "nobody"),
    ],
)
def test_a_vague_or_wrong_statement_on_refills_is_refused(run_json, rows, undisclosed, words):
    before = rows(REFILLS)
    assert MISUSED == run_json("service", "refill", *words, "--write")[0]
    assert FAILED == run_json("service", "refill", 99, "--lifetime", "--write")[0]
    assert before == rows(REFILLS)


def test_what_is_no_refill_to_buy_is_not_bought(run_json, rows, undisclosed):
    assert (FAILED, None) == run_json("staff", "buy", 7, "--quantity", 5)
    assert [] == rows("select from orders")


def test_what_may_not_be_sold_is_left_out_and_named_and_the_rest_is_done(run_json, rows, undisclosed):
    run_json("service", "edit", 2, "--name", "Shop Reviews")
    for write in ((), ("--write",)):
        code, answer = run_json("service", "deliver", "--method", "paid_ads", "--category", "B", "--on-sale", *write)
        assert (DONE, [2], [3]) == (
            code, [one["id"] for one in answer["left_out"]], [one["id"] for one in answer["services"]],
        )  # fmt: skip
    assert [(2, "undisclosed", False), (3, "paid_ads", True)] == [row for row in rows(SERVICES) if row[0] in (2, 3)]
