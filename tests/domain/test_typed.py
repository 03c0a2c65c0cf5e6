"""What a person types: amounts, reasons, and a provider's order id, each judged by one rule."""

from datetime import UTC, datetime

import pytest

from opensmm.base.ids import CustomerId
from opensmm.base.money import Money
from opensmm.domain.amounts import MAX_AMOUNT, SMALLEST, check_amount, read_amount
from opensmm.domain.audit import MAX_REASON, Actor, ActorKind, By, with_reason
from opensmm.domain.codes import FieldCode
from opensmm.domain.operator_refusals import MISUSES, OperatorRefusal, RefusalCode
from opensmm.domain.payments import chargeback_reference, check_recipient, read_payment
from opensmm.domain.provider_ids import check_provider_order


def refusal(rule, *facts, **other):
    with pytest.raises(OperatorRefusal) as refused:
        rule(*facts, **other)
    return refused.value


@pytest.mark.parametrize(
    ("text", "amount"), [("0", 0), ("25.00", 2_500_000), ("0.00001", 1), ("1000000000000", MAX_AMOUNT)]
)
def test_an_amount_is_exact(text, amount):
    assert amount == read_amount(text)


@pytest.mark.parametrize("text", ["", "x", "1,5", "1e3", "0.000001", "+1", "١٠"])
def test_a_text_that_is_no_amount_is_named(text):
    refused = refusal(read_amount, text)
    assert (RefusalCode.BAD_AMOUNT, {"amount": text, "decimals": 5}) == (refused.code, refused.fields)


@pytest.mark.parametrize(("text", "least"), [("-1", Money(0)), ("0", SMALLEST), ("1000000000000.00001", Money(0))])
def test_an_amount_out_of_bounds_is_told_them(text, least):
    refused = refusal(read_amount, text, least)
    assert (RefusalCode.FIELD_OUT_OF_RANGE, FieldCode.AMOUNT) == (refused.code, refused.fields["field"])
    assert RefusalCode.FIELD_OUT_OF_RANGE is refusal(check_amount, Money(0)).code


def by(reason):
    return By(Actor(ActorKind.STAFF_USER, "7"), reason, datetime(2026, 12, 1, tzinfo=UTC))


def test_a_reason_is_trimmed():
    assert by("asked for") == with_reason(by("  asked for\n"))


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (" ", RefusalCode.FIELD_BLANK),
        ("x" * (MAX_REASON + 1), RefusalCode.FIELD_TOO_LONG),
        ("a\nb", RefusalCode.FIELD_UNFIT),
        ("a\u202eb", RefusalCode.FIELD_UNFIT),
    ],
)
def test_a_reason_that_will_not_do_is_refused(reason, code):
    refused = refusal(with_reason, by(reason))
    assert (code, FieldCode.REASON) == (refused.code, refused.fields["field"])


@pytest.mark.parametrize("text", ["7", "007", "a-1_B", "x" * 64, "ORD-9"])
def test_an_id_that_a_provider_may_give_is_taken(text):
    check_provider_order(text)


@pytest.mark.parametrize("text", ["", "0", "000", "a b", "x" * 65, "-1", "null", "order id", "success", "é"])
def test_what_no_provider_gives_to_an_order_is_refused(text):
    assert RefusalCode.BAD_PROVIDER_ORDER is refusal(check_provider_order, text).code


def test_a_chargeback_without_a_number_of_its_own_is_called_like_its_payment():
    assert "bank/A1" == chargeback_reference(read_payment(" Bank", "A1 "))


def test_only_what_is_taken_from_a_customer_is_given_to_another():
    ann, bob = CustomerId(1), CustomerId(2)
    check_recipient(ann, None, takes=False)
    check_recipient(ann, bob, takes=True)
    for to, takes in ((bob, False), (ann, True)):
        assert RefusalCode.NOT_ANOTHERS is refusal(check_recipient, ann, to, takes=takes).code


def test_what_is_typed_wrongly_is_told_from_what_the_panel_refuses():
    assert {RefusalCode.BAD_AMOUNT, RefusalCode.FIELD_BLANK, RefusalCode.BAD_KEY} <= MISUSES
    assert RefusalCode.CUSTOMER_EXISTS not in MISUSES
