"""The tables of words."""

import pytest

from opensmm.domain.catalogue import ServiceType
from opensmm.domain.orders import OrderStatus
from opensmm.domain.refills import RefillStatus
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.wire.dialect import TOO_LARGE, TOO_MANY, UNAVAILABLE
from opensmm.wire.messages import (
    LOWER_CASE_STATUS,
    REFILL_STATUS,
    TITLE_CASE_STATUS,
    V1_REFUSAL,
    V1_TYPE,
    V2_REFUSAL,
    service_type,
)
from opensmm.wire.v1 import V1
from opensmm.wire.v2 import V2


def test_every_member_has_its_word() -> None:
    assert set(Refusal) == set(V1_REFUSAL) == set(V2_REFUSAL)
    assert set(OrderStatus) == set(LOWER_CASE_STATUS) == set(TITLE_CASE_STATUS)
    assert set(RefillStatus) == set(REFILL_STATUS)
    assert set(ServiceType) == set(V1_TYPE)
    assert 17 == len(set(V1_TYPE.values()))


@pytest.mark.parametrize("kind", ServiceType)
def test_a_type_is_known_by_either_name_in_any_letter_case(kind: ServiceType) -> None:
    for word in (kind.value, kind.value.upper(), V1_TYPE[kind], V1_TYPE[kind].title()):
        assert kind is service_type(word)


def test_other_types_are_not_known() -> None:
    assert service_type("Telepathy") is None


def test_words_say_the_limit_or_the_name() -> None:
    low = Refused(Refusal.QUANTITY_TOO_LOW, 50)
    high = Refused(Refusal.QUANTITY_TOO_HIGH, 10000)
    comments = Refused(Refusal.PARAMETER, "comments")
    assert "Quantity less than minimal 50" == V2.refusal_text(low)
    assert "Quantity more than maximum 10000" == V2.refusal_text(high)
    assert "Incorrect comments" == V2.refusal_text(comments)
    assert "Quantity must to be greater than or equal to minimum amount 50" == V1.refusal_text(low)
    assert "Quantity must to be less than or equal to maximum amount 10000" == V1.refusal_text(high)
    assert "Comments field is required" == V1.refusal_text(comments)


@pytest.mark.parametrize("why", Refusal)
def test_a_refusal_is_one_key(why: Refusal) -> None:
    for dialect in (V1, V2):
        refused = Refused(why, 7)
        text = dialect.refusal_text(refused)
        assert "{" not in text
        assert f'{{"error":"{text}"}}'.encode() == dialect.write_refusal(refused)


def test_a_fault_of_the_moment_is_one_key() -> None:
    assert b'{"error":"Request too large"}' == TOO_LARGE
    assert b'{"error":"Too many requests"}' == TOO_MANY
    assert b'{"error":"Temporarily unavailable"}' == UNAVAILABLE
