"""What providers answer to asks for refills and cancels: a refusal is one that lasts."""

import pytest
from tests.wire.test_provider_answers import refill_statuses, refills

from opensmm.domain.dispatch import Declined
from opensmm.domain.refills import RefillStatus
from opensmm.domain.requests import many_ids, one_id
from opensmm.wire import provider_answers


def test_refills_are_read() -> None:
    refused = b'{"order": 2, "refill": {"error": "Incorrect order ID"}}'
    body = b'[{"order": 1, "refill": 70}, %b, {"order": 3, "refill": 0}]' % refused
    assert ["70", Declined("Incorrect order ID"), None, None] == refills(many_ids((1, 2, 3, 4)), body)
    assert ["70"] == refills(one_id(1), b'{"refill": "70"}')
    assert [Declined("The order is not completed")] == refills(one_id(1), b'{"error": "The order is not completed"}')
    assert [None] == refills(one_id(1), b"<html>")


PASSING = (
    "Too many requests", "rate limit exceeded", "Site is under maintenance", "Temporarily unavailable",
    "Invalid API key", "Maximum execution time of 30 seconds exceeded",
)  # fmt: skip
UNDER_WAY = (
    "The refill task is not completed for this order",
    "Refill already requested",
    "refill request is in progress",
)


@pytest.mark.parametrize("words", [*PASSING, *UNDER_WAY])
def test_a_refill_is_not_refused_by_what_passes_nor_by_its_being_under_way(words: str) -> None:
    assert [None] == refills(one_id(1), b'{"error": "%b"}' % words.encode())


@pytest.mark.parametrize("words", PASSING)
def test_a_cancel_is_not_refused_by_what_passes(words: str) -> None:
    assert [False] == provider_answers.read_cancels(one_id(1), b'{"error": "%b"}' % words.encode())


@pytest.mark.parametrize(
    ("words", "is_accepted"),
    [
        ("Cancel already requested", True),
        ("cancellation request was already sent", True),
        ("Order is already in progress", False),
        ("You cannot cancel already completed orders", False),
        ("cancel in progress orders is not possible", False),
    ],
)
def test_a_cancel_that_was_asked_for_before_is_asked_for(words: str, is_accepted: bool) -> None:
    assert [True if is_accepted else Declined(words)] == provider_answers.read_cancels(
        one_id(1), b'{"error": "%b"}' % words.encode()
    )


def test_refill_statuses_are_read() -> None:
    body = b'[{"refill": 1, "status": "In Progress"}, {"refill": "2", "status": {"error": "Refill not found"}}]'
    assert [RefillStatus.IN_PROGRESS, None, None] == refill_statuses(many_ids((1, 2, 3)), body)
    assert [RefillStatus.REJECTED] == refill_statuses(one_id(1), b'{"status": "rejected"}')
    assert [RefillStatus.CANCELED] == refill_statuses(one_id(1), b'{"status": "Cancelled"}')
    assert [None] == refill_statuses(one_id(1), b'{"error": "Refill not found"}')


def test_cancels_are_read() -> None:
    refused = b'{"order": 9, "cancel": {"error": "Incorrect order ID"}}'
    body = b'[%b, {"order": 2, "cancel": 1}, {"order": 3, "cancel": 0}]' % refused
    assert [True, Declined("Incorrect order ID"), False, False] == provider_answers.read_cancels(
        many_ids((2, 9, 3, 4)), body
    )
    assert [True] == provider_answers.read_cancels(one_id(2), b'{"cancel": true}')
    assert [Declined("Order cannot be canceled")] == provider_answers.read_cancels(
        one_id(2), b'{"error": "Order cannot be canceled"}'
    )
