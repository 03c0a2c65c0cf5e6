"""What counts as a link."""

import pytest

from opensmm.domain.links import MAX_LINK, acceptable


@pytest.mark.parametrize(
    "link",
    [
        "https://example.com/me",
        "http://example.com",
        "HTTPS://EXAMPLE.COM/ME",
        "example.com/me?tab=posts#top",
        "example.com:8080/x",
        "@name",
        "name",
        "tg://resolve?domain=name",
        "https://example.com/a:b",
        "example.com/?next=https://other.example.com/",
        "https://مثال.example/صفحة",
        "https://en.wikipedia.org/wiki/Rubik's_Cube",
        "https://example.com/" + "x" * (MAX_LINK - 20),
        "https://user@example.com/",
        "https://[2001:db8::1]/x",
    ],
)
def test_addresses_and_names_are_links(link):
    assert acceptable(link)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "mailto:me@example.com",
        "ftp://example.com/",
        "https:",
        "https://",
        "https:///",
        "https:example.com",
        "two words",
        "https://example.com/\nx",
        "https://example.com/\x00",
        "<script>",
        'https://example.com/"x',
        "https://example.com/`x",
        "https://example.com/{x}",
        "https://example.com/" + "x" * MAX_LINK,
    ],
)
def test_other_schemes_blanks_and_markup_are_no_links(link):
    assert not acceptable(link)
