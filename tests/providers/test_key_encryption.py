"""Keys of providers at rest."""

import pytest
from tests.panel import PEPPER

from opensmm.base.ids import ProviderId
from opensmm.providers.key_encryption import UnreadableKey, seal, unseal

SEVEN = ProviderId(7)
URL, KEY = "https://panel.example/api/v2", "0123456789abcdef0123456789abcdef"


def test_a_sealed_key_opens_and_is_sealed_differently_each_time():
    first, second = seal(PEPPER, SEVEN, URL, KEY), seal(PEPPER, SEVEN, URL, KEY)
    assert KEY == unseal(PEPPER, SEVEN, URL, first) == unseal(PEPPER, SEVEN, "https://panel.example/other", second)
    assert first != second
    assert KEY.encode() not in first


@pytest.mark.parametrize(
    ("pepper", "provider", "url", "change"),
    [
        (PEPPER + b"x", 7, URL, lambda kept: kept),
        (PEPPER, 8, URL, lambda kept: kept),
        (PEPPER, 7, "https://evil.example/api/v2", lambda kept: kept),
        (PEPPER, 7, "http://panel.example/api/v2", lambda kept: kept),
        (PEPPER, 7, URL, lambda kept: kept[:-1] + bytes([kept[-1] ^ 1])),
        (PEPPER, 7, URL, lambda kept: b"\x02" + kept[1:]),
        (PEPPER, 7, URL, lambda kept: kept[:9]),
        (PEPPER, 7, URL, lambda kept: b""),
    ],
)
def test_a_key_opens_only_where_it_was_sealed_for(pepper, provider, url, change):
    with pytest.raises(UnreadableKey):
        unseal(pepper, ProviderId(provider), url, change(seal(PEPPER, SEVEN, URL, KEY)))
