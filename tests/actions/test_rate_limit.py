"""Counting by name within a span, in bounded memory that forgets nobody early."""

import pytest

from opensmm.actions import rate_limit
from opensmm.actions.rate_limit import RateExceeded, RateLimit, address_group, network


def is_limited(limit, name, now):
    try:
        limit.check(name, now)
    except RateExceeded:
        return True
    return False


def test_names_are_counted_each_by_itself_within_their_span():
    limit = RateLimit(2, 60.0)
    for at in (0, 1):
        limit.count("a", at)
    assert (True, False) == (is_limited(limit, "a", 59.9), is_limited(limit, "b", 2))
    assert not is_limited(limit, "a", 60.0)
    with pytest.raises(RateExceeded) as exceeded:
        limit.check("a", 2)
    assert 58 == exceeded.value.retry_after_s


def test_nobody_is_forgotten_while_others_fill_the_table(monkeypatch):
    monkeypatch.setattr(rate_limit, "MAX_NAMES", 4)
    limit = RateLimit(2, 60.0, address_group)
    for _ in range(2):
        limit.count("192.0.2.1", 0)
    for at in range(100):
        limit.count(f"198.51.{at}.1", 1)
    assert is_limited(limit, "192.0.2.1", 2), "who guesses from many addresses does not wash one clean"
    assert is_limited(limit, "198.51.200.200", 2), "newcomers of one network share a count"
    assert not is_limited(limit, "203.0.113.1", 2)
    assert not is_limited(limit, "203.0.113.1", 62), "and all is counted anew when the spans are over"
    limit.count("198.51.200.200", 62)
    assert not is_limited(limit, "198.51.200.200", 62)


def test_memory_is_bounded_whoever_asks(monkeypatch):
    monkeypatch.setattr(rate_limit, "MAX_NAMES", 10)
    limit = RateLimit(2, 60.0, address_group)
    for at in range(1000):
        limit.count(f"{at % 200 + 1}.{at % 250}.0.{at % 199}", at * 0.001)
    assert 21 >= len(limit._counts) + len(limit._groups)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_an_address_of_ipv6_counts_as_its_network(address, name):
    assert name == network(address)
