"""``provider sync`` and ``follow``, ``service quarantine`` and ``below-cost``, and what ``health`` says of them."""

import pytest
from tests.cli.test_providers import DONE, FAILED, LINE, MISUSED, add, refused, rows, run_json, upstream

from opensmm.cli.context import ACTOR

__all__ = ["rows", "run_json"]  # fixtures

SEVEN, EIGHT, NINE = ({**LINE, "service": number} for number in (7, 8, 9))


class Overtaken(dict[object, object]):
    """Answers during which a list that is asked for later is taken over, where the test says so."""

    meanwhile = staticmethod(lambda: None)

    def get(self, key, *more):
        if key == "services":
            self.meanwhile()
        return super().get(key, *more)


@pytest.fixture
def answers():
    return Overtaken(services=[SEVEN, EIGHT, NINE])


@pytest.fixture
def listed(run_json, rows, answers):
    """Three services, on sale at 1.80 each and routed to a provider whose list the test may change."""
    with upstream(answers) as (url, _):
        add(run_json, "Up", url)
        run_json("import-services", "Up", "--margin", 100, "--write")
        run_json("service", "deliver", "--method", "staff_work", 1, 2, 3, "--on-sale", "--write")
        yield lambda *lines: answers.update(services=list(lines))


def health(run_json):
    return {one["name"]: (one["level"], one["says"]) for one in run_json("health")[1]["findings"]}


def changed(answer):
    return {one["service"]: one["says"] for one in answer["changed"]}


def test_an_import_agrees_to_what_it_costs(rows, listed):
    expected = [("7", "0.90", "0.90"), ("8", "0.90", "0.90"), ("9", "0.90", "0.90")]
    assert expected == rows("select provider_service, cost::text, agreed::text from route order by 1")


def test_a_sync_prints_what_changed(run_json, listed):
    listed({**SEVEN, "rate": "0.95", "max": 50}, {**EIGHT, "rate": "2"})
    code, answer = run_json("provider", "sync", "Up")
    assert (DONE, 2) == (code, answer["listed"])
    assert {
        1: ["max: 100 → 50"],
        2: [
            "not sold until you approve it: `opensmm service quarantine list`",
            "costs 2 but is sold at 1.8000",
            "service 8 of provider 1 cost 0.90 and now costs 2",
        ],
        3: ["not sold: its provider no longer lists it", "provider 1 no longer lists its service 9"],
    } == changed(answer)
    field = {"field": "max", "before": 100, "after": 50}
    assert [{"code": "field_moved", "fields": field}] == answer["changed"][0]["changes"]
    assert {} == changed(run_json("provider", "sync", "Up")[1])
    findings = health(run_json)
    assert (
        "warning",
        "1 service is in quarantine, because its cost or product changed too far: id 2; subscriptions continue",
    ) == findings["quarantine"]
    assert (
        "warning",
        "1 service is not sold, because no provider lists it, or only as another type: id 3",
    ) == findings["halted"]
    assert ("ok", "no service costs more than it sells for") == findings["below cost"]
    assert "ok" == findings["price list Up"][0]


def test_a_list_that_lacks_much_is_taken_over_only_when_it_is_confirmed(run_json, rows, listed):
    listed(SEVEN)
    assert FAILED == run_json("provider", "sync", "Up")[0]
    assert [(3,)] == rows("select count(*) from service where halted is null")
    level, words = health(run_json)["price list Up"]
    assert ("warning", True) == (level, "lacks 2 of the 3 services" in words)
    assert "lacks 2 of the 3" in run_json("provider", "services", "Up")[1]["odd"][-1]["says"]
    assert FAILED == run_json("import-services", "Up", "--write")[0]
    assert [(3,)] == rows("select count(*) from service where on_sale and halted is null")
    assert DONE == run_json("provider", "sync", "Up", "--confirm")[0]
    assert [("gone", 2)] == rows("select halted, count(*) from service where halted is not null group by 1")
    assert "ok" == health(run_json)["price list Up"][0]


@pytest.mark.parametrize("words", ["provider sync Up", "provider services Up", "import-services Up --write"])
def test_a_list_that_was_overtaken_on_its_way_changes_nothing_and_it_is_said(run_json, rows, listed, answers, words):
    listed({**SEVEN, "rate": "0.95", "max": 500}, EIGHT, NINE)
    newer = "update provider set synced = now() + interval '1 minute' returning sync_fault"
    answers.meanwhile = lambda: rows(newer)
    code, answer = run_json(*words.split())
    assert code == FAILED or "this one was ignored" in answer["odd"][-1]["says"]
    assert [(3, "0.90", 100)] == rows("select count(*), max(cost)::text, max(max) from service")
    assert [("",)] == rows("select sync_fault from provider")


def test_what_waits_is_listed_and_approved(run_json, rows, listed):
    listed({**SEVEN, "rate": "2"}, EIGHT, NINE)
    run_json("provider", "sync", "Up")
    (result,) = run_json("service", "quarantine", "list")[1]["services"]
    assert (1, "7", "0.90", "2", "1.8000", False) == tuple(
        result[name] for name in ("service", "provider_service", "agreed", "cost", "rate", "sold")
    )
    assert FAILED == run_json("service", "quarantine", "approve", 1, 2)[0]
    assert MISUSED == run_json("service", "quarantine", "approve", 1, "--rate", "3", "--margin", "5")[0]
    assert MISUSED == run_json("service", "quarantine", "approve", 1, "--margin", "-5")[0]
    code, answer = run_json("service", "quarantine", "approve", 1)
    assert (DONE, [{"id": 1, "name": "Likes", "cost": "2", "rate": "1.8000", "sold": True}]) == (
        code,
        answer["approved"],
    )
    assert [] == run_json("service", "quarantine", "list")[1]["services"]
    (below,) = run_json("service", "below-cost", "list")[1]["services"]
    assert (1, "2", "1.8000", None) == tuple(below[name] for name in ("service", "cost", "rate", "price_list"))
    assert (
        "warning",
        "1 service costs more than it sells for, so orders are refused: id 1; subscriptions continue",
    ) == health(run_json)["below cost"]
    run_json("service", "edit", 1, "--rate", "2.5")
    assert ("ok", "no service costs more than it sells for") == health(run_json)["below cost"]
    assert [(ACTOR.name, "service.approve", "1")] == rows(
        "select actor, action, subject from audit where action = 'service.approve'"
    )


def test_orders_below_cost_are_refused_or_held_as_set(run_json, rows, listed):
    assert DONE == run_json("service", "below-cost", "set", "hold")[0]
    assert MISUSED == run_json("service", "below-cost", "set", "sell")[0]
    assert [("hold",)] == rows("select below_cost from panel")
    assert [("panel.below_cost", {"changes": {"below_cost": ["refuse", "hold"]}})] == rows(
        "select action, detail from audit where action = 'panel.below_cost'"
    )


def test_how_a_provider_is_followed_is_set_and_shown(run_json, rows, listed):
    code, answer = run_json("provider", "follow", "Up")
    assert (DONE, 30, 20, None) == (code, answer["sync_every_min"], answer["price_share"], answer["margin"])
    code, answer = run_json("provider", "follow", "Up", "--every", 0, "--share", 50, "--margin", "30%", "--decimals", 2)
    assert (DONE, 0, 50, "30") == (code, answer["sync_every_min"], answer["price_share"], answer["margin"])
    assert [("1.17",)] * 3 == rows("select rate::text from service")
    listed({**SEVEN, "rate": "1.20"}, EIGHT, NINE)
    run_json("provider", "sync", "Up")
    assert [("1.56", "1.20")] == rows(
        "select s.rate::text, r.agreed::text from service s join route r on r.service_id = s.id where s.id = 1"
    )
    assert None is run_json("provider", "follow", "Up", "--own-prices")[1]["margin"]
    assert MISUSED == run_json("provider", "follow", "Up", "--own-prices", "--margin", 5)[0]
    assert "price list Up" not in health(run_json)


BY_HAND = {"service": 2, "service_name": "Likes", "before": "2.50", "after": "1.1250"}


def test_a_margin_overwrites_no_price_that_was_set_by_hand_unless_it_is_confirmed(
    run_json, run, refusal, rows, listed, tmp_path
):
    run_json("service", "edit", 2, "--rate", "2.50")
    follow = ("provider", "follow", "Up", "--margin", 25)
    assert ("prices_set_by_hand", {"count": 1, "prices": [BY_HAND]}) == refused(tmp_path, *map(str, follow))
    assert "2 Likes (2.50 → 1.1250)" in refusal(*follow)[1]
    assert [("1.8000", None), ("2.50", None), ("1.8000", None)] == rows(
        "select s.rate::text, p.margin from service s, provider p where p.name = 'Up' order by s.id"
    )
    assert [] == rows("select id from audit where action in ('provider.follow', 'service.sync')")
    code, answer = run_json("provider", "follow", "Up", "--margin", 25, "--confirm")
    assert (DONE, "25", [BY_HAND]) == (code, answer["margin"], answer["overwritten"])
    assert [("1.1250",)] * 3 == rows("select rate::text from service")
    # What follows is nobody's own price any more.
    assert [] == run_json("provider", "follow", "Up", "--add", 1)[1]["overwritten"]
    run_json("service", "edit", 2, "--rate", "2.50")
    answer = run("provider", "follow", "Up", "--margin", 50, "--add", 0, "--confirm")[1]
    assert "overwritten: 2 Likes (2.50 → 1.3500)" in answer


def test_a_price_that_follows_is_said_to_be_set_anew_when_it_is_edited(run_json, run, listed):
    assert None is run_json("service", "edit", 1, "--rate", "2.50")[1]["price_follows"]
    run_json("provider", "follow", "Up", "--margin", 25, "--confirm")
    assert None is run_json("service", "edit", 1, "--max", 50)[1]["price_follows"]
    assert {"provider": 1, "provider_name": "Up", "rate": "1.1250"} == run_json("service", "edit", 1, "--rate", "3")[1][
        "price_follows"
    ]
    result = run("service", "edit", 1, "--rate", "4")[1]
    assert "follows the price list of Up: the next sync sets it to 1.1250 again" in result
    assert "provider follow Up --own-prices" in result


def test_an_import_names_the_prices_that_were_set_by_hand(run_json, run, rows, listed):
    run_json("service", "edit", 2, "--rate", "2.50")
    plan = ("import-services", "Up", "--margin", 25, "--reprice")
    code, answer = run_json(*plan)
    assert (DONE, 3, 1) == (code, answer["price_moves"], answer["prices_by_hand"])
    assert [2] == [one["after"]["id"] for one in answer["plan"]["changed"] if one["by_hand"]]
    assert "price set by hand of service 2 (Likes): 2.50 → 1.1250" in run(*plan)[1]
    run_json(*plan, "--write")
    answer = run_json("import-services", "Up", "--margin", 50, "--reprice")[1]
    assert (3, 0) == (answer["price_moves"], answer["prices_by_hand"])


def test_an_import_that_moves_prices_agrees_to_the_costs_and_another_does_not(run_json, rows, listed):
    listed({**SEVEN, "rate": "2"}, {**EIGHT, "rate": "2"}, NINE)
    run_json("import-services", "Up", "--margin", 100, "--write")
    assert [(1, "quarantine"), (2, "quarantine"), (3, None)] == rows("select id, halted from service order by id")
    run_json("import-services", "Up", "--margin", 100, "--write", "--reprice")
    assert [("4.0000", None), ("4.0000", None), ("1.8000", None)] == rows(
        "select rate::text, halted from service order by id"
    )


def test_a_held_order_says_that_no_provider_lists_it_at_its_price(run_json, rows, listed):
    rows("insert into orders (id, customer_id, service_id, link, quantity, rate, packaged, charge, created) "
         "values (7, 1, 1, 'x', 100, 0.9, false, 9000, now()) returning 1")  # fmt: skip
    rows("insert into delivery (order_id, run, service_id, quantity, state, attempt) "
         "values (7, 1, 1, 100, 'held', 1) returning 1")  # fmt: skip
    (result,) = run_json("orders", "list", "--held")[1]["orders"]
    assert (7, "no provider fulfils it at the price it was sold for") == (result["order"], result["answer"])
