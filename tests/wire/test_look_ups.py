"""Whose order an id is: what an answer to ``status`` says of it, in either dialect, and what it leaves open."""

import pytest

from opensmm.domain.evidence import NotOurs
from opensmm.domain.orders import OrderStatus
from opensmm.domain.polling import StatusReport
from opensmm.domain.requests import many_ids
from opensmm.wire.provider_answers import read_look_ups

UNKNOWN = NotOurs("Incorrect order ID")


def read_bodies(body, *numbers):
    return [one.status if isinstance(one, StatusReport) else one for one in read_look_ups(many_ids(numbers), body)]


@pytest.mark.parametrize(
    "body",
    [
        b'{"1": {"status": "Pending"}, "2": {"error": "Incorrect order ID"}}',
        b'{"1": {"status": "pending"}, "2": "Incorrect order ID"}',
        b'[{"order": 2, "error": "Incorrect order ID"}, {"order": 1, "status": "Pending"}]',
        b'{"data": {"1": {"status": "Pending"}, "2": {"errors": ["Incorrect order ID"]}}}',
    ],
)
def test_an_order_of_ours_and_one_that_is_not_are_told_apart(body):
    assert [OrderStatus.PENDING, UNKNOWN] == read_bodies(body, 1, 2)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"<html>Incorrect order ID</html>", b'{"error": "Invalid API key"}',
        b'{"error": "Incorrect order ID"}', b'"Incorrect order ID"', b'{"1": {"error": "Try again later"}, "2": null}',
        b'{"1": {"status": "Odd"}, "2": {"status": "Pending", "error": "Incorrect order ID"}}',
        b'{"3": {"error": "Incorrect order ID"}}',
    ],
)  # fmt: skip
def test_anything_else_leaves_open_whose_an_order_is(body):
    assert [None, None] == read_bodies(body, 1, 2)


def test_one_order_may_be_answered_for_by_a_bare_object():
    assert [UNKNOWN] == read_bodies(b'{"error": "Incorrect order ID"}', 1)
    assert [None] == read_bodies(b'{"error": "Invalid API key"}', 1)
