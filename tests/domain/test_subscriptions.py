"""Subscriptions: the parameters in the order of the page."""

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from opensmm.base.ids import ServiceId
from opensmm.domain.catalogue import Service, ServiceType
from opensmm.domain.request_refusals import Refusal, Refused
from opensmm.domain.requests import MALFORMED, TypeDetails
from opensmm.domain.subscription_parameters import DELAYS_MIN, check

TODAY = date(2026, 3, 1)
SERVICE = Service(ServiceId(1), "Likes", ServiceType.SUBSCRIPTIONS, "Posts", Decimal("0.90"), min=50, max=1000)
GOOD = TypeDetails(username="them", min=50, max=1000, delay=0)


def parameter(name):
    return Refused(Refusal.PARAMETER, name)


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"posts": 0},
        {"posts": 7},
        {"old_posts": 3},
        {"expiry": date(2026, 3, 2)},
        {"min": 1000},
        {"max": 50},
        *({"delay": minutes} for minutes in (0, 5, 10, 15, 30, 60, 90, 20, 300, 600)),
    ],
)
def test_a_good_subscription_is_taken(other):
    assert None is check(msgspec.structs.replace(GOOD, **other), SERVICE, TODAY)


@pytest.mark.parametrize(
    ("other", "refused"),
    [
        ({"username": ""}, parameter("username")),
        ({"min": None}, parameter("min")),
        ({"min": MALFORMED}, parameter("min")),
        ({"max": None}, parameter("max")),
        ({"max": MALFORMED}, parameter("max")),
        ({"min": 100, "max": 99}, parameter("max")),
        ({"min": 49}, Refused(Refusal.QUANTITY_TOO_LOW, 50)),
        ({"min": 0}, Refused(Refusal.QUANTITY_TOO_LOW, 50)),
        ({"max": 1001}, Refused(Refusal.QUANTITY_TOO_HIGH, 1000)),
        ({"posts": MALFORMED}, parameter("posts")),
        ({"old_posts": MALFORMED}, parameter("old_posts")),
        ({"delay": 7}, parameter("delay")),
        ({"delay": MALFORMED}, parameter("delay")),
        ({"expiry": TODAY}, parameter("expiry")),
        ({"expiry": date(2026, 2, 28)}, parameter("expiry")),
        ({"expiry": date.min}, parameter("expiry")),
    ],
)
def test_a_bad_subscription_is_refused_by_the_parameter_at_fault(other, refused):
    assert refused == check(msgspec.structs.replace(GOOD, **other), SERVICE, TODAY)


def test_of_several_faults_the_first_on_the_page_is_told():
    fields = ("username", "min", "max", "posts", "old_posts", "delay", "expiry")
    bad = TypeDetails(
        min=MALFORMED, max=MALFORMED, posts=MALFORMED, old_posts=MALFORMED, delay=MALFORMED, expiry=date.min
    )
    good = {"username": "them", "min": 50, "max": 60, "posts": 1, "old_posts": 1, "delay": 5, "expiry": None}
    details = []
    for name in fields:
        refused = check(bad, SERVICE, TODAY)
        details.append(refused and refused.detail)
        bad = msgspec.structs.replace(bad, **{name: good[name]})
    assert list(fields) == details
    assert None is check(bad, SERVICE, TODAY)


def test_the_page_and_the_trade_agree_on_the_delays():
    assert {0, 5, 10, 15, 30, 60, 90} < DELAYS_MIN
    assert (20, 600) == (min(DELAYS_MIN - {0, 5, 10, 15}), max(DELAYS_MIN))
