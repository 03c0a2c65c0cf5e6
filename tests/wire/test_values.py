"""Single values in answers of providers: ids, numbers and balances."""

import json
from decimal import Decimal

import pytest
from tests.wire.test_provider_answers import reports

from opensmm.base.money import Money
from opensmm.domain.dispatch import Unsure
from opensmm.domain.ledger import BalanceView
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import StatusReport
from opensmm.domain.requests import RequestedIds, one_id
from opensmm.wire import provider_answers


def report(body: bytes) -> StatusReport | None:
    return reports(one_id(7), body)[0]


@pytest.mark.parametrize(
    "word", ["true", "Success", "ok", "ERROR", "null", "none", "not_found", "Pending", "duplicate"]
)
def test_words_that_are_no_ids_stay_in_doubt(word: str) -> None:
    assert isinstance(provider_answers.read_order(json.dumps({"status": "success", "order": word}).encode()), Unsure)


@pytest.mark.parametrize(
    "body",
    [
        '{"order_id": 7001}',
        '{"status": "success", "data": {"order": "7001"}}',
        '{"order": {"id": 7001}}',
        '[{"order": 7001}]',
        "[7001]",
        "7001",
        '"7001"',
    ],
)
def test_an_id_in_another_place_is_doubtful_and_shown(body: str) -> None:
    assert isinstance(provider_answers.read_order(body.encode()), Unsure)
    assert "7001" == provider_answers.guess_order_id(body)


@pytest.mark.parametrize(
    "body", ["", "time-out", "HTTP 502: <html>", '{"status": "success"}', "[1, 2]", '{"data": "ok"}']
)
def test_an_answer_without_an_id_looks_like_no_order(body: str) -> None:
    assert "" == provider_answers.guess_order_id(body)


def test_an_id_with_leading_zeros_is_the_same_id_without() -> None:
    padded = RequestedIds(("0007001",), (7001,), many=True)
    for key in ("0007001", "7001"):
        (single,) = provider_answers.read_statuses(padded, json.dumps({key: {"status": "Completed"}}).encode())
        assert StatusReport(OrderStatus.COMPLETED) == single


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0,900", "0.900"),
        ("0,050", "0.050"),
        ("0,90", "0.90"),
        ("12,5", "12.5"),
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("0.90000000000000002220446049250313080847263336181640625", "0.900000000000000023"),
        ("1e-30", "0.000000000000000001"),
        ("0." + "0" * 300 + "1", "0.000000000000000001"),
    ],
)
def test_a_charge_is_bounded_by_its_value_and_a_group_of_thousands_begins_with_no_zero(text: str, value: str) -> None:
    result = report(json.dumps({"status": "Completed", "charge": text}).encode())
    assert result is not None
    assert (Decimal(value), "") == (result.charge, result.unclear_charge)


@pytest.mark.parametrize("text", ["1,234", " 12,345 ", "999,000"])
def test_a_charge_with_one_comma_before_three_digits_is_left_open(text: str) -> None:
    result = report(json.dumps({"status": "Completed", "charge": text}).encode())
    assert result is not None
    assert (None, text.strip()) == (result.charge, result.unclear_charge)


@pytest.mark.parametrize(
    ("text", "report_", "charge", "currency"),
    [
        ("$0.05", "", "0.05", ""),
        ("0.05 €", "EUR", "0.05", "EUR"),
        ("R$ 0,05", "BRL", "0.05", "BRL"),
        ("0.05 usd", "", "0.05", "USD"),
        ("USD 1.234,50", "USD", "1234.50", "USD"),
    ],
)
def test_signs_and_codes_of_a_currency_beside_a_charge_are_read_past(
    text: str, report_: str, charge: str, currency: str
) -> None:
    result = report(json.dumps({"status": "Completed", "charge": text, "currency": report_}).encode())
    assert result is not None
    assert (Decimal(charge), currency, "") == (result.charge, result.currency, result.unclear_charge)


@pytest.mark.parametrize("text", ["0.05 EUR", "0.05/1k", "5 points", "$ 5 USD", "1e40", "$ 1..2"])
def test_a_charge_that_cannot_be_read_is_kept_in_its_words(text: str) -> None:
    result = report(json.dumps({"status": "Completed", "charge": text, "currency": "USD"}).encode())
    assert result is not None
    assert (None, text) == (result.charge, result.unclear_charge)


@pytest.mark.parametrize("text", ["n/a", "-", "40 units", "12.000", "1.5", "forty"])
def test_remains_that_cannot_be_read_are_kept_in_their_words(text: str) -> None:
    result = report(json.dumps({"status": "Canceled", "remains": text}).encode())
    assert result is not None
    assert (None, text) == (result.remains, result.unclear_remains)


@pytest.mark.parametrize("text", ["", " ", "null", "None", "undefined"])
def test_nothing_in_the_place_of_remains_is_nothing_said(text: str) -> None:
    result = report(json.dumps({"status": "Canceled", "remains": text}).encode())
    assert result is not None
    assert (None, "") == (result.remains, result.unclear_remains)


def test_a_balance_of_many_digits_is_rounded_down() -> None:
    balance = provider_answers.read_balance(b'{"balance": "0.0000999999999999999999999999", "currency": "USD"}')
    assert BalanceView(Money(9), "USD") == balance
