"""What is said of subscriptions and of the orders made for their posts: read leniently, and written by us."""

import json

import pytest
from tests.wire.test_provider_answers import reports

from opensmm.base.ids import OrderId
from opensmm.base.money import Money
from opensmm.domain.order_views import ExtendedStatus, OrderView
from opensmm.domain.orders import OrderStatus
from opensmm.domain.requests import many_ids, one_id
from opensmm.domain.subscriptions import MOST_LISTED, SubscriptionReport
from opensmm.wire import provider_answers
from opensmm.wire.provider_answers import read_watched
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2


def read_reports(answer):
    read_reports = read_watched(one_id(7), json.dumps(answer).encode())
    return [one if isinstance(one, SubscriptionReport) else None for one in read_reports]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("Active", OrderStatus.IN_PROGRESS),
        ("ACTIVE ", OrderStatus.IN_PROGRESS),
        ("In progress", OrderStatus.IN_PROGRESS),
        ("Paused", OrderStatus.PROCESSING),
        ("Expired", OrderStatus.COMPLETED),
        ("Completed", OrderStatus.COMPLETED),
        ("Cancelled", OrderStatus.CANCELED),
    ],
)
def test_a_subscriptions_own_words_are_known(word, status):
    assert [SubscriptionReport(status)] == read_reports({"status": word, "expiry": "", "posts": "3"})


@pytest.mark.parametrize("word", ["Active", "Paused", "Expired"])
def test_of_an_ordinary_order_they_say_nothing(word):
    assert [None] == reports(one_id(7), json.dumps({"status": word, "remains": "0"}).encode())


@pytest.mark.parametrize(
    ("orders", "read"),
    [
        (["8", 9, " 8 "], ("8", "9")),
        ("8, 9,,", ("8", "9")),
        ([{"order": 8}, {"id": "9"}], ("8", "9")),
        ({"1": {"order": 8}}, ("8",)),
        ([0, "", None, True, "a b", -1, [7], "<b>"], ()),
        (None, ()),
        (7, ("7",)),
        ([], ()),
    ],
)
def test_the_orders_of_posts_are_read_in_any_form(orders, read):
    assert [SubscriptionReport(OrderStatus.IN_PROGRESS, orders=read)] == read_reports(
        {"status": "Active", "orders": orders}
    )


def test_an_answer_that_names_another_order_says_nothing():
    assert [None] == read_reports({"status": "Active", "order": 8, "orders": ["9"]})


def test_of_too_many_orders_the_newest_are_read():
    (watched,) = read_reports({"status": "Active", "orders": list(range(1, 5000))})
    assert (MOST_LISTED, "4999") == (len(watched.orders), watched.orders[-1])


@pytest.mark.parametrize("answer", [None, [], {}, {"error": "Incorrect order ID"}, {"status": "Odd"}, {"status": None}])
def test_what_is_not_understood_is_no_news(answer):
    assert [None] == read_reports(answer)


@pytest.mark.parametrize("dialect", [V1, V2])
def test_what_we_write_is_read_as_it_was_meant(dialect):
    subscription = OrderView(
        OrderId(7), OrderStatus.IN_PROGRESS, Money(0), 0, 0, "USD", ExtendedStatus(0, "them", (OrderId(8), OrderId(9)))
    )
    post = OrderView(OrderId(8), OrderStatus.PENDING, Money(900), 0, 10, "USD", ExtendedStatus(10, 'https://x/"', None))
    body = dialect.write_statuses(many_ids((7, 8)), [subscription, post])
    assert "orders" not in json.loads(body)["8"]
    first, second = provider_answers.read_watched(many_ids((7, 8)), body)
    assert isinstance(first, SubscriptionReport)
    assert isinstance(second, SubscriptionReport)
    shown = (first.status, first.remains, first.quantity, first.link, first.orders)
    assert (OrderStatus.IN_PROGRESS, 0, 0, "them", ("8", "9")) == shown
    assert second is not None
    assert ('https://x/"', 10, OrderStatus.PENDING) == (second.link, second.quantity, second.status)


@pytest.mark.parametrize("dialect", [V1, V2])
def test_the_documented_answer_has_no_key_more(dialect):
    view = OrderView(OrderId(7), OrderStatus.IN_PROGRESS, Money(0), 0, 0, "USD")
    assert {"quantity", "link", "orders"}.isdisjoint(json.loads(dialect.write_statuses(one_id(7), [view])))
