"""Answers that say two things at once, or say one behind another: nothing is proved by them, and nothing is news."""

import pytest
from tests.wire.test_provider_answers import refill_statuses, refills, reports

from opensmm.domain.call_faults import CallCode, CallFault
from opensmm.domain.dispatch import Accepted, Declined, Deferred, Unsure
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import StatusReport
from opensmm.domain.requests import many_ids, one_id
from opensmm.domain.subscriptions import SubscriptionReport
from opensmm.wire import provider_answers


def watched(ids, body):
    return [one if isinstance(one, SubscriptionReport) else None for one in provider_answers.read_watched(ids, body)]


REFUSED = b'{"error":"Incorrect service ID"}'
DONE = StatusReport(OrderStatus.COMPLETED)


@pytest.mark.parametrize(
    "before",
    [
        b'Notice: x\n{"order":123}\n',
        b'<b>Notice</b>: x in /a.php on line 3<br />\n{ "order" : 123 }\n',
        b'Warning: a {"order":23501,"cha\n',
        b'Warning: a [{"order":23501}]\n',
        b'x {"id":5} ',
        b"x {'order': 23501}\n",
        b'Warning: "order"=>23501\n',
        b'"{\\"order\\":23501}"\n',
        b"&quot;order&quot;:23501\n",
        b"Array ( [order] => 23501 )\n",
        b"Order #23501 was placed<br>",
        b"order_id=23501\n",
    ],
)
@pytest.mark.parametrize("last", [REFUSED, b'{"error":"Too many requests"}', b'{"order":6}'])
def test_what_may_be_an_acceptance_before_the_last_words_leaves_an_order_unsure(before, last):
    assert isinstance(provider_answers.read_order(before + last), Unsure)
    assert isinstance(provider_answers.read_client_error(before + last), Unsure)


@pytest.mark.parametrize(
    "before",
    [
        b"Notice: Undefined index: order in /order.php on line 3\n",
        b"Warning: Array to string conversion in a[0] {b} []\n",
        b"<html><style>.order { color: red }</style></html>",
    ],
)
def test_a_notice_that_holds_no_acceptance_is_looked_behind(before):
    assert Declined("Incorrect service ID") == provider_answers.read_order(before + REFUSED)
    assert Accepted("5", (before + b'{"order":5}').decode()) == provider_answers.read_order(before + b'{"order":5}')


@pytest.mark.parametrize(
    "answer",
    [
        '"order":5,"order":6',
        '"order":null,"order":6',
        '"order":0,"order":null',
        '"order":true',
        '"order_id":23501',
        '"Order":"23501"',
        '"orderId":{"id":1}',
        '"new_order":7',
        '"id":23501',
        '"status":"success"',
        '"status":"success","data":{"order":23501}',
        '"data":{"order":23501}',
        '"data":[23501]',
        '"data":1,"data":2',
        '"status":true',
        '"Status":"OK"',
        '"status":"Pending"',
        '"success":1',
        '"status":"fail","status":"success"',
        '"errors":{"order":23501}',
        '"errors":[{"details":{"order_id":"23501"}}]',
    ],
)
@pytest.mark.parametrize("words", ["Incorrect", "Bad link", "Too many requests"])
def test_words_of_refusal_beside_what_may_be_an_order_prove_nothing(answer, words):
    assert isinstance(provider_answers.read_order(f'{{{answer},"error":"{words}"}}'.encode()), Unsure)
    assert isinstance(provider_answers.read_order(f'{{"error":"{words}",{answer}}}'.encode()), Unsure)


@pytest.mark.parametrize(
    "answer",
    [
        '"order":null',
        '"order":false',
        '"order":""',
        '"order":0,"order":0',
        '"order_id":0,"id":null,"orders":[],"data":{}',
        '"status":"fail","success":false,"code":1',
        '"status":"error","message":"no","link":"https://example.com/me","quantity":100',
    ],
)
def test_what_cannot_be_an_order_takes_nothing_from_a_refusal(answer):
    assert Declined("Bad link") == provider_answers.read_order(f'{{{answer},"error":"Bad link"}}'.encode())
    put_off = Deferred(CallFault(CallCode.PUT_OFF, {"words": "slow down"}), "slow down")
    assert put_off == provider_answers.read_order(f'{{{answer},"error":"slow down"}}'.encode())


def test_a_refusal_may_name_the_field_it_is_about():
    body = b'{"errors":{"order":["The order is invalid"],"link":["Bad link"]}}'
    assert Declined("The order is invalid; Bad link") == provider_answers.read_order(body)


@pytest.mark.parametrize("error", ['"error":null,"error":"x"', '"errors":[],"errors":["x"]'])
def test_an_error_that_is_there_twice_puts_the_whole_object_in_doubt(error):
    assert isinstance(provider_answers.read_order(f'{{"order":5,{error}}}'.encode()), Unsure)
    assert [None] == reports(one_id(7), f'{{"7":{{"status":"Completed",{error}}}}}'.encode())
    assert [None] == refills(one_id(7), f'[{{"order":7,"refill":5,{error}}}]'.encode())
    assert [False] == provider_answers.read_cancels(one_id(7), f'{{"cancel":1,{error}}}'.encode())
    assert provider_answers.read_balance(f'{{"balance":1,{error}}}'.encode()) is None


@pytest.mark.parametrize(
    "body",
    [
        b'Notice: {"7":{"status":"Completed"}}\n{"7":{"status":"Canceled","charge":"0"}}',
        b'Notice: x\n{"7":{"status":"Completed"}}\n{"7":{"status":"Canceled","charge":"0"}}',
        b'Notice: x {"7":{"status":"Compl\n[{"order":7,"status":"Canceled"}]',
    ],
)
def test_of_two_answers_behind_each_other_neither_is_news(body):
    assert [None] == reports(one_id(7), body)


def test_a_notice_about_a_missing_order_takes_no_news_away():
    body = b'Warning: Undefined array key "order" in /a.php\n{"7":{"status":"Completed"}}'
    assert [DONE, None] == reports(many_ids((7, 8)), body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"101":{"order":"102","status":"Completed"},"102":{"order":"101","status":"Canceled"}}',
        b'{"data":{"101":{"order":102,"status":"Completed"},"102":{"order":101,"status":"Canceled"}}}',
        b'{"101":{"order":"7","status":"Completed"},"102":{"order":"a","status":"Completed"}}',
        b'{"101":{"order":101,"order":102,"status":"Completed"}}',
        b'{"101":{"order":102,"status":"Completed"},"0101":{"order":101,"status":"Completed"}}',
    ],
)
def test_a_line_under_one_id_that_names_another_is_news_of_neither(body):
    both = many_ids((101, 102))
    assert [None, None] == reports(both, body) == provider_answers.read_look_ups(both, body)
    assert [None, None] == watched(both, body)


def test_the_index_of_an_array_is_no_orders_id():
    body = b'{"0":{"order":7,"status":"Completed"},"1":{"order":8,"status":"Canceled"}}'
    assert [None] == reports(one_id(1), body)
    assert ["5", None] == refills(many_ids((2, 1)), b'{"1":{"order":7,"refill":6},"2":{"refill":5}}')
    assert [False] == provider_answers.read_cancels(one_id(1), b'{"1":{"order":7,"cancel":1}}')
    assert [None] == refill_statuses(one_id(1), b'{"1":{"refill":7,"status":"Completed"}}')


@pytest.mark.parametrize("own", ['"order":"0101"', '"order":101.0', '"order":null', '"id":7', '"order":101,"id":7'])
def test_a_line_that_names_the_id_it_stands_under_is_news(own):
    assert [DONE, None] == reports(many_ids((101, 102)), f'{{"101":{{{own},"status":"Completed"}}}}'.encode())


def test_a_bare_answer_that_names_two_orders_is_news_of_none():
    body = b'{"order":7,"order":8,"status":"Completed"}'
    assert [None] == reports(one_id(7), body)
    assert [None] == watched(one_id(7), body)
