"""Fields as a person reads them."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from msgspec import structs

from opensmm.base.ids import ServiceId
from opensmm.domain.catalogue import DeliveryMethod, Halt, RefillMode, Service, ServiceType
from opensmm.texts.english_fields import HALTS, METHODS, REFILL_MODES
from opensmm.texts.speech import ENGLISH

SERVICE = Service(ServiceId(1), "Likes", ServiceType.DEFAULT, "First", Decimal("0.90"), 1, 10, cancel=True)


def test_a_field_is_told_without_python_s_words():
    fields = {"has_key": True, "resting_until": None, "hours_left": None, "at": datetime(2026, 12, 1, tzinfo=UTC)}
    assert [
        "has key: yes",
        "paused until: none",
        "balance lasts (hours): unknown",
        "at: 2026-12-01 00:00:00 UTC",
    ] == ENGLISH.field_lines(fields).splitlines()
    assert "drip-feed: no → yes" == ENGLISH.field_change("dripfeed", False, True)
    assert "calls per second: no limit" == ENGLISH.field_lines({"calls_per_second": 0})
    assert "margin (per cent): none: you set the prices" == ENGLISH.field_lines({"margin": None})


@pytest.mark.parametrize(("words", "kind"), [(METHODS, DeliveryMethod), (REFILL_MODES, RefillMode)])
def test_ways_of_delivery_and_refill_have_words_also_in_the_audit_trail(words, kind):
    assert set(kind) == set(words)
    assert not any("_" in text for text in words.values())
    stated = ENGLISH.field_change("delivery_method", "undisclosed", "staff_work")
    assert "delivery method: undisclosed → staff work" == stated
    assert "refilled by: your staff" == ENGLISH.field_lines({"refill_mode": RefillMode.MANUAL})


@pytest.mark.parametrize("halt", Halt)
def test_a_service_that_is_halted_is_not_said_to_be_on_sale(halt):
    assert "on sale" == ENGLISH.sale_state(SERVICE)
    assert "off sale" == ENGLISH.sale_state(structs.replace(SERVICE, on_sale=False, halted=halt))
    assert f"not sold: {HALTS[halt]}" == ENGLISH.sale_state(structs.replace(SERVICE, halted=halt))


def test_what_customers_may_ask_is_told_in_words():
    assert "cancel" == ENGLISH.permitted_actions(SERVICE)
    assert "refill, cancel, drip-feed" == ENGLISH.permitted_actions(
        structs.replace(SERVICE, refill=True, dripfeed=True)
    )
