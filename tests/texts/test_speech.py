"""Codes and fields in Arabic: six plural forms, values set apart, commands from left to right."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from opensmm.domain.codes import EventCode, FindingCode, LineCode, LineFault, ShutCode
from opensmm.domain.dispatch import DeliveryState
from opensmm.domain.operator_refusals import OperatorRefusal, RefusalCode
from opensmm.texts.speech import ENGLISH, in_language

ARABIC = in_language("ar")


@pytest.mark.parametrize(
    ("count", "says"),
    [
        (0, "لا يوجد تسليم حان موعد إرساله"),
        (1, "حان موعد إرسال تسليم واحد"),
        (2, "حان موعد إرسال تسليمين"),
        (3, "حان موعد إرسال 3 تسليمات"),
        (11, "حان موعد إرسال 11 تسليمًا"),
        (100, "حان موعد إرسال 100 تسليم"),
        (103, "حان موعد إرسال 103 تسليمات"),
    ],
)
def test_a_count_has_six_forms(count, says):
    assert says == ARABIC.finding(FindingCode.DUE, {"count": count, "age": None})[0]


def test_a_count_that_is_a_least_one_has_the_form_of_its_number():
    fields = {"count": 50_000, "at_least": True, "age": timedelta(days=3)}
    says, _ = ARABIC.finding(FindingCode.DUE, fields)
    assert "حان موعد إرسال ما لا يقل عن 50000 تسليم، والأقدم منذ 3 أيام" == says


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (timedelta(seconds=1), "ثانية واحدة"),
        (timedelta(hours=2), "ساعتين"),
        (timedelta(days=11), "11 يومًا"),
        (datetime(2026, 12, 1, 9, 5, tzinfo=UTC), "\u20682026-12-01 09:05:00 UTC\u2069"),
        (Decimal("-1.5"), "\u2068-1.5\u2069"),
        (DeliveryState.PARTIAL, "جزئي"),
        (ShutCode.NO_KEY, "ليس له مفتاح"),
        (LineFault(LineCode.NO_RANGE, {"min": "x", "max": None}), "ليس له نطاق كميات مقروء، من «\u2068x\u2069»"),
        ((1, "a"), "1، \u2068a\u2069"),
        (None, "غير معروف"),
    ],
)
def test_a_field_is_shown_in_arabic(value, shown):
    assert shown == ARABIC.value(value)


def test_a_name_that_turns_the_text_is_set_apart_and_cannot_end_it():
    refused = OperatorRefusal(RefusalCode.UNKNOWN_CUSTOMER, name="x\u2069\u202ey", there_are=["Far", "بعيد"])
    assert "لا يوجد عميل \u2068xy\u2069. الموجود: \u2068Far\u2069، بعيد." == ARABIC.refusal(refused)


def test_a_command_runs_left_to_right_and_has_no_marks_within():
    _, do = ARABIC.finding(FindingCode.PROVIDER_FAILS, {"failures": 4, "provider_name": "Far away"})
    assert "\u2066`opensmm provider check 'Far away'`\u2069" in do
    _, do = in_language("en").finding(FindingCode.PROVIDER_FAILS, {"failures": 4, "provider_name": "بعيد"})
    assert "`opensmm provider check 'بعيد'`" in do


def test_fields_changes_and_the_audit_trail_are_told_in_arabic():
    assert "السعر: 0.90 ← 1.00" == ARABIC.field_change("rate", Decimal("0.90"), Decimal("1.00"))
    assert "الحالة (الدفعة 2): \u2068held\u2069" == ARABIC.field_change("runs.2.state", None, "held")
    assert ["معروضة للبيع: نعم ← لا"] == ARABIC.audit_detail({"changes": {"on_sale": [True, False]}})
    assert "إيقاف العميل 7" == ARABIC.audit_action("customer.suspend", "7")
    assert "طريقة التنفيذ: عمل الموظفين" == ARABIC.field_lines({"delivery_method": "staff_work"})


def test_a_run_and_a_try_are_named_in_arabic():
    says = ARABIC.event_with_run(3, EventCode.SETTLED_NOT_BOUGHT, {"run": 2, "attempt": 2, "provider_name": "Far"})
    assert "الدفعة 2، المحاولة 2: حُسم أمره: لم يقبله \u2068Far\u2069" == says


def test_a_language_tells_its_own_name_and_direction():
    assert ("ar", "العربية", "rtl") == (ARABIC.language, ARABIC.name, ARABIC.direction)
    english = in_language("en")
    assert ("en", "English", "ltr") == (english.language, english.name, english.direction)


def test_english_pages_set_arabic_names_apart_and_the_command_line_does_not():
    refused = OperatorRefusal(RefusalCode.NO_CUSTOMER, customer="بعيد")
    assert "There is no customer \u2068بعيد\u2069." == in_language("en").refusal(refused)
    assert "There is no customer بعيد." == ENGLISH.refusal(refused)
