"""What error texts prove, in the words of real panels, of programs that break down, and in our own."""

import pytest

from opensmm.domain.error_texts import means_refusal, means_unknown_order
from opensmm.wire.words import V1_REFUSAL, V2_REFUSAL


@pytest.mark.parametrize(
    "words",
    [
        "Not enough funds on balance",
        "neworder.error.not_enough_funds not enough",
        "Incorrect service ID",
        "INVALID API KEY",
        "Quantity less than minimal 50",
        "You have active order with this link. Please wait until order being completed.",
        "This service is disabled",
        "Bad link",
    ],
)
def test_words_that_mean_refusal_prove_that_nothing_was_bought(words):
    assert means_refusal(words)


FAULTS = [
    "Maximum execution time of 30 seconds exceeded",
    "cURL error 28: Operation timed out after more than 30000 ms",
    "SQLSTATE[23000]: Integrity constraint violation: Duplicate entry '5' for key",
    "Class App\\X not found",
    "Missing argument 2 for Order::add()",
    "Undefined index: required on line 7",
    "Gateway timeout: upstream maximum response time",
    "Deadlock found: incorrect state",
    "Your order has been placed, duplicate submissions are not allowed",
    "Internal error: invalid state",
    "Connection not available",
]


@pytest.mark.parametrize(
    "words", ["", "Temporarily unavailable", "Internal error", "try again later", "Timeout", "??", *FAULTS]
)
def test_other_words_prove_nothing(words):
    assert not means_refusal(words)


@pytest.mark.parametrize("refusals", [V1_REFUSAL, V2_REFUSAL], ids=["v1", "v2"])
def test_the_refusals_of_a_panel_like_ours_of_an_add_are_understood(refusals):
    unclear = {
        why.name for why, text in refusals.items() if not means_refusal(text.format(detail=1, Detail="Comments"))
    }
    assert set() == unclear - {
        "IDEMPOTENCY_MISMATCH",
        "TOO_MANY_IDS", "REFILL_TOO_EARLY", "REFILL_OPEN", "REFILL_NOT_COMPLETED", "NOT_CANCELABLE",
    }  # fmt: skip


@pytest.mark.parametrize("refusals", [V1_REFUSAL, V2_REFUSAL], ids=["v1", "v2"])
def test_only_the_words_for_an_unknown_order_are_taken_for_them(refusals):
    unknown = {why.name for why, text in refusals.items() if means_unknown_order(text.format(detail=1, Detail="x"))}
    assert {"ORDER_UNKNOWN"} == unknown - {"ORDER_MISSING"}


@pytest.mark.parametrize("words", ["Incorrect order ID", "incorrect order", "Order not found", "Order doesn't exist"])
def test_panels_say_it_in_several_ways(words):
    assert means_unknown_order(words)


@pytest.mark.parametrize("words", ["", "Invalid API key", "Incorrect request", "Too many requests", "error", "order"])
def test_other_words_do_not_say_that_an_order_is_unknown(words):
    assert not means_unknown_order(words)
