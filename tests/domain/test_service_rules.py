"""What a service may be like, what may be on sale, and plans of edits."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec import structs

from opensmm.base.ids import ProviderId, RuleId, ServiceId
from opensmm.domain.audit import AuditAction
from opensmm.domain.catalogue import DeliveryMethod, Service, ServiceType
from opensmm.domain.operator_refusals import MISUSES, OperatorRefusal, RefusalCode
from opensmm.domain.policy import NO_POLICY, PolicyRule, RuleKind, compile_policy
from opensmm.domain.price_sync import ListedRoute, RouteStanding, ServiceLine, SyncRules
from opensmm.domain.pricing import PriceTerms
from opensmm.domain.provider_services import ProviderService
from opensmm.domain.routes import RouteTo
from opensmm.domain.service_edits import plan_edit, price_moves, rebase_plan, set_fields
from opensmm.domain.service_rules import (
    EDITABLE,
    MAX_AVERAGE_TIME_MIN,
    MAX_DESCRIPTION,
    MAX_POSITION,
    MAX_QUANTITY,
    MAX_REFILL_DAYS,
    MAX_REFILL_WAIT_H,
    MAX_SERVICE_NAME,
    check_sellable,
    may_affect_sale,
    not_for_sale,
    read_price,
    read_rate,
    service_refusals,
)

NOW = datetime(2026, 12, 1, tzinfo=UTC)
SAVE = AuditAction.SERVICE_SAVE
LIKES = Service(
    ServiceId(1), "Likes", ServiceType.DEFAULT, "First", Decimal(1), 1, 100,
    delivery_method=DeliveryMethod.STAFF_WORK,
)  # fmt: skip
REVIEWS = compile_policy(1, [PolicyRule(RuleId(3), RuleKind.PROHIBIT, "review*")])


def refused(call, *arguments):
    with pytest.raises(OperatorRefusal) as error:
        call(*arguments)
    return error.value.code


def test_of_a_service_that_may_be_like_this_nothing_is_refused():
    assert [] == service_refusals(LIKES)
    longest = structs.replace(
        LIKES, name="x" * MAX_SERVICE_NAME, description="x" * MAX_DESCRIPTION, max=MAX_QUANTITY,
        refill_wait_h=MAX_REFILL_WAIT_H, refill_days=MAX_REFILL_DAYS, average_time_min=MAX_AVERAGE_TIME_MIN,
        position=MAX_POSITION,
    )  # fmt: skip
    assert [] == service_refusals(longest)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("name", "", RefusalCode.FIELD_BLANK),
        ("name", "x" * (MAX_SERVICE_NAME + 1), RefusalCode.FIELD_TOO_LONG),
        ("category", "a\nb", RefusalCode.FIELD_UNFIT),
        ("description", "x" * (MAX_DESCRIPTION + 1), RefusalCode.FIELD_TOO_LONG),
        ("rate", Decimal(-1), RefusalCode.BAD_RATE),
        ("rate", Decimal(10**9), RefusalCode.BAD_RATE),
        ("rate", Decimal(0), RefusalCode.RATE_OF_ZERO),
        ("min", -1, RefusalCode.FIELD_OUT_OF_RANGE),
        ("min", 101, RefusalCode.RANGE_REVERSED),
        ("max", MAX_QUANTITY + 1, RefusalCode.FIELD_OUT_OF_RANGE),
        ("refill_wait_h", MAX_REFILL_WAIT_H + 1, RefusalCode.FIELD_OUT_OF_RANGE),
        ("refill_days", 0, RefusalCode.FIELD_OUT_OF_RANGE),
        ("average_time_min", -1, RefusalCode.FIELD_OUT_OF_RANGE),
        ("position", MAX_POSITION + 1, RefusalCode.FIELD_OUT_OF_RANGE),
    ],
)
def test_a_field_out_of_its_limit_is_refused_by_a_code(name, value, code):
    answer = service_refusals(structs.replace(LIKES, **{name: value}), [name])
    assert [code] == [one.code for one in answer]
    assert {code} <= MISUSES


def test_a_form_is_told_of_every_field_at_once():
    answer = service_refusals(structs.replace(LIKES, name="", category="", min=5, max=1))
    assert [("category", "field_blank"), ("name", "field_blank"), (None, "range_reversed")] == [
        (one.fields.get("field"), one.code) for one in answer
    ]


def test_what_was_kept_before_its_limit_hinders_no_other_edit():
    assert [] == service_refusals(structs.replace(LIKES, name="x" * 1000, max=50), ["max"])


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x", RefusalCode.NOT_A_RATE),
        ("1e3", RefusalCode.NOT_A_RATE),
        ("-1", RefusalCode.BAD_RATE),
        ("1000000000", RefusalCode.BAD_RATE),
    ],
)
def test_a_rate_is_a_plain_number_below_its_limit(text, code):
    assert code is refused(read_rate, text)
    assert Decimal("0.90") == read_rate("0.90")
    assert Decimal(0) == read_rate("0")
    assert RefusalCode.BAD_RATE is refused(read_price, "0")


def test_the_policy_is_asked_only_of_edits_that_it_may_refuse():
    assert may_affect_sale(None, LIKES)
    assert not may_affect_sale(LIKES, structs.replace(LIKES, rate=Decimal(2), min=5, cancel=True))
    for name, value in (
        ("name", "A"),
        ("category", "B"),
        ("description", "C"),
        ("delivery_method", DeliveryMethod.PAID_ADS),
    ):
        after = structs.replace(LIKES, **{name: value})
        assert may_affect_sale(LIKES, after)
        assert not may_affect_sale(LIKES, structs.replace(after, on_sale=False))
    assert may_affect_sale(structs.replace(LIKES, on_sale=False), LIKES)


def test_of_several_that_may_not_be_sold_the_first_few_are_named():
    wordy = [structs.replace(LIKES, id=ServiceId(at), name=f"Reviews {at}") for at in range(7)]
    met = check_sellable([LIKES, *wordy], REVIEWS)
    assert wordy == [one.service for one in met]
    assert (RefusalCode.SERVICE_PROHIBITED, None, 3) == (
        met[0].why.code,
        met[0].why.fields["service"],
        met[0].why.fields["rule"],
    )
    assert met[0].why is not_for_sale(met[:1])
    refusal = not_for_sale(met)
    assert (RefusalCode.NOT_FOR_SALE, 7, 5, 2) == (
        refusal.code,
        refusal.fields["count"],
        len(refusal.fields["refused"]),
        refusal.fields["more"],
    )
    assert None is not_for_sale(met[:5]).fields["more"]


def test_nobody_sets_what_follows_from_price_lists():
    assert not {"id", "type", "cost", "halted"} & EDITABLE
    with pytest.raises(ValueError, match="cost"):
        set_fields(LIKES, {"cost": Decimal(1)})


def test_a_plan_has_what_changes_before_and_after_and_what_may_not_become_so():
    other, wordy = (
        structs.replace(LIKES, id=ServiceId(2), min=5),
        structs.replace(LIKES, id=ServiceId(3), name="Reviews", on_sale=False),
    )
    plan = plan_edit([LIKES, other, wordy], {"min": 5, "on_sale": True}, REVIEWS, SAVE)
    assert [(LIKES, structs.replace(LIKES, min=5))] == [(one.before, one.after) for one in plan.changes]
    assert [(3, RefusalCode.SERVICE_PROHIBITED)] == [(one.service.id, one.why.code) for one in plan.refused]
    assert (("min", "on_sale"), SAVE, ()) == (plan.fields, plan.action, plan.prices)
    narrow = structs.replace(LIKES, id=ServiceId(4), max=3)
    assert [RefusalCode.RANGE_REVERSED] == [
        one.why.code for one in plan_edit([narrow], {"min": 5}, NO_POLICY, SAVE).refused
    ]


def test_a_plan_is_written_over_other_edits_and_not_over_its_own():
    plan = plan_edit([LIKES], {"min": 5}, NO_POLICY, SAVE)
    renamed = structs.replace(LIKES, name="Mine")
    assert [structs.replace(renamed, min=5)] == rebase_plan(plan, {LIKES.id: renamed})
    for standing in ({}, {LIKES.id: structs.replace(LIKES, min=7)}):
        with pytest.raises(OperatorRefusal) as stale:
            rebase_plan(plan, standing)
        assert (RefusalCode.STALE_PLAN, [1]) == (stale.value.code, stale.value.fields["services"])


def line(terms):
    route = RouteTo(ProviderId(9), "7")
    offer = ProviderService("7", "Theirs", "A", ServiceType.DEFAULT, Decimal("0.5"), 1, 100)
    standing = RouteStanding(Decimal("0.5"), Decimal("0.5"), None, None, None, "Theirs", "A")
    return ServiceLine(LIKES, (ListedRoute(route, SyncRules(Decimal(1), 20, terms), offer, True, standing),))


def test_a_plan_tells_which_prices_a_list_will_set_anew():
    changes = plan_edit([LIKES], {"rate": Decimal(2)}, NO_POLICY, SAVE).changes
    (own,) = price_moves(changes, [line(None)], NOW)
    assert (Decimal(1), Decimal(2), None, None) == (own.before, own.after, own.list_rate, own.provider)
    (follows,) = price_moves(changes, [line(PriceTerms(Decimal(1), Decimal(100)))], NOW)
    assert (Decimal(2), Decimal("1.0000"), 9) == (follows.after, follows.list_rate, follows.provider)
    assert () == price_moves(plan_edit([LIKES], {"min": 2}, NO_POLICY, SAVE).changes, [], NOW)
