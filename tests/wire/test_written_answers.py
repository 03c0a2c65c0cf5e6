"""Answers as we write them, beyond the published samples."""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from opensmm.base.ids import OrderId, RefillId, ServiceId
from opensmm.base.money import Money
from opensmm.domain.catalogue import DeliveryMethod, Service, ServiceType
from opensmm.domain.order_views import ListedOrder, OrderView
from opensmm.domain.orders import OrderStatus
from opensmm.domain.request_refusals import UNKNOWN_ORDER, Refusal, Refused
from opensmm.domain.requests import MALFORMED, RequestedIds, many_ids, one_id
from opensmm.wire.dialect import Dialect
from opensmm.wire.messages import LOWER_CASE_STATUS, TITLE_CASE_STATUS
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2

both = pytest.mark.parametrize("dialect", [V1, V2], ids=["v1", "v2"])
MIXED = RequestedIds(('x"y', "007"), (MALFORMED, 7), many=True)


def view(status: OrderStatus = OrderStatus.PARTIAL, charge: int = 27811) -> OrderView:
    return OrderView(OrderId(7), status, Money(charge), 3, 157, "USD")


@pytest.mark.parametrize("status", OrderStatus)
def test_statuses_are_in_the_words_of_each_dialect(status: OrderStatus) -> None:
    def word(answer: bytes) -> str:
        return str(json.loads(answer)["status"])

    assert TITLE_CASE_STATUS[status] == word(V2.write_statuses(one_id(7), [view(status)]))
    assert LOWER_CASE_STATUS[status] == word(V1.write_statuses(one_id(7), [view(status)]))
    assert TITLE_CASE_STATUS[status] == word(V1.write_statuses(one_id(7), [view(status)], title_case=True))


def test_v1_tells_what_remains_once_there_is_progress() -> None:
    def remains(status: OrderStatus) -> str:
        return str(json.loads(V1.write_statuses(one_id(7), [view(status)]))["remains"])

    untold = {OrderStatus.PENDING, OrderStatus.PROCESSING}
    assert {"0" if status in untold else "157" for status in OrderStatus} == {remains(s) for s in OrderStatus}
    assert "0" == remains(OrderStatus.PENDING) == remains(OrderStatus.PROCESSING)
    assert "157" == remains(OrderStatus.PARTIAL)


def test_v1_rounds_a_charge_up() -> None:
    assert "0.2782" == json.loads(V1.write_statuses(one_id(7), [view(charge=27811)]))["charge"]
    assert "0.27811" == json.loads(V2.write_statuses(one_id(7), [view(charge=27811)]))["charge"]


@both
def test_an_unknown_single_order_is_the_whole_answer(dialect: Dialect) -> None:
    refused = b'{"error":"Incorrect order ID"}'
    assert refused == dialect.write_statuses(one_id(1), [UNKNOWN_ORDER])
    assert refused == dialect.write_refills(one_id(1), [UNKNOWN_ORDER])
    assert b'{"error":"Refill not found"}' == dialect.write_refill_statuses(
        one_id(1), [Refused(Refusal.REFILL_UNKNOWN)]
    )


def test_a_list_of_nothing_but_bad_ids_is_still_an_object() -> None:
    assert b'{"1":{"error":"Incorrect order ID"}}' == V2.write_statuses(many_ids((1,)), [UNKNOWN_ORDER])
    assert b'{"1":"Incorrect order ID"}' == V1.write_statuses(many_ids((1,)), [UNKNOWN_ORDER])


@both
def test_keys_echo_the_ids_as_the_caller_wrote_them(dialect: Dialect) -> None:
    answer = json.loads(dialect.write_statuses(MIXED, [UNKNOWN_ORDER, view()]))
    assert ['x"y', "007"] == list(answer)


@both
def test_arrays_name_ids_as_numbers_and_echo_a_malformed_one_as_text(dialect: Dialect) -> None:
    assert (
        rb'[{"order":"x\"y","refill":{"error":"Incorrect order ID"}},{"order":7,"refill":70}]'
        == dialect.write_refills(MIXED, [UNKNOWN_ORDER, RefillId(70)])
    )


@both
def test_a_cancel_is_always_an_array(dialect: Dialect) -> None:
    assert b'[{"order":5,"cancel":1}]' == dialect.write_cancels(one_id(5), [None])
    assert b'[{"order":5,"cancel":{"error":"Order cannot be canceled"}}]' == dialect.write_cancels(
        one_id(5), [Refused(Refusal.NOT_CANCELABLE)]
    )


def test_empty_lists_of_services() -> None:
    assert b"[]" == V2.write_services([])
    assert b'{"status":"success","data":"Empty Data"}' == V1.write_services([])


def test_extended_services_tell_more() -> None:
    service = Service(
        ServiceId(1),
        'Likes "fast" </script>',
        ServiceType.SEO,
        "فئة",
        Decimal("1"),
        1,
        2,
        dripfeed=True,
        description="line\nline",
        average_time_min=90,
        delivery_method=DeliveryMethod.PAID_ADS,
    )
    plain = json.loads(V2.write_service(service, Decimal("0.90"), False))
    more = json.loads(V2.write_service(service, Decimal("1E-7"), True))
    assert "0.90" == plain["rate"]
    assert "0.0000001" == more["rate"]
    assert {**plain, "rate": "0.0000001", "dripfeed": True, "desc": "line\nline", "average_time": 90} | {
        "delivery_method": "paid_ads"
    } == more
    assert [*plain, "dripfeed", "desc", "average_time", "delivery_method"] == list(more)
    plain_v1 = json.loads(V1.write_service(service, Decimal("0.90"), False))
    assert [*plain_v1, "average_time", "delivery_method"] == list(
        json.loads(V1.write_service(service, Decimal(1), True))
    )
    assert "seo" == plain_v1["type"]


def test_the_listing_of_orders_has_ten_keys() -> None:
    created = datetime(2026, 11, 21, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=3)))
    listed = ListedOrder(view(OrderStatus.PENDING), 12, 'https://a.example/"', 1000, created)
    assert (
        rb'[{"order":7,"service":12,"link":"https://a.example/\"","quantity":"1000","charge":"0.27811",'
        rb'"start_count":"3","status":"Pending","remains":"157","currency":"USD","created":"2026-11-21T00:04:05Z"}]'
        == V2.write_order_list([listed])
    )
    (in_v1,) = json.loads(V1.write_order_list([listed]))
    assert ("0.2782", "pending", "0") == (in_v1["charge"], in_v1["status"], in_v1["remains"])
    assert "Pending" == json.loads(V1.write_order_list([listed], title_case=True))[0]["status"]
    assert b"[]" == V1.write_order_list([]) == V2.write_order_list([])
