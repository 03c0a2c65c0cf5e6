"""Faults of calls outlive being stored, old prose stays as it is, and no provider's words pass for a fault."""

import pytest

from opensmm.domain.call_faults import CallCode, CallFault, shortened
from opensmm.domain.price_sync import DoubtCode, ListDoubt
from opensmm.store import call_faults, list_doubts

FAULT = CallFault(CallCode.HTTP_STATUS, {"status": 502, "words": 'down "now"'})


@pytest.mark.parametrize("answer", [FAULT, CallFault(CallCode.CLOSED), "Not enough funds", "", '{"order": 7}'])
def test_an_answer_is_read_as_it_was_written(answer):
    assert answer == call_faults.decode(call_faults.encode(answer))


@pytest.mark.parametrize(
    "stored",
    ["not sent: no route to host", '{"fault":"of another release"}', '{"fault":[]}', '{"fault":', '{"order":7}'],
)
def test_what_is_no_fault_that_is_known_stays_the_text_that_it_is(stored):
    assert stored == call_faults.decode(stored)


def test_words_of_a_provider_never_pass_for_a_fault():
    forged = call_faults.encode(FAULT)
    assert isinstance(call_faults.decode(call_faults.encode(forged)), str)


def test_the_texts_of_a_fault_are_shortened_and_its_numbers_stay():
    assert CallFault(CallCode.HTTP_STATUS, {"status": 502, "words": "down"}) == shortened(FAULT, 4)
    assert "Not" == shortened("Not enough funds", 3)


@pytest.mark.parametrize(
    "doubt", [ListDoubt(DoubtCode.EMPTY), ListDoubt(DoubtCode.LACKS_SERVICES, {"lost": 2, "fulfilled": 3})]
)
def test_a_doubt_is_read_as_it_was_written(doubt):
    assert doubt == list_doubts.decode(list_doubts.encode(doubt))


@pytest.mark.parametrize("stored", ["", "its price list is empty", "7", '{"code":"of another release"}'])
def test_why_a_list_was_not_taken_over_stays_as_older_releases_told_it(stored):
    assert stored == list_doubts.decode(stored)
