"""What error texts prove, in the words of programs that break down, and in our own. More stand in ``tests/corpus``."""

import pytest

from opensmm.domain.provider_errors import Meaning, meaning
from opensmm.domain.request_errors import means_unknown_order
from opensmm.wire.messages import V1_REFUSAL, V2_REFUSAL

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
    "Something went wrong, try again shortly",
]


@pytest.mark.parametrize("words", FAULTS)
def test_words_of_a_breakdown_outweigh_words_of_refusal(words):
    assert Meaning.FAULT is meaning(words)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("The link is invalid", Meaning.REFUSAL),
        ("The response is invalid", Meaning.FAULT),
        ("The credentials are invalid", Meaning.KEY),
        ("The deposit is invalid", Meaning.FUNDS),
        ("The number of requests is invalid", Meaning.PUT_OFF),
        ("The user is invalid", Meaning.UNKNOWN),
        ("Not Found", Meaning.UNKNOWN),
        ("Quantity must be at least 10", Meaning.REFUSAL),
        ("Wait at least 10 seconds", Meaning.PUT_OFF),
        ("Balance must be at least 10", Meaning.FUNDS),
    ],
)
def test_words_of_refusal_mean_what_they_are_about(words, meant):
    assert meant is meaning(words)


@pytest.mark.parametrize("words", ["", "try again later", "??", "order", "Duplicate", "5"])
def test_other_words_prove_nothing(words):
    assert Meaning.UNKNOWN is meaning(words)


ABOUT_US = {"UNKNOWN_KEY": Meaning.KEY, "SUSPENDED": Meaning.KEY, "ADDRESS": Meaning.KEY, "FUNDS": Meaning.FUNDS}
NOT_OF_AN_ADD = {
    "IDEMPOTENCY_MISMATCH", "TOO_MANY_IDS", "REFILL_TOO_EARLY", "REFILL_OPEN", "REFILL_NOT_COMPLETED", "REFILL_UNKNOWN",
    "REFILL_DISABLED", "NOT_CANCELABLE", "ORDER_MISSING", "ORDER_UNKNOWN",
}  # fmt: skip


@pytest.mark.parametrize("refusals", [V1_REFUSAL, V2_REFUSAL], ids=["v1", "v2"])
def test_the_refusals_of_a_panel_like_ours_of_an_add_are_understood(refusals):
    read = {why.name: meaning(text.format(detail="comments", Detail="Comments")) for why, text in refusals.items()}
    of_an_add = {name: meant for name, meant in read.items() if name not in NOT_OF_AN_ADD}
    assert {name: ABOUT_US.get(name, Meaning.REFUSAL) for name in of_an_add} == of_an_add


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
