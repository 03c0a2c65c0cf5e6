"""``import-services``: a plan first, then a price list of any size."""

import pytest
from tests.cli.test_providers import DONE, FAILED, LINE, MISUSED, add, rows, run_json, upstream

__all__ = ["rows", "run_json"]  # fixtures

MANY = 15_000


@pytest.fixture
def listed(run_json):
    """A provider whose price list the test may change."""
    answers = {"services": [LINE, {**LINE, "service": 8, "category": "Second", "rate": "2"}]}
    with upstream(answers) as (url, _):
        add(run_json, "Up", url, "--exchange-rate", "2")
        yield answers["services"]


def counts(answer):
    return {name: answer[name] for name in ("new", "changed", "price_moves", "gone", "same", "left_out", "written")}


def test_a_plan_writes_nothing(run_json, rows, listed):
    code, answer = run_json("import-services", "Up", "--margin", "50%")
    assert (DONE, 2, 0) == (code, answer["new"], answer["written"])
    assert [(0, 0)] == rows("select (select count(*) from service), (select count(*) from route)")


def test_services_come_routed_with_their_margin_and_off_sale(run_json, rows, listed):
    words = ["--margin", 50, "--add", "0.01", "--decimals", 2, "--map", "First=Likes", "--write"]
    assert (DONE, 2) == (lambda got: (got[0], got[1]["written"]))(run_json("import-services", "Up", *words))
    imported = rows(
        "select s.id, c.name, s.rate::text, s.on_sale, r.provider_id, r.provider_service from service s "
        "join category c on c.id = s.category_id join route r on r.service_id = s.id order by s.id"
    )
    assert [(1, "Likes", "2.71", False, 1, "7"), (2, "Second", "6.01", False, 1, "8")] == imported
    assert [(2,)] == rows("select count(*) from audit where action = 'service.save'")


def test_a_second_import_tells_what_changed_and_moves_prices_only_when_told(run_json, rows, listed):
    run_json("import-services", "Up", "--write")
    rows("update service set on_sale = true, delivery_method = 'staff_work', name = 'Mine' returning 1")
    listed[0] = {**LINE, "rate": "1", "max": 500}
    listed[1:] = [{**LINE, "service": 9}]
    result = run_json("import-services", "Up", "--write")[1]
    expected = {"new": 1, "changed": 1, "price_moves": 1, "gone": 1, "same": 0, "left_out": 0, "written": 2}
    assert expected == counts(result)
    query = "select name, rate::text, max, on_sale, halted from service order by id"
    assert [
        ("Mine", "1.8000", 500, True, None),
        ("Mine", "4.0000", 100, True, "gone"),
        ("Likes", "1.8000", 100, False, None),
    ] == rows(query)
    listed.append({**LINE, "service": 8, "category": "Second", "rate": "2"})
    run_json("import-services", "Up", "--write", "--confirm")
    assert [(None,)] == rows("select halted from service where id = 2"), "what is listed again is on sale again"
    run_json("import-services", "Up", "--write", "--reprice")
    assert [("2.0000",)] == rows("select rate::text from service where id = 1")
    assert 0 == run_json("import-services", "Up", "--write", "--reprice")[1]["written"]


def test_a_summary_counts_what_there_is_and_says_when_nothing_was_written(run_json, run, listed):
    assert (
        "2 new\nnothing was written; add --write to carry it out\n" == run("import-services", "Up")[1].split("\n", 2)[2]
    )
    assert (
        "2 new, 2 written\n"
        "new services are off sale: `opensmm service deliver --provider Up` states how they are delivered, and with "
        "--on-sale sells them\n"
    ) == run("import-services", "Up", "--write")[1].split("\n", 2)[2]
    listed[0] = {**LINE, "rate": "1"}
    assert run("import-services", "Up", "--write")[1].endswith("1 changed, 1 price moves, 1 same, 0 written\n")


def test_a_choice_of_the_list_makes_nothing_gone(run_json, listed):
    run_json("import-services", "Up", "--write")
    result = run_json("import-services", "Up", "--category", "Second")[1]
    assert (0, 0, 1) == (result["new"], result["gone"], result["same"])
    for mistyped in (("--search", "nothing of it"), ("--category", "Secnd"), ("--map", "Thrid=Other")):
        assert FAILED == run_json("import-services", "Up", *mistyped)[0]


@pytest.mark.parametrize(
    "words", [["--margin", "x"], ["--margin", "-1"], ["--add", "NaN"], ["--map", "First"], ["--map", "=Likes"]]
)
def test_words_that_are_off_are_refused(run_json, rows, listed, words):
    assert MISUSED == run_json("import-services", "Up", "--write", *words)[0]
    assert [] == rows("select id from service")


def test_an_unknown_provider_or_one_that_does_not_answer_is_said(run_json):
    assert FAILED == run_json("import-services", "Nobody")[0]
    add(run_json, "Away", "http://127.0.0.1:9/api/v2")
    assert FAILED == run_json("import-services", "Away")[0]


def test_a_large_price_list_is_imported_whole(run_json, rows, listed):
    listed[:] = [
        {**LINE, "service": at, "name": f"Service {at} ❤️", "category": f"Category {at % 200}", "desc": "d" * 300}
        for at in range(1, MANY + 1)
    ]
    code, answer = run_json("import-services", "Up", "--margin", 20, "--write")
    assert (DONE, MANY) == (code, answer["written"])
    assert [(MANY, MANY, MANY)] == rows(
        "select (select count(*) from service), (select count(*) from route), (select count(*) from offer)"
    )


def test_every_line_that_is_left_out_is_named_with_its_reason(run_json, listed, run):
    listed += [{**LINE, "service": 100 + number, "name": f"Broken {number}", "rate": "free"} for number in range(30)]
    _, answer = run_json("import-services", "Up")
    assert (2, 30) == (answer["new"], answer["left_out"])
    why = {"says": "it has no readable rate: “free”", "code": "no_rate", "fields": {"rate": "free"}}
    broken = [{"provider_service": f"{100 + at}", "name": f"Broken {at}", **why} for at in range(30)]
    assert broken == answer["plan"]["left_out"]
    printed = run("import-services", "Up")[1]
    assert "left out: 129 Broken 29: it has no readable rate: “free”" in printed
