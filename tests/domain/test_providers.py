"""Providers: which addresses are called, and how long a balance lasts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address

import pytest

from opensmm.base.ids import ProviderId
from opensmm.domain.providers import BalanceReading, hours_left, is_public, origin, url_fault
from opensmm.domain.routes import RouteTo, cheapest_first

START = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_the_public_internet_is_public(address):
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "198.18.0.1", "192.0.2.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
        "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
        "fec0::1", "feff:ffff::1", "64:ff9b:1::1.1.1.1", "64:ff9b:1:ffff::101:101", "64:ff9b:1:7f00:0:100::",
    ],
)  # fmt: skip
def test_everything_else_is_not(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "https://panel.example/api/v2", "https://panel.example:8443/api.php?route=v2", "https://1.1.1.1/api",
        "https://" + "a" * 63 + ".example/", "https://x.y-z.example./",
    ],
)  # fmt: skip
def test_an_address_of_a_panel(url):
    assert url_fault(url, private=False) is None


@pytest.mark.parametrize(
    "url",
    [
        "", "panel.example/api/v2", "http://panel.example/api/v2", "ftp://panel.example/", "file:///etc/passwd",
        "https://", "https:///api", "https://me:secret@panel.example/", "https://me@panel.example/",
        "https://panel.example/#x", "https://panel.example/api?key=abc", "https://panel.example/api?KEY=abc",
        "https://panel.example:99999/", "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/",
        "https://2130706433/", "https://127.1/", "https://0x7f.1/", "https://0x7f000001/", "https://panel example/",
        "https://[fe80::1%25eth0]/", "https://pänel.example/", "https://panel.example/\n", "https://a..b/",
        "https://" + "a" * 500 + ".example/", "https://" + "a" * 64 + ".example/", "https://panel." + "a" * 64 + "/",
    ],
)  # fmt: skip
def test_an_address_that_is_refused(url):
    assert url_fault(url, private=False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8765/api/v2", "http://localhost/api/v1", "https://[::1]/"])
def test_private_addresses_are_taken_where_the_setting_allows_them(url):
    assert url_fault(url, private=True) is None
    assert url_fault(url, private=False) or url.startswith("https://localhost")


def test_a_key_is_bound_to_scheme_host_and_port():
    assert "https://panel.example:443" == origin("https://Panel.example/api/v2?x=1")
    assert origin("https://panel.example/a") != origin("http://panel.example/a")


def readings(*balances, every_h=1):
    return [BalanceReading(START + timedelta(hours=at * every_h), Decimal(text)) for at, text in enumerate(balances)]


@pytest.mark.parametrize(
    ("rows", "hours"),
    [
        (readings("100", "90", "80"), Decimal("8.0")),
        (readings("100", "90", "190", "180"), Decimal("27.0")),
        (readings("10", "5", "0"), Decimal("0.0")),
        (readings("5", "-5"), Decimal("0.0")),
        (readings("100", "100"), None),
        (readings("100", "110"), None),
        (readings("100"), None),
        ([], None),
        ([BalanceReading(START, Decimal(9)), BalanceReading(START + timedelta(minutes=29), Decimal(1))], None),
    ],
)
def test_hours_are_reckoned_from_the_falls_alone(rows, hours):
    assert hours == hours_left(rows, rows[-1].at if rows else START)


@pytest.mark.parametrize(("later_h", "hours"), [(-1, "25.0"), (0, "25.0"), (20, "5.0"), (25, "0.0"), (90, "0.0")])
def test_hours_run_down_from_when_the_balance_was_read(later_h, hours):
    series = readings("26", "25")
    assert Decimal(hours) == hours_left(series, series[-1].at + timedelta(hours=later_h))


def test_routes_of_unknown_cost_come_last():
    first, two, three = [RouteTo(ProviderId(at), "7") for at in (1, 2, 3)]
    assert [three, two, first] == cheapest_first([first, two, three], {two: Decimal("0.5"), three: Decimal("0.4")})
